"""ENABLE (RFC 5161, RFC 9051 6.3.1)."""

from estafeta.protocols.imap.commands import Enable
from estafeta.protocols.imap.replies import Reply, bad, ok
from estafeta.servers.imap.condstore import use_condstore
from estafeta.servers.imap.session import ImapSession

_KNOWN = ("CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4REV2", "UIDONLY")


def enable(session: ImapSession, event: Enable) -> Reply:
    """ENABLE (RFC 5161): what is unknown is passed over. RFC 9051 6.3.1: the answer names what is newly enabled."""
    machine = session.machine
    names = [name for name in event.names if name in _KNOWN]
    if session.selected is not None and "QRESYNC" in names:
        # RFC 7162 3.2.3: not while a mailbox is selected.
        return bad("Enable QRESYNC before you select a mailbox.")
    before = machine.enabled
    if "CONDSTORE" in names:
        use_condstore(session)
    machine.enable(names)
    new = [name for name in names if name not in before]
    session.untagged(b"ENABLED" + b"".join(b" " + _spelled(name) for name in dict.fromkeys(new)))
    return ok("ENABLE completed.")


def _spelled(name: str) -> bytes:
    return b"IMAP4rev2" if name == "IMAP4REV2" else name.encode()
