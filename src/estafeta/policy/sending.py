"""How much a user sends, and the brake: a stolen password does little (settings `rates`).

Every recipient that a user who signed in writes to is counted, by the hour and the day, in an operation of the group
commit before the message is stored: so all workers and machines share one count, however many sessions there are at
once. Above the limit the account is braked: this message and all further ones are held in quarantine until an operator
lets the account go on (`estafeta rates release`).

The limit is `rates.max_recipients_per_day`, or, for who usually sends more, `max_times_normal` times what is normal:
the busiest of the last 30 days, a day counting the less the older it is, and the last three not at all. So whoever
raises an account's normal from day to day has to wait, and is noticed meanwhile. Within an hour it is the limit of the
hour, or a whole normal day. What was held is no part of what is normal. A clock that is set back or forward finds fewer
days, so at worst the plain limit holds.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, or_, select, text

from estafeta.directory.restriction_tables import sending_brakes, sending_counts
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction

HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
#: How far back something is normal, and from when on.
NORMAL_DAYS = 30
FRESH_DAYS = 3
#: Longest time for which an operator lets an account go on; a row with more comes from a clock that was wrong.
MAX_RELEASE_SECONDS = 366 * DAY_SECONDS

_KEPT_HOURS = 48


class Sending(NamedTuple):
    """A message on its way in: whose, to how many, when (epoch seconds), and the limits of that moment."""

    account_id: int
    recipients: int
    now_seconds: int
    per_day: int
    per_hour: int
    times_normal: int


class Counted(NamedTuple):
    """Whether the message is held, why, and whether that began with it."""

    held: bool
    reason: str = ""
    begun: bool = False


class Braked(NamedTuple):
    """An account as an operator sees it: what it sent today, what is held, and since when and why (0: not held)."""

    account_id: int
    today: int
    held_today: int
    normal: int
    held_since_seconds: int
    released_until_seconds: int
    reason: str


def count_sending(tx: Transaction, items: Sequence[Item]) -> list[Counted]:
    """Operation of the group commit: payloads are `Sending`."""
    return [_count(tx.conn, item.payload) for item in items]


def release(tx: Transaction, account_id: int, until_seconds: int) -> None:
    """Let an account go on; until then it has no limit."""
    values = {"account_id": account_id, "held_since": 0, "released_until": until_seconds, "reason": ""}
    tx.conn.execute(_SET_BRAKE, values)


def hold(tx: Transaction, account_id: int, now_seconds: int, reason: str) -> None:
    """Hold what an account sends from now on."""
    values = {"account_id": account_id, "held_since": now_seconds, "released_until": 0, "reason": reason}
    tx.conn.execute(_SET_BRAKE, values)


def forget_old_counts(tx: Transaction, now_seconds: float) -> None:
    """Remove counts that say nothing any more."""
    columns = sending_counts.c
    day, hour = int(now_seconds) // DAY_SECONDS, int(now_seconds) // HOUR_SECONDS
    old_days = (columns.span == _DAY) & (columns.number < day - NORMAL_DAYS)
    old_hours = (columns.span == _HOUR) & (columns.number < hour - _KEPT_HOURS)
    tx.conn.execute(delete(sending_counts).where(or_(old_days, old_hours)))


def read_brakes(conn: Connection, now_seconds: float, account_id: int = 0) -> list[Braked]:
    """Accounts that are held or were released; or one, whatever it does."""
    columns = sending_brakes.c
    query = select(columns.account_id, columns.held_since_seconds, columns.released_until_seconds, columns.reason)
    if account_id:
        query = query.where(columns.account_id == account_id)
    rows = [tuple(row) for row in conn.execute(query.order_by(columns.account_id))]
    if account_id and not rows:
        rows = [(account_id, 0, 0, "")]
    day = int(now_seconds) // DAY_SECONDS
    return [Braked(row[0], *_today(conn, row[0], day), normal_of(conn, row[0], day), *row[1:]) for row in rows]


def normal_of(conn: Connection, account_id: int, day: int) -> int:
    """Recipients that the account writes to on a busy day."""
    columns = sending_counts.c
    query = select(columns.number, columns.recipients).where(
        columns.account_id == account_id,
        columns.span == _DAY,
        columns.number >= day - NORMAL_DAYS,
        columns.number < day - FRESH_DAYS,
    )
    days = conn.execute(query).all()
    return max((row.recipients * (NORMAL_DAYS + 1 - (day - row.number)) // NORMAL_DAYS for row in days), default=0)


def _count(conn: Connection, one: Sending) -> Counted:
    day, hour = one.now_seconds // DAY_SECONDS, one.now_seconds // HOUR_SECONDS
    # Counted first: the rows' locks make other machines wait, so that no two see the same sum.
    today = _add(conn, one, _DAY, day)
    this_hour = _add(conn, one, _HOUR, hour)
    held_since, released_until, reason = _brake(conn, one.account_id)
    if not held_since:
        if 0 < released_until - one.now_seconds <= MAX_RELEASE_SECONDS:
            return Counted(False)
        reason = _excess(one, today, this_hour, normal_of(conn, one.account_id, day))
        if not reason:
            return Counted(False)
        values = {"account_id": one.account_id, "held_since": one.now_seconds, "released_until": 0, "reason": reason}
        conn.execute(_SET_BRAKE, values)
    _turn_to_held(conn, one, _DAY, day)
    _turn_to_held(conn, one, _HOUR, hour)
    return Counted(True, reason, not held_since)


def _excess(one: Sending, today: int, this_hour: int, normal: int) -> str:
    """What is too much, in words; "" for nothing."""
    most = max(one.per_day, one.times_normal * normal)
    if today > most:
        return f"{today} recipients within a day, where {most} are the most (normal is {normal})"
    most = max(one.per_hour, normal)
    if one.per_hour and this_hour > most:
        return f"{this_hour} recipients within an hour, where {most} are the most (normal is {normal} a day)"
    return ""


def _brake(conn: Connection, account_id: int) -> tuple[int, int, str]:
    columns = sending_brakes.c
    query = select(columns.held_since_seconds, columns.released_until_seconds, columns.reason)
    row = conn.execute(query.where(columns.account_id == account_id)).first()
    return (row[0], row[1], row[2]) if row is not None else (0, 0, "")


def _today(conn: Connection, account_id: int, day: int) -> tuple[int, int]:
    columns = sending_counts.c
    query = select(columns.recipients, columns.held).where(
        columns.account_id == account_id, columns.span == _DAY, columns.number == day
    )
    row = conn.execute(query).first()
    return (row[0], row[1]) if row is not None else (0, 0)


def _add(conn: Connection, one: Sending, span: str, number: int) -> int:
    values = {"account_id": one.account_id, "span": span, "number": number, "more": one.recipients}
    return int(conn.execute(_ADD, values).scalar() or 0)


def _turn_to_held(conn: Connection, one: Sending, span: str, number: int) -> None:
    conn.execute(_HOLD, {"account_id": one.account_id, "span": span, "number": number, "more": one.recipients})


_DAY, _HOUR = "day", "hour"
_ADD = text(
    "INSERT INTO sending_counts (account_id, span, number, messages, recipients, held)"
    " VALUES (:account_id, :span, :number, 1, :more, 0)"
    " ON CONFLICT (account_id, span, number) DO UPDATE SET messages = sending_counts.messages + 1,"
    " recipients = sending_counts.recipients + excluded.recipients RETURNING recipients"
)
_HOLD = text(
    "UPDATE sending_counts SET recipients = recipients - :more, held = held + :more"
    " WHERE account_id = :account_id AND span = :span AND number = :number"
)
_SET_BRAKE = text(
    "INSERT INTO sending_brakes (account_id, held_since_seconds, released_until_seconds, reason)"
    " VALUES (:account_id, :held_since, :released_until, :reason)"
    " ON CONFLICT (account_id) DO UPDATE SET held_since_seconds = excluded.held_since_seconds,"
    " released_until_seconds = excluded.released_until_seconds, reason = excluded.reason"
)
