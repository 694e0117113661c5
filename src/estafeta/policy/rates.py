"""How much strangers send within an hour, by network and by proven domain; above it they are put off.

Each worker counts what it sees, in memory: an hour is the last whole one and the one that runs, the former by what is
left of it. Only what is proven counts for a domain: nobody uses up what another may send.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

from estafeta.core.clock import Clock
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_spam import Spam
from estafeta.policy.chain import Lost, who_is
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.experience import is_good
from estafeta.policy.experience_store import ExperienceStore
from estafeta.policy.facts import Facts
from estafeta.policy.identities import identities_of, network_of
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner
from estafeta.policy.reputation import half_life
from estafeta.policy.verdict import Verdict, deferred
from estafeta.policy.wanted import is_allowed

HOUR = 3600
#: Networks and domains that are counted; those that were quiet longest make room.
MAX_COUNTED = 20_000
#: Networks with a good name may send so much more.
GOOD_TIMES = 10
#: Recipients within the hour before their share that does not exist says anything.
LEAST_RECIPIENTS = 20

_DOMAINS = "domain-rates"


class Counts:
    """One kind of thing, counted by key over the last hour."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def add(self, key: str, number: int = 1) -> None:
        """Count some more."""
        if not key or not number:
            return
        hour, before, now = self._current(key)
        self._rows[key] = (hour, before, now + number)
        self._rows.move_to_end(key)
        if len(self._rows) > MAX_COUNTED:
            self._rows.popitem(last=False)

    def of(self, key: str) -> int:
        """How many within the last hour, about."""
        _, before, now = self._current(key)
        left = 1 - (self._clock() % HOUR) / HOUR
        return int(before * left) + now

    def _current(self, key: str) -> tuple[int, int, int]:
        hour = int(self._clock() // HOUR)
        known = self._rows.get(key)
        if known is None or known[0] < hour - 1 or known[0] > hour:
            return hour, 0, 0
        return known if known[0] == hour else (hour, known[2], 0)


class Rates:
    """One for each worker."""

    def __init__(self, experience: ExperienceStore, clock: Clock) -> None:
        self._experience = experience
        self._messages = Counts(clock)
        self._recipients = Counts(clock)
        self._unknown = Counts(clock)
        self._domains = Counts(clock)

    def checks(self) -> tuple[Check, ...]:
        """The rows."""
        return (
            Check("rates", Stage.MAIL, "messages, recipients and unknown recipients of the client's network",
                  self._judge_network, self._find_network, light=True),
            Check(_DOMAINS, Stage.CONTENT, "messages of the domains that stand behind this one", self._judge_domains,
                  _find_domains, on=lambda settings: settings.spam.domain_messages_per_hour > 0, light=True),
        )  # fmt: skip

    def learner(self) -> Learner:
        """Counts."""
        return Learner(self._judged, self._refused)

    async def _find_network(self, facts: Facts, settings: Settings) -> str:
        network = network_of(facts.peer)
        excess = self._excess(network, settings.spam, 1)
        if not excess or not settings.spam.reputation:
            return excess
        rows = await self._experience.rows((f"n:{network}",))
        times = GOOD_TIMES if is_good(rows, int(facts.now), half_life(settings)) else 1
        return self._excess(network, settings.spam, times)

    def _excess(self, network: str, spam: Spam, times: int) -> str:
        """What there is too much of; "" for nothing."""
        messages, recipients = self._messages.of(network), self._recipients.of(network)
        if spam.messages_per_hour and messages >= spam.messages_per_hour * times:
            return f"{messages} messages from {network} within the hour"
        if spam.recipients_per_hour and recipients >= spam.recipients_per_hour * times:
            return f"{recipients} recipients from {network} within the hour"
        unknown = self._unknown.of(network)
        asked = recipients + unknown
        if not spam.unknown_recipients_percent or asked < LEAST_RECIPIENTS * times:
            return ""
        percent = unknown * 100 // asked
        return f"{unknown} of {asked} recipients unknown" if percent >= spam.unknown_recipients_percent else ""

    def _judge_network(self, facts: Facts, settings: Settings) -> Sequence[Verdict]:
        excess = facts.found.get("rates")
        if not isinstance(excess, str) or not excess or is_allowed(facts):
            return ()
        return (deferred("Too much mail from your network; try again later", excess),)

    def _judge_domains(self, facts: Facts, settings: Settings) -> Sequence[Verdict]:
        most = settings.spam.domain_messages_per_hour
        for domain in _counted(facts):
            number = self._domains.of(domain)
            if number >= most:
                words = f"{number} messages of {domain} within the hour"
                return (deferred(f"Too much mail of {domain}; try again later", words),)
        return ()

    def _judged(self, facts: Facts, judgement: Judgement) -> None:
        if who_is(facts) is not Who.STRANGERS:
            return
        network = network_of(facts.peer)
        self._messages.add(network)
        self._recipients.add(network, len(facts.recipients))
        for domain in _counted(facts) if judgement.decisive.accepted else ():
            self._domains.add(domain)

    def _refused(self, facts: Facts, verdict: Verdict) -> None:
        if verdict.reason == "unknown" and who_is(facts) is Who.STRANGERS:
            self._unknown.add(network_of(facts.peer))


async def _find_domains(facts: Facts, settings: Settings) -> tuple[str, ...]:
    """Those that are counted."""
    return () if is_allowed(facts) else identities_of(facts).organizations


def _counted(facts: Facts) -> tuple[str, ...]:
    found = facts.found.get(_DOMAINS, ())
    return () if isinstance(found, Lost) else cast("tuple[str, ...]", found)
