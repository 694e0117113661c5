"""Messages that leave a mailbox by themselves when they have been there for long: those in Junk.

Flagged ones stay: somebody wanted to keep them. What leaves is expunged as by a client, a portion in each transaction.
"""

from collections.abc import Callable

from sqlalchemy import select

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
    m = mailboxes.c
    with database.read() as conn:
        rows = conn.execute(select(m.account_id, m.mailbox_id, m.special_use).where(m.special_use != "")).all()
    places = [(row.account_id, row.mailbox_id) for row in rows if _JUNK in row.special_use.lower().split()]
    gone = 0
    for account_id, mailbox_id in places:
        number = PORTION
        while number == PORTION and not stopping():
            number = _expire(database, account_id, mailbox_id, before_ms)
            gone += number
    return gone


def _expire(database: Database, account_id: int, mailbox_id: int, before_ms: int) -> int:
    m = messages.c
    wanted = (
        select(m.uid)
        .where(
            m.account_id == account_id,
            m.mailbox_id == mailbox_id,
            m.save_date_ms < before_ms,
            m.flags.op("&")(int(Flag.FLAGGED)) == 0,
        )
        .order_by(m.uid)
        .limit(PORTION)
    )
    with database.write() as tx:
        uids = list(tx.conn.execute(wanted).scalars())
        if not uids:
            return 0
        [done] = expunge(tx, [Item(Expunge(AccountId(account_id), MailboxId(mailbox_id), ranges_of(uids)), ())])
    # The mailbox may just have been deleted.
    return 0 if isinstance(done, EstafetaError) else len(uids)
