"""STARTTLS and AUTH of a session."""

import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Service
from estafeta.policy.checks import Stage
from estafeta.protocols.sasl import NeedPassword, PasswordResult, Reason
from estafeta.protocols.smtp import events, replies
from estafeta.protocols.smtp.replies import Reply
from estafeta.servers.signin import acts_as_itself, is_wrong
from estafeta.servers.smtp.errors import verdict_reply

if TYPE_CHECKING:
    from estafeta.servers.smtp.session import SmtpSession

log = logging.getLogger("estafeta.smtp")

_NOT_YOU = Reply(535, "5.7.8", "You may only act as yourself")


async def start_tls(session: "SmtpSession", event: events.StartTls) -> None:
    """STARTTLS."""
    offer = session.service.tls
    if offer is None:
        session.machine.answer(replies.NOT_OFFERED)
        return
    session.machine.answer(replies.TLS_READY)
    if await session.pump.start_tls(offer.context):
        session.account = None
        session.know(None)
        session.screening.facts.tls = True
        session.machine.tls_started(session.service.session_settings(session.pump.peer, tls=True))
        if session.machine.discarded:
            # Somebody between us may have put it there (CVE-2011-0411).
            log.warning("in clear behind STARTTLS peer=%s octets=%d", session.pump.peer, session.machine.discarded)


def authenticate(session: "SmtpSession", event: events.Authenticate) -> None:
    """AUTH with a mechanism."""
    offered = session.machine.settings.auth_mechanisms
    plus = any(name.endswith("-PLUS") for name in offered)
    tls, offer = session.pump.tls, session.service.tls
    bindings = offer.bindings(tls) if tls is not None and offer is not None else {}
    mechanism = session.service.shared.sign_in.mechanism(event.mechanism, bindings, plus_offered=plus)
    if mechanism is None:
        session.machine.answer(replies.UNKNOWN_MECHANISM)
    else:
        session.machine.answer_auth(mechanism)


def auth_need(session: "SmtpSession", event: events.AuthNeed) -> Awaitable[None] | None:
    """What the mechanism has to know."""
    need = event.need
    if isinstance(need, NeedPassword):
        account = session.service.shared.sign_in.cached(need.authcid, need.password, Service.SUBMISSION)
        if account is not None:
            session.account = account
            session.machine.answer_need(PasswordResult.OK)
            return None
    return _ask_directory(session, event)


async def _ask_directory(session: "SmtpSession", event: events.AuthNeed) -> None:
    supply, session.account = await session.service.shared.sign_in.supply(
        event.need, Service.SUBMISSION, session.pump.peer
    )
    session.machine.answer_need(supply)


async def authenticated(session: "SmtpSession", event: events.Authenticated) -> None:
    """The proof holds; now who is it, and may they act as they ask (RFC 4422 3.4.1)?"""
    try:
        if session.account is None:
            session.account = await session.service.shared.sign_in.account(
                event.authcid, Service.SUBMISSION, session.pump.peer
            )
    except EstafetaError as error:
        log.info("sign-in refused peer=%s login=%r reason=%r", session.pump.peer, event.authcid, error.public)
        session.machine.answer(replies.AUTH_WRONG if is_wrong(error) else replies.AUTH_TEMPORARY)
        return
    if not acts_as_itself(session.account, event.authcid, event.authzid):
        session.account = None
        session.machine.answer(_NOT_YOU)
        return
    session.know(session.account)
    if (refusal := session.screening.ask(Stage.AUTH)) is not None:
        session.learn(refusal)
        log.info("sign-in refused peer=%s login=%r reason=%r", session.pump.peer, event.authcid, refusal.reason)
        session.account = None
        session.know(None)
        session.screening.forget(Stage.AUTH)
        session.machine.answer(verdict_reply(refusal))
        return
    log.info("signed in peer=%s user=%s mechanism=%s", session.pump.peer, session.account.address, event.mechanism)
    session.machine.answer(event.reply)


def auth_failed(session: "SmtpSession", event: events.AuthFailed) -> None:
    """It failed: counted, and told."""
    session.account = None
    if event.mechanism.startswith("SCRAM") and event.reason is Reason.CREDENTIALS:
        session.service.shared.sign_in.failed(event.authcid, session.pump.peer)
    log.info("sign-in failed peer=%s login=%r reason=%s", session.pump.peer, event.authcid, event.reason)
    session.machine.answer(event.reply)
