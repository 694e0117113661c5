"""What counts about a client: its name, how it introduces itself, whether it waits, whether its sender's domain exists.

Points are asked for when the header is there: by then all that was looked up besides the session is known.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from estafeta.core.ip import find_ip
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import domain_key
from estafeta.policy.authentication import name_of
from estafeta.policy.checks import Check, Stage
from estafeta.policy.facts import Facts
from estafeta.policy.points import points_of
from estafeta.policy.verdict import Verdict, rejected, scored
from estafeta.policy.wanted import is_allowed
from estafeta.trust.iprev import ClientName, IprevStatus
from estafeta.trust.lookups import Lookups, Status

SENDER_DOMAIN = "sender-domain"
#: Names and points, for `estafeta policy rules`.
POINTS = {
    "client-no-name": (1.0, "The client's address has no name in DNS."),
    "client-false-name": (1.0, "The client's names in DNS do not lead back to its address."),
    "client-home-name": (1.0, "The client's name is made of its address, as those of home connections are."),
    "helo-no-name": (0.8, "The client introduces itself with what is no full name."),
    "helo-ours": (3.0, "The client introduces itself with our name or address."),
    "helo-false-address": (1.5, "The client introduces itself with an address that is not its own."),
    "early-talker": (2.0, "The client spoke before it was its turn (RFC 5321 4.3.1, RFC 2920 3.1)."),
    "sender-domain-no-mail": (1.5, "The domain of MAIL FROM takes no mail: no notice could reach it."),
}
_LITERAL = re.compile(r"\[(?:ipv6:)?([0-9a-f:.]+)\]", re.IGNORECASE)


class SenderDomain(NamedTuple):
    """What DNS says of the domain of MAIL FROM."""

    domain: str
    exists: bool = True
    takes_mail: bool = True
    null_mx: bool = False


def checks(resolver: Lookups, hostname: str) -> tuple[Check, ...]:
    """The rows."""

    async def find(facts: Facts, settings: Settings) -> SenderDomain | None:
        return await find_sender_domain(facts, resolver)

    def judge(facts: Facts, settings: Settings) -> Sequence[Verdict]:
        said = _findings(name_of(facts), facts.helo, facts.peer, facts.early, hostname)
        counted = [(points_of(name, POINTS[name][0], settings), name, words) for name, words in said]
        return [scored(points, words, name) for points, name, words in counted if points]

    return (
        Check(SENDER_DOMAIN, Stage.MAIL, "the domain of MAIL FROM exists and takes mail (RFC 7505)",
              judge_sender_domain, find, light=True),
        Check("client", Stage.HEADERS, "the client's name, how it introduces itself, whether it waits for its turn",
              judge),
    )  # fmt: skip


async def find_sender_domain(facts: Facts, resolver: Lookups) -> SenderDomain | None:
    """None where there is none, or DNS cannot tell."""
    domain = domain_key(facts.sender.domain) if facts.sender is not None else ""
    if not domain or domain.startswith("["):
        return None
    mx = await resolver.mx(domain)
    if mx.status == Status.OK:
        null = all(not record.exchange for record in mx.records)
        return SenderDomain(domain, takes_mail=not null, null_mx=null)
    if mx.status == Status.NO_NAME:
        return SenderDomain(domain, exists=False, takes_mail=False)
    if mx.status == Status.FAILED:
        return None
    # RFC 5321 5.1: a host of that name takes its mail.
    answers = [await resolver.ipv4(domain), await resolver.ipv6(domain)]
    if any(answer.status in (Status.OK, Status.FAILED) for answer in answers):
        return SenderDomain(domain)
    return SenderDomain(domain, takes_mail=False)


def judge_sender_domain(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Refused where nothing can ever go back."""
    found = facts.found.get(SENDER_DOMAIN)
    if not isinstance(found, SenderDomain) or found.takes_mail or is_allowed(facts):
        return ()
    if found.null_mx:
        # RFC 7505 4.2.
        words = f"{found.domain} says that it takes no mail (null MX)"
        return (rejected(f"The domain {found.domain} takes no mail (RFC 7505)", words, 550, "5.7.27"),)
    if not found.exists and settings.spam.reject_unknown_sender_domain:
        return (rejected(f"There is no domain {found.domain}", f"{found.domain} does not exist", 550, "5.1.8"),)
    points = points_of("sender-domain-no-mail", POINTS["sender-domain-no-mail"][0], settings)
    words = f"{found.domain} takes no mail" if found.exists else f"{found.domain} does not exist"
    return (scored(points, words, "sender-domain-no-mail"),) if points else ()


@lru_cache(maxsize=1024)
def _findings(name: ClientName | None, helo: str, peer: str, early: bool, hostname: str) -> tuple[tuple[str, str], ...]:
    """Names of `POINTS`, and what was found. A client does as it did the last time."""
    found: list[tuple[str, str]] = []
    if name is not None and name.result is IprevStatus.PERMERROR:
        found.append(("client-no-name", name.problem))
    elif name is not None and name.result is IprevStatus.FAIL:
        found.append(("client-false-name", name.problem))
    elif name is not None and name.name and is_home_name(name.name, peer):
        found.append(("client-home-name", f"{name.name} is a name as home connections have them"))
    found += _introduction(helo, peer, hostname)
    if early:
        found.append(("early-talker", "the client spoke before it was its turn"))
    return tuple(found)


def _introduction(said: str, peer: str, hostname: str) -> Iterator[tuple[str, str]]:
    helo = domain_key(said).rstrip(".")
    literal = _LITERAL.fullmatch(helo)
    if literal is not None or find_ip(helo):
        if find_ip(literal[1] if literal is not None else helo) != find_ip(peer):
            yield "helo-false-address", f"it says it is {said}"
        elif literal is None:
            yield "helo-no-name", f"it says it is {said}"
    elif helo == domain_key(hostname):
        yield "helo-ours", f"it says it is {said}, which is this server"
    elif "." not in helo:
        yield "helo-no-name", f"it says it is {said or 'nobody'}"


def is_home_name(name: str, peer: str) -> bool:
    """Whether a client's name has all of its IPv4 address in it, as `dsl-192-0-2-99.example.net` has."""
    ip = find_ip(peer)
    if ip is None or not ip.four:
        return False
    octets = ip.text.split(".")
    host = name.lower()
    numbers = [number.lstrip("0") or "0" for number in re.findall(r"\d+", host)]
    if all(octet in numbers for octet in octets):
        return True
    run = "".join(f"{int(octet):03d}" for octet in octets)
    return run in host or f"{ip.number:08x}" in host
