"""LANGUAGE (RFC 5255 3)."""

from estafeta.protocols.imap.commands import Language
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.protocols.imap.texts import LANGUAGES, find_language
from estafeta.servers.imap.session import ImapSession


def language(session: ImapSession, event: Language) -> Reply:
    """LANGUAGE (RFC 5255 3): what there is, or the first of the wanted ones that there is."""
    if not event.ranges:
        session.untagged(b"LANGUAGE (%b)" % b" ".join(name.encode() for name in LANGUAGES))
        return ok("LANGUAGE completed.")
    for wanted in event.ranges:
        found = find_language(_preferred(session) if wanted.lower() == "default" else wanted)
        if found is not None:
            session.machine.language = found
            session.untagged(b"LANGUAGE (%b)" % found.encode())
            return ok("LANGUAGE completed.")
    return no("None of these languages is spoken here.")


def _preferred(session: ImapSession) -> str:
    return session.account.language if session.account is not None else "en"
