"""CONDSTORE (RFC 7162 3.1): commands that switch it on."""

from estafeta.protocols.imap.replies import ok
from estafeta.protocols.imap.searchkeys import SearchKey, has_modseq
from estafeta.servers.imap.session import ImapSession


def use_condstore(session: ImapSession) -> None:
    """A command that makes this session one with CONDSTORE was seen.

    RFC 7162 3.1: the first such command in a session with a selected mailbox is answered with its HIGHESTMODSEQ.
    """
    if session.machine.condstore:
        return
    session.machine.use_condstore()
    if session.selected is not None:
        code = b"HIGHESTMODSEQ %d" % session.selected.view.modseq
        session.machine.condition(ok("CONDSTORE is on from here.", code))


def note_modseq(session: ImapSession, key: SearchKey) -> None:
    """RFC 7162 3.1: a search for MODSEQ is such a command."""
    if has_modseq(key):
        use_condstore(session)
