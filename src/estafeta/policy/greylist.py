"""Greylisting (RFC 6647): who is unknown and looks odd has to come again, which most of what sends spam never does.

Judged when the message is there, so that signatures count: who passed SPF or DKIM is known by its domain, from whatever
address of a pool it comes again, all others by their network (/24, /64). What is remembered is a hash of that, of the
sender (digits left out, since lists number their notices), and of the recipient.

Nobody waits who is known: whom experience knows as good, to whom users write, whom a list of senders or a DNS list of
good ones has, and who came again before.
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import and_ as both
from sqlalchemy import bindparam, delete, func, or_, select, text

from estafeta.core.clock import Clock
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_source import SettingsSource
from estafeta.directory.settings_spam import Greylist
from estafeta.mailboxes.service import Submit
from estafeta.policy.authentication import name_of, spf_of
from estafeta.policy.checks import Check, Stage
from estafeta.policy.dnslists import listings_of
from estafeta.policy.facts import Facts
from estafeta.policy.identities import identities_of, signing_domains
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner
from estafeta.policy.names import takes_from_everybody
from estafeta.policy.remembered import Remembered
from estafeta.policy.reputation import is_known_good
from estafeta.policy.reputationtables import greylist
from estafeta.policy.verdict import Action, Verdict, deferred, passed
from estafeta.policy.wanted import is_allowed_by_recipient
from estafeta.storage.commit import Item
from estafeta.storage.database import Database, Transaction
from estafeta.storage.prepared import Prepared, Query
from estafeta.trust.iprev import IprevStatus
from estafeta.trust.spfrecord import SpfStatus

NAME = "greylist"
#: Who comes again after this is new again. Servers try for two days at least (RFC 5321 4.5.4.1 has four to five).
RETRY_SECONDS = 3 * 86_400
#: Rows; beyond, who did not come again is forgotten sooner.
MAX_ROWS = 500_000
MAX_GATHERED = 2000
# Recipients of one message that are remembered.
_MOST_RECIPIENTS = 10
_DAY = 86_400
_DIGITS = re.compile(r"\d+")
_ODD_SPF = frozenset({SpfStatus.FAIL, SpfStatus.SOFTFAIL, SpfStatus.NEUTRAL, SpfStatus.NONE, SpfStatus.PERMERROR})
_WAIT = "Greylisted: please try again in {} minutes"


class Row(NamedTuple):
    """As the table has it: `passes` is how often it came again in time."""

    first_seconds: int
    last_seconds: int
    passes: int


class Found(NamedTuple):
    """`keys` of the message, of which the first is that of the client alone; `rows` of those that are known."""

    keys: tuple[str, ...]
    rows: dict[str, Row]


class GreylistStore:
    """One for each worker: read as sessions ask, gathered, and written once a second."""

    def __init__(self, database: Database, submit: Submit | None, clock: Clock) -> None:
        self._database = database
        self._submit = submit
        self._clock = clock
        self._known: Remembered[str, Row] = Remembered(self._read, clock, seconds=30)
        self._gathered: dict[str, int] = {}

    async def rows(self, keys: Collection[str]) -> dict[str, Row]:
        """Those that are known. Raises EstafetaError."""
        return await self._known.get(keys)

    def add(self, keys: Collection[str], *, passed: bool) -> None:
        """They were seen now, and `passed`, or were put off."""
        now = int(self._clock())
        for key in keys:
            if key in self._gathered or len(self._gathered) < MAX_GATHERED:
                self._gathered[key] = max(self._gathered.get(key, 0), int(passed))
        if passed:
            for key in keys:
                self._known.put(key, Row(now, now, 1))

    def flush(self) -> None:
        """Have it written; nobody waits for it."""
        if not self._gathered or self._submit is None:
            return
        gathered, self._gathered = tuple(sorted(self._gathered.items())), {}
        self._submit(write, (gathered, int(self._clock())), ()).add_done_callback(lambda done: done.exception())

    def _read(self, keys: Collection[str]) -> dict[str, Row]:
        wanted = select(greylist).where(greylist.c.key.in_(list(keys)))
        with self._database.read() as conn:
            return {row[0]: Row(row[1], row[2], row[3]) for row in conn.execute(wanted)}


def checks(store: GreylistStore) -> tuple[Check, ...]:
    """The row, at the end of the table: it reads what all others found."""

    async def find(facts: Facts, settings: Settings) -> Found:
        keys = keys_of(facts)
        return Found(keys, await store.rows(keys))

    return (
        Check(NAME, Stage.CONTENT, "who is unknown and looks odd has to come again (RFC 6647)", judge, find,
              on=lambda settings: settings.spam.greylist is not Greylist.OFF, light=True),
    )  # fmt: skip


def keys_of(facts: Facts) -> tuple[str, ...]:
    """Of the client alone, and with the sender and each recipient."""
    identities = identities_of(facts)
    who = identities.organizations[0] if identities.organizations else identities.network
    sender = _DIGITS.sub("#", facts.sender.key) if facts.sender is not None else ""
    recipients = sorted({address.key for address, _ in facts.recipients})[:_MOST_RECIPIENTS]
    return (_hash(who), *(_hash(who, sender, recipient) for recipient in recipients))


def judge(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Whether it has to wait."""
    found = facts.found.get(NAME)
    if not isinstance(found, Found) or not is_asked(facts, settings):
        return ()
    now, spam = int(facts.now), settings.spam
    client, *others = found.keys
    known = found.rows.get(client)
    if known is not None and known.passes and now - known.last_seconds < spam.greylist_days * _DAY:
        return (passed("greylisting: this client came again before"),)
    waits = [_left(found.rows.get(key), now, spam.greylist_seconds) for key in others]
    least = min(waits, default=0)
    if not least:
        return (passed("greylisting: it came again"),)
    minutes = -(-least // 60)
    return (deferred(_WAIT.format(minutes), f"greylisting: unknown, and {doubts(facts) or 'everybody waits'}"),)


def is_asked(facts: Facts, settings: Settings) -> bool:
    """Whether greylisting is for this message at all."""
    if any(takes_from_everybody(address) for address, _ in facts.recipients):
        return False
    if is_allowed_by_recipient(facts) or is_known_good(facts, settings):
        return False
    if any(listing.points < 0 for listing in listings_of(facts)):
        return False
    return settings.spam.greylist is Greylist.ALL or bool(doubts(facts))


def doubts(facts: Facts) -> str:
    """What speaks against a client, in words; "" for nothing. What DNS cannot tell now is no doubt."""
    name, spf = name_of(facts), spf_of(facts)
    if name is not None and name.result in (IprevStatus.FAIL, IprevStatus.PERMERROR):
        return "its address has no name"
    if spf is not None and spf.result in _ODD_SPF and not signing_domains(facts):
        return "nothing proves its sender"
    listed = next((listing for listing in listings_of(facts) if listing.points > 0), None)
    if listed is not None:
        return f"it is on {listed.zone}"
    return "it spoke before it was asked to" if facts.early else ""


def learner(store: GreylistStore, settings: SettingsSource) -> Learner:
    """Remembers who was put off and who came again."""

    def judged(facts: Facts, judgement: Judgement) -> None:
        found = facts.found.get(NAME)
        if not isinstance(found, Found) or not is_asked(facts, settings.current):
            return
        if judgement.decisive.check == NAME and judgement.action is Action.DEFER:
            store.add(found.keys[1:], passed=False)
        elif judgement.decisive.accepted and any(key in found.rows for key in found.keys):
            store.add(found.keys, passed=True)

    return Learner(judged)


def _left(row: Row | None, now: int, seconds: int) -> int:
    """Seconds that are left to wait."""
    if row is None or (not row.passes and now - row.last_seconds > RETRY_SECONDS):
        return seconds
    return 0 if row.passes else max(0, min(seconds, row.first_seconds + seconds - now))


def _hash(*words: str) -> str:
    return hashlib.blake2b("\0".join(words).encode("utf-8", "replace"), digest_size=16).hexdigest()


def write(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Operation of the group commit: payloads are keys with 1 for those that passed, and epoch seconds."""
    for item in items:
        gathered, now = item.payload
        _PUT.many(tx, [(key, now, now, passes, now - RETRY_SECONDS) for key, passes in gathered])
    return [None] * len(items)


def prune(database: Database, now: float, days: int) -> None:
    """Forget who did not come again, and who did not for `days`; sooner where there are too many."""
    for retry_seconds in (RETRY_SECONDS, _DAY, _DAY // 4, _DAY // 24):
        with database.write() as tx:
            _OLD.run(tx, retry=int(now) - retry_seconds, kept=int(now) - days * _DAY)
            if (tx.conn.scalar(select(func.count()).select_from(greylist)) or 0) <= MAX_ROWS:
                return


_PUT = Prepared(
    text(
        "INSERT INTO greylist (key, first_seconds, last_seconds, passes) VALUES (:key, :first, :last, :passes)"
        " ON CONFLICT (key) DO UPDATE SET first_seconds = CASE WHEN greylist.passes = 0 AND greylist.last_seconds <"
        " :before THEN excluded.first_seconds ELSE greylist.first_seconds END, last_seconds = excluded.last_seconds,"
        " passes = greylist.passes + excluded.passes"
    ),
    "key",
    "first",
    "last",
    "passes",
    "before",
)
_g = greylist.c
_OLD = Query(
    delete(greylist).where(
        or_(both(_g.passes == 0, _g.last_seconds < bindparam("retry")), _g.last_seconds < bindparam("kept"))
    )
)
