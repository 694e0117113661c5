"""SRS: a reverse-path of our own for mail that is sent on, and the way back for what bounces.

Forwarded mail with its first reverse-path fails SPF, as we are not a host of that domain. `forward` makes

- `SRS0=HASH=DAY=domain=local@ours` of an address, and
- `SRS1=HASH=host==HASH=DAY=domain=local@ours` of one that another forwarder, `host`, already made so; what is already
  SRS1 keeps its first host, so that however many forwarders there are, the address grows only once.

`reverse` undoes it, for addresses that we made and only for `MAX_AGE_DAYS`: else everyone could send through us. The
form, the days and the hash are those of libsrs2 and postsrsd, so that addresses made by them with the same secret are
still good after a move. HASH is the beginning of an HMAC-SHA1 (the construction is sound; what counts is its length:
24 bits, some less as servers on the way may fold case, which is compared without).

The form adds 14 characters and the domain. RFC 5321 4.5.3.1.1 promises 64 octets for a local part; nothing can be left
out that the way back needs, so that a longer one is made all the same, up to the 128 that most servers take (as we do).
Beyond that `forward` gives None: the caller then leaves the reverse-path as it is. Pure.
"""

import base64
import hmac
import re
from collections.abc import Sequence
from typing import NamedTuple

from estafeta.mail.address import MAX_LOCAL_OCTETS, MAX_PATH_OCTETS, Address, domain_key

MAX_AGE_DAYS = 21
"""A bounce later than this is nobody's: queues give up after five days, and slow mail is forwarded in between."""
HASH_CHARACTERS = 4
_LONGEST_HASH = 27
_DAYS_AHEAD = 1
_DAY_SECONDS = 86_400
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DAYS = len(_BASE32) ** 2

# The mark behind the tag may be any of three in addresses of others; behind it, it is always "=".
_TAGGED = re.compile(r"SRS([01])[-+=](.+)", re.IGNORECASE | re.DOTALL)
_SRS0 = re.compile(r"([^=]*)=([A-Za-z2-7]{2})=([^=]+)=(.*)", re.DOTALL)
# In addresses of others only this much is sure: a host, and behind its own mark what it alone understands.
_SRS1 = re.compile(r"([^=]*)=([^=]+)=([-+=].+)", re.DOTALL)
# A domain or an address literal. What others wrote into theirs becomes the domain of an address, so it must be one.
_DOMAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[A-Za-z0-9.:]+\]")


class Reversed(NamedTuple):
    """The address that one of ours leads back to; None with `problem` in words, without a full stop."""

    address: Address | None
    problem: str = ""


def is_srs(local: str) -> bool:
    """Whether a local part has the form of SRS, whoever made it; not whether it is good."""
    return _TAGGED.fullmatch(local) is not None


def forward(address: Address, domain: str, secrets: Sequence[bytes], now: float) -> Address | None:
    """The reverse-path at `domain`, one of ours, for mail from `address` (which is not; that is for the caller).

    The first of `secrets` makes the hash. `now` is in seconds since 1970. None when it would be too long for anyone.
    Raises ValueError without secrets."""
    if not secrets:
        raise ValueError("SRS needs a secret")
    local = _rewritten(address, secrets[0], now)
    octets = len(local.encode("utf-8", "replace"))
    if not octets or octets > MAX_LOCAL_OCTETS or octets + len(domain) + len("<@>") > MAX_PATH_OCTETS:
        return None
    return Address(local, domain)


def reverse(local: str, secrets: Sequence[bytes], now: float) -> Reversed:
    """The address behind a local part that `forward` made, with any of `secrets`; letters may have changed case."""
    tagged = _TAGGED.fullmatch(local)
    if tagged is None:
        return Reversed(None, "it is no SRS address")
    return (_reverse_first if tagged[1] == "0" else _reverse_chained)(tagged[2], secrets, now)


def _rewritten(address: Address, secret: bytes, now: float) -> str:
    """The new local part; "" for an address whose domain cannot be part of one."""
    tagged = _TAGGED.fullmatch(address.local)
    domain = domain_key(address.domain)
    if not _DOMAIN.fullmatch(domain):
        return ""
    if tagged is not None and tagged[1] == "0":
        # With its mark, so that the first forwarder gets back exactly what it made.
        return _chained(domain, address.local[4:], secret)
    chained = _SRS1.fullmatch(tagged[2]) if tagged is not None else None
    if chained is not None and _DOMAIN.fullmatch(chained[2]):
        return _chained(chained[2], chained[3], secret)
    day = _stamp(now)
    return f"SRS0={_hash(secret, day, domain, address.local)[:HASH_CHARACTERS]}={day}={domain}={address.local}"


def _chained(host: str, rest: str, secret: bytes) -> str:
    return f"SRS1={_hash(secret, host, rest)[:HASH_CHARACTERS]}={host}={rest}"


def _reverse_first(text: str, secrets: Sequence[bytes], now: float) -> Reversed:
    match = _SRS0.fullmatch(text)
    if match is None:
        return Reversed(None, "it is no SRS address")
    given, day, domain, local = match.groups()
    if not _DOMAIN.fullmatch(domain) or not _is_ours(given, secrets, day, domain, local):
        return Reversed(None, "it was not made here")
    age = (_day_number(now) - _BASE32.index(day[0].upper()) * 32 - _BASE32.index(day[1].upper())) % _DAYS
    # A node whose clock is ahead may have made it.
    if MAX_AGE_DAYS < age < _DAYS - _DAYS_AHEAD:
        return Reversed(None, f"it is older than {MAX_AGE_DAYS} days")
    return Reversed(Address(local, domain))


def _reverse_chained(text: str, secrets: Sequence[bytes], now: float) -> Reversed:
    """To the first forwarder, who knows the age."""
    match = _SRS1.fullmatch(text)
    if match is None:
        return Reversed(None, "it is no SRS address")
    given, host, rest = match.groups()
    if not _DOMAIN.fullmatch(host) or not _is_ours(given, secrets, host, rest):
        return Reversed(None, "it was not made here")
    return Reversed(Address(f"SRS0{rest}", host))


def _is_ours(given: str, secrets: Sequence[bytes], *parts: str) -> bool:
    """All secrets are tried, in a time that does not tell which is right."""
    if not HASH_CHARACTERS <= len(given) <= _LONGEST_HASH or not given.isascii():
        return False
    wanted = [_hash(secret, *parts)[: len(given)].lower().encode() for secret in secrets]
    return sum(hmac.compare_digest(given.lower().encode(), one) for one in wanted) > 0


def _hash(secret: bytes, *parts: str) -> str:
    # All in lower case, as a server on the way may have folded it.
    content = "".join(parts).lower().encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.digest(secret, content, "sha1")).decode("ascii").rstrip("=")


def _day_number(now: float) -> int:
    return int(now // _DAY_SECONDS) % _DAYS


def _stamp(now: float) -> str:
    high, low = divmod(_day_number(now), 32)
    return _BASE32[high] + _BASE32[low]
