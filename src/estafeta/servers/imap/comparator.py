"""COMPARATOR (RFC 5255 4.7): i;unicode-casemap is the one there is, for searching as for sorting. A list of those that
match would come behind it if there were several (RFC 5255 4.8)."""

from estafeta.mail.collation import DEFAULT, match_collations
from estafeta.mail.imaptext import quote
from estafeta.protocols.imap.commands import Comparator
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.servers.imap.session import ImapSession


def comparator(session: ImapSession, event: Comparator) -> Reply:
    """Say which one compares; refuse a client that could do only with others."""
    if event.patterns and not any(DEFAULT in match_collations(pattern) for pattern in event.patterns):
        return no("Only i;unicode-casemap compares here.", b"BADCOMPARATOR")
    session.untagged(b"COMPARATOR " + quote(DEFAULT.value.encode()))
    return ok("COMPARATOR completed.")
