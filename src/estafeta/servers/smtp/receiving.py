"""The content of a message: taken, looked at, stored, acknowledged."""

import asyncio
import logging
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

from estafeta.core.errors import EstafetaError, Kind
from estafeta.intake.conditions import Conditions, Origin, owner_of
from estafeta.intake.reception import Receipt, Reception, Stored
from estafeta.mail.trace import with_protocol
from estafeta.policy.brake import Brake
from estafeta.policy.content import Content
from estafeta.policy.judgement import Judgement, RefusedError
from estafeta.policy.restrictions import client_name
from estafeta.protocols.smtp import events, replies
from estafeta.protocols.smtp.limits import Mode
from estafeta.protocols.smtp.replies import Reply
from estafeta.servers.smtp.errors import DISK_LOW, error_reply, verdict_reply
from estafeta.servers.smtp.patience import note_turn

if TYPE_CHECKING:
    from estafeta.servers.smtp.session import SmtpSession

log = logging.getLogger("estafeta.smtp")

_NOT_STORED = "The message could not be stored; try again later."


def data(session: "SmtpSession", event: events.Data) -> None:
    """DATA, or the first BDAT."""
    if session.service.shared.space.low:
        session.machine.answer(DISK_LOW)
        return
    if not event.bdat:  # RFC 3030 4.2: the octets of a chunk may follow at once
        note_turn(session.machine, session.screening.facts)
    session.reception = session.service.shared.intake.open(
        session.sender,
        session.recipients,
        _origin(session),
        _conditions(session),
        max_bytes=session.limit,
        max_hops=session.service.settings.smtp.max_received_hops,
        inspect=partial(_inspect, session),
    )
    session.machine.answer(replies.START_DATA)


def _inspect(session: "SmtpSession", content: Content) -> Awaitable[Judgement]:
    """What checks say of the message; and of a user's, whether it is one too many."""
    brake = session.service.shared.brake
    if brake is None or session.account is None:
        return session.screening.inspect(content)
    return _inspect_users(session, content, brake)


async def _inspect_users(session: "SmtpSession", content: Content, brake: Brake) -> Judgement:
    screening = session.screening
    judgement = await screening.inspect(content)
    screening.judgement = await brake.apply(screening.facts, judgement)
    return screening.judgement


def chunk(session: "SmtpSession", event: events.Chunk) -> Awaitable[None] | None:
    """A piece of the content."""
    reception = session.reception
    if reception is None:
        return None
    return reception.write(event.data)


def message_end(session: "SmtpSession", event: events.MessageEnd) -> Awaitable[Any] | None:
    """Its end: stored, then acknowledged."""
    reception, session.reception = session.reception, None
    if reception is None:
        session.failed(EstafetaError(Kind.TEMPORARY, _NOT_STORED))
        return None
    done = reception.finish()
    # Before the pump goes on with this future: callbacks run in the order in which they were added.
    done.add_done_callback(partial(_finished, session, reception, event.size))
    return done


def _finished(session: "SmtpSession", reception: Reception, size: int, done: "asyncio.Future[Stored]") -> None:
    error = done.exception()
    if error is None or isinstance(error, RefusedError):
        session.service.shared.learner.judged(session.screening.facts, session.screening.judgement)
    session.screening.end_message()
    if error is None:
        session.service.messages += 1
        _acknowledge(session, reception.receipt(done.result()), size)
    elif isinstance(error, RefusedError):
        for record in error.records:
            session.service.note(record)
        verdict, peer = error.verdict, session.pump.peer
        log.info("refused peer=%s sender=<%s> reason=%r", peer, session.sender or "", verdict.reason or verdict.text)
        session.machine.answer(verdict_reply(verdict))
    elif isinstance(error, EstafetaError):
        _refuse(session, reception, error)
    else:
        log.error("message not stored peer=%s", session.pump.peer, exc_info=error)
        _refuse(session, reception, EstafetaError(Kind.TEMPORARY, _NOT_STORED))


def _refuse(session: "SmtpSession", reception: Reception, error: EstafetaError) -> None:
    """Not for its sender or for what it is, which policy says: it is in a loop, too large, or could not be stored."""
    number, recipients = reception.number, len(session.recipients)
    session.note_refused(error_reply(error), session.sender, number=number, recipients=recipients)
    session.failed(error)


def _acknowledge(session: "SmtpSession", receipt: Receipt, size: int) -> None:
    log.info(
        "accepted id=%s peer=%s name=%s from=<%s> to=%d size=%d",
        receipt.ident,
        session.pump.peer,
        client_name(session.screening.facts).name,
        session.sender or "",
        len(session.recipients),
        size,
    )
    fine = Reply(250, "2.0.0", f"Accepted as {receipt.ident}")
    if session.service.mode is Mode.LMTP:
        session.machine.answer_each([fine if e is None else error_reply(e) for e in receipt.failures])
        return
    failures = [error for error in receipt.failures if error is not None]
    # One reply for all: where some mailboxes have it, 250 keeps them from getting it twice.
    session.machine.answer(error_reply(failures[0]) if len(failures) == len(receipt.failures) else fine)


def refused(session: "SmtpSession", event: events.Refused) -> None:
    """The machine took no message: it is too big, or its lines do not end as they must."""
    session.note_refused(event.reply, event.mail.address, recipients=event.recipients)
    peer, reply = session.pump.peer, event.reply
    log.info("refused peer=%s sender=<%s> reason=%r", peer, event.mail.address or "", f"{reply.enhanced} {reply.text}")


def abandoned(session: "SmtpSession", event: events.Abandoned) -> Awaitable[None] | None:
    """The transaction is over without a message."""
    reception, session.reception = session.reception, None
    session.mail = None
    return None if reception is None else reception.abandon()


def _origin(session: "SmtpSession") -> Origin:
    pump, mode = session.pump, session.service.mode
    tls = pump.tls
    mail = session.mail
    name = "LMTP" if mode is Mode.LMTP else ("ESMTP" if session.esmtp else "SMTP")
    hidden = mode is Mode.SUBMISSION and session.service.settings.submission.hide_client_address
    return Origin(
        protocol=with_protocol(name, tls is not None, session.account is not None, mail is not None and mail.smtputf8),
        helo=session.helo if not hidden else "localhost",
        client=pump.peer if not hidden else "127.0.0.1",
        client_name=client_name(session.screening.facts).name if not hidden else "",
        peer=pump.peer,
        login=session.account.address if session.account is not None else "",
        tls=_tls_words(tls) if tls is not None else None,
        repair=mode is Mode.SUBMISSION and session.service.settings.submission.add_missing_fields,
    )


def _conditions(session: "SmtpSession") -> Conditions:
    account, mail, service = session.account, session.mail, session.service
    if mail is None:
        return Conditions()
    release = mail.holduntil or (service.clock() + mail.holdfor if mail.holdfor else 0)
    return Conditions(
        owner=account.account_id if account is not None else owner_of(session.pump.peer),
        utf8=mail.smtputf8,
        binary=mail.body is events.Body.BINARY,
        require_tls=mail.requiretls,
        envid=mail.envid,
        ret=mail.ret,
        release_ms=int(release * 1000),
        language=account.language if account is not None else "",
        trusted=session.may_relay(),
    )


def _tls_words(tls: Any) -> str:
    cipher = tls.cipher()
    return f"{tls.version()} {cipher[0]}" if cipher else str(tls.version())
