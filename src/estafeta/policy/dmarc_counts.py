"""What DMARC found in mail from outside, counted for reports (RFC 7489 7.2): in memory, once a minute in the database.

A worker that dies loses the counts of a minute. What a sender can make up (domains, names, addresses) is bounded twice:
here, so that one owner of domains cannot fill the memory of a minute, and in `policy.dmarc_results` for the day.
"""

import hashlib
from collections import Counter
from itertools import islice

from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.mailboxes.service import Submit
from estafeta.policy.dmarc_results import Count, add_counts
from estafeta.policy.dmarc_values import MAX_NAME, DmarcFacts, encode_facts
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.tlsrpt import day_of

_REPORTED = frozenset([DmarcOutcome.PASS, DmarcOutcome.FAIL, DmarcOutcome.TEMPERROR])
# Kinds of messages told apart between two flushes, of all and of one organization; some 1 KiB each. What is more is
# not counted.
_MAX_KINDS = 20_000
_MAX_KINDS_OF_ONE = 2_000
# So many rows are made ready and committed at once, so that neither the event loop nor other writers wait.
_AT_ONCE = 200

_Key = tuple[int, str, str, DmarcFacts]


class DmarcCounts:
    """Counts of one worker. `note` costs microseconds; `flush` commits what has gathered."""

    def __init__(self, submit: Submit, settings: SettingsSource, clock: Clock) -> None:
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._counts: dict[_Key, int] = {}
        self._kinds: Counter[str] = Counter()

    def wants(self, result: DmarcResult) -> bool:
        """Whether it is counted: who does not ask for reports gets none (RFC 7489 6.3 `rua`)."""
        return self._settings.current.dmarc.reports and bool(result.rua) and result.outcome in _REPORTED

    def note(self, result: DmarcResult, facts: DmarcFacts) -> None:
        """A message of which `wants` is true."""
        domain = result.policy_domain[:MAX_NAME]
        owner = (result.organization or domain)[:MAX_NAME]
        key = (day_of(self._clock()), domain, owner, facts)
        if key not in self._counts:
            if len(self._counts) >= _MAX_KINDS or self._kinds[owner] >= _MAX_KINDS_OF_ONE:
                return
            self._kinds[owner] += 1
        self._counts[key] = self._counts.get(key, 0) + 1

    async def flush(self) -> None:
        """Commit what was counted since the last time. What cannot be committed is counted later; raises
        EstafetaError then."""
        counts, self._counts, self._kinds = self._counts, {}, Counter()
        try:
            while counts:
                portion = list(islice(counts.items(), _AT_ONCE))
                await self._submit(add_counts, tuple([_count(key, messages) for key, messages in portion]), ())
                for key, _ in portion:
                    del counts[key]
        finally:
            for key, messages in counts.items():
                self._kinds[key[2]] += key not in self._counts
                self._counts[key] = self._counts.get(key, 0) + messages


def _count(key: _Key, messages: int) -> Count:
    day, domain, owner, facts = key
    text = encode_facts(facts)
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()
    return Count(day, domain, digest, owner, messages, text)
