"""FLAGS and PERMANENTFLAGS: which flags messages of the selected mailbox have, and which may be changed here."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from estafeta.protocols.imap.encode import encode_flags
from estafeta.protocols.imap.replies import ok
from estafeta.servers.imap.flagrights import ALL_FLAGS, allowed_flags

if TYPE_CHECKING:
    from estafeta.servers.imap.selected import Selected
    from estafeta.servers.imap.session import ImapSession


def tell_flags(session: "ImapSession", selected: "Selected") -> None:
    """Both lines (RFC 9051 7.1, 7.3.1)."""
    session.untagged(b"FLAGS " + encode_flags(ALL_FLAGS, selected.folder.status.keywords))
    session.machine.condition(ok("These stay when changed.", b"PERMANENTFLAGS " + _permanent(selected)))


def tell_new_keywords(session: "ImapSession", selected: "Selected", keywords: Iterable[str]) -> None:
    """Both lines again, if the mailbox did not have all of these keywords: clients show what they were told of."""
    folder = selected.folder
    known = {word.lower() for word in folder.status.keywords.split()}
    new = [word for word in dict.fromkeys(keywords) if word.lower() not in known]
    if new:
        words = " ".join((*folder.status.keywords.split(), *new))
        selected.folder = replace(folder, status=replace(folder.status, keywords=words))
        tell_flags(session, selected)


def _permanent(selected: "Selected") -> bytes:
    """What this person may change for good, and `\\*` for who may make keywords (RFC 9051 7.1, RFC 4314 5.1.1)."""
    if selected.read_only:
        return b"()"
    flags, keywords = allowed_flags(selected.folder.rights)
    return encode_flags(flags, f"{selected.folder.status.keywords} \\*".strip() if keywords else "")
