"""COMPARATOR (RFC 5255 4.7): i;unicode-casemap is the one there is, for searching as for sorting."""

from estafeta.mail.collation import DEFAULT, match_collations
from estafeta.mail.imaptext import quote
from estafeta.protocols.imap.commands import Comparator
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.session import ImapSession


def comparator(session: ImapSession, event: Comparator) -> Reply:
    """Say which one compares; refuse a client that could do only with others."""
    if event.patterns and not any(DEFAULT in match_collations(pattern) for pattern in event.patterns):
        return no("Only i;unicode-casemap compares here.", b"BADCOMPARATOR")
    name = quote(DEFAULT.value.encode())
    session.untagged(b"COMPARATOR " + name + (b" (%b)" % name if event.patterns else b""))
    return ok("COMPARATOR completed.")
