"""What is held in quarantine, as operators, users and the daily letter see it. Reads one view of the database."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, exists, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.queue.choosing import matches
from estafeta.queue.tables import entries, quarantine, quarantine_told, recipients
from estafeta.queue.values import EntryFlag, Lane, Place

_AT_ONCE = 200


class Choice(NamedTuple):
    """Messages that fulfil all that is named. `entry_ids`: these; `sender`, `recipient` and `rule` (name of the filter)
    are patterns with * and ?, sender "<>" the null one; `before_ms`, `after_ms`: held before or since; `expired_ms`:
    whose time was over then; `everything`: no restriction, said on purpose."""

    entry_ids: tuple[int, ...] = ()
    sender: str = ""
    recipient: str = ""
    rule: str = ""
    before_ms: int = 0
    after_ms: int = 0
    expired_ms: int = 0
    everything: bool = False


class HeldRecipient(NamedTuple):
    """For whom it is held; `told`: it was written to them."""

    number: int
    address: str
    told: bool = False


class HeldMessage(NamedTuple):
    """A message in quarantine, with those of its recipients for whom it still is (of a `Choice` by recipient, only
    these). Times in epoch milliseconds, sizes in octets; `skip` octets in front of its content do not go out."""

    entry_id: int
    rule: str
    reason: str
    author: str
    subject: str
    held_ms: int
    expires_ms: int
    by_users: bool
    secret: bytes
    sender: str
    size: int
    skip: int
    content_id: int
    flags: EntryFlag
    recipients: tuple[HeldRecipient, ...]

    @property
    def ident(self) -> str:
        """As in the reply to the client and in `message trace`."""
        return f"{self.entry_id:x}"

    @property
    def places(self) -> tuple[Place, ...]:
        """Keys of its recipients."""
        return tuple(Place(self.entry_id, one.number) for one in self.recipients)


def find_held(conn: Connection, choice: Choice, limit: int | None = None) -> Iterator[HeldMessage]:
    """Messages, oldest first. EstafetaError INVALID for a choice that names nothing."""
    wanted = _conditions(choice)
    last, left = -1, limit
    while left is None or left > 0:
        portion = _AT_ONCE if left is None else min(_AT_ONCE, left)
        rows = conn.execute(_LISTED.where(*wanted, _Q.entry_id > last).order_by(_Q.entry_id).limit(portion)).all()
        if not rows:
            return
        yield from _with_recipients(conn, rows, choice.recipient)
        last = rows[-1].entry_id
        left = None if left is None else left - len(rows)


def find_one(conn: Connection, entry_id: int) -> HeldMessage | None:
    """The message with this ident, None where it is not held."""
    return next(find_held(conn, Choice(entry_ids=(entry_id,)), 1), None)


def count_held(conn: Connection, choice: Choice) -> tuple[int, int]:
    """How many messages, and for how many recipients."""
    messages = places = 0
    for one in find_held(conn, choice):
        messages += 1
        places += len(one.recipients)
    return messages, places


_E, _Q, _R, _T = entries.c, quarantine.c, recipients.c, quarantine_told.c
_LISTED = select(
    _Q.entry_id,
    _Q.rule,
    _Q.reason,
    _Q.author,
    _Q.subject,
    _Q.held_ms,
    _Q.expires_ms,
    _Q.by_users,
    _Q.secret,
    _E.sender,
    _E.size,
    _E.skip,
    _E.content_id,
    _E.flags,
).join_from(quarantine, entries, _E.entry_id == _Q.entry_id)
_IN_QUARANTINE = _R.lane == int(Lane.QUARANTINE)


def _with_recipients(conn: Connection, rows: Sequence[Any], pattern: str) -> Iterator[HeldMessage]:
    told = exists().where(_T.entry_id == _R.entry_id, _T.number == _R.number)
    query = (
        select(_R.entry_id, _R.number, _R.address, told)
        .where(_R.entry_id.in_([row.entry_id for row in rows]), _IN_QUARANTINE)
        .order_by(_R.entry_id, _R.number)
    )
    if pattern:
        query = query.where(matches(_R.address, pattern))
    found: dict[int, list[HeldRecipient]] = {}
    for entry_id, number, address, was_told in conn.execute(query):
        found.setdefault(entry_id, []).append(HeldRecipient(number, address, bool(was_told)))
    for row in rows:
        mine = tuple(found.get(row.entry_id, ()))
        if mine:
            yield HeldMessage._make((*row[:-1], EntryFlag(row[-1]), mine))


def _conditions(choice: Choice) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if choice.entry_ids:
        found.append(_Q.entry_id.in_(choice.entry_ids))
    if choice.sender:
        found.append(_E.sender == "" if choice.sender == "<>" else matches(_E.sender, choice.sender))
    if choice.rule:
        found.append(matches(_Q.rule, choice.rule))
    if choice.recipient:
        there = exists().where(_R.entry_id == _Q.entry_id, _IN_QUARANTINE, matches(_R.address, choice.recipient))
        found.append(there)
    if choice.before_ms:
        found.append(_Q.held_ms < choice.before_ms)
    if choice.after_ms:
        found.append(_Q.held_ms >= choice.after_ms)
    if choice.expired_ms:
        found.append(_Q.expires_ms <= choice.expired_ms)
    if not found and not choice.everything:
        raise EstafetaError(Kind.INVALID, "Say which messages are meant.")
    return found
