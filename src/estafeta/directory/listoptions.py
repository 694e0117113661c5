"""Options of lists as people type them: `post=members`, `max_bytes=5M`, `owners=ana@example.org,luis@example.org`."""

import difflib
from collections.abc import Mapping
from enum import StrEnum
from typing import get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.listvalues import ListOptions
from estafeta.directory.settings_fields import parse_list, parse_number, parse_switch


def with_options(options: ListOptions, typed: Mapping[str, str]) -> ListOptions:
    """`options` with those that are typed in place of what they were. EstafetaError INVALID."""
    values = options.model_dump()
    for name, text in typed.items():
        values[name] = _parse(name, text)
    try:
        return ListOptions.model_validate(values)
    except ValidationError as error:
        raise _explained(error) from None


def option_rows(options: ListOptions) -> list[tuple[str, str, str]]:
    """Name, value as it is typed, and meaning of each option."""
    values = options.model_dump(mode="json")
    return [(name, _spelled(values[name]), info.description or "") for name, info in ListOptions.model_fields.items()]


def _parse(name: str, text: str) -> object:
    info = ListOptions.model_fields.get(name)
    if info is None:
        near = difflib.get_close_matches(name, ListOptions.model_fields, n=1, cutoff=0.5)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        raise EstafetaError(Kind.INVALID, f"Lists have no option {name!r}{hint}.")
    kind = tuple if get_origin(info.annotation) is tuple else info.annotation
    try:
        if kind is bool:
            return parse_switch(text)
        if kind is int:
            return parse_number(text, name)
        if kind is tuple:
            return tuple(parse_list(text))
        return text.strip().lower() if _choices(info) else text
    except ValueError:
        raise EstafetaError(Kind.INVALID, f"The option {name} cannot be {text!r}: {info.description}") from None


def _choices(info: FieldInfo) -> tuple[str, ...]:
    """The words that an option can be; empty where it is something else."""
    kind = info.annotation
    return tuple(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else ()


def _explained(error: ValidationError) -> EstafetaError:
    first = error.errors()[0]
    name = str(first["loc"][0])
    choices = _choices(ListOptions.model_fields[name])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        words = str(cause)
    elif choices:
        words = "it is " + " or ".join(", ".join(choices).rsplit(", ", 1))
    else:
        words = str(first["msg"])[:1].lower() + str(first["msg"])[1:]
    return EstafetaError(Kind.INVALID, f"The option {name} of a list cannot be so: {words}.")


def _spelled(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
