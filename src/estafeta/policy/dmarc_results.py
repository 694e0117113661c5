"""Results of DMARC by day, policy domain and way in which messages went: operations of the group commit, and reading.

Rows hold counts, no messages and no recipients. How many kinds a day has, and how many those of one organization are,
is counted in `dmarc_kinds`: beyond the limits nothing new is told apart, and the messages are not reported.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, tuple_, update

from estafeta.policy.dmarc_tables import dmarc_kinds, dmarc_results, dmarc_sent
from estafeta.policy.dmarc_values import Tally, decode_facts
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Query

log = logging.getLogger("estafeta.policy")

#: Days for which results are kept: reports go out the day after, and once more a day later where DNS failed.
KEEP_DAYS = 7
#: Kinds of messages of one day that are told apart: some 100 MiB.
MAX_KINDS = 200_000
#: Of one organization, with all domains below it that have policies of their own. More would make a report that is
#: larger than most receivers take.
MAX_KINDS_OF_ONE = 20_000
# Rows that are removed in one commit.
_PORTION = 500
_ALL = ""


class Count(NamedTuple):
    """So many messages more of one kind. `owner`: the organization that the domain is of. `facts` is JSON."""

    day: int
    domain: str
    digest: str
    owner: str
    messages: int
    facts: str


class Sent(NamedTuple):
    """Payload of `note_sent`. `report_id` is "" where none goes out."""

    day: int
    domain: str
    report_id: str
    sent_seconds: int


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
    new = [
        count
        for _, count in sorted(sums.items())
        if not _MORE.run(tx, on=count.day, whom=count.domain, how=count.digest, more=count.messages)
    ]
    if new:
        _add_new(tx, new)
    return [None] * len(items)


def _add_new(tx: Transaction, new: Sequence[Count]) -> None:
    """As many of them as there is room for."""
    before = _lock_kinds(tx, {(count.day, owner) for count in new for owner in (_ALL, count.owner)})
    now = Counter(before)
    rows = []
    for count in new:
        of_all, of_one = (count.day, _ALL), (count.day, count.owner)
        if now[of_all] >= MAX_KINDS or now[of_one] >= MAX_KINDS_OF_ONE:
            continue
        now[of_all] += 1
        now[of_one] += 1
        row = count._asdict()
        del row["owner"]
        rows.append(row)
    if len(rows) < len(new):
        log.warning("too many kinds of messages for reports on DMARC", extra={"left_out": len(new) - len(rows)})
    if rows:
        tx.conn.execute(insert(dmarc_results), rows)
    for (day, owner), kinds in now.items():
        if kinds > before[day, owner]:
            here = (dmarc_kinds.c.day == day) & (dmarc_kinds.c.owner == owner)
            tx.conn.execute(update(dmarc_kinds).where(here).values(kinds=kinds))


def _lock_kinds(tx: Transaction, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """How many kinds there are; nobody else changes that until the commit."""
    found = {}
    for day, owner in sorted(wanted):
        here = (dmarc_kinds.c.day == day) & (dmarc_kinds.c.owner == owner)
        kinds = tx.conn.execute(select(dmarc_kinds.c.kinds).where(here).with_for_update()).scalar()
        if kinds is None:
            tx.conn.execute(insert(dmarc_kinds), {"day": day, "owner": owner, "kinds": 0})
        found[day, owner] = int(kinds or 0)
    return found


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


def forget_others(tx: Transaction, items: Sequence[Item]) -> list[int]:
    """Payload: today. Some of the results and notes of days that are over go, and of days that a wrong clock made up;
    how many rows, 0 when all are gone."""
    gone = 0
    for today in {item.payload for item in items}:
        for table in (dmarc_results, dmarc_sent, dmarc_kinds):
            keys = table.primary_key.columns
            old = or_(table.c.day < today - KEEP_DAYS, table.c.day > today + KEEP_DAYS)
            some = select(*keys).where(old).limit(_PORTION)
            gone += int(tx.conn.execute(delete(table).where(tuple_(*keys).in_(some))).rowcount)
    return [gone] * len(items)


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
    """How messages in the name of a domain went on a day, the most frequent kinds first."""
    wanted = (
        select(dmarc_results.c.facts, dmarc_results.c.messages)
        .where(dmarc_results.c.day == day, dmarc_results.c.domain == domain)
        .order_by(dmarc_results.c.messages.desc(), dmarc_results.c.digest)
        .limit(MAX_KINDS_OF_ONE)
    )
    return [Tally(decode_facts(facts), int(messages)) for facts, messages in conn.execute(wanted)]


@dataclass(frozen=True, slots=True)
class DomainDay:
    """A domain of others on a day: kinds of messages, messages, and the report if it went out ("" where none was
    wanted, None where it has not gone)."""

    domain: str
    kinds: int
    messages: int
    report_id: str | None


def read_day(conn: Connection, day: int) -> list[DomainDay]:
    """The domains of a day in the order of their names."""
    wanted = (
        select(
            dmarc_results.c.domain,
            func.count(),
            func.sum(dmarc_results.c.messages),
            func.max(dmarc_sent.c.report_id),
        )
        .outerjoin(
            dmarc_sent, (dmarc_sent.c.day == dmarc_results.c.day) & (dmarc_sent.c.domain == dmarc_results.c.domain)
        )
        .where(dmarc_results.c.day == day)
        .group_by(dmarc_results.c.domain)
        .order_by(dmarc_results.c.domain)
    )
    return [DomainDay(name, int(kinds), int(messages), sent) for name, kinds, messages, sent in conn.execute(wanted)]


_MORE = Query(
    update(dmarc_results)
    .where(
        dmarc_results.c.day == bindparam("on"),
        dmarc_results.c.domain == bindparam("whom"),
        dmarc_results.c.digest == bindparam("how"),
    )
    .values(messages=dmarc_results.c.messages + bindparam("more"))
)
