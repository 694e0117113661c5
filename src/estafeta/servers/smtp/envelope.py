"""MAIL and RCPT: who sends, to whom, and whether they may."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import ListTarget, Resolution, Status
from estafeta.intake.conditions import Recipient
from estafeta.journal.records import Code
from estafeta.mail.address import Address
from estafeta.policy.checks import Stage
from estafeta.policy.recipient import check_recipient
from estafeta.policy.sender import check_sender
from estafeta.policy.verdict import Verdict, deferred, rejected
from estafeta.protocols.smtp import events, replies
from estafeta.protocols.smtp.replies import Reply
from estafeta.routing.rewriting import Field
from estafeta.servers.smtp.errors import DISK_LOW, verdict_reply
from estafeta.servers.smtp.patience import note_turn

if TYPE_CHECKING:
    from estafeta.servers.smtp.session import SmtpSession

log = logging.getLogger("estafeta.smtp")

_GUESSING = Reply(421, "4.7.0", "Too many unknown recipients; closing")
_TOO_BIG = rejected("The message is larger than this address takes", "too big", 552, "5.3.4")
_FULL = deferred("The mailbox is full; try again later", "full", 452, "4.2.2")
# An address that stands for more others is routed in a thread.
_MANY_TARGETS = 200
_CODES = {"relay": Code.RELAY_REFUSED}
"""What the journal says of a refused recipient; all other reasons are 9W."""


def mail_from(session: "SmtpSession", event: events.Mail) -> Awaitable[None] | None:
    """MAIL: who sends, and may they."""
    session.mail = event
    session.sender = event.address
    session.recipients = []
    session.limit = session.service.settings.smtp.max_message_bytes
    _begin_message(session, event)
    if session.service.shared.space.low:
        session.machine.answer(DISK_LOW)
        return None
    rewriter = session.service.shared.planner.rewriter
    if rewriter and event.address is not None:
        session.sender = rewriter.rewrite_address(event.address, Field.ENVELOPE_FROM)
    session.screening.facts.sender = session.sender
    if (refusal := session.screening.ask(Stage.MAIL)) is not None:
        _refuse_sender(session, refusal)
        return None
    if session.account is None or event.address is None:
        session.machine.answer(replies.SENDER_OK)
        return None
    if rewriter and (real := rewriter.check_address(event.address)) != event.address:
        return _check_exists(session, real, partial(session.lookup, event.address, partial(_judge_sender, session)))
    return session.lookup(event.address, partial(_judge_sender, session))


def _begin_message(session: "SmtpSession", event: events.Mail) -> None:
    session.screening.begin_message()
    facts = session.screening.facts
    facts.now = session.service.clock()
    facts.smtputf8, facts.declared_size = event.smtputf8, event.size or 0
    if not session.esmtp:
        note_turn(session.machine, facts)


def _refuse_sender(session: "SmtpSession", verdict: Verdict) -> None:
    session.learn(verdict)
    session.note_refused(verdict, session.sender)
    log.info("refused peer=%s sender=<%s> reason=%s", session.pump.peer, session.sender or "", verdict.reason)
    session.machine.answer(verdict_reply(verdict))


async def _check_exists(session: "SmtpSession", real: Address, go_on: Callable[[], Awaitable[None] | None]) -> None:
    """Row Q4, rules with the letter X: an address counts only if the one that it stands for is somebody's here."""
    try:
        resolution = await asyncio.to_thread(session.service.shared.addresses.resolve, real)
    except EstafetaError as error:
        session.failed(error)
        return
    if not resolution.targets or resolution.status is Status.NOT_OURS:
        _refuse_recipient(session, real, rejected(f"There is no {real} here", "unknown", 550, "5.1.1"))
    elif (waiting := go_on()) is not None:
        await waiting


def _judge_sender(session: "SmtpSession", address: Address, resolution: Resolution) -> Awaitable[None] | None:
    """What was said is theirs, or what rewriting makes of it: `user@host.example` may stand for `user@example`."""
    verdict = check_sender(address, resolution, session.account, session.service.settings.relay.sender_must_be)
    rewritten = session.sender
    if not verdict.accepted and rewritten is not None and rewritten != address:
        return session.lookup(rewritten, partial(_judge_sender, session))
    session.say(verdict, address)
    return None


def rcpt(session: "SmtpSession", event: events.Rcpt) -> Awaitable[None] | None:
    """RCPT: once what is looked up of the client and the sender is known."""
    return _rcpt_settled(session, event) if session.screening.waiting else _rcpt_now(session, event)


async def _rcpt_settled(session: "SmtpSession", event: events.Rcpt) -> None:
    """What is looked up of the client and of the sender is known before the first recipient is taken."""
    await session.screening.settle()
    waiting = _rcpt_now(session, event)
    if waiting is not None:
        await waiting


def _rcpt_now(session: "SmtpSession", event: events.Rcpt) -> Awaitable[None] | None:
    facts = session.screening.facts
    facts.recipient = None
    # By its name, or since it read its mail: by now that was looked up.
    facts.trusted = session.service.restrictions.is_trusted(facts)
    if (refusal := session.screening.refusal(event.address)) is not None:
        _refuse_recipient(session, event.address, refusal)
        return None
    address, planner = event.address, session.service.shared.planner
    if planner.rewriter:
        address = planner.rewriter.rewrite_address(address, Field.ENVELOPE_TO)
    address = planner.unhidden(address, may_relay=session.may_relay())
    go_on = partial(session.lookup, address, partial(_judge_recipient, session, event))
    if planner.rewriter and (real := planner.rewriter.check_address(address)) != address:
        return _check_exists(session, real, go_on)
    return go_on()


def _judge_recipient(
    session: "SmtpSession", event: events.Rcpt, address: Address, resolution: Resolution
) -> Awaitable[None] | None:
    planner = session.service.shared.planner
    resolution = planner.with_routes(address, resolution)
    session.screening.facts.recipient = (address, resolution)
    verdict = check_recipient(
        session.screening.facts,
        address,
        resolution,
        session.service.restrictions,
        backup=planner.is_backup_for(address),
    )
    if not verdict.accepted:
        _refuse_recipient(session, address, verdict)
        return None
    said = session.screening.recipient()
    go_on = partial(_screened, session, event, address, resolution)
    return go_on(said) if isinstance(said, list) else _screened_later(said, go_on)


def _screened(
    session: "SmtpSession", event: events.Rcpt, address: Address, resolution: Resolution, said: Sequence[Verdict]
) -> Awaitable[None] | None:
    refusal = session.screening.refused(said)
    if refusal is None:
        return _place(session, event, address, resolution)
    _refuse_recipient(session, address, refusal)
    return None


async def _screened_later(
    said: Awaitable[Sequence[Verdict]], go_on: Callable[[Sequence[Verdict]], Awaitable[None] | None]
) -> None:
    waiting = go_on(await said)
    if waiting is not None:
        await waiting


def _place(
    session: "SmtpSession", event: events.Rcpt, address: Address, resolution: Resolution
) -> Awaitable[None] | None:
    if len(resolution.targets) > _MANY_TARGETS:
        return _place_many(session, event, address, resolution)
    planner = session.service.shared.planner
    return _judge_place(session, event, address, resolution, planner.place(address, resolution, session.sender))


async def _place_many(session: "SmtpSession", event: events.Rcpt, address: Address, resolution: Resolution) -> None:
    """What takes more than a few milliseconds, in a thread."""
    found = await asyncio.to_thread(session.service.shared.planner.place, address, resolution, session.sender)
    waiting = _judge_place(session, event, address, resolution, found)
    if waiting is not None:
        await waiting


def _judge_place(
    session: "SmtpSession", event: events.Rcpt, address: Address, resolution: Resolution, recipient: Recipient | Verdict
) -> Awaitable[None] | None:
    if isinstance(recipient, Verdict):
        _refuse_recipient(session, address, recipient)
        return None
    if event.notify or event.orcpt:
        recipient = recipient._replace(notify=event.notify, orcpt=event.orcpt)
    limit = resolution.max_message_bytes
    declared = (session.mail.size if session.mail is not None else None) or 0
    if limit and declared > limit:
        _refuse_recipient(session, address, _TOO_BIG)
        return None
    lists = [target.key for target in resolution.targets if isinstance(target, ListTarget) and target.restricted]
    limited = any(target.quota_bytes or target.quota_messages for target in recipient.targets)
    if lists or limited:
        return _ask_more(session, recipient, lists, limit, declared)
    _take_recipient(session, recipient, limit)
    return None


async def _ask_more(session: "SmtpSession", recipient: Recipient, lists: list[str], limit: int, declared: int) -> None:
    """What only the database knows: who may post to a list (D3: refused here, nothing has to go back later)."""
    try:
        for key in lists:
            reason = await asyncio.to_thread(session.service.shared.check_post, key, session.sender)
            if reason:
                _refuse_recipient(session, recipient.address, rejected(reason.rstrip("."), "list", 550, "5.7.2"))
                return
    except EstafetaError as error:
        session.failed(error)
        return
    await _check_quota(session, recipient, limit, declared)


async def _check_quota(session: "SmtpSession", recipient: Recipient, limit: int, declared: int) -> None:
    """R7: a full mailbox is known before the content is sent. The commit looks again."""
    try:
        for target in recipient.targets:
            used, messages = await session.service.shared.usage(target.account_id)
            too_large = target.quota_bytes and used + declared >= target.quota_bytes
            if too_large or (target.quota_messages and messages >= target.quota_messages):
                _refuse_recipient(session, recipient.address, _FULL)
                return
    except EstafetaError as error:
        session.failed(error)
        return
    _take_recipient(session, recipient, limit)


def _take_recipient(session: "SmtpSession", recipient: Recipient, limit: int) -> None:
    session.recipients.append(recipient)
    facts = session.screening.facts
    if facts.recipient is not None:
        facts.recipients.append(facts.recipient)
    if limit:
        session.limit = min(session.limit or limit, limit)
    session.machine.answer(replies.RECIPIENT_OK)


def _refuse_recipient(session: "SmtpSession", address: Address, verdict: Verdict) -> None:
    session.learn(verdict)
    if verdict.reason == "unknown":
        session.unknown += 1
    code = _CODES.get(verdict.reason, Code.REJECTED)
    session.note_refused(verdict, session.sender, code=code, address=str(address))
    if session.unknown > session.service.settings.smtp.max_unknown_recipients:
        session.machine.answer(_GUESSING)
    else:
        session.say(verdict, address)
