"""Collations: how texts are ordered and which are equal (RFC 4790), and choosing one by name (RFC 5255 4).

`sort_key` gives what is compared: two texts are equal, or one before the other, as their keys are. Keys are compared
code point by code point, which is the order of their octets in UTF-8, as all three collations want it.
Never raises on any text.
"""

import re
from collections.abc import Callable
from enum import StrEnum

from estafeta.mail.folding import fold


class Collation(StrEnum):
    """Those we have; the one used first."""

    UNICODE_CASEMAP = "i;unicode-casemap"
    ASCII_CASEMAP = "i;ascii-casemap"
    OCTET = "i;octet"


DEFAULT = Collation.UNICODE_CASEMAP
"""RFC 5255 4.4: what I18NLEVEL=1 and 2 compare with unless told otherwise."""
_DEFAULT_NAME = "default"
_MAX_PATTERN = 254
"""RFC 4790 3.1: names are shorter."""


def sort_key(collation: Collation, text: str) -> str:
    """What stands for `text` in comparisons."""
    return key_function(collation)(text)


def key_function(collation: Collation) -> Callable[[str], str]:
    """The same for many texts."""
    if collation is Collation.OCTET:
        return _as_it_is
    return _ascii_upper if collation is Collation.ASCII_CASEMAP else fold


def _as_it_is(text: str) -> str:
    return text


def _ascii_upper(text: str) -> str:
    # RFC 4790 9.2.1: only a to z change.
    if text.isascii():
        return text.upper()
    return text.encode("utf-8", "surrogatepass").upper().decode("utf-8", "surrogatepass")


def match_collations(pattern: str) -> list[Collation]:
    """Those whose names match, the default one first (RFC 4790 3.2: `*` stands for any octets; "default" is ours)."""
    if pattern.lower() == _DEFAULT_NAME:
        return [DEFAULT]
    if len(pattern) > _MAX_PATTERN:
        return []
    parts = re.split(r"\*+", pattern.lower())
    return [each for each in Collation if _matches(each.value, parts)]


def _matches(name: str, parts: list[str]) -> bool:
    """Whether the name is these parts, with anything in between."""
    first, *rest = parts
    if not rest:
        return name == first
    *middle, last = rest
    if not name.startswith(first):
        return False
    at = len(first)
    for part in middle:
        at = name.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return name.endswith(last, at)
