"""What DMARC found in mail from outside, counted for reports (RFC 7489 7.2): in memory, once a minute in the database.

One row for each day, policy domain and way in which messages went; rows hold counts, no messages and no recipients. A
crash loses the counts of a minute at most.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import islice, starmap
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.mailboxes.service import Submit
from estafeta.policy.dmarc_tables import dmarc_results, dmarc_sent
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Query
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.tlsrpt import day_of

#: Days for which results are kept: reports go out the day after, and once more a day later where DNS failed.
KEEP_DAYS = 7
#: Of one report; more would make it larger than most receivers take.
MAX_ROWS = 20_000
# What is counted between two flushes; more kinds of messages than these are not counted.
_MAX_KEYS = 20_000
# So many rows are made ready and committed at once, so that neither the event loop nor other writers wait.
_AT_ONCE = 200
_MAX_NAME = 255
_MAX_SIGNATURES = 10
"""Of one message. RFC 9990 allows a hundred; a sender with ten has said enough."""


class Signature(NamedTuple):
    """What one DKIM signature came to, in the words of RFC 8601."""

    domain: str
    selector: str
    result: str


class DmarcFacts(NamedTuple):
    """How a message went: RFC 7489 7.2. `disposition` is what was done: none, quarantine or reject; `override` why less
    than the policy asks for, in the words of RFC 7489 appendix C ("" for nothing). `dkim`, `spf`: aligned passes."""

    source_ip: str
    disposition: str
    dkim: bool
    spf: bool
    header_from: str
    envelope_from: str
    spf_domain: str
    spf_result: str
    spf_scope: str = "mfrom"
    override: str = ""
    comment: str = ""
    signatures: tuple[Signature, ...] = ()


class Tally(NamedTuple):
    """So many messages went alike."""

    facts: DmarcFacts
    messages: int


class Count(NamedTuple):
    """So many messages more of one kind. `facts` is JSON."""

    day: int
    domain: str
    digest: str
    messages: int
    facts: str


class Sent(NamedTuple):
    """Payload of `note_sent`."""

    day: int
    domain: str
    report_id: str
    sent_seconds: int


class DmarcCounts:
    """Counts of one worker. `note` costs microseconds; `flush` commits what has gathered."""

    def __init__(self, submit: Submit, settings: SettingsSource, clock: Clock) -> None:
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._counts: dict[tuple[int, str, DmarcFacts], int] = {}

    def note(
        self,
        result: DmarcResult,
        *,
        source_ip: str,
        envelope_from: str,
        spf: tuple[str, str],
        signatures: Iterable[tuple[str, str, str]] = (),
        disposition: str = "none",
        override: str = "",
        comment: str = "",
    ) -> None:
        """A message from outside that was evaluated, whatever became of it. `envelope_from` is a domain, "" for a null
        reverse-path; `spf` result and domain; `signatures` domain, selector and result of each. `disposition`: what was
        done because of DMARC. `override`: why it is not what `result.apply` says (`local_policy`, `trusted_forwarder`,
        `mailing_list`, `forwarded`, `other`), with a comment."""
        if not self._settings.current.dmarc.reports or not _is_reported(result):
            return
        self._add(
            result.policy_domain,
            DmarcFacts(
                source_ip=source_ip[:45],
                disposition=disposition,
                dkim=result.dkim_aligned,
                spf=result.spf_aligned,
                header_from=result.domain[:_MAX_NAME],
                envelope_from=envelope_from[:_MAX_NAME],
                spf_domain=spf[1][:_MAX_NAME],
                spf_result=spf[0],
                spf_scope="mfrom" if envelope_from else "helo",
                override=override or str(result.override),
                comment=comment[:_MAX_NAME],
                signatures=_chosen(signatures, result),
            ),
        )

    async def flush(self) -> None:
        """Commit what was counted since the last time. What cannot be committed is counted later."""
        counts, self._counts = self._counts, {}
        try:
            while counts:
                portion = list(islice(counts.items(), _AT_ONCE))
                await self._submit(add_counts, tuple(starmap(_count, portion)), ())
                for key, _ in portion:
                    del counts[key]
        finally:
            # What is left was not committed.
            for key, number in counts.items():
                self._counts[key] = self._counts.get(key, 0) + number

    def _add(self, domain: str, facts: DmarcFacts) -> None:
        key = (day_of(self._clock()), domain, facts)
        if key in self._counts or len(self._counts) < _MAX_KEYS:
            self._counts[key] = self._counts.get(key, 0) + 1


def _is_reported(result: DmarcResult) -> bool:
    # RFC 7489 6.3 `rua`: who does not ask for reports gets none, so nothing is counted for it.
    return bool(result.rua) and result.outcome in (DmarcOutcome.PASS, DmarcOutcome.FAIL, DmarcOutcome.TEMPERROR)


def _chosen(signatures: Iterable[tuple[str, str, str]], result: DmarcResult) -> tuple[Signature, ...]:
    """RFC 9990 3.1.3: those that pass before others, and of these the nearest to the author."""

    def order(one: Signature) -> tuple[bool, bool, bool]:
        within = one.domain == result.organization or one.domain.endswith(f".{result.organization}")
        return one.result != "pass", one.domain != result.domain, not within

    found = [Signature(domain[:_MAX_NAME], selector[:63], word) for domain, selector, word in signatures]
    return tuple(sorted(found, key=order)[:_MAX_SIGNATURES])


def _count(key: tuple[int, str, DmarcFacts], messages: int) -> Count:
    day, domain, facts = key
    text = encode_facts(facts)
    return Count(day, domain[:255], hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest(), messages, text)


def encode_facts(facts: DmarcFacts) -> str:
    """As they are stored."""
    return json.dumps(facts)


def decode_facts(text: str) -> DmarcFacts:
    """What was stored."""
    facts = DmarcFacts._make(json.loads(text))
    return facts._replace(signatures=tuple(Signature(*one) for one in facts.signatures))


# Operations of the group commit


def add_counts(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Payload: a tuple of `Count`."""
    sums: dict[tuple[int, str, str], Count] = {}
    for item in items:
        for count in item.payload:
            key = (count.day, count.domain, count.digest)
            before = sums.get(key)
            sums[key] = count._replace(messages=count.messages + (before.messages if before else 0))
    # In the order of the key, so that two writers (PostgreSQL) do not lock each other out.
    for key in sorted(sums):
        count = sums[key]
        if not _MORE.run(tx, on=count.day, whom=count.domain, how=count.digest, more=count.messages):
            tx.conn.execute(insert(dmarc_results), count._asdict())
    return [None] * len(items)


def note_sent(tx: Transaction, items: Sequence[Item]) -> list[bool]:
    """Payload `Sent`. True: it was not noted before, so the report may go out."""
    noted = []
    for item in items:
        sent: Sent = item.payload
        here = (dmarc_sent.c.day == sent.day) & (dmarc_sent.c.domain == sent.domain)
        there = tx.conn.execute(select(dmarc_sent.c.day).where(here).with_for_update()).first() is not None
        if not there:
            tx.conn.execute(insert(dmarc_sent), sent._asdict())
        noted.append(not there)
    return noted


def forget_before(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Payload: a day. Results and notes of earlier days go; how many results."""
    gone = []
    for item in items:
        tx.conn.execute(delete(dmarc_sent).where(dmarc_sent.c.day < item.payload))
        gone.append(int(tx.conn.execute(delete(dmarc_results).where(dmarc_results.c.day < item.payload)).rowcount))
    return gone


# Reading


def read_unsent(conn: Connection, day: int, after: str, limit: int) -> list[str]:
    """Domains of a day whose report was not sent, those behind `after` in the order of their names."""
    sent = select(dmarc_sent.c.domain).where(dmarc_sent.c.day == day)
    wanted = (
        select(dmarc_results.c.domain)
        .where(dmarc_results.c.day == day, dmarc_results.c.domain > after, dmarc_results.c.domain.not_in(sent))
        .distinct()
        .order_by(dmarc_results.c.domain)
        .limit(limit)
    )
    return list(conn.execute(wanted).scalars())


def read_tallies(conn: Connection, day: int, domain: str) -> list[Tally]:
    """How messages in the name of a domain went on a day, at most `MAX_ROWS` kinds, the most frequent first."""
    wanted = (
        select(dmarc_results.c.facts, dmarc_results.c.messages)
        .where(dmarc_results.c.day == day, dmarc_results.c.domain == domain)
        .order_by(dmarc_results.c.messages.desc(), dmarc_results.c.digest)
        .limit(MAX_ROWS)
    )
    return [Tally(decode_facts(facts), int(messages)) for facts, messages in conn.execute(wanted)]


_MORE = Query(
    update(dmarc_results)
    .where(
        dmarc_results.c.day == bindparam("on"),
        dmarc_results.c.domain == bindparam("whom"),
        dmarc_results.c.digest == bindparam("how"),
    )
    .values(messages=dmarc_results.c.messages + bindparam("more"))
)
