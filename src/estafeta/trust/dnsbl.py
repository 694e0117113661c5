"""DNS lists (RFC 5782): is this address or name listed, and how much does that count?

A list is a line of the settings: its zone, what its answers count, and `reject` where a listing alone is enough:

    zen.example.org 127.0.0.2,127.0.0.3=3.0 127.0.0.10-11=2.0 reject
    list.example.net 127.0.*.2-3=-2.5
    multi.example.com &8=4 &64=2.5
    plain.example.org 1.5

An octet is a number, a range or `*`; `&8` stands for answers in which that bit of the last octet is set; a number alone
is for every answer. Points below 0 are those of a list of good senders. Of several answers the one that counts most
counts.

Answers that say no more than "you may not ask" (127.255.255.x, 127.0.0.1, 127.0.0.255) and those outside of 127.0.0.0/8
are never a listing, and neither is the answer of a zone that lists everything (RFC 5782 5): a list that was closed, or
that refuses our name server, would stop all mail otherwise.
"""

import ipaddress
import re
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ip import find_ip
from estafeta.trust.lookups import Lookups, Status

MOST_POINTS = 100.0
_ANY = (0, 255)
_CODE = re.compile(r"127\.([0-9*-]{1,7})\.([0-9*-]{1,7})\.([0-9*-]{1,7})")
_BIT = re.compile(r"&(\d{1,3})")
_ZONE = re.compile(r"(?=.{1,200}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")
_POINTS = re.compile(r"[+-]?\d{1,3}(\.\d{1,2})?")

# Addresses of nobody on the internet: lists know nothing of them, and are not to learn of them.
_OWN = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
# RFC 5782 5: 127.0.0.1 and the name "invalid" are on no list that works.
_NEVER_ADDRESS, _NEVER_NAME = "1.0.0.127", "invalid"
_REFUSALS = {
    "127.0.0.1": "it refuses to answer our name server",
    "127.0.0.255": "it refuses to answer our name server: too many questions",
    "127.255.255.252": "its name is written wrongly",
    "127.255.255.254": "it does not answer public name servers: ask it through a name server of your own",
    "127.255.255.255": "it has had too many questions from our name server",
}


class Codes(NamedTuple):
    """Answers, and the points of each: `octets` the ranges of the last three, `bit` a mask of the last octet, or 0."""

    octets: tuple[tuple[int, int], ...]
    points: float
    bit: int = 0

    def match(self, octets: tuple[int, ...]) -> bool:
        """Whether these are the last three octets of such an answer."""
        if self.bit:
            return octets[:2] == (0, 0) and bool(octets[2] & self.bit)
        return all(low <= octet <= high for octet, (low, high) in zip(octets, self.octets, strict=True))


class DnsList(NamedTuple):
    """A line of the settings. `reject`: to be listed with points above 0 is enough to be refused."""

    zone: str
    codes: tuple[Codes, ...]
    reject: bool = False


class Listing(NamedTuple):
    """What a list said. `answer`: the address that decided. `problem`: instead, why the list cannot be used now."""

    zone: str
    subject: str
    points: float = 0.0
    answer: str = ""
    reject: bool = False
    problem: str = ""


def parse_dns_list(line: str) -> DnsList:
    """A line as in the module's head. Raises EstafetaError INVALID."""
    zone, *words = line.split() or [""]
    zone = zone.lower().rstrip(".")
    if not _ZONE.fullmatch(zone):
        raise _invalid(f"{zone!r} is not the zone of a DNS list, such as zen.spamhaus.org.")
    reject = "reject" in words
    codes = [code for word in words if word != "reject" for code in _codes(word)]
    if not codes:
        raise _invalid(f"The line of {zone} says no points: write for example `{zone} 127.0.0.2=3.0`, or `{zone} 3.0`.")
    return DnsList(zone, tuple(codes), reject)


async def ask_address(lookups: Lookups, dns_list: DnsList, address: str) -> Listing | None:
    """Whether an IP address is on the list; None where it is not, or nobody can say."""
    question = address_question(address)
    return await _ask(lookups, dns_list, question, address, _NEVER_ADDRESS) if question else None


async def ask_name(lookups: Lookups, dns_list: DnsList, name: str) -> Listing | None:
    """Whether a name, lower case A-labels, is on the list; None where it is not, or nobody can say."""
    return await _ask(lookups, dns_list, name, name, _NEVER_NAME) if name else None


def address_question(address: str) -> str:
    """The labels to put in front of a zone (RFC 5782 2.1 and 2.4); "" for what is never asked about: addresses that are
    not of the internet, and what is none."""
    found = find_ip(address)
    if found is None or any(found.address in network for network in _OWN):
        return ""
    return found.reverse.rpartition(".")[0].rpartition(".")[0]


async def _ask(lookups: Lookups, dns_list: DnsList, question: str, subject: str, never: str) -> Listing | None:
    answer = await lookups.ipv4(f"{question}.{dns_list.zone}")
    if answer.status != Status.OK:
        return None
    listing = judge_answers(dns_list, answer.records, subject)
    if listing is not None and not listing.problem and await _lists_everything(lookups, f"{never}.{dns_list.zone}"):
        return Listing(dns_list.zone, subject, problem="it lists everything: it is closed, or its name is wrong")
    return listing


def judge_answers(dns_list: DnsList, records: tuple[str, ...], subject: str) -> Listing | None:
    """What the A records of a list come to."""
    best: Listing | None = None
    problem = ""
    for record in records:
        octets = tuple(map(int, record.split(".")))
        points = _points(dns_list, record, octets)
        if points is None:
            problem = problem or _problem(record, octets)
        elif best is None or abs(points) > abs(best.points):
            best = Listing(dns_list.zone, subject, points, record, dns_list.reject and points > 0)
    if best is None and problem:
        return Listing(dns_list.zone, subject, problem=problem)
    return best


def _points(dns_list: DnsList, record: str, octets: tuple[int, ...]) -> float | None:
    if octets[0] != 127 or octets[:3] == (127, 255, 255):
        return None
    codes = [code for code in dns_list.codes if code.match(octets[1:])]
    if record in _REFUSALS:
        # Some lists do mean something by it: a line that names the very code says so.
        codes = [code for code in codes if all(low == high for low, high in code.octets) and not code.bit]
    return max((code.points for code in codes), key=abs, default=None)


def _problem(record: str, octets: tuple[int, ...]) -> str:
    if octets[0] != 127:
        return f"it answers {record}, which no list does: it is closed, or a name server here lies"
    if octets[:3] == (127, 255, 255):
        return _REFUSALS.get(record, f"it refuses to answer our name server ({record})")
    return _REFUSALS.get(record, "")


async def _lists_everything(lookups: Lookups, name: str) -> bool:
    answer = await lookups.ipv4(name)
    return answer.status == Status.OK and any(record not in _REFUSALS for record in answer.records)


def _codes(word: str) -> list[Codes]:
    texts, equals, number = word.rpartition("=")
    points = _number(number if equals else word)
    if not equals:
        return [Codes((_ANY,) * 3, points)]
    return [_code(text, points) for text in texts.split(",")]


def _code(text: str, points: float) -> Codes:
    bit = _BIT.fullmatch(text)
    if bit is not None and 0 < int(bit[1]) < 256:
        return Codes((_ANY,) * 3, points, int(bit[1]))
    found = _CODE.fullmatch(text)
    octets = tuple(_range(octet) for octet in found.groups()) if found is not None else ()
    if not octets or (-1, -1) in octets:
        raise _invalid(f"{text!r} is not an answer of a DNS list, such as 127.0.0.2, 127.0.0.10-11, 127.0.*.3 or &8.")
    return Codes(octets, points)


def _range(text: str) -> tuple[int, int]:
    """The least and the greatest of an octet; (-1, -1) for what is none."""
    if text == "*":
        return _ANY
    low, dash, high = text.partition("-")
    if not (low.isdecimal() and (high.isdecimal() if dash else True)):
        return -1, -1
    first, last = int(low), int(high or low)
    return (first, last) if first <= last <= 255 else (-1, -1)


def _number(text: str) -> float:
    if not _POINTS.fullmatch(text) or abs(float(text)) > MOST_POINTS:
        raise _invalid(f"{text!r} is not a number of points, such as 2.5 or -3.")
    return float(text)


def _invalid(sentence: str) -> EstafetaError:
    return EstafetaError(Kind.INVALID, sentence)
