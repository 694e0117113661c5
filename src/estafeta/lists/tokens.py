"""Tokens that stand for a permission: to join, to leave, to approve. Signed with the list's secret; nothing is stored.

In an address they must fit into 64 octets and survive programs that change case (RFC 5321 2.4 forbids it; it happens):
`j0-f8k-3nzq7w5xk2v4m6aa` is the action and a number, the last day (both in base 36), and 80 bits of HMAC-SHA-256 in
base 32. What a token is about besides (an address) is signed, but not in it. A link has the number of the list in
front, and the address at the end: `7.j0-f8k-3nzq7w5xk2v4m6aa.YW5hQGV4YW1wbGUub3Jn`.
"""

import hmac
import re
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from enum import StrEnum
from typing import NamedTuple

from estafeta.directory.listvalues import MailingList

_MAC_OCTETS = 10
_FORM = re.compile(r"([a-z])([0-9a-z]{1,13})-([0-9a-z]{1,6})-([a-z2-7]{16})")
_LINK = re.compile(r"([0-9a-z]{1,13})\.([^.]{1,60})(?:\.([A-Za-z0-9_-]{0,600}={0,2}))?")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_DAY_SECONDS = 86_400


class Act(StrEnum):
    """What a token permits. JOIN, LEAVE: the address that asked; ADMIT: an owner, for one who asked; APPROVE, REJECT: a
    moderator, for a held message (its number); OUT: the member with this number, at once and for ever."""

    JOIN = "j"
    LEAVE = "l"
    ADMIT = "d"
    APPROVE = "a"
    REJECT = "r"
    OUT = "o"


class Token(NamedTuple):
    """A token taken apart, not yet checked. `day`: the last on which it counts, in days since 1970; 0: always."""

    act: Act
    number: int
    day: int
    mac: str


class Link(NamedTuple):
    """A link's token taken apart, not yet checked."""

    list_id: int
    token: Token
    about: str


def make_token(found: MailingList, act: Act, *, number: int = 0, day: int = 0, about: str = "") -> str:
    """The token for an address."""
    return f"{act}{_base36(number)}-{_base36(day)}-{_mac(found, act, number, day, about)}"


def parse_token(text: str) -> Token | None:
    """What a token says; None for what is none."""
    match = _FORM.fullmatch(text.strip().lower())
    if match is None or match[1] not in list(Act):
        return None
    return Token(Act(match[1]), int(match[2], 36), int(match[3], 36), match[4])


def check_token(found: MailingList, token: Token, now: float, about: str = "") -> bool:
    """Whether the list gave it out, about this, and it still counts."""
    expected = _mac(found, token.act, token.number, token.day, about)
    return hmac.compare_digest(expected, token.mac) and (not token.day or int(now) // _DAY_SECONDS <= token.day)


def last_day(now: float, days: int) -> int:
    """The day until which a token given out now counts."""
    return int(now) // _DAY_SECONDS + days


def make_link(found: MailingList, act: Act, *, number: int = 0, day: int = 0, about: str = "") -> str:
    """The token for a link, which names its list and what it is about."""
    token = make_token(found, act, number=number, day=day, about=about)
    encoded = urlsafe_b64encode(about.encode("utf-8", "replace")).decode("ascii").rstrip("=")
    return f"{_base36(found.list_id)}.{token}" + (f".{encoded}" if encoded else "")


def parse_link(text: str) -> Link | None:
    """What a link's token says; None for what is none."""
    match = _LINK.fullmatch(text.strip())
    token = parse_token(match[2]) if match is not None else None
    if match is None or token is None:
        return None
    encoded = match[3] or ""
    try:
        about = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-8")
    except ValueError:
        return None
    return Link(int(match[1], 36), token, about)


def _mac(found: MailingList, act: Act, number: int, day: int, about: str) -> str:
    said = f"{act}\n{found.list_id}\n{number}\n{day}\n{about}"
    digest = hmac.digest(found.secret, said.encode("utf-8", "replace"), "sha256")
    return b32encode(digest[:_MAC_OCTETS]).decode("ascii").lower()


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
