"""Reading the journal: the records of a message, and messages found by what their records say.

Every read is one short transaction of bounded size. A search goes through the messages newest first, some thousand
records at a time, and gives what it finds as it finds it.
"""

import ipaddress
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select, true

from estafeta.journal.records import read_detail
from estafeta.journal.tables import journal
from estafeta.storage.database import Database
from estafeta.storage.prepared import Query

# Records that one read goes through: some ten milliseconds.
_PORTION = 20_000
# Records that are in memory at once.
_PAGE_ROWS = 5_000
#: Records of one message that are read at most: a list of 100,000 members is not told name by name.
MAX_STORY = 5_000
#: Above every ident.
NEWEST = 2**63 - 1
#: Below every ident, those of destinations (which are below zero) too.
OLDEST = -(2**63)
# Destinations that a message waited for, and troubles of each, that are told of.
_HOPS = 20
_TROUBLES = 100
_ABOUT_SECONDS = 30
_HEX = re.compile(r"[0-9a-f]{12,16}")


class Entry(NamedTuple):
    """A record as read: `at_us` epoch microseconds, `detail` its values (journal.records.detail)."""

    message_id: int
    at_us: int
    code: str
    address: str
    peer: str
    size: int
    text: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What messages are looked for: `ident`, or a word that is compared with addresses (whole, or `@domain`), with
    Message-ID fields (whole), with the IP addresses of other machines, and with subjects (any part, in any case)."""

    ident: int = 0
    address: str = ""
    peer: str = ""
    field: str = ""
    subject: str = ""


@dataclass(slots=True)
class Search:
    """A search under way. `below`: everything from this ident on was looked at."""

    wanted: Wanted
    since_id: int
    below: int = NEWEST
    seen: set[int] = field(default_factory=set)


def parse_wanted(words: str) -> Wanted:
    """What a person typed: an ident as in `250 ... queued as 6a1f3c2d00000`, an address, a Message-ID field, an IP
    address, else part of a subject."""
    plain = words.strip()
    if _HEX.fullmatch(plain.lower()):
        return Wanted(ident=int(plain, 16))
    if "@" in plain and not re.search(r"\s", plain):
        bare = plain.strip("<>")
        return Wanted(address=bare, field=f"<{bare}>")
    return Wanted(subject=plain, peer=_ip(plain))


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return ""


def read_records(database: Database, message_id: int, limit: int = MAX_STORY) -> list[Entry]:
    """The records of one message, in the order in which they were made; at most `limit`."""
    with database.read() as conn:
        return [_entry(row) for row in _OF_MESSAGE.rows(conn, message_id=message_id, most=limit)]


def read_troubles(database: Database, hops: Sequence[str], since_us: int, until_us: int) -> list[Entry]:
    """The records of these destinations from a time, in their order: the last hundred of each, of some."""
    with database.read() as conn:
        rows = [
            row
            for hop in hops[:_HOPS]
            for row in _OF_HOP.rows(conn, hop=hop, since=since_us, until=until_us, most=_TROUBLES)
        ]
    return sorted(map(_entry, rows), key=lambda entry: entry.at_us)


def read_children(database: Database, message_id: int, at_us: int) -> list[int]:
    """Idents of messages that say that they come of this one, of those that were made at about that moment."""
    low, high = (max(0, at_us // 1000 + seconds * 1000) << 20 for seconds in (-_ABOUT_SECONDS, _ABOUT_SECONDS))
    with database.read() as conn:
        rows = _CHILDREN.rows(
            conn,
            low=low,
            high=high,
            said=f'%"parent":"{message_id:x}"%',
            once=f'%"parent": "{message_id:x}"%',
            most=_HOPS,
        )
    return [row[0] for row in rows]


def find_messages(database: Database, search: Search) -> Iterator[list[int]]:
    """Idents of the messages that match, newest first, in a list for each portion (often empty: a sign of life)."""
    if search.wanted.ident:
        yield [search.wanted.ident]
        return
    query = Query(_matching(search.wanted))
    while search.below > search.since_id:
        with database.read() as conn:
            low = max(_portion_below(conn, search.below), search.since_id)
            rows = query.rows(conn, low=low, below=search.below)
        found = {row[0] for row in rows if _matches(search.wanted, *row[1:])} - search.seen
        search.seen |= found
        search.below = low
        yield sorted(found, reverse=True)


def latest(database: Database, limit: int, since_id: int = 0) -> list[Entry]:
    """The last records of the newest messages, and of destinations meanwhile, oldest first."""
    with database.read() as conn:
        rows = _LATEST.rows(conn, since=since_id, most=limit)
        since_us = min((row[1] for row in rows), default=0)
        rows += _OF_DESTINATIONS.rows(conn, since=since_us, most=limit)
    return sorted((_entry(row) for row in rows), key=lambda entry: entry.at_us)[-limit:]


def first_ms(database: Database) -> int:
    """When the oldest message came that there are records of (epoch milliseconds); 0 when there are none."""
    with database.read() as conn:
        rows = _FIRST.rows(conn)
    return int(rows[0][0]) >> 20 if rows and rows[0][0] else 0


def scan(database: Database, low: int, high: int, since_us: int = 0, until_us: int = NEWEST) -> Iterator[list[Entry]]:
    """All records of the messages from `low` up to `high` that were made in a time, message by message, in pages of
    bounded size that are each one short read."""
    while low < high:
        with database.read() as conn:
            rows = _ABOVE.rows(conn, low=low, high=high, skipped=_PORTION)
        # A message with very many records is a portion by itself.
        upper = max(int(rows[0][0]), low + 1) if rows else high
        yield from _pages(database, low, upper, since_us, until_us)
        low = upper


def _pages(database: Database, low: int, high: int, since_us: int, until_us: int) -> Iterator[list[Entry]]:
    after = (low, -1)
    while True:
        with database.read() as conn:
            rows = _PAGE.rows(
                conn, message_id=after[0], at_us=after[1], high=high, since=since_us, until=until_us, most=_PAGE_ROWS
            )
        if rows:
            yield [_entry(row) for row in rows]
        if len(rows) < _PAGE_ROWS:
            return
        after = rows[-1][:2]


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry._make((*row[:7], read_detail(row[7])))


def _portion_below(conn: Connection, below: int) -> int:
    """Where a portion begins that ends before `below`; 0 when little is left. Never within a message."""
    rows = _BOUND.rows(conn, below=below, skipped=_PORTION)
    return int(rows[0][0]) if rows else 0


def _matching(wanted: Wanted) -> Any:
    """Records of a portion that may match; the database knows no letters but those of ASCII."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.address:
        conditions += [_like(journal.c.address, wanted.address), _like(journal.c.detail, _in_json(wanted.address))]
    if wanted.subject:
        conditions.append(_like(journal.c.detail, _in_json(wanted.subject)))
    if wanted.peer:
        conditions.append(_like(journal.c.peer, wanted.peer))
    return select(journal.c.message_id, journal.c.address, journal.c.peer, journal.c.detail).where(
        journal.c.message_id >= bindparam("low"), journal.c.message_id < bindparam("below"), or_(*conditions)
    )


def _like(column: Any, part: str) -> ColumnElement[bool]:
    """Whether it has the longest run of ASCII of `part` in it, in any case."""
    run = max(re.findall(r"[\x20-\x7e]+", part), key=len, default="")
    return func.lower(column).contains(run.lower(), autoescape=True) if run else true()


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _matches(wanted: Wanted, address: str, peer: str, detail: str) -> bool:
    # Behind the name that a machine gives itself, its address stands in brackets.
    if wanted.peer and peer.rpartition(" ")[2].strip("[]") == wanted.peer:
        return True
    values = read_detail(detail)
    if wanted.subject:
        return wanted.subject.casefold() in str(values.get("subject", "")).casefold()
    if str(values.get("message_id", "")) == wanted.field:
        return True
    listed = values.get("to", [])
    named = (address, values.get("sender", ""), *(listed if isinstance(listed, list) else ()))
    return any(_same(wanted.address, str(one)) for one in named)


def _same(wanted: str, address: str) -> bool:
    mine, theirs = wanted.casefold(), address.casefold()
    return theirs.endswith(mine) if mine.startswith("@") else theirs == mine


_ALL = tuple(journal.columns)
_OF_MESSAGE = Query(
    select(*_ALL)
    .where(journal.c.message_id == bindparam("message_id"))
    .order_by(journal.c.at_us)
    .limit(bindparam("most"))
)
_CHILDREN = Query(
    select(journal.c.message_id)
    .where(
        journal.c.message_id >= bindparam("low"),
        journal.c.message_id < bindparam("high"),
        # Older records have a space there.
        or_(journal.c.detail.like(bindparam("said")), journal.c.detail.like(bindparam("once"))),
    )
    .order_by(journal.c.message_id)
    .limit(bindparam("most"))
)
_FIRST = Query(select(func.min(journal.c.message_id)).where(journal.c.message_id > 0))
_OF_HOP = Query(
    select(*_ALL)
    .where(
        journal.c.message_id < 0,
        journal.c.address == bindparam("hop"),
        journal.c.at_us >= bindparam("since"),
        journal.c.at_us <= bindparam("until"),
    )
    .order_by(journal.c.at_us.desc())
    .limit(bindparam("most"))
)
_OF_DESTINATIONS = Query(
    select(*_ALL)
    .where(journal.c.message_id < 0, journal.c.at_us >= bindparam("since"))
    .order_by(journal.c.at_us.desc())
    .limit(bindparam("most"))
)
_LATEST = Query(
    select(*_ALL)
    .where(journal.c.message_id >= bindparam("since"))
    .order_by(journal.c.message_id.desc(), journal.c.at_us.desc())
    .limit(bindparam("most"))
)
_BOUND = Query(
    select(journal.c.message_id)
    .where(journal.c.message_id < bindparam("below"))
    .order_by(journal.c.message_id.desc())
    .limit(1)
    .offset(bindparam("skipped"))
)
_ABOVE = Query(
    select(journal.c.message_id)
    .where(journal.c.message_id >= bindparam("low"), journal.c.message_id < bindparam("high"))
    .order_by(journal.c.message_id)
    .limit(1)
    .offset(bindparam("skipped"))
)
_PAGE = Query(
    select(*_ALL)
    .where(
        journal.c.message_id >= bindparam("message_id"),
        or_(journal.c.message_id > bindparam("message_id"), journal.c.at_us > bindparam("at_us")),
        journal.c.message_id < bindparam("high"),
        journal.c.at_us >= bindparam("since"),
        journal.c.at_us < bindparam("until"),
    )
    .order_by(journal.c.message_id, journal.c.at_us)
    .limit(bindparam("most"))
)
