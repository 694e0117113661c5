"""LOGIN (RFC 9051 6.2.3)."""

from collections.abc import Awaitable

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Service
from estafeta.protocols.imap.commands import Login
from estafeta.protocols.imap.replies import Reply, no
from estafeta.protocols.sasl.prep import prepare
from estafeta.servers.imap.capability import clear_text_allowed
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.signin import admit, refuse

TLS_FIRST = no("Begin TLS first: a password does not come in clear here.", b"PRIVACYREQUIRED")


def login(session: ImapSession, event: Login) -> Awaitable[Reply] | Reply:
    """Names and passwords are UTF-8 prepared with SASLprep, as everywhere."""
    if not clear_text_allowed(session):
        return TLS_FIRST
    name, secret = prepare(event.name), prepare(event.password)
    if name is None or secret is None:
        return refuse(session, event.name.decode("utf-8", "replace"), "LOGIN")
    account = session.service.shared.sign_in.cached(name, secret, Service.IMAP)
    return _check(session, name, secret) if account is None else admit(session, account, "LOGIN")


async def _check(session: ImapSession, name: str, secret: str) -> Reply:
    try:
        account = await session.service.shared.sign_in.check(name, secret, Service.IMAP, session.pump.peer)
    except EstafetaError as error:
        return refuse(session, name, "LOGIN", error)
    admitted = admit(session, account, "LOGIN")
    return admitted if isinstance(admitted, Reply) else await admitted
