"""STATUS (RFC 9051 6.3.11), and the same line in LIST-STATUS (RFC 5819).

Everything comes from the mailbox's row of counters but RECENT (RFC 3501) and DELETED-STORAGE (RFC 9208).
Also RFC 7162 3.1.2.2 (HIGHESTMODSEQ), RFC 7889 (APPENDLIMIT), RFC 8438 (SIZE), RFC 8474 (MAILBOXID).
"""

from collections.abc import Sequence

from estafeta.mailboxes.counts import count_recent, deleted_bytes
from estafeta.mailboxes.values import MailboxStatus
from estafeta.protocols.imap.commands import Status
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.protocols.imap.values import StatusItem
from estafeta.servers.imap.condstore import use_condstore
from estafeta.servers.imap.folders import Sight, sight_of
from estafeta.servers.imap.objectids import mailbox_id
from estafeta.servers.imap.session import ImapSession
from estafeta.storage.database import Database


async def status(session: ImapSession, event: Status) -> Reply:
    """RFC 4314 4: `r` is needed."""
    if StatusItem.HIGHESTMODSEQ in event.items:
        use_condstore(session)
    name, line = await session.thread(
        _look, sight_of(session), session.mailboxes.database, event, session.settings.max_append_bytes
    )
    session.untagged(b"STATUS %b %b" % (encode_mailbox(name, utf8=session.machine.utf8), line))
    return ok("STATUS completed.")


def _look(sight: Sight, database: Database, event: Status, append_limit: int) -> tuple[str, bytes]:
    folder = sight.find(event.mailbox, "r")
    return folder.name, status_list(database, folder.status, event.items, append_limit)


def status_list(database: Database, status: MailboxStatus, items: Sequence[StatusItem], append_limit: int) -> bytes:
    """`(MESSAGES 3 UNSEEN 1)`. Reads the database only for what has to be counted. For threads."""
    return b"(%b)" % b" ".join(_item(database, status, item, append_limit) for item in items)


def _item(database: Database, status: MailboxStatus, item: StatusItem, append_limit: int) -> bytes:
    match item:
        case StatusItem.MAILBOXID:
            return b"MAILBOXID (%b)" % mailbox_id(status.account_id, status.mailbox_id).encode()
        case StatusItem.APPENDLIMIT:
            return b"APPENDLIMIT %d" % append_limit if append_limit else b"APPENDLIMIT NIL"
        case _:
            return b"%b %d" % (item.value.encode(), _number(database, status, item))


def _number(database: Database, status: MailboxStatus, item: StatusItem) -> int:
    match item:
        case StatusItem.RECENT:
            return count_recent(database, status)
        case StatusItem.DELETED_STORAGE:
            return deleted_bytes(database, status)
        case _:
            return int(getattr(status, _FIELDS[item]))


_FIELDS = {
    StatusItem.MESSAGES: "messages",
    StatusItem.UIDNEXT: "uid_next",
    StatusItem.UIDVALIDITY: "uid_validity",
    StatusItem.UNSEEN: "unseen",
    StatusItem.DELETED: "deleted",
    StatusItem.SIZE: "bytes",
    StatusItem.HIGHESTMODSEQ: "modseq",
}
