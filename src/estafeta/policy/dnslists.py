"""Checks by DNS lists: the client's address, the names that it and the message bear, the domains of links.

Questions of all lists go out at the same time. A list that refuses our questions, or lists everything, is no witness:
it is told of once, and left in peace for an hour (`ListWatch`).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from estafeta.core.clock import Clock
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import domain_key
from estafeta.policy.authentication import name_of
from estafeta.policy.checks import Check, Stage
from estafeta.policy.facts import Facts
from estafeta.policy.identities import author_of
from estafeta.policy.reading import reading_of
from estafeta.policy.together import together
from estafeta.policy.verdict import Verdict, rejected, scored
from estafeta.policy.wanted import is_allowed_by_recipient, is_for_postmaster
from estafeta.trust.dnsbl import DnsList, Listing, ask_address, ask_name, parse_dns_list
from estafeta.trust.lookups import Lookups
from estafeta.trust.publicsuffix import organizational_domain, public_suffix

log = logging.getLogger("estafeta.policy")

ADDRESS_LISTS = "address-lists"
NAME_LISTS = "name-lists"
AUTHOR_LISTS = "author-lists"
LINK_LISTS = "link-lists"
_CHECKS = (ADDRESS_LISTS, NAME_LISTS, AUTHOR_LISTS, LINK_LISTS)

#: Questions of one check: what an operator's lists and a message's links come to together is not bounded otherwise.
MAX_QUESTIONS = 100
#: How long a list that cannot be used is not asked.
PAUSE_SECONDS = 3600
#: How often it is told of again.
_TOLD_SECONDS = 86_400


class Trouble(NamedTuple):
    """A list that cannot be used: why in words, and until when it is not asked (epoch seconds)."""

    problem: str
    until: float
    told: float


class ListWatch:
    """Which lists cannot be used now. One for each worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._troubles: dict[str, Trouble] = {}

    def usable(self, dns_list: DnsList) -> bool:
        """Whether it is to be asked."""
        trouble = self._troubles.get(dns_list.zone)
        return trouble is None or trouble.until <= self._clock()

    def note(self, zone: str, problem: str) -> None:
        """A list turned out not to be usable."""
        now = self._clock()
        known = self._troubles.get(zone)
        tell = known is None or known.told + _TOLD_SECONDS <= now
        if tell:
            log.warning("DNS list %s cannot be used: %s", zone, problem)
        self._troubles[zone] = Trouble(problem, now + PAUSE_SECONDS, now if known is None or tell else known.told)


@lru_cache(maxsize=64)
def _parsed(lines: tuple[str, ...]) -> tuple[DnsList, ...]:
    return tuple(map(parse_dns_list, lines))


class DnsListChecks:
    """The checks, over somebody to ask."""

    def __init__(self, lookups: Lookups, watch: ListWatch) -> None:
        self._lookups = lookups
        self._watch = watch

    def checks(self) -> tuple[Check, ...]:
        """Their rows."""
        return (
            Check(
                ADDRESS_LISTS,
                Stage.CONNECT,
                "DNS lists of addresses: the client",
                _judge(ADDRESS_LISTS),
                self._find_address,
                on=lambda settings: bool(settings.spam.address_list_rules),
                light=True,
            ),
            Check(
                "list-refusals",
                Stage.RCPT,
                "clients and senders on a list with `reject`, unless the recipient allows the sender",
                judge_refusals,
                on=lambda settings: any("reject" in line.split() for line in _all_rules(settings)),
            ),
            Check(
                NAME_LISTS,
                Stage.MAIL,
                "DNS lists of names: the name the client says, and the domain of MAIL FROM",
                _judge(NAME_LISTS),
                self._find_envelope,
                on=lambda settings: bool(settings.spam.domain_list_rules),
                light=True,
            ),
            Check(
                AUTHOR_LISTS,
                Stage.CONTENT,
                "DNS lists of names: the client's name, and the domain of From",
                _judge(AUTHOR_LISTS),
                self._find_author,
                on=lambda settings: bool(settings.spam.domain_list_rules),
                light=True,
            ),
            Check(
                LINK_LISTS,
                Stage.CONTENT,
                "DNS lists of names: where the links of a message lead",
                _judge(LINK_LISTS),
                self._find_links,
                on=lambda settings: bool(settings.spam.link_list_rules),
            ),
        )

    async def _find_address(self, facts: Facts, settings: Settings) -> list[Listing]:
        lists = self._usable(settings.spam.address_list_rules)
        return self._heard(await together([ask_address(self._lookups, one, facts.peer) for one in lists]))

    async def _find_envelope(self, facts: Facts, settings: Settings) -> list[Listing]:
        return await self._ask_names(settings.spam.domain_list_rules, envelope_names(facts))

    async def _find_author(self, facts: Facts, settings: Settings) -> list[Listing]:
        author = author_of(facts)
        name = name_of(facts)
        names = _organizations([name.name if name else "", domain_key(author.domain) if author else ""])
        return await self._ask_names(settings.spam.domain_list_rules, names - envelope_names(facts))

    async def _find_links(self, facts: Facts, settings: Settings) -> list[Listing]:
        reading = await reading_of(facts)
        # Dictionaries keep the order: what stands first in a message is asked about first.
        names = dict.fromkeys(one for link in reading.links for one in _organizations([link.host]))
        return await self._ask_names(settings.spam.link_list_rules, list(names)[: settings.spam.max_links])

    async def _ask_names(self, lines: tuple[str, ...], names: Iterable[str]) -> list[Listing]:
        lists = self._usable(lines)
        questions = [(one, name) for name in names for one in lists][:MAX_QUESTIONS]
        return self._heard(await together([ask_name(self._lookups, one, name) for one, name in questions]))

    def _usable(self, lines: tuple[str, ...]) -> list[DnsList]:
        return [one for one in _parsed(lines) if self._watch.usable(one)]

    def _heard(self, answers: Iterable[Listing | None]) -> list[Listing]:
        """The listings; what is none is noted."""
        listings = []
        for answer in answers:
            if answer is not None and answer.problem:
                self._watch.note(answer.zone, answer.problem)
            elif answer is not None:
                listings.append(answer)
        return listings


def listings_of(facts: Facts) -> list[Listing]:
    """All that lists said so far."""
    return [one for name in _CHECKS for one in _found(facts, name)]


def envelope_names(facts: Facts) -> set[str]:
    """The domains that an envelope bears."""
    return _organizations([facts.helo, facts.sender.domain if facts.sender else ""])


def _organizations(names: Iterable[str]) -> set[str]:
    """The registered domains of names; none for what is no name, and for public suffixes."""
    found = set()
    for name in names:
        key = domain_key(name).removesuffix(".")
        last = key.rpartition(".")[2]
        if "." in key and not last.isdecimal() and not key.startswith("[") and public_suffix(key) != key:
            found.add(organizational_domain(key))
    return found


def judge_refusals(facts: Facts, settings: Settings) -> list[Verdict]:
    """What was listed before there was a message: refused here, where it is known who sends it to whom."""
    if is_for_postmaster(facts) or is_allowed_by_recipient(facts):
        return []
    return [_refusal(listing) for name in (ADDRESS_LISTS, NAME_LISTS) for listing in _refusing(_found(facts, name))][:1]


def _judge(name: str) -> Callable[[Facts, Settings], Sequence[Verdict]]:
    def judge(facts: Facts, settings: Settings) -> list[Verdict]:
        listings = _strongest(_found(facts, name))
        if name in (ADDRESS_LISTS, NAME_LISTS):
            return [_points(listing) for listing in listings]
        refusing = [] if is_allowed_by_recipient(facts) else _refusing(listings)
        return [*map(_refusal, refusing[:1]), *map(_points, listings)]

    return judge


def _refusing(listings: Iterable[Listing]) -> list[Listing]:
    return [listing for listing in listings if listing.reject]


def _strongest(listings: Iterable[Listing]) -> list[Listing]:
    """One for each list: a message with ten links of a listed domain's kind is not ten times as bad."""
    best: dict[str, Listing] = {}
    for listing in listings:
        known = best.get(listing.zone)
        if known is None or abs(listing.points) > abs(known.points):
            best[listing.zone] = listing
    return list(best.values())


def _points(listing: Listing) -> Verdict:
    return scored(listing.points, _words(listing))


def _refusal(listing: Listing) -> Verdict:
    return rejected(f"{listing.subject} is listed by {listing.zone}: ask there why", _words(listing))


def _words(listing: Listing) -> str:
    return f"{listing.subject} is on {listing.zone} ({listing.answer})"


def _all_rules(settings: Settings) -> tuple[str, ...]:
    spam = settings.spam
    return (*spam.address_list_rules, *spam.domain_list_rules)


def _found(facts: Facts, name: str) -> list[Listing]:
    found = facts.found.get(name)
    return found if isinstance(found, list) else []
