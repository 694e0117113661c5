"""VRFY, EXPN and ETRN: what a client may ask."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from estafeta.directory.model import Resolution
from estafeta.mail.address import Address
from estafeta.policy.recipient import check_address
from estafeta.policy.verdict import Verdict
from estafeta.protocols.smtp import events, replies
from estafeta.protocols.smtp.replies import Reply
from estafeta.servers.smtp.etrn import start_queue

if TYPE_CHECKING:
    from estafeta.servers.smtp.session import SmtpSession


def verify(session: "SmtpSession", event: events.Verify) -> Awaitable[None] | None:
    """VRFY."""
    if not session.service.settings.smtp.vrfy:
        session.machine.answer(replies.CANNOT_VERIFY)
        return None
    return _named(session, event.argument, partial(_judge_verify, session))


def expand(session: "SmtpSession", event: events.Expand) -> Awaitable[None] | None:
    """EXPN."""
    return _named(session, event.argument, partial(_judge_expand, session))


async def etrn(session: "SmtpSession", event: events.Etrn) -> None:
    """ETRN (RFC 1985)."""
    session.machine.answer(await start_queue(session.service, session.pump.peer, event.argument))


def _named(
    session: "SmtpSession", argument: str, judge: Callable[[Address, Resolution], Any]
) -> Awaitable[None] | None:
    local, _, domain = argument.strip("<>").rpartition("@")
    return session.lookup(Address(local or domain, domain if local else ""), judge)


def _judge_verify(session: "SmtpSession", address: Address, resolution: Resolution) -> None:
    session.say(_check(session, resolution), address)


def _check(session: "SmtpSession", resolution: Resolution) -> Verdict:
    """Who has to sign in to send here learns nothing of addresses before."""
    here = session.service.restrictions.check_local(session.screening.facts)
    return check_address(resolution) if here.accepted else here


def _judge_expand(session: "SmtpSession", address: Address, resolution: Resolution) -> None:
    verdict = _check(session, resolution)
    if verdict.accepted:
        members = f"{address} has {len(resolution.targets)} member{'s' if len(resolution.targets) != 1 else ''}"
        session.machine.answer(Reply(250, "2.1.5", members))
    else:
        session.say(verdict, address)
