"""AUTH (RFC 5034): the machine talks with the client, the directory answers the mechanism's questions."""

from collections.abc import Awaitable

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Service
from estafeta.protocols.pop3 import events
from estafeta.protocols.pop3.replies import Code
from estafeta.protocols.pop3.texts import Text
from estafeta.protocols.sasl import NeedPassword, PasswordResult, Reason
from estafeta.servers.pop3.access import channel_bindings, mechanisms
from estafeta.servers.pop3.errors import SASL_ANSWERS
from estafeta.servers.pop3.session import Pop3Session, log
from estafeta.servers.pop3.signin import admit, refuse, too_many
from estafeta.servers.signin import acts_as_itself

_PASSWORD_MECHANISMS = frozenset({"PLAIN", "LOGIN"})


def auth(session: Pop3Session, event: events.Authenticate) -> None:
    """Begin an exchange of a mechanism that was offered."""
    refused = session.clear_text_refused if event.mechanism in _PASSWORD_MECHANISMS else session.tls_refused
    if refused():
        return
    offered = mechanisms(session)
    mechanism = None
    if event.mechanism in offered:
        plus = any(name.endswith("-PLUS") for name in offered)
        bindings = channel_bindings(session)
        mechanism = session.service.shared.sign_in.mechanism(event.mechanism, bindings, plus_offered=plus)
    session.account = None
    if mechanism is None:
        session.machine.err(Text.NO_MECHANISM)
    else:
        session.machine.answer_auth(mechanism)


def need(session: Pop3Session, event: events.AuthNeed) -> Awaitable[None] | None:
    """A password verified a moment ago needs no thread."""
    asked = event.need
    if isinstance(asked, NeedPassword):
        session.account = session.service.shared.sign_in.cached(asked.authcid, asked.password, Service.POP3)
        if session.account is not None:
            session.machine.answer_need(PasswordResult.OK)
            return None
    return _ask(session, event)


async def _ask(session: Pop3Session, event: events.AuthNeed) -> None:
    supply, session.account = await session.service.shared.sign_in.supply(event.need, Service.POP3, session.pump.peer)
    session.machine.answer_need(supply)


async def authenticated(session: Pop3Session, event: events.Authenticated) -> None:
    """The proof holds; now who is it, and may they act as they ask (RFC 4422 3.4.1)?"""
    account, session.account = session.account, None
    try:
        if account is None:
            account = await session.service.shared.sign_in.account(event.authcid, Service.POP3, session.pump.peer)
    except EstafetaError as error:
        refuse(session, event.authcid, event.mechanism, error)
        return
    if not acts_as_itself(account, event.authcid, event.authzid):
        log.info("sign-in refused peer=%s user=%s as=%r", session.pump.peer, account.address, event.authzid[:320])
        if not too_many(session):
            session.machine.err(Text.OTHER_NAME, code=Code.AUTH)
        return
    await admit(session, account, event.mechanism)


def auth_failed(session: Pop3Session, event: events.AuthFailed) -> None:
    """Say why in POP3's words. A client that gave up did not fail."""
    session.account = None
    peer, login, reason = session.pump.peer, event.authcid[:320], event.reason
    log.info("sign-in failed peer=%s login=%r method=%s reason=%s", peer, login, event.mechanism, reason)
    if reason is Reason.CREDENTIALS and event.mechanism not in _PASSWORD_MECHANISMS:
        session.service.shared.sign_in.failed(event.authcid, peer)
    text, code = SASL_ANSWERS[reason]
    if not too_many(session):
        session.machine.err(text, code=code)
