"""Messages that leave a mailbox by themselves when they have been there for long: those in Junk.

Flagged ones stay: somebody wanted to keep them. What leaves is expunged as by a client, a portion in each transaction.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select

from estafeta.core.errors import EstafetaError
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.change import Expunge, expunge
from estafeta.mailboxes.tables import mailboxes, messages
from estafeta.mailboxes.values import Flag, ranges_of
from estafeta.storage.commit import Item
from estafeta.storage.database import Database

PORTION = 500
_JUNK = "junk"


def expire_junk(database: Database, before_ms: int, stopping: Callable[[], bool]) -> int:
    """Remove what came into a Junk mailbox before a time (epoch milliseconds); how much that was."""
    gone = 0
    for account_id, mailbox_id in _places(database, before_ms):
        number = PORTION
        while number == PORTION and not stopping():
            number = _expire(database, account_id, mailbox_id, before_ms)
            gone += number
    return gone


def _places(database: Database, before_ms: int) -> list[tuple[int, int]]:
    """The Junk mailboxes in which something is to leave: of a million few have any on one day."""
    box = mailboxes.c
    something = exists().where(*_leaving(box.account_id, box.mailbox_id, before_ms))
    wanted = select(box.account_id, box.mailbox_id, box.special_use).where(
        func.lower(box.special_use).contains(_JUNK), something
    )
    with database.read() as conn:
        rows = conn.execute(wanted).all()
    return [(row.account_id, row.mailbox_id) for row in rows if _JUNK in row.special_use.lower().split()]


def _leaving(account_id: Any, mailbox_id: Any, before_ms: int) -> Sequence[ColumnElement[bool]]:
    m = messages.c
    return (
        m.account_id == account_id,
        m.mailbox_id == mailbox_id,
        m.save_date_ms < before_ms,
        m.flags.op("&")(int(Flag.FLAGGED)) == 0,
    )


def _expire(database: Database, account_id: int, mailbox_id: int, before_ms: int) -> int:
    uid = messages.c.uid
    wanted = select(uid).where(*_leaving(account_id, mailbox_id, before_ms)).order_by(uid).limit(PORTION)
    with database.write() as tx:
        uids = list(tx.conn.execute(wanted).scalars())
        if not uids:
            return 0
        [done] = expunge(tx, [Item(Expunge(AccountId(account_id), MailboxId(mailbox_id), ranges_of(uids)), ())])
    # The mailbox may just have been deleted.
    return 0 if isinstance(done, EstafetaError) else len(uids)
