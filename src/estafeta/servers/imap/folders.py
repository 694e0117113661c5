"""Names, namespaces and rights: what one person sees of all mailboxes (RFC 2342, RFC 4314).

A person's own mailboxes have plain names. `#user/ann@example.test/Projects` is a mailbox of Ann, `#shared/News` one of
nobody. Others' mailboxes are there for whom their access control list gives rights; whoever has not even `l` is told
that there is no such mailbox (RFC 4314 6). A mailbox needs no parent: the hierarchy is in the names.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, SHARED, AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.sharing import acl_of, effective
from estafeta.mailboxes.values import MailboxStatus
from estafeta.servers.imap.people import People
from estafeta.servers.imap.rights import ALL_RIGHTS
from estafeta.storage.database import Database

if TYPE_CHECKING:
    from estafeta.servers.imap.session import ImapSession

DELIMITER = "/"
USERS = "#user/"
SHARED_FOLDERS = "#shared/"
# An address may hold slashes before its @, as a local part may.
_OF_USER = re.compile(r"#user/(.+?@[^/]+)(?:/(.*))?", re.DOTALL)
_INBOX_LEVEL = re.compile(r"\Ainbox(?=/|\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox as a person sees it.

    `name` in IMAP's terms. `account_id`: the owner, SHARED for `#shared/`. `rights`: letters of RFC 4314."""

    name: str
    account_id: AccountId
    status: MailboxStatus
    rights: frozenset[str]

    @property
    def mailbox_id(self) -> MailboxId:
        """The mailbox within its owner's account."""
        return self.status.mailbox_id


class Place(NamedTuple):
    """Whose a name is, and what the mailbox is called there. An empty name is the top."""

    account_id: AccountId
    name: str


class Sight:
    """What one person sees. Reads the database: for threads."""

    __slots__ = ("_database", "_people", "account_id", "administrator")

    def __init__(self, database: Database, people: People, account_id: AccountId, *, administrator: bool) -> None:
        self._database = database
        self._people = people
        self.account_id = account_id
        self.administrator = administrator

    def find(self, name: str, needed: str = "") -> Folder:
        """The mailbox of this name, if the person sees it and has all rights of `needed`. NOT_FOUND, PERMISSION."""
        folder = self.look_up(name)
        if folder is None or not ("l" in folder.rights or (needed and folder.rights.issuperset(needed))):
            raise EstafetaError(Kind.NOT_FOUND, "There is no such mailbox.")
        if not folder.rights.issuperset(needed):
            raise EstafetaError(Kind.PERMISSION, "You have no right to do that with this mailbox.")
        return folder

    def below(self, name: str, needed: str) -> Place | None:
        """Where a name leads that is no mailbox but the parent of some, on all of which the person has the rights
        `needed`; None: there are none that they may see. PERMISSION."""
        place = self.place(name)
        if place is None or not place.name:
            return None
        top = place.name + DELIMITER
        boxes = look.list_mailboxes(self._database, place.account_id)
        rights = [self.rights(box.account_id, box.mailbox_id) for box in boxes if box.name.startswith(top)]
        if not any("l" in given for given in rights):
            return None
        if not all(given.issuperset(needed) for given in rights):
            raise EstafetaError(Kind.PERMISSION, "You have no right to do that with this mailbox.")
        return place

    def look_up(self, name: str) -> Folder | None:
        """The mailbox of this name, whatever rights the person has."""
        place = self.place(name)
        if place is None or not place.name:
            return None
        status = look.find_mailbox(self._database, place.account_id, place.name)
        composed = unicodedata.normalize("NFC", place.name)
        if status is None and composed != place.name:
            # RFC 9051 5.1: names that we make are in Net-Unicode, whatever form a client uses.
            status = look.find_mailbox(self._database, place.account_id, composed)
        return None if status is None else self.folder(status)

    def folder(self, status: MailboxStatus) -> Folder:
        """The mailbox of these counters as the person sees it."""
        rights = self.rights(status.account_id, status.mailbox_id)
        return Folder(self.name_of(status.account_id, status.name), status.account_id, status, rights)

    def place(self, name: str) -> Place | None:
        """Where a name leads; None: to nobody."""
        if name.startswith(SHARED_FOLDERS):
            return Place(SHARED, name[len(SHARED_FOLDERS) :])
        if not name.startswith(USERS):
            return Place(self.account_id, name)
        match = _OF_USER.fullmatch(name)
        person = self._people.find(match[1]) if match else None
        if match is None or person is None:
            return None
        return Place(person.account_id, _INBOX_LEVEL.sub("INBOX", match[2] or ""))

    def name_of(self, account_id: AccountId, name: str) -> str:
        """A mailbox of `account_id` in this person's terms."""
        if account_id == self.account_id:
            return name
        if account_id == SHARED:
            return SHARED_FOLDERS + name
        person = self._people.person(account_id)
        return f"{USERS}{person.address if person else account_id}{DELIMITER}{name}"

    def has_owner(self, account_id: AccountId) -> bool:
        """Whether mailboxes of `account_id` can be named: what a removed user left is nowhere until it is purged."""
        return account_id in (self.account_id, SHARED) or self._people.person(account_id) is not None

    def rights(self, account_id: AccountId, mailbox_id: MailboxId) -> frozenset[str]:
        """What the person may do with a mailbox. RFC 4314 2: owners always have all rights; here administrators too,
        in `#shared/`."""
        if account_id == self.account_id or (account_id == SHARED and self.administrator):
            return ALL_RIGHTS
        return effective(acl_of(self._database, account_id, mailbox_id), self.identifiers())

    def identifiers(self) -> tuple[str, ...]:
        """Identifiers of access control lists that mean this person."""
        return self._people.identifiers(self.account_id)

    def new_place(self, name: str) -> Place:
        """Where a mailbox of this name would be made; the right to do so is checked (RFC 4314 4: `k` on the parent).

        Kinds: INVALID, PERMISSION, which is also said where there is nobody: who has an address is not told so."""
        place = self.place(unicodedata.normalize("NFC", name))
        if place is None or (place.account_id != self.account_id and not self._may_make(place)):
            raise EstafetaError(Kind.PERMISSION, "You have no right to make a mailbox there.")
        if not place.name:
            raise EstafetaError(Kind.INVALID, "A mailbox needs a name.")
        if place.account_id == self.account_id and place.name.startswith("#"):
            raise EstafetaError(Kind.INVALID, "Names of mailboxes do not begin with #; that is for namespaces.")
        return place

    def _may_make(self, place: Place) -> bool:
        """The nearest mailbox above decides; the top is its owner's, that of `#shared/` the administrators'."""
        if place.account_id == self.account_id or (place.account_id == SHARED and self.administrator):
            return True
        levels = place.name.split(DELIMITER)
        for depth in range(len(levels) - 1, 0, -1):
            parent = look.find_mailbox(self._database, place.account_id, DELIMITER.join(levels[:depth]))
            if parent is not None:
                return "k" in self.rights(parent.account_id, parent.mailbox_id)
        return False


def sight_of(session: "ImapSession") -> Sight:
    """What the person of a session sees."""
    shared = session.service.shared
    account = session.user
    return Sight(
        shared.mailboxes.database,
        shared.people,
        account.account_id,
        administrator=account.address.lower() in session.settings.administrators,
    )


async def find_folder(session: "ImapSession", name: str, needed: str = "") -> Folder:
    """The mailbox of this name, on which the person has all rights of `needed`. NOT_FOUND, PERMISSION."""
    return await session.thread(sight_of(session).find, name, needed)


async def quota_of(session: "ImapSession", account_id: AccountId) -> tuple[int, int]:
    """Limits of whoever owns a mailbox: octets, messages; 0 is no limit. `#shared/` has none."""
    if account_id == SHARED:
        return 0, 0
    people = session.service.shared.people
    known = people.quota(account_id)
    if known is None:
        person = await session.thread(people.person, account_id)
        known = (person.quota_bytes, person.quota_messages) if person is not None else (0, 0)
    return known


def is_inbox(folder: Folder) -> bool:
    """Whether it is somebody's INBOX, which cannot be removed."""
    return folder.mailbox_id == INBOX and folder.account_id != SHARED
