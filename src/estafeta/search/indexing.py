"""Bringing the index up to date: portion by portion, mailbox by mailbox; forgetting what is gone.

Synchronous; one process at a time. Raises EstafetaError when the store cannot be read now and IndexUnusableError when
the index cannot be written now: the same call later goes on where this one stopped.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from estafeta.mailboxes.tables import account_state, mailboxes, messages
from estafeta.search.contents import ContentTexts
from estafeta.search.index import Document, Mark, TextIndex
from estafeta.storage.database import Database

#: Messages of one transaction: a second of work at most, as a rule.
_PORTION = 500
#: Characters held in memory before they are written.
_CHARACTERS = 8 << 20
_BOXES = select(mailboxes.c.mailbox_id, mailboxes.c.uid_validity, mailboxes.c.uid_next, mailboxes.c.messages)


class Indexing:
    """Keeps `index` true to the mailboxes in `database`."""

    def __init__(self, database: Database, index: TextIndex, contents: ContentTexts) -> None:
        self._database = database
        self._index = index
        self._contents = contents

    def modseqs(self) -> dict[int, int]:
        """Every account that has or had mail, and the MODSEQ of its last change."""
        with self._database.read() as conn:
            rows = conn.execute(select(account_state.c.account_id, account_state.c.modseq)).all()
        return {row.account_id: row.modseq for row in rows}

    def waiting(self, account_id: int) -> int:
        """How many messages are not indexed yet; an upper bound, since UIDs have gaps. Cheap."""
        with self._database.read() as conn:
            boxes = conn.execute(_BOXES.where(mailboxes.c.account_id == account_id)).all()
        if not any(box.messages for box in boxes):
            return 0
        marks = self._index.marks(account_id)
        return sum(min(box.messages, box.uid_next - 1 - _uid_of(box, marks)) for box in boxes)

    def portion(self, account_id: int, stopping: Callable[[], bool]) -> int:
        """Index some messages of an account; how many were dealt with, 0 when nothing waits any more."""
        if not self.waiting(account_id):
            return 0
        marks = self._index.marks(account_id)
        with self._database.read() as conn:
            found = _next_rows(conn, account_id, marks)
        if found is None:
            return 0
        mailbox_id, mark, rows = found
        documents = self._take_in(account_id, [row.content_id for row in rows], stopping)
        if documents is not None:
            self._index.add(account_id, documents, {mailbox_id: mark})
        return max(1, len(rows))

    def sweep(self, account_id: int) -> int:
        """Forget contents that no mailbox of the account has any more; how many."""
        if not self._index.exists(account_id):
            return 0
        # What the index has is read first: what comes into it later is not touched.
        indexed = self._index.content_ids(account_id)
        with self._database.read() as conn:
            living = conn.execute(select(messages.c.content_id).where(messages.c.account_id == account_id).distinct())
            gone = indexed.difference(living.scalars())
        self._index.remove(account_id, gone)
        return len(gone)

    def drop_purged(self) -> int:
        """Forget accounts that are no more; how many."""
        indexed = self._index.accounts()
        gone = indexed - self.modseqs().keys() if indexed else set()
        for account_id in gone:
            self._index.drop(account_id)
        return len(gone)

    def _take_in(self, account_id: int, ids: list[int], stopping: Callable[[], bool]) -> list[Document] | None:
        """Make texts of those contents that are not indexed; the last ones, others are written. None: told to stop."""
        documents: list[Document] = []
        held = 0
        for content_id, text in self._contents.texts(self._index.missing(account_id, ids)):
            documents.append(Document(content_id, text))
            held += sum(map(len, text))
            if held > _CHARACTERS or stopping():
                self._index.add(account_id, documents, {})
                documents, held = [], 0
            if stopping():
                return None
        return documents


def _next_rows(conn: Connection, account_id: int, marks: dict[int, Mark]) -> tuple[int, Mark, list[Any]] | None:
    """The first messages behind a mark, and the mark when they are indexed. One view of the database."""
    for box in conn.execute(_BOXES.where(mailboxes.c.account_id == account_id)).all():
        uid = _uid_of(box, marks)
        if uid >= box.uid_next - 1:
            continue
        where = (messages.c.account_id == account_id, messages.c.mailbox_id == box.mailbox_id, messages.c.uid > uid)
        wanted = select(messages.c.uid, messages.c.content_id).where(*where).order_by(messages.c.uid).limit(_PORTION)
        rows = list(conn.execute(wanted).all())
        upto = rows[-1].uid if len(rows) == _PORTION else box.uid_next - 1
        return box.mailbox_id, Mark(box.uid_validity, upto), rows
    return None


def _uid_of(box: Any, marks: dict[int, Mark]) -> int:
    mark = marks.get(box.mailbox_id)
    return mark.uid if mark is not None and mark.uid_validity == box.uid_validity else 0
