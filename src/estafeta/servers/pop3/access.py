"""CAPA (RFC 2449), AUTH without an argument, and STLS (RFC 2595)."""

from collections.abc import Iterator, Mapping

from estafeta.protocols.pop3 import events
from estafeta.protocols.pop3.texts import Text
from estafeta.servers.pop3.session import Pop3Session, log
from estafeta.servers.signin import offered


def capa(session: Pop3Session, event: events.Capabilities) -> None:
    """What is offered here and now."""
    session.machine.ok_lines(Text.CAPABILITIES, lines=_capabilities(session))


def auth_list(session: Pop3Session, event: events.Mechanisms) -> None:
    """The SASL mechanisms, one a line, as clients older than CAPA ask for them."""
    session.machine.ok_lines(Text.MECHANISMS, lines=[name.encode() for name in mechanisms(session)])


async def stls(session: Pop3Session, event: events.StartTls) -> None:
    """TLS from here on. A failed handshake has closed the connection."""
    machine, offer = session.machine, session.service.tls
    if machine.tls:
        machine.err(Text.TLS_ACTIVE)
    elif offer is None or not session.settings.stls:
        machine.err(Text.NO_STLS)
    elif machine.utf8:
        # RFC 6856 2.1: a client must not send STLS after UTF8.
        machine.err(Text.STLS_AFTER_UTF8)
    else:
        machine.ok(Text.BEGIN_TLS)
        if await session.pump.start_tls(offer.context):
            machine.tls_started()
            if machine.discarded:
                log.warning("octets behind STLS thrown away peer=%s count=%d", session.pump.peer, machine.discarded)


def mechanisms(session: Pop3Session) -> tuple[str, ...]:
    """What this connection may use, strongest first."""
    settings, tls = session.settings, session.machine.tls
    return offered(
        usable=tls or not settings.require_tls,
        clear=tls or session.pump.peer in settings.clear_text,
        scram=settings.scram,
        bound=bool(channel_bindings(session)),
    )


def channel_bindings(session: Pop3Session) -> Mapping[str, bytes]:
    """What SCRAM-SHA-256-PLUS can bind to; empty outside TLS."""
    tls, offer = session.pump.tls, session.service.tls
    return offer.bindings(tls) if tls is not None and offer is not None else {}


def _capabilities(session: Pop3Session) -> Iterator[bytes]:
    settings, tls = session.settings, session.machine.tls
    yield b"TOP"
    yield b"UIDL"
    yield b"RESP-CODES"
    yield b"AUTH-RESP-CODE"
    yield b"PIPELINING"
    yield b"EXPIRE NEVER"  # RFC 2449 6.7: mail stays until its reader removes it
    if settings.login_delay_seconds:
        yield b"LOGIN-DELAY %d" % settings.login_delay_seconds
    sasl = mechanisms(session)
    if tls or "PLAIN" in sasl:
        yield b"USER"
    if sasl:
        yield b"SASL " + " ".join(sasl).encode()
    if settings.stls and not tls and session.service.tls is not None:
        yield b"STLS"
    yield b"UTF8 USER"
    yield b"LANG"
    yield b"IMPLEMENTATION Estafeta"
