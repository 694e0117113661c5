"""Whether a selected mailbox may be changed, and telling the client when that is no longer what it was (RFC 4314)."""

from typing import TYPE_CHECKING

from estafeta.protocols.imap.replies import ok
from estafeta.servers.imap.flaglines import tell_flags

if TYPE_CHECKING:
    from estafeta.servers.imap.selected import Selected

# Who has one of these may change something (RFC 4314 5.2, RFC 9051 7.1: READ-ONLY otherwise).
_CHANGING = frozenset("swtie")


def changes_nothing(rights: frozenset[str]) -> bool:
    """Whether a mailbox is READ-ONLY for who has these rights."""
    return _CHANGING.isdisjoint(rights)


def tell_access(selected: "Selected") -> None:
    """Somebody changed this person's rights: which flags may be changed now, and whether any (RFC 9051 7.1)."""
    if selected.examined:
        return
    before, selected.read_only = selected.read_only, changes_nothing(selected.folder.rights)
    tell_flags(selected.session, selected)
    if selected.read_only != before:
        code = b"READ-ONLY" if selected.read_only else b"READ-WRITE"
        selected.session.machine.condition(ok("Your rights to this mailbox were changed.", code))
