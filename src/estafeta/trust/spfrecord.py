"""SPF records (RFC 7208 4.5, 4.6, 5, 6, 12): which of the texts is one, and what it says. Pure.

A record is checked whole before any of it is used: what is wrong anywhere makes all of it worthless (4.6). Parsed ones
are remembered, short ones only, so that somebody's long records cannot fill the memory.
"""

import ipaddress
import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from estafeta.trust.spfmacros import MacroString, parse_domain_spec, parse_macro_string

#: RFC 7208 3.4 wants records below 450 octets; what the world has ends at about 4,000.
MAX_RECORD_OCTETS = 8192
_REMEMBERED_OCTETS = 1024
_REMEMBERED_RECORDS = 1024

_TERM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(?:([:/])(.*))?", re.DOTALL)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
# RFC 7208 5.6, 12: no leading zeros.
_DUAL_CIDR = re.compile(r"(?:/(0|[1-9][0-9]{0,2}))?(?://(0|[1-9][0-9]{0,2}))?\Z")
_VERSION = b"v=spf1"


class SpfStatus(StrEnum):
    """Results of `check_host()` (RFC 7208 2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - the word of the RFC
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Kind(StrEnum):
    """The mechanisms (RFC 7208 5)."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


class Mechanism(NamedTuple):
    """One directive. `result` is its qualifier's; `text` how it was written, without the qualifier.

    `target` is None for the domain itself; `network` is the address of ip4 and ip6 as a number."""

    kind: Kind
    result: SpfStatus
    text: str
    target: MacroString | None = None
    network: int = 0
    bits4: int = 32
    bits6: int = 128


class SpfRecord(NamedTuple):
    """What a record says. Modifiers that nobody knows have been checked and left out (RFC 7208 6)."""

    mechanisms: tuple[Mechanism, ...]
    redirect: MacroString | None = None
    explanation: MacroString | None = None


_QUALIFIERS = {
    "": SpfStatus.PASS,
    "+": SpfStatus.PASS,
    "-": SpfStatus.FAIL,
    "~": SpfStatus.SOFTFAIL,
    "?": SpfStatus.NEUTRAL,
}


def select_records(texts: Iterable[bytes]) -> list[bytes]:
    """Those of the TXT records that are SPF records (RFC 7208 4.5): the version alone, or with a space behind it."""
    return [text for text in texts if text[:6].lower() == _VERSION and text[6:7] in (b"", b" ")]


def parse_record(text: bytes) -> SpfRecord:
    """The record in `text`, one that `select_records` gave. Raises ValueError with what is wrong, in words."""
    if len(text) > _REMEMBERED_OCTETS:
        return _parse(text)
    found = _remembered(text)
    if isinstance(found, str):
        raise ValueError(found)
    return found


@lru_cache(maxsize=_REMEMBERED_RECORDS)
def _remembered(text: bytes) -> SpfRecord | str:
    """As `parse_record`, but what is wrong is returned, so that it is remembered as well."""
    try:
        return _parse(text)
    except ValueError as error:
        return str(error)


def _parse(text: bytes) -> SpfRecord:
    if len(text) > MAX_RECORD_OCTETS:
        raise ValueError(f"the record is longer than {MAX_RECORD_OCTETS} octets")
    if not text.isascii():
        raise ValueError("the record has characters beyond ASCII")
    mechanisms: list[Mechanism] = []
    once: dict[str, MacroString] = {}
    for term in text[len(_VERSION) :].decode("ascii").split(" "):
        if not term:
            continue
        modifier = _MODIFIER.fullmatch(term)
        try:
            if modifier is None:
                mechanisms.append(_mechanism(term))
            else:
                _add_modifier(once, modifier[1].lower(), modifier[2])
        except ValueError as error:
            raise ValueError(f"{term[:60]!r}: {error}") from None
    return SpfRecord(tuple(mechanisms), once.get("redirect"), once.get("exp"))


def _add_modifier(once: dict[str, MacroString], name: str, value: str) -> None:
    if name not in ("redirect", "exp"):
        parse_macro_string(value)
    elif name in once:
        raise ValueError(f"{name}= is there more than once")
    else:
        once[name] = parse_domain_spec(value)


def _mechanism(term: str) -> Mechanism:
    match = _TERM.fullmatch(term)
    if match is None:
        raise ValueError("it is no mechanism")
    qualifier, name, mark, rest = match[1], match[2].lower(), match[3] or "", match[4] or ""
    if name not in list(Kind):
        raise ValueError("there is no such mechanism")
    kind, result, text = Kind(name), _QUALIFIERS[qualifier], term[len(qualifier) :]
    if kind is Kind.ALL:
        if mark:
            raise ValueError("all takes nothing behind it")
        return Mechanism(kind, result, text)
    if kind in (Kind.IP4, Kind.IP6):
        if mark != ":":
            raise ValueError("the address is missing")
        return _network(kind, result, text, rest)
    if kind in (Kind.A, Kind.MX):
        return _with_cidr(kind, result, text, mark, rest)
    if mark == ":":
        return Mechanism(kind, result, text, parse_domain_spec(rest))
    if mark or kind is not Kind.PTR:
        raise ValueError("it takes no prefix length" if mark else "the domain is missing")
    return Mechanism(kind, result, text)


def _with_cidr(kind: Kind, result: SpfStatus, text: str, mark: str, rest: str) -> Mechanism:
    """RFC 7208 5.3, 5.4: [ ":" domain-spec ] [ dual-cidr-length ]. A domain-spec may hold slashes."""
    whole = mark + rest
    cidr = _DUAL_CIDR.search(whole)
    assert cidr is not None  # as it also matches nothing
    domain = whole[: cidr.start()]
    bits4, bits6 = _bits(cidr[1], 32), _bits(cidr[2], 128)
    if not domain:
        return Mechanism(kind, result, text, None, 0, bits4, bits6)
    if domain[0] != ":":
        raise ValueError("its prefix length is not one")
    return Mechanism(kind, result, text, parse_domain_spec(domain[1:]), 0, bits4, bits6)


def _network(kind: Kind, result: SpfStatus, text: str, rest: str) -> Mechanism:
    """RFC 7208 5.6: an address of four full parts, or an IPv6 address without a zone, and a prefix length."""
    address, slash, length = rest.partition("/")
    if slash and not re.fullmatch(r"0|[1-9][0-9]{0,2}", length):
        raise ValueError("its prefix length is not one")
    try:
        if kind is Kind.IP4:
            return Mechanism(kind, result, text, None, int(ipaddress.IPv4Address(address)), _bits(length, 32), 128)
        if "%" in address:
            raise ipaddress.AddressValueError
        return Mechanism(kind, result, text, None, int(ipaddress.IPv6Address(address)), 32, _bits(length, 128))
    except ipaddress.AddressValueError:
        raise ValueError("its address is not one") from None


def _bits(digits: str | None, most: int) -> int:
    bits = int(digits) if digits else most
    if bits > most:
        raise ValueError(f"a prefix is at most {most} bits long")
    return bits
