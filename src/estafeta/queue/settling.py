"""What came of attempts, made durable: recipients that are done leave, others wait on, notices and records join them.

Applied row by row to what is there: a recipient that an operator removed meanwhile, or that a courier which took over
settled before, is passed over.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Integer, and_, bindparam, case, delete, literal_column, select, update

from estafeta.journal.writing import write_records
from estafeta.mailboxes.references import release_contents
from estafeta.mailboxes.selection import as_json, numbers
from estafeta.queue.accepting import take_in
from estafeta.queue.destinations import Coming, bring, find_or_make
from estafeta.queue.tables import destinations, entries, recipients
from estafeta.queue.values import Accepted, Settle
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Prepared, Query

# Octets of a reason that are kept; the journal has more of it.
_MAX_REASON = 1000


def settle(tx: Transaction, items: Sequence[Item]) -> list[tuple[Accepted, ...]]:
    """Operation: payloads are `Settle`s, with one location for each of their notices. Results are what became of
    these."""
    wanted: list[Settle] = [item.payload for item in items]
    repeated = [_is_repeated(tx, one) for one in wanted]
    _DONE.many(tx, [(one.destination_id, *place) for one in wanted for place in one.done])
    drop_finished(tx, {place.entry_id for one in wanted for place in one.done})
    for one in wanted:
        _delay(tx, one)
    _judge(tx, wanted)
    write_records(tx, [record for one in wanted for record in one.records])
    pairs = [
        pair
        for item, again in zip(items, repeated, strict=True)
        if not again
        for pair in zip(item.payload.notices, item.locations, strict=True)
    ]
    taken = iter(take_in(tx, pairs) if pairs else ())
    return [
        () if again else tuple(next(taken) for _ in one.notices) for one, again in zip(wanted, repeated, strict=True)
    ]


def _is_repeated(tx: Transaction, one: Settle) -> bool:
    """Whether all that is done left the queue before, by another courier that took over: then what came of it (the
    copies of a list, notices) was taken in by that one, too."""
    if not (one.notices and one.done):
        return False
    found = _THERE.found(tx, ids=as_json({place.entry_id for place in one.done}), here=one.destination_id)
    return not {(place.entry_id, place.number) for place in one.done} & {(row[0], row[1]) for row in found}


def drop_finished(tx: Transaction, entry_ids: Iterable[int]) -> None:
    """Messages of these that have no recipients left leave the queue, and let go of their contents."""
    ids = sorted(entry_ids)
    if not ids:
        return
    # The lock: of two writers that settle the last two recipients, the second must see that it is the last.
    contents = dict(_LOCK.found(tx, ids=as_json(ids)))
    for (entry_id,) in _LEFT.found(tx, ids=as_json(ids)):
        contents.pop(entry_id, None)
    if contents:
        _DROP.run(tx, ids=as_json(contents))
        release_contents(tx, contents.values())


def _delay(tx: Transaction, one: Settle) -> None:
    """Recipients that wait on: by their new time, and some of them for another destination."""
    if not one.later:
        return
    moved = find_or_make(tx, {delay.hop for delay in one.later if delay.hop})
    rows = []
    for delay in one.later:
        target = moved[delay.hop].destination_id if delay.hop else one.destination_id
        rows.append(
            (
                target,
                delay.due_ms,
                int(delay.warned),
                one.now_ms,
                delay.reason[:_MAX_REASON],
                one.destination_id,
                *delay.place,
            )
        )
    _LATER.many(tx, rows)
    if moved:
        owners = dict(_OWNERS.found(tx, ids=as_json({delay.place.entry_id for delay in one.later if delay.hop})))
        coming = [
            Coming(moved[delay.hop].destination_id, owners[delay.place.entry_id], delay.due_ms)
            for delay in one.later
            if delay.hop and delay.place.entry_id in owners
        ]
        bring(tx, moved.values(), coming, one.now_ms)


def _judge(tx: Transaction, wanted: Sequence[Settle]) -> None:
    """What is remembered of the destinations, by their holders only."""
    down = [
        (
            one.trouble.due_ms,
            one.trouble.due_ms,
            one.now_ms,
            one.now_ms,
            one.trouble.error,
            one.destination_id,
            one.holder,
        )
        for one in wanted
        if one.trouble is not None
    ]
    _DOWN.many(tx, down)
    well = [(one.now_ms, one.now_ms, one.destination_id, one.holder) for one in wanted if one.recovered]
    _WELL.many(tx, well)


# Constants of statements whose parameters are only those of their rows.
_ZERO, _ONE = literal_column("0", Integer), literal_column("1", Integer)
_R = recipients.c
_D = destinations.c
_HERE = and_(_R.destination_id == bindparam("here"), _R.entry_id == bindparam("entry"), _R.number == bindparam("place"))
_MINE = and_(_D.destination_id == bindparam("here"), _D.holder == bindparam("of_holder"))

_DONE = Prepared(delete(recipients).where(_HERE), "here", "entry", "place")
_OF_THESE = entries.c.entry_id.in_(numbers("ids"))
_LOCK = Query(
    select(entries.c.entry_id, entries.c.content_id).where(_OF_THESE).order_by(entries.c.entry_id).with_for_update()
)
_THERE = Query(
    select(_R.entry_id, _R.number).where(
        _R.entry_id.in_(numbers("ids")), _R.destination_id == bindparam("here", type_=BigInteger)
    )
)
_LEFT = Query(select(_R.entry_id).where(_R.entry_id.in_(numbers("ids"))).distinct())
_DROP = Query(delete(entries).where(_OF_THESE))
_OWNERS = Query(select(entries.c.entry_id, entries.c.owner).where(_OF_THESE))
_LATER = Prepared(
    update(recipients)
    .where(_HERE)
    .values(
        destination_id=bindparam("there"),
        due_ms=bindparam("new_due"),
        warn_ms=case((bindparam("warned", type_=Integer) != _ZERO, _ZERO), else_=_R.warn_ms),
        attempts=_R.attempts + _ONE,
        first_ms=case((_R.first_ms == _ZERO, bindparam("now", type_=BigInteger)), else_=_R.first_ms),
        reason=bindparam("new_reason"),
    ),
    "there",
    "new_due",
    "warned",
    "now",
    "new_reason",
    "here",
    "entry",
    "place",
)
_DOWN = Prepared(
    update(destinations)
    .where(_MINE)
    .values(
        due_ms=bindparam("new_due"),
        retry_ms=bindparam("new_retry"),
        failures=_D.failures + _ONE,
        first_failed_ms=case((_D.failures == _ZERO, bindparam("now", type_=BigInteger)), else_=_D.first_failed_ms),
        last_tried_ms=bindparam("tried"),
        error=bindparam("new_error"),
    ),
    "new_due",
    "new_retry",
    "now",
    "tried",
    "new_error",
    "here",
    "of_holder",
)
_WELL = Prepared(
    update(destinations)
    .where(_MINE)
    .values(
        retry_ms=_ZERO,
        failures=_ZERO,
        first_failed_ms=_ZERO,
        last_tried_ms=bindparam("tried"),
        last_ok_ms=bindparam("now"),
        error=literal_column("''"),
    ),
    "tried",
    "now",
    "here",
    "of_holder",
)
