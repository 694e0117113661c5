"""AUTHENTICATE (RFC 9051 6.2.2): the machine talks with the client, the directory answers the mechanism's questions."""

from collections.abc import Awaitable

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Service
from estafeta.protocols.imap.commands import Authenticate, Authenticated, AuthFailed, AuthNeed
from estafeta.protocols.imap.replies import Reply, no
from estafeta.protocols.sasl import NeedPassword, PasswordResult, Reason
from estafeta.servers.imap.capability import channel_bindings, clear_text_allowed, mechanisms
from estafeta.servers.imap.errors import SIGN_IN_REPLIES
from estafeta.servers.imap.login import TLS_FIRST
from estafeta.servers.imap.session import ANSWERED, ImapSession, log
from estafeta.servers.imap.signin import admit, count_failure, refuse
from estafeta.servers.signin import acts_as_itself

_PASSWORD_MECHANISMS = frozenset({"PLAIN", "LOGIN"})
_NO_MECHANISM = no("That mechanism is not offered here.", b"CANNOT")
_OTHER_NAME = no("You may act only as yourself.", b"AUTHORIZATIONFAILED")


def authenticate(session: ImapSession, event: Authenticate) -> Reply:
    """Begin an exchange of a mechanism that was offered."""
    names = mechanisms(session)
    if event.mechanism not in names:
        hidden = event.mechanism in _PASSWORD_MECHANISMS and not clear_text_allowed(session)
        return TLS_FIRST if hidden or not names else _NO_MECHANISM
    plus = any(name.endswith("-PLUS") for name in names)
    mechanism = session.service.shared.sign_in.mechanism(event.mechanism, channel_bindings(session), plus_offered=plus)
    if mechanism is None:
        return _NO_MECHANISM
    session.account = None
    session.machine.answer_auth(mechanism)
    return ANSWERED


def need(session: ImapSession, event: AuthNeed) -> Awaitable[Reply] | Reply:
    """A password verified a moment ago needs no thread."""
    asked = event.need
    if isinstance(asked, NeedPassword):
        session.account = session.service.shared.sign_in.cached(asked.authcid, asked.password, Service.IMAP)
        if session.account is not None:
            session.machine.answer_need(PasswordResult.OK)
            return ANSWERED
    return _ask(session, event)


async def _ask(session: ImapSession, event: AuthNeed) -> Reply:
    supply, session.account = await session.service.shared.sign_in.supply(event.need, Service.IMAP, session.pump.peer)
    session.machine.answer_need(supply)
    return ANSWERED


async def authenticated(session: ImapSession, event: Authenticated) -> Reply:
    """The proof holds; now who is it, and may they act as they ask (RFC 4422 3.4.1)?"""
    account, session.account = session.account, None
    try:
        if account is None:
            account = await session.service.shared.sign_in.account(event.authcid, Service.IMAP, session.pump.peer)
    except EstafetaError as error:
        return refuse(session, event.authcid, event.mechanism, error)
    if not acts_as_itself(account, event.authcid, event.authzid):
        log.info("sign-in refused peer=%s user=%s as=%r", session.pump.peer, account.address, event.authzid[:320])
        return count_failure(session, _OTHER_NAME)
    admitted = admit(session, account, event.mechanism)
    return admitted if isinstance(admitted, Reply) else await admitted


def auth_failed(session: ImapSession, event: AuthFailed) -> Reply:
    """Say why in IMAP's words. A client that gave up did not fail."""
    session.account = None
    peer, login, reason = session.pump.peer, event.authcid[:320], event.reason
    log.info("sign-in failed peer=%s login=%r method=%s reason=%s", peer, login, event.mechanism, reason)
    if reason is Reason.CREDENTIALS and event.mechanism not in _PASSWORD_MECHANISMS:
        session.service.shared.sign_in.failed(event.authcid, peer)
    return count_failure(session, SIGN_IN_REPLIES[reason])
