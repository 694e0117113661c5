"""Macro strings of SPF (RFC 7208 7): read once, expanded for each message. Pure.

What is read is a tuple of parts: literal text, or a `Macro`. Expansion gives None where the text cannot be had: the
local part has characters beyond ASCII (RFC 8616 4: such a term matches nothing).
"""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

# RFC 7208 7.1, macro-expand; or macro-literal, %x21-24 / %x26-7E. Letters may be of either case (RFC 5234 2.3).
_MACRO = r"%\{(?P<letter>[slodiphcrtvSLODIPHCRTV])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[-.+,/_=]*)\}"
_PART = re.compile(_MACRO + r"|(?P<escape>%[%_-])|(?P<text>[!-$&-~]+)")
_PART_OF_EXPLANATION = re.compile(_MACRO + r"|(?P<escape>%[%_-])|(?P<text>[ -$&-~]+)")
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
# RFC 7208 7.1: toplabel, which is not all digits, before an optional dot.
_DOMAIN_END = re.compile(r"\.(?![0-9]+\.?\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?\Z")
_ONLY_EXPLAIN = frozenset("crt")
#: RFC 7208 7.1 wants at least 128; no domain name has more labels.
_MOST_PARTS = 128
_MOST_NAME = 253


class Macro(NamedTuple):
    """One `%{...}`. `letter` in lower case; `keep` is how many right-hand parts stay, 0 for all; `escaped`: the
    letter was in upper case."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str
    escaped: bool


class MacroString(NamedTuple):
    """The `parts` in order; `letters` are those of its macros; `plain` is the text it always stands for, None where
    that depends."""

    parts: tuple[str | Macro, ...]
    letters: frozenset[str]
    plain: str | None


Values = Callable[[str], str | None]
"""The value of a macro letter; None when there is none that a name can hold."""


def parse_macro_string(text: str) -> MacroString:
    """A macro-string (RFC 7208 7.1). Raises ValueError with what is wrong, in words without a full stop."""
    return _parse(text, _PART, _ONLY_EXPLAIN)


def parse_domain_spec(text: str) -> MacroString:
    """A domain-spec: a macro-string that ends in a macro or a top label. Raises ValueError."""
    if not text:
        raise ValueError("the domain is missing")
    spec = _parse(text, _PART, _ONLY_EXPLAIN)
    if not (isinstance(spec.parts[-1], Macro) or text.endswith(("%%", "%_", "%-")) or _DOMAIN_END.search(text)):
        raise ValueError(f"{text[:60]!r} is no domain name")
    return spec


def parse_explanation(text: str) -> MacroString:
    """An explain-string: also spaces, and the letters c, r and t. Raises ValueError."""
    return _parse(text, _PART_OF_EXPLANATION, frozenset())


def expand(string: MacroString, values: Values) -> str | None:
    """The text that it stands for; None when one of its values cannot be had."""
    if string.plain is not None:
        return string.plain
    found: list[str] = []
    for part in string.parts:
        if isinstance(part, str):
            found.append(part)
            continue
        value = values(part.letter)
        if value is None:
            return None
        found.append(_transform(part, value))
    return "".join(found)


def shorten_name(name: str) -> str:
    """RFC 7208 7.3: a name above 253 characters loses labels on its left until it fits; the final dot goes first."""
    name = name.removesuffix(".")
    if len(name) <= _MOST_NAME:
        return name
    # In one step: macros make half a megabyte of labels of one record.
    dot = name.find(".", len(name) - _MOST_NAME - 1)
    return name[dot + 1 :] if dot >= 0 else name.rpartition(".")[2]


def _parse(text: str, pattern: re.Pattern[str], forbidden: frozenset[str]) -> MacroString:
    parts: list[str | Macro] = []
    letters: set[str] = set()
    place = 0
    while place < len(text):
        match = pattern.match(text, place)
        if match is None:
            raise ValueError(f"{text[place : place + 12]!r} may not be there")
        place = match.end()
        letter = match["letter"]
        if letter is None:
            parts.append(match["text"] or _ESCAPES[match["escape"]])
            continue
        if letter.lower() in forbidden:
            raise ValueError(f"the macro {letter} is for explanations only")
        parts.append(_macro(match))
        letters.add(letter.lower())
    plain = None if letters else "".join(part for part in parts if isinstance(part, str))
    return MacroString(tuple(parts), frozenset(letters), plain)


def _macro(match: re.Match[str]) -> Macro:
    letter, digits, delimiters = match["letter"], match["digits"], match["delimiters"]
    # Five digits are more than enough, and int() is slow on thousands.
    keep = min(int(digits.lstrip("0")[:5] or "0"), _MOST_PARTS) if digits else 0
    if digits and not keep:
        raise ValueError("a macro may not keep 0 parts")
    return Macro(letter.lower(), keep, bool(match["reverse"]), delimiters, letter.isupper())


def _transform(macro: Macro, value: str) -> str:
    """RFC 7208 7.1, 7.3: split, turned round, cut to the right-hand parts, joined with dots; escaped at the end."""
    if macro.keep or macro.reverse or macro.delimiters:
        # Splitting is always on one character: the others become it.
        delimiters = macro.delimiters or "."
        first = delimiters[0]
        for other in delimiters[1:]:
            value = value.replace(other, first)
        pieces = value.split(first)
        if macro.reverse:
            pieces.reverse()
        value = ".".join(pieces[-macro.keep :] if macro.keep else pieces)
    return quote(value, safe="") if macro.escaped else value
