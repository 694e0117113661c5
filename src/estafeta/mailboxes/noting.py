"""Recording who read what: records of reading for messages that the journal knows (row O2).

Part of the change that the reading is (\\Seen set, a session's messages removed) where there is one, else an operation
of its own. So few messages of one command are recorded that nobody waits for it; opening a mailbox of a million with a
client that marks everything as read is not the story of a million messages.
"""

from dataclasses import dataclass

from sqlalchemy import ClauseElement, ColumnElement, bindparam, select

from estafeta.core.ids import AccountId, MailboxId
from estafeta.journal.records import Code, Record, detail
from estafeta.journal.writing import write_records
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.selection import Selected
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Flag, Ranges
from estafeta.storage.database import Transaction
from estafeta.storage.tables import contents

#: Messages of one command, or of one session of POP3, that are recorded.
MOST_NOTED = 1000


@dataclass(frozen=True, slots=True)
class NoteRead:
    """The messages in `ranges` were read by `who`; `code` says how (READ_POP, READ_IMAP)."""

    account_id: AccountId
    mailbox_id: MailboxId
    ranges: Ranges
    code: Code
    who: str


@each
def note_read(tx: Transaction, wanted: NoteRead) -> int:
    """Payload `NoteRead`; the result is how many messages the journal knew."""
    return record_reading(tx, wanted)


def record_reading(tx: Transaction, wanted: NoteRead, *, unseen: bool = False) -> int:
    """The same within another change; with `unseen`, only those that do not have \\Seen yet."""
    rows = _KNOWN[unseen].found(tx, wanted.account_id, wanted.mailbox_id, wanted.ranges, most=MOST_NOTED)
    place = f"{wanted.account_id}/{wanted.mailbox_id}"
    write_records(
        tx,
        [
            Record(ident, wanted.code, wanted.who, "", size, "", detail(mailbox=f"{place}/{uid}"))
            for uid, size, ident in rows
        ],
    )
    return len(rows)


def _known(*conditions: ColumnElement[bool]) -> Selected:
    def make(here: ColumnElement[bool]) -> ClauseElement:
        return (
            select(messages.c.uid, messages.c.size, contents.c.ident)
            .join_from(messages, contents, contents.c.content_id == messages.c.content_id)
            .where(here, contents.c.ident != 0, *conditions)
            .order_by(messages.c.uid)
            .limit(bindparam("most"))
        )

    return Selected(make)


_KNOWN = {False: _known(), True: _known(messages.c.flags.op("&")(int(Flag.SEEN)) == 0)}
