"""Settings by key (`section.name`): what there is, what a value may be, and a value checked and made plain.

Values here are JSON values (what `json.dumps` takes), as they are stored and shown. Errors are `EstafetaError` of kind
INVALID whose sentence names the setting, its bounds, and for an unknown key the nearest known one.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_fields import parse_lines, parse_list, parse_number, parse_switch
from estafeta.directory.settings_model import Settings

#: Settings with such names hold lines, which have blanks and commas in them.
LINES = ("_rules", "_table")

Json = bool | int | str | list[str]

_UNITS = {
    "bytes": "bytes",
    "kib": "KiB",
    "mib": "MiB",
    "seconds": "seconds",
    "minutes": "minutes",
    "days": "days",
    "percent": "percent",
}


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """One setting. `default` is a JSON value; `allowed` says in words what it may be, with bounds and unit."""

    key: str
    section: str
    name: str
    default: Json
    description: str
    allowed: str
    kind: type


def find_setting(key: str) -> SettingInfo:
    """The setting called `key`; EstafetaError INVALID with the nearest known key otherwise."""
    info = SETTINGS.get(key.strip())
    if info is None:
        raise EstafetaError(Kind.INVALID, f"There is no setting {key.strip()!r}{_nearest(key.strip())}.")
    return info


def parse_value(info: SettingInfo, text: str) -> Json:
    """The value that a person typed on a command line, checked."""
    parsers: dict[type, Any] = {
        bool: parse_switch,
        int: lambda typed: parse_number(typed, info.key),
        tuple: parse_lines if info.name.endswith(LINES) else parse_list,
    }
    try:
        value = parsers.get(info.kind, str)(text)
    except ValueError:
        raise _refused(info, repr(text)) from None
    return check_value(info, value)


def check_value(info: SettingInfo, value: object) -> Json:
    """`value` (typed, from TOML or from the store) as its plain JSON value; EstafetaError INVALID otherwise."""
    if info.kind is not bool and isinstance(value, bool):
        raise _refused(info, json.dumps(value))
    try:
        section = _section(info.section).model_validate({info.name: value})
    except ValidationError as error:
        raise _refused(info, _shown(value), _reason(error)) from None
    return cast(Json, section.model_dump(mode="json")[info.name])


def build(values: Mapping[str, Json]) -> Settings:
    """Settings of the checked `values`, defaults for the rest."""
    sections: dict[str, dict[str, Json]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    return Settings.model_validate(sections)


def _nearest(key: str) -> str:
    names = difflib.get_close_matches(key, SETTINGS, n=1, cutoff=0.5)
    if not names:
        last = key.rpartition(".")[2]
        names = [known for known in SETTINGS if last and last in known.split(".")[1]][:1]
    return f"; the nearest is {names[0]!r}" if names else "; `estafeta config show` lists them"


def _refused(info: SettingInfo, shown: str, reason: str = "") -> EstafetaError:
    because = f": {reason}" if reason else f", not {shown}"
    return EstafetaError(Kind.INVALID, f"{info.key} must be {info.allowed}{because}.")


def _reason(error: ValidationError) -> str:
    """Our own validators' words; pydantic's are not for people."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    return str(cause) if isinstance(cause, ValueError) else ""


def _shown(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)[:80]


def _section(name: str) -> type[BaseModel]:
    return cast(type[BaseModel], Settings.model_fields[name].annotation)


def _catalogue() -> dict[str, SettingInfo]:
    return {
        info.key: info
        for section in Settings.model_fields
        for name, field in _section(section).model_fields.items()
        for info in [_describe(section, name, field)]
    }


def _describe(section: str, name: str, field: FieldInfo) -> SettingInfo:
    annotation = field.annotation
    kind = tuple if get_origin(annotation) is tuple else cast(type, annotation)
    default = _section(section)().model_dump(mode="json")[name]
    return SettingInfo(
        f"{section}.{name}", section, name, default, field.description or "", _allowed(name, kind, field), kind
    )


def _allowed(name: str, kind: type, field: FieldInfo) -> str:
    if kind is bool:
        return "on or off"
    if issubclass(kind, StrEnum):
        return " or ".join(", ".join(kind).rsplit(", ", 1))
    if kind is int:
        low = next(rule.ge for rule in field.metadata if isinstance(rule, Ge))
        high = next(rule.le for rule in field.metadata if isinstance(rule, Le))
        unit = _UNITS.get(name.rpartition("_")[2], "")
        return f"a whole number from {low} to {high}{' ' + unit if unit else ''}"
    if kind is tuple:
        return f"a list of {_entries(name)}"
    return _words(name, field)


def _entries(name: str) -> str:
    if name.endswith(LINES):
        return "lines"
    if name.endswith("networks"):
        return "networks"
    return {"addresses": "IP addresses", "host_names": "host names"}.get(name, "names")


def _words(name: str, field: FieldInfo) -> str:
    if name == "minimum_version":
        return "1.2 or 1.3"
    words = {"postmaster": "an e-mail address or empty", "qualify_domain": "a domain or empty"}
    words |= {"qualify_recipient": "a domain or empty", "extension_separators": "some of + - = . _ # / ! or empty"}
    longest = next((rule.max_length for rule in field.metadata if isinstance(rule, MaxLen)), 0)
    return words.get(name, f"a text of at most {longest} characters")


SETTINGS: Mapping[str, SettingInfo] = _catalogue()
