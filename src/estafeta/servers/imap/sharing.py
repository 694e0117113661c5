"""What the commands on access control lists have in common (RFC 4314 3)."""

from collections.abc import Mapping

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import SHARED
from estafeta.mailboxes.sharing import acl_of
from estafeta.protocols.imap.encode import encode_astring
from estafeta.servers.imap.folders import Folder, Sight
from estafeta.servers.imap.people import People
from estafeta.storage.database import Database


class Entries:
    """The list of one mailbox, for whoever may administer it (RFC 4314 4: `a`). Reads the database: for threads."""

    def __init__(self, database: Database, people: People, sight: Sight, mailbox: str) -> None:
        self._people = people
        self.folder: Folder = sight.find(mailbox, "a")
        self.rights: Mapping[str, str] = acl_of(database, self.folder.account_id, self.folder.mailbox_id)
        self.owner = self._owner()

    def identifier(self, text: str) -> str:
        """The identifier that a client means. What is in the list may be named as it is there, also when nobody has the
        name any more. INVALID for what cannot have rights."""
        return text if text in self.rights else self._people.directory.check_identifier(text)

    def is_owner(self, identifier: str) -> bool:
        """Whether it means the owner, whose rights nobody changes, itself included."""
        return bool(self.owner) and identifier.removeprefix("-") == self.owner

    def _owner(self) -> str:
        if self.folder.account_id == SHARED:
            return ""
        person = self._people.person(self.folder.account_id)
        return person.address if person is not None else ""


def entries_of(database: Database, people: People, sight: Sight, mailbox: str, text: str) -> tuple[Entries, str]:
    """The list of a mailbox, and an identifier that need not be in it. For threads."""
    entries = Entries(database, people, sight, mailbox)
    return entries, entries.identifier(text)


def refuse_owner(entries: Entries, identifier: str) -> None:
    """RFC 4314 2: the owner has all rights, always. INVALID."""
    if entries.is_owner(identifier):
        raise EstafetaError(Kind.INVALID, "The owner of a mailbox always has all rights on it.")


def encode_identifier(identifier: str) -> bytes:
    """As an astring."""
    return encode_astring(identifier.encode())
