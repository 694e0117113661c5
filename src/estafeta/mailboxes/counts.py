"""What STATUS may ask and no row of counters knows. Synchronous; no read at all where the counters say that it is 0."""

from sqlalchemy import bindparam, func, select

from estafeta.mailboxes.rows import at
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Flag, MailboxStatus
from estafeta.storage.database import Database
from estafeta.storage.prepared import Query


def count_recent(database: Database, status: MailboxStatus) -> int:
    """Messages that no session was told of as new (RFC 3501 2.3.2); cost grows with their number."""
    if status.recent_uid >= status.uid_next - 1 or not status.messages:
        return 0
    key = {"account": status.account_id, "mailbox": status.mailbox_id, "known": status.recent_uid}
    with database.read() as conn:
        return int(_RECENT.rows(conn, **key)[0][0])


def deleted_bytes(database: Database, status: MailboxStatus) -> int:
    """Octets of the messages marked as deleted (RFC 9208 4.1.3); looks at every message if there are any."""
    if not status.deleted:
        return 0
    with database.read() as conn:
        rows = _DELETED.rows(conn, account=status.account_id, mailbox=status.mailbox_id)
    return int(rows[0][0] or 0)


_HERE = at(messages, bindparam("account"), bindparam("mailbox"))
_RECENT = Query(select(func.count()).select_from(messages).where(_HERE, messages.c.uid > bindparam("known")))
_DELETED = Query(select(func.sum(messages.c.size)).where(_HERE, messages.c.flags.op("&")(int(Flag.DELETED)) != 0))
