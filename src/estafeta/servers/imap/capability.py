"""CAPABILITY (RFC 9051 6.1.1): what is offered here and now."""

from collections.abc import Iterator, Mapping

from estafeta.protocols.imap.commands import Capability
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.protocols.imap.states import State
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.signin import offered

# RFC 7888 4: LITERAL+ and LITERAL- are never announced together.
_ALWAYS = "IMAP4rev2 IMAP4rev1 LITERAL+ SASL-IR ID ENABLE LANGUAGE"
_SIGNED_IN = (
    "ACL RIGHTS=texk BINARY CATENATE CHILDREN CONDSTORE CONTEXT=SEARCH CONTEXT=SORT CREATE-SPECIAL-USE ESEARCH ESORT "
    "I18NLEVEL=2 IDLE INPROGRESS LIST-EXTENDED LIST-METADATA LIST-MYRIGHTS LIST-STATUS METADATA "
    "METADATA-SERVER MOVE MULTIAPPEND MULTISEARCH NAMESPACE NOTIFY OBJECTID PARTIAL PREVIEW QRESYNC QUOTA "
    "QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTASET REPLACE SAVEDATE SEARCH=FUZZY SEARCHRES SORT SORT=DISPLAY "
    "SPECIAL-USE STATUS=DELETED STATUS=SIZE THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS UIDONLY UIDPLUS "
    "UNAUTHENTICATE UNSELECT URLAUTH UTF8=ACCEPT WITHIN"
)


def capability(session: ImapSession, event: Capability) -> Reply:
    """List them."""
    session.untagged(b"CAPABILITY " + capabilities(session))
    return ok("CAPABILITY completed.")


def capabilities(session: ImapSession) -> bytes:
    """The capabilities of a session in its present state."""
    return " ".join(_signed_in(session) if _is_signed_in(session) else _before(session)).encode()


def _is_signed_in(session: ImapSession) -> bool:
    return session.machine.state in (State.AUTHENTICATED, State.SELECTED)


def _before(session: ImapSession) -> Iterator[str]:
    yield _ALWAYS
    if session.settings.starttls and not session.machine.tls and session.service.tls is not None:
        yield "STARTTLS"
    if not clear_text_allowed(session):
        yield "LOGINDISABLED"
    for name in mechanisms(session):
        yield f"AUTH={name}"


def _signed_in(session: ImapSession) -> Iterator[str]:
    settings = session.settings
    yield _ALWAYS
    yield _SIGNED_IN
    yield f"APPENDLIMIT={settings.max_append_bytes}"
    yield f"MESSAGELIMIT={settings.message_limit}"
    if settings.compress and not session.machine.compressed:
        yield "COMPRESS=DEFLATE"


def clear_text_allowed(session: ImapSession) -> bool:
    """Whether a password may come over this connection as it is."""
    settings, tls = session.settings, session.machine.tls
    return tls or (not settings.require_tls and session.pump.peer in settings.clear_text)


def mechanisms(session: ImapSession) -> tuple[str, ...]:
    """The SASL mechanisms that this connection may use, strongest first."""
    settings, tls = session.settings, session.machine.tls
    return offered(
        usable=tls or not settings.require_tls,
        clear=clear_text_allowed(session),
        scram=settings.scram,
        bound=bool(channel_bindings(session)),
    )


def channel_bindings(session: ImapSession) -> Mapping[str, bytes]:
    """What SCRAM-SHA-256-PLUS can bind to; empty outside TLS."""
    tls, offer = session.pump.tls, session.service.tls
    return offer.bindings(tls) if tls is not None and offer is not None else {}
