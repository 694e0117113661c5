"""Taking messages in: into mailboxes here, into the queue, or both, with their records, in one commit.

Whatever waits is in the database before anybody is told that it was taken. Every message has one content; the queue
counts as one of those who refer to it.
"""

import secrets
from collections.abc import Sequence
from itertools import islice
from typing import Any

from sqlalchemy import insert

from estafeta.journal.records import Record
from estafeta.journal.writing import write_records
from estafeta.mail.scan import MessageSummary
from estafeta.mailboxes.deliver import ADD_CONTENT, Outcome, content_row, file_arrivals
from estafeta.queue.destinations import Coming, bring, find_or_make
from estafeta.queue.tables import entries, quarantine, recipients
from estafeta.queue.values import HELD_LANES, Acceptance, Accepted, Hold, Lane, NewEntry, NewRecipient
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction
from estafeta.storage.packs import Location
from estafeta.storage.prepared import Prepared

# Characters of what senders write that are kept to be shown.
_MOST_RULE, _MOST_SHOWN = 100, 500
_SECRET_OCTETS = 20


def accept(tx: Transaction, items: Sequence[Item]) -> list[tuple[Accepted, ...]]:
    """Operation of the group commit: payloads are tuples of `Acceptance`, with one location for each."""
    pairs = [pair for item in items for pair in zip(item.payload, item.locations, strict=True)]
    done = iter(take_in(tx, pairs))
    return [tuple(islice(done, len(item.payload))) for item in items]


def take_in(tx: Transaction, pairs: Sequence[tuple[Acceptance, Location]]) -> list[Accepted]:
    """Take them in, in a transaction of somebody's."""
    outcomes = _file(tx, pairs)
    queued = [
        (acceptance.entry, location)
        for acceptance, location in pairs
        if acceptance.entry is not None and acceptance.entry.recipients
    ]
    if queued:
        _queue(tx, queued)
    return [Accepted(tuple(mine)) for mine in outcomes]


def _file(tx: Transaction, pairs: Sequence[tuple[Acceptance, Location]]) -> list[Sequence[Outcome]]:
    """What is for mailboxes here, the contents of the rest, and all records."""
    arrivals = []
    contents: list[tuple[object, ...]] = []
    records: list[Record] = []
    for acceptance, location in pairs:
        entry, arrival = acceptance.entry, acceptance.arrival
        refs = int(entry is not None and len(entry.recipients) > 0)
        if arrival is not None and arrival.deliveries:
            if acceptance.records:
                arrival = arrival._replace(records=acceptance.records + tuple(arrival.records))
            arrivals.append((arrival, location, refs))
            continue
        if entry is not None and refs:
            contents.append(_content_row(entry.entry_id, acceptance.summary, location))
        records += acceptance.records
    filed = iter(file_arrivals(tx, arrivals) if arrivals else ())
    ADD_CONTENT.many(tx, contents)
    write_records(tx, records)
    return [next(filed) if one.arrival is not None and one.arrival.deliveries else () for one, _ in pairs]


def _content_row(entry_id: int, summary: MessageSummary, location: Location) -> tuple[object, ...]:
    """A content to which only the queue refers: what mail programs are told of a message is left out, since nobody
    asks, and writing it would cost as much as all the rest."""
    bare = summary._replace(envelope=b"", bodystructure=b"", structure=b"", preview="")
    return content_row(bare, location, 1, entry_id)


def _queue(tx: Transaction, queued: Sequence[tuple[NewEntry, Location]]) -> None:
    standings = find_or_make(tx, {one.hop for entry, _ in queued for one in entry.recipients})
    rows: list[tuple[object, ...]] = []
    coming = []
    for entry, _ in queued:
        for number, one in enumerate(entry.recipients):
            destination_id = standings[one.hop].destination_id
            rows.append(_recipient_row(destination_id, entry, number, one))
            if entry.lane not in HELD_LANES:
                coming.append(Coming(destination_id, entry.owner, one.due_ms))
    _ADD_ENTRY.many(tx, [_entry_row(entry, location) for entry, location in queued])
    held = [_held_row(entry, entry.hold) for entry, _ in queued if entry.hold is not None]
    if held:
        tx.conn.execute(insert(quarantine), held)
    # In key order: neighbours share a page of the tree.
    rows.sort(key=lambda row: row[:6])
    _ADD_RECIPIENT.many(tx, rows)
    bring(tx, standings.values(), coming, max(entry.created_ms for entry, _ in queued))


def _entry_row(entry: NewEntry, location: Location) -> tuple[object, ...]:
    return (
        entry.entry_id,
        location.content_id,
        entry.sender,
        entry.owner,
        int(Lane.NORMAL if entry.lane in HELD_LANES else entry.lane),
        int(entry.flags),
        entry.size,
        entry.skip,
        entry.created_ms,
        entry.envid,
        entry.ret,
        entry.language,
        entry.subject,
    )


def _held_row(entry: NewEntry, hold: Hold) -> dict[str, Any]:
    """Why it is in quarantine, in the same commit. The secret signs links to release it, and goes with it."""
    return {
        "entry_id": entry.entry_id,
        "rule": hold.rule[:_MOST_RULE],
        "reason": hold.reason[:_MOST_SHOWN],
        "author": hold.author[:_MOST_SHOWN],
        "subject": hold.subject[:_MOST_SHOWN],
        "held_ms": entry.created_ms,
        "expires_ms": hold.expires_ms,
        "by_users": hold.by_users,
        "secret": secrets.token_bytes(_SECRET_OCTETS),
    }


def _recipient_row(destination_id: int, entry: NewEntry, number: int, one: NewRecipient) -> tuple[object, ...]:
    return (
        destination_id,
        int(entry.lane),
        entry.owner,
        one.due_ms,
        entry.entry_id,
        number,
        one.address,
        one.address.rpartition("@")[2].lower(),
        entry.size,
        one.expires_ms,
        one.warn_ms,
        one.notify,
        one.orcpt,
        0,
        0,
        "",
    )


_ADD_ENTRY = Prepared(insert(entries), *(column.name for column in entries.columns))
_ADD_RECIPIENT = Prepared(insert(recipients), *(column.name for column in recipients.columns))
