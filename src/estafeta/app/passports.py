"""What the journal's tools need of the rest of the store: names of mailboxes, and the content of a message that is
still somewhere here."""

from sqlalchemy import select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.tables import users
from estafeta.journal.records import Code
from estafeta.journal.story import Story
from estafeta.mailboxes.tables import mailboxes, messages
from estafeta.queue.tables import entries
from estafeta.storage.contents import find_location
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs


class MailboxNames:
    """`INBOX of anna@example.org` for account and mailbox; remembers those it was asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[int, int], str] = {}

    def __call__(self, account_id: int, mailbox_id: int) -> str:
        key = (account_id, mailbox_id)
        if key not in self._known:
            self._known[key] = self._find(*key)
        return self._known[key]

    def _find(self, account_id: int, mailbox_id: int) -> str:
        box = select(mailboxes.c.name).where(mailboxes.c.account_id == account_id, mailboxes.c.mailbox_id == mailbox_id)
        person = select(users.c.local, users.c.domain).where(users.c.account_id == account_id)
        with self._database.read() as conn:
            name, owner = conn.execute(box).scalar(), conn.execute(person).first()
        if name is None:
            return ""
        if not account_id:
            return f"#shared/{name}"
        return f"{name} of {owner.local}@{owner.domain}" if owner else str(name)


def read_stored(database: Database, packs: Packs, story: Story) -> bytes:
    """The content as stored, from the queue or from a mailbox that it was filed in. EstafetaError NOT_FOUND when it is
    in none of them any more."""
    content_id = _in_queue(database, story.message_id) or _in_mailbox(database, story)
    location = find_location(database, content_id) if content_id else None
    if location is None:
        raise EstafetaError(Kind.NOT_FOUND, f"The content of message {story.ident} is no longer here.")
    return packs.read(location)


def _in_queue(database: Database, message_id: int) -> int:
    with database.read() as conn:
        return conn.execute(select(entries.c.content_id).where(entries.c.entry_id == message_id)).scalar() or 0


def _in_mailbox(database: Database, story: Story) -> int:
    filed = (entry.detail.get("mailbox") for entry in story.records if entry.code == Code.DELIVERED_LOCAL)
    for place in filed:
        numbers = str(place or "").split("/")
        if len(numbers) != 3 or not all(one.isdecimal() and len(one) < 19 for one in numbers):
            continue
        account_id, mailbox_id, uid = map(int, numbers)
        here = select(messages.c.content_id).where(
            messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id, messages.c.uid == uid
        )
        with database.read() as conn:
            if content_id := conn.execute(here).scalar():
                return int(content_id)
    return 0
