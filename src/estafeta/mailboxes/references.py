"""How many messages refer to a content, kept with every message that comes or goes.

References that a content came with are in its own row, those of copies in `more_refs`, which go first: so neither COPY
nor removing a copy writes the wide rows of `contents`.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, text, update

from estafeta.mailboxes.selection import Selected, as_json, numbers
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Ranges
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared, Query
from estafeta.storage.tables import contents, more_refs, packs


def add_references(tx: Transaction, account_id: int, mailbox_id: int, ranges: Ranges) -> None:
    """One more reference to the content of each of these messages, for the copies that are made of them."""
    _ADD.run(tx, account_id, mailbox_id, ranges)


def release_contents(tx: Transaction, content_ids: Iterable[int]) -> None:
    """One reference less for each time that a content is named; what has none left is dead, and its octets count
    against its pack."""
    times = _release_more(tx, Counter(content_ids))
    if not times:
        return  # only copies went
    octets: Counter[int] = Counter()
    dead: list[int] = []
    for content_id, pack_id, length, refs in _LOCK.found(tx, ids=as_json(sorted(times))):
        if refs <= times[content_id]:
            dead.append(content_id)
            octets[pack_id] += length
    for content_id in dead:
        del times[content_id]
    _take(tx, _LESS, times)
    if dead:
        _BURY.run(tx, ids=as_json(dead))
        _COUNT_DEAD.many(tx, [(count, pack_id) for pack_id, count in sorted(octets.items())])


def _release_more(tx: Transaction, times: dict[int, int]) -> dict[int, int]:
    """Take away what references of copies there are; what is left to take from the contents themselves."""
    more: dict[int, int] = dict(_LOCK_MORE.found(tx, ids=as_json(sorted(times))))
    if not more:
        return times
    gone = [content_id for content_id, refs in more.items() if refs <= times[content_id]]
    if gone:
        _NO_MORE.run(tx, ids=as_json(gone))
    _take(tx, _LESS_MORE, {one: times[one] for one, refs in more.items() if refs > times[one]})
    return {one: number - more.get(one, 0) for one, number in times.items() if number > more.get(one, 0)}


def _take(tx: Transaction, less: Query, times: dict[int, int]) -> None:
    """Take from each content as many references as named: a statement for each number, and these are few."""
    for number in sorted(set(times.values())):
        less.run(tx, ids=as_json(one for one, named in times.items() if named == number), number=number)


def _less(table: Any) -> Query:
    number = bindparam("number", type_=table.c.refs.type)
    return Query(update(table).where(table.c.content_id.in_(numbers("ids"))).values(refs=table.c.refs - number))


# In one order, so that two writers (PostgreSQL) do not wait for each other. Rows of `more_refs` are locked before those
# of `contents`: a row that another writer is just adding is not seen, but is for a message that `contents` counts.
_ADD = Selected(
    lambda here: insert(more_refs).from_select(
        ["content_id", "refs"],
        select(messages.c.content_id, func.count())
        .where(here)
        .group_by(messages.c.content_id)
        .order_by(messages.c.content_id)
        .suffix_with(text("ON CONFLICT (content_id) DO UPDATE SET refs = more_refs.refs + excluded.refs")),
    )
)
_LOCK_MORE = Query(
    select(more_refs.c.content_id, more_refs.c.refs)
    .where(more_refs.c.content_id.in_(numbers("ids")))
    .order_by(more_refs.c.content_id)
    .with_for_update()
)
_LOCK = Query(
    select(contents.c.content_id, contents.c.pack_id, contents.c.length, contents.c.refs)
    .where(contents.c.content_id.in_(numbers("ids")))
    .order_by(contents.c.content_id)
    .with_for_update()
)
_LESS_MORE = _less(more_refs)
_LESS = _less(contents)
_NO_MORE = Query(delete(more_refs).where(more_refs.c.content_id.in_(numbers("ids"))))
_BURY = Query(delete(contents).where(contents.c.content_id.in_(numbers("ids"))))
_COUNT_DEAD = Prepared(
    update(packs)
    .where(packs.c.pack_id == bindparam("pack"))
    .values(dead_bytes=packs.c.dead_bytes + bindparam("octets")),
    "octets",
    "pack",
)
