"""Sections: frozen values whose fields are declared once, with default, bounds and meaning, and checked when made.

    class Pop3(Section):
        max_bad_commands: int = Field(default=10, ge=1, le=1000, description="Wrong commands before the session ends.")

The settings of the site and the node file are made of these. A field is a bool, int, float, str, StrEnum, Literal, a
section, a tuple of such, or one of them or None; `Annotated` adds what checks it. Numbers and switches are also taken
as text. Names are those of pydantic, whose small part that settings need this is (docs/adr/0011). What cannot be taken
is an `InvalidError` with every problem.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import StrEnum
from inspect import get_annotations
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, get_args, get_origin

_REQUIRED: Any = object()
_SWITCHES = {"on": True, "yes": True, "true": True, "1": True, "off": False, "no": False, "false": False, "0": False}


class Wrong(StrEnum):
    """What is wrong with a value. REFUSED: by a validator, whose words go into a sentence."""

    UNKNOWN = "unknown"
    MISSING = "missing"
    CHOICE = "choice"
    PATTERN = "pattern"
    REFUSED = "refused"
    OTHER = "other"


class Problem(NamedTuple):
    """A value that cannot be taken. `where`: the names and places that lead to it; `words` begin in lower case."""

    where: tuple[str | int, ...]
    wrong: Wrong
    value: object
    words: str = ""


class InvalidError(ValueError):
    """Values that cannot be taken."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{'.'.join(map(str, each.where))}: {each.words}" for each in self.problems))

    def below(self, part: str | int) -> list[Problem]:
        """The problems as the holder of the value has them."""
        return [each._replace(where=(part, *each.where)) for each in self.problems]


class AfterValidator:
    """`check` gets a value of the right type and returns it as it is kept, or raises ValueError with words."""

    __slots__ = ("check",)

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self.check = check


class BeforeValidator:
    """`prepare` gets what came, and returns what is looked at in its place."""

    __slots__ = ("prepare",)

    def __init__(self, prepare: Callable[[object], object]) -> None:
        self.prepare = prepare


class FieldInfo(NamedTuple):
    """One field: what it may be and what it is for. `annotation` is its type without what checks it, the `rules`."""

    default: Any = _REQUIRED
    description: str = ""
    alias: str = ""
    ge: float | None = None
    le: float | None = None
    min_length: int = 0
    max_length: int | None = None
    pattern: str = ""
    annotation: Any = None
    rules: tuple[Any, ...] = ()

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is _REQUIRED

    def check(self, value: Any) -> Any:
        """`value` when it is within the bounds; raises InvalidError. A pattern is that of the whole text."""
        if self.ge is not None and not value >= self.ge:
            raise _invalid(value, f"input should be greater than or equal to {self.ge}")
        if self.le is not None and not value <= self.le:
            raise _invalid(value, f"input should be less than or equal to {self.le}")
        if self.min_length and len(value) < self.min_length:
            raise _invalid(value, f"input should have a length of at least {self.min_length}")
        if self.max_length is not None and len(value) > self.max_length:
            raise _invalid(value, f"input should have a length of at most {self.max_length}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise _invalid(value, "input should be of another form", Wrong.PATTERN)
        return value


def Field(**words: Any) -> Any:  # noqa: N802 - stands where a default stands
    """A field's default and all else that FieldInfo says of it, but what follows from its annotation."""
    return FieldInfo(**words)


class Section:
    """Values with names. Raises InvalidError when it is made of others than it has fields for."""

    model_fields: ClassVar[dict[str, FieldInfo]] = {}

    def __init_subclass__(cls) -> None:
        inherited = [getattr(base, "model_fields", {}) for base in reversed(cls.__bases__)]
        cls.model_fields = {name: info for fields in inherited for name, info in fields.items()}
        for name, annotation in get_annotations(cls).items():
            cls.model_fields[name] = _describe(annotation, cls.__dict__.get(name, _REQUIRED))
            if name in cls.__dict__:
                delattr(cls, name)

    def __init__(self, /, **values: Any) -> None:
        taken, problems = {}, []
        for name, field in self.model_fields.items():
            key = field.alias or name
            if key in values:
                try:
                    taken[name] = _take(field.annotation, field.rules, values.pop(key))
                except InvalidError as error:
                    problems += error.below(key)
            elif field.required:
                problems.append(Problem((key,), Wrong.MISSING, None, "a value is missing"))
            else:
                taken[name] = field.default
        problems += [Problem((key,), Wrong.UNKNOWN, value, "nobody knows it") for key, value in values.items()]
        if problems:
            raise InvalidError(problems)
        self.__dict__.update(taken)
        try:
            self._check()
        except ValueError as error:
            raise _invalid(self, str(error), Wrong.REFUSED) from error

    @classmethod
    def model_validate(cls, values: object) -> Self:
        """A section of these values, or that section itself."""
        if isinstance(values, cls):
            return values
        if not isinstance(values, dict):
            raise _invalid(values, "input should be a table")
        return cls(**values)

    def model_dump(self, *, exclude_defaults: bool = False) -> dict[str, Any]:
        """The values as JSON has them."""
        defaults = {name: field.default for name, field in self.model_fields.items()} if exclude_defaults else {}
        return {
            name: _plain(value)
            for name, value in self.__dict__.items()
            if name not in defaults or value != defaults[name]
        }

    def _check(self) -> None:
        """What concerns several fields: raises ValueError with words."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


def _describe(annotation: Any, assigned: Any) -> FieldInfo:
    """A field by what stands behind its colon and its equals sign."""
    kind, rules = _split(annotation)
    if isinstance(assigned, FieldInfo):
        rules = (assigned, *rules)
    found = FieldInfo(default=assigned)
    for rule in rules:
        if isinstance(rule, FieldInfo):
            unsaid = FieldInfo._field_defaults
            said = {name: value for name, value in rule._asdict().items() if value != unsaid[name]}
            found = found._replace(**said)
    return found._replace(annotation=kind, rules=rules)


def _split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type, and what `Annotated` says of it."""
    if get_origin(annotation) is Annotated:
        kind, *rules = get_args(annotation)
        return kind, tuple(rules)
    return annotation, ()


def _take(kind: Any, rules: tuple[Any, ...], value: Any) -> Any:
    """`value` as a `kind` that keeps all the rules. Raises InvalidError."""
    for rule in rules:
        if isinstance(rule, BeforeValidator):
            value = rule.prepare(value)
    taken = _convert(kind, value)
    for rule in rules:
        if taken is not None and not isinstance(rule, BeforeValidator):
            try:
                taken = rule.check(taken)
            except InvalidError:
                raise
            except ValueError as error:
                raise _invalid(value, str(error), Wrong.REFUSED) from error
    return taken


def _convert(kind: Any, value: Any) -> Any:
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind)[0], value)
    if isinstance(kind, UnionType):  # of something and None
        return None if value is None else _convert(get_args(kind)[0], value)
    if get_origin(kind) is Literal:
        return _choice(get_args(kind), value)
    if issubclass(kind, Section):
        return kind.model_validate(value)
    if issubclass(kind, StrEnum):
        return kind(_choice(tuple(kind), value))
    return _CONVERTERS[kind](value)


def _tuple(kind: Any, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise _invalid(values, "input should be a list")
    one, rules = _split(kind)
    taken, problems = [], []
    for place, value in enumerate(values):
        try:
            taken.append(_take(one, rules, value))
        except InvalidError as error:
            problems += error.below(place)
    if problems:
        raise InvalidError(problems)
    return tuple(taken)


def _choice(choices: tuple[str, ...], value: Any) -> str:
    if isinstance(value, str) and value in choices:
        return value
    known = " or ".join(", ".join(repr(str(choice)) for choice in choices).rsplit(", ", 1))
    raise _invalid(value, f"it must be {known}", Wrong.CHOICE)


def _switch(value: Any) -> bool:
    switch = _SWITCHES.get(str(value).strip().lower())
    if switch is None:
        raise _invalid(value, "input should be true or false")
    return switch


def _whole(value: Any) -> int:
    with suppress(ValueError):  # a text that is no number
        if isinstance(value, str) or (isinstance(value, float) and value.is_integer()):
            value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _invalid(value, "input should be a whole number")


def _number(value: Any) -> float:
    with suppress(ValueError, OverflowError):
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    raise _invalid(value, "input should be a number")


def _text(value: Any) -> str:
    with suppress(UnicodeEncodeError):  # octets of a command line that are not UTF-8
        if isinstance(value, str) and value.encode() is not None:
            return value
    raise _invalid(value, "input should be a text")


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.model_dump()
    if isinstance(value, StrEnum):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _invalid(value: object, words: str, wrong: Wrong = Wrong.OTHER) -> InvalidError:
    return InvalidError([Problem((), wrong, value, words)])


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {bool: _switch, int: _whole, float: _number, str: _text}
