"""The mailboxes of `#shared/` and who has which rights on them, for the command line.

Changes are transactions of their own, as those of `stores`; running workers hear of them over the bus.
"""

from dataclasses import dataclass
from typing import Any

from estafeta.app.stores import Site
from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import SHARED, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.folders import CreateMailbox, DeleteMailbox, create_mailbox, delete_mailbox
from estafeta.mailboxes.sharing import SetAcl, acl_of, set_acl
from estafeta.mailboxes.values import MailboxStatus
from estafeta.storage.commit import Item, Operation

PREFIX = "#shared/"
RIGHTS = "lrswipkxtea"
#: Words for the sets of rights that people want most.
WORDS = {"none": "", "read": "lrs", "post": "lrsip", "write": "lrswipte", "all": RIGHTS}


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """`rights`: identifier -> letters of RFC 4314."""

    name: str
    messages: int
    bytes: int
    rights: dict[str, str]


def list_folders(site: Site) -> list[SharedFolder]:
    """All shared folders by name."""
    return [_folder(site, status) for status in look.list_mailboxes(site.database, SHARED)]


def get_folder(site: Site, name: str) -> SharedFolder:
    """The folder of this name, with or without `#shared/` before it. NOT_FOUND."""
    return _folder(site, _find(site, name))


def add_folder(site: Site, name: str) -> SharedFolder:
    """A new folder; it has the rights of the one above it. EXISTS, INVALID."""
    _do(site, create_mailbox, CreateMailbox(SHARED, _plain(name), subscribed=False))
    return get_folder(site, name)


def remove_folder(site: Site, name: str) -> int:
    """Remove a folder; the result is how many messages went with it. NOT_FOUND."""
    return int(_do(site, delete_mailbox, DeleteMailbox(SHARED, _find(site, name).mailbox_id)))


def grant(site: Site, name: str, identifier: str, rights: str, *, deny: bool = False) -> SharedFolder:
    """Give `identifier` exactly these rights, letters or one of `WORDS`; with `deny` take them away from what others
    give. NOT_FOUND, INVALID."""
    mailbox_id = _find(site, name).mailbox_id
    wanted = f"-{identifier}" if deny else identifier
    known = acl_of(site.database, SHARED, mailbox_id)
    who = wanted if wanted in known else site.directory.check_identifier(wanted)
    _do(site, set_acl, SetAcl(SHARED, mailbox_id, who, parse_rights(rights) or None))
    return get_folder(site, name)


def parse_rights(text: str) -> str:
    """Letters, or one of `WORDS`. INVALID."""
    letters = WORDS.get(text.lower(), text)
    if not set(letters) <= set(RIGHTS):
        words = ", ".join(WORDS)
        raise EstafetaError(Kind.INVALID, f"{text!r} are no rights: write some of the letters {RIGHTS}, or {words}.")
    return letters


def _folder(site: Site, status: MailboxStatus) -> SharedFolder:
    rights = acl_of(site.database, SHARED, MailboxId(status.mailbox_id))
    return SharedFolder(PREFIX + status.name, status.messages, status.bytes, rights)


def _find(site: Site, name: str) -> MailboxStatus:
    found = look.find_mailbox(site.database, SHARED, _plain(name))
    if found is None:
        raise EstafetaError(Kind.NOT_FOUND, f"There is no shared folder {_plain(name)!r}.")
    return found


def _plain(name: str) -> str:
    return name.removeprefix(PREFIX)


def _do(site: Site, operation: Operation, payload: Any) -> Any:
    """One operation of the store, in a transaction of its own."""
    with site.database.write() as tx:
        [result] = operation(tx, [Item(payload, ())])
        if isinstance(result, EstafetaError):
            raise result
    return result
