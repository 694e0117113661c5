"""A session of SMTP, submission or LMTP: what each event of the machine means here.

Everything that can be answered from memory is answered at once, without a task; only what asks the database, hashes a
password or waits for the disk returns an awaitable. The 250 after the content is said when the commit is done.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Account, ListTarget, Resolution, Service, Status
from estafeta.intake.accept import Receipt, Reception, Stored
from estafeta.intake.conditions import Conditions, Origin, Recipient, owner_of
from estafeta.journal.records import Code, Record
from estafeta.mail.address import Address
from estafeta.mail.trace import with_protocol
from estafeta.net.pump import Pump
from estafeta.policy.checks import Stage
from estafeta.policy.content import Content
from estafeta.policy.judgement import Judgement, RefusedError
from estafeta.policy.recipient import check_address, check_recipient
from estafeta.policy.restrictions import client_name
from estafeta.policy.sender import check_sender
from estafeta.policy.verdict import Verdict, rejected
from estafeta.protocols.sasl import NeedPassword, PasswordResult, Reason
from estafeta.protocols.smtp import events, replies
from estafeta.protocols.smtp.events import Event, HelloKind
from estafeta.protocols.smtp.limits import Mode
from estafeta.protocols.smtp.replies import Reply
from estafeta.protocols.smtp.server import SmtpServer
from estafeta.routing.rewriting import Field
from estafeta.servers.signin import acts_as_itself
from estafeta.servers.smtp.errors import DISK_LOW, error_reply, verdict_reply
from estafeta.servers.smtp.etrn import start_queue
from estafeta.servers.smtp.patience import greet, note_turn
from estafeta.servers.smtp.screening import Screening

if TYPE_CHECKING:
    from estafeta.servers.smtp.service import SmtpService

log = logging.getLogger("estafeta.smtp")

_GUESSING = Reply(421, "4.7.0", "Too many unknown recipients; closing")
_NOT_YOU = Reply(535, "5.7.8", "You may only act as yourself")
_TOO_BIG = Reply(552, "5.3.4", "The message is larger than this address takes")
_FULL = Reply(452, "4.2.2", "The mailbox is full; try again later")
# An address that stands for more others is routed in a thread.
_MANY_TARGETS = 200
_CODES = {"relay": Code.RELAY_REFUSED}
"""What the journal says of a refused recipient; all other reasons are 9W."""


class SmtpSession:
    """Decides for one connection."""

    __slots__ = (
        "_account",
        "_esmtp",
        "_helo",
        "_limit",
        "_mail",
        "_pump",
        "_reception",
        "_recipients",
        "_screening",
        "_sender",
        "_service",
        "_unknown",
        "machine",
    )

    def __init__(self, service: "SmtpService") -> None:
        self._service = service
        self._pump: Pump
        self.machine: SmtpServer
        self._helo = ""
        self._esmtp = False
        self._account: Account | None = None
        self._mail: events.Mail | None = None
        self._sender: Address | None = None
        self._recipients: list[Recipient] = []
        self._limit = 0
        self._reception: Reception | None = None
        self._unknown = 0

    # what the pump calls

    def connected(self, pump: Pump) -> Awaitable[None] | None:
        """Greet, or say why not."""
        self._pump = pump
        tls = pump.tls is not None
        self.machine = SmtpServer(self._service.session_settings(pump.peer, tls=tls), tls=tls)
        self._screening = Screening(
            self._service.chain, self._service.facts(pump.peer, tls=tls), self._service.hostname
        )
        if self._service.settings.restrict.verify_originator:
            self._screening.facts.ends = pump.ends
        refusal = self._service.refusal(pump) or self._screening.ask(Stage.CONNECT)
        if refusal is None:
            return greet(pump, self.machine, self._screening.facts, self._service.settings.spam.greeting_delay_seconds)
        self._learn(refusal)
        log.info("refused peer=%s reason=%r", pump.peer, refusal.reason or refusal.text)
        self._service.note(Record(0, Code.CONNECTION_REFUSED, peer=pump.peer, text=refusal.text))
        self.machine.refuse_session(refusal.code, refusal.enhanced, refusal.text)
        return None

    def handle(self, event: Event) -> Awaitable[None] | None:
        """One event; the table below says which method."""
        return _HANDLERS[type(event)](self, event)

    def allowance(self) -> float:
        """Seconds for the next step (RFC 5321 4.5.3.2)."""
        smtp = self._service.settings.smtp
        return smtp.command_timeout_seconds if self._reception is None else smtp.data_timeout_seconds

    def disconnected(self) -> None:
        """The peer is gone: nothing it did not finish is kept."""
        self._screening.close()
        reception, self._reception = self._reception, None
        if reception is not None:
            self._service.background(reception.abandon())

    # events

    def _hello(self, event: events.Hello) -> None:
        self._helo = event.name
        self._esmtp = event.kind is not HelloKind.HELO
        facts = self._screening.facts
        facts.helo, facts.esmtp = event.name, self._esmtp
        note_turn(self.machine, facts)
        refusal = self._screening.ask(Stage.HELO)
        if refusal is None:
            self.machine.answer(Reply(250, "", "at your service"))
        else:
            self._learn(refusal)
            self.machine.answer(verdict_reply(refusal))

    def _mail_from(self, event: events.Mail) -> Awaitable[None] | None:
        self._mail = event
        self._sender = event.address
        self._recipients = []
        self._limit = self._service.settings.smtp.max_message_bytes
        self._begin_message(event)
        if self._service.shared.space.low:
            self.machine.answer(DISK_LOW)
            return None
        rewriter = self._service.shared.planner.rewriter
        if rewriter and event.address is not None:
            self._sender = rewriter.rewrite_address(event.address, Field.ENVELOPE_FROM)
        self._screening.facts.sender = self._sender
        if (refusal := self._screening.ask(Stage.MAIL)) is not None:
            self._refuse_sender(refusal)
            return None
        if self._account is None or event.address is None:
            self.machine.answer(replies.SENDER_OK)
            return None
        if rewriter and (real := rewriter.check_address(event.address)) != event.address:
            return self._check_exists(real, partial(self._lookup, event.address, self._judge_sender))
        return self._lookup(event.address, self._judge_sender)

    def _begin_message(self, event: events.Mail) -> None:
        self._screening.begin_message()
        facts = self._screening.facts
        facts.now = self._service.clock()
        facts.smtputf8, facts.declared_size = event.smtputf8, event.size or 0
        if not self._esmtp:
            note_turn(self.machine, facts)

    def _learn(self, refusal: Verdict) -> None:
        self._service.shared.learner.refused(self._screening.facts, refusal)

    def _refuse_sender(self, verdict: Verdict) -> None:
        self._learn(verdict)
        sender = "" if self._sender is None else str(self._sender)
        self._service.note(Record(0, Code.REJECTED, sender, self._pump.peer, text=f"{verdict.code} {verdict.text}"))
        log.info("refused peer=%s sender=<%s> reason=%s", self._pump.peer, sender, verdict.reason)
        self.machine.answer(verdict_reply(verdict))

    async def _check_exists(self, real: Address, go_on: Callable[[], Awaitable[None] | None]) -> None:
        """Row Q4, rules with the letter X: an address counts only if the one that it stands for is somebody's here."""
        try:
            resolution = await asyncio.to_thread(self._service.shared.addresses.resolve, real)
        except EstafetaError as error:
            self._failed(error)
            return
        if not resolution.targets or resolution.status is Status.NOT_OURS:
            self._refuse_recipient(real, rejected(f"There is no {real} here", "unknown", 550, "5.1.1"))
        elif (waiting := go_on()) is not None:
            await waiting

    def _judge_sender(self, address: Address, resolution: Resolution) -> Awaitable[None] | None:
        """What was said is theirs, or what rewriting makes of it: `user@host.example` may stand for `user@example`."""
        verdict = check_sender(address, resolution, self._account, self._service.settings.relay.sender_must_be)
        rewritten = self._sender
        if not verdict.accepted and rewritten is not None and rewritten != address:
            return self._lookup(rewritten, self._judge_sender)
        self._say(verdict, address)
        return None

    def _rcpt(self, event: events.Rcpt) -> Awaitable[None] | None:
        return self._rcpt_settled(event) if self._screening.waiting else self._rcpt_now(event)

    async def _rcpt_settled(self, event: events.Rcpt) -> None:
        """What is looked up of the client and of the sender is known before the first recipient is taken."""
        await self._screening.settle()
        waiting = self._rcpt_now(event)
        if waiting is not None:
            await waiting

    def _rcpt_now(self, event: events.Rcpt) -> Awaitable[None] | None:
        facts = self._screening.facts
        facts.recipient = None
        # By its name, or since it read its mail: by now that was looked up.
        facts.trusted = self._service.restrictions.is_trusted(facts)
        if (refusal := self._screening.refusal(event.address)) is not None:
            self._refuse_recipient(event.address, refusal)
            return None
        address, planner = event.address, self._service.shared.planner
        if planner.rewriter:
            address = planner.rewriter.rewrite_address(address, Field.ENVELOPE_TO)
        address = planner.unhidden(address, may_relay=self._may_relay())
        go_on = partial(self._lookup, address, partial(self._judge_recipient, event))
        if planner.rewriter and (real := planner.rewriter.check_address(address)) != address:
            return self._check_exists(real, go_on)
        return go_on()

    def _lookup(self, address: Address, judge: Callable[[Address, Resolution], Any]) -> Awaitable[None] | None:
        """Resolve from memory if we can, else in a thread."""
        resolution = self._service.shared.addresses.cached(address)
        if resolution is None:
            return self._resolve(address, judge)
        waiting: Awaitable[None] | None = judge(address, resolution)
        return waiting

    async def _resolve(self, address: Address, judge: Callable[[Address, Resolution], Any]) -> None:
        try:
            resolution = await asyncio.to_thread(self._service.shared.addresses.resolve, address)
        except EstafetaError as error:
            self._failed(error)
            return
        waiting = judge(address, resolution)
        if waiting is not None:
            await waiting

    def _judge_recipient(self, event: events.Rcpt, address: Address, resolution: Resolution) -> Awaitable[None] | None:
        planner = self._service.shared.planner
        resolution = planner.with_routes(address, resolution)
        self._screening.facts.recipient = (address, resolution)
        verdict = check_recipient(
            self._screening.facts,
            address,
            resolution,
            self._service.restrictions,
            backup=planner.is_backup_for(address),
        )
        if not verdict.accepted:
            self._refuse_recipient(address, verdict)
            return None
        if self._screening.wants(Stage.RCPT):
            return self._screen_recipient(event, address, resolution)
        return self._place(event, address, resolution)

    async def _screen_recipient(self, event: events.Rcpt, address: Address, resolution: Resolution) -> None:
        refusal = await self._screening.recipient()
        if refusal is not None:
            self._refuse_recipient(address, refusal)
            return
        waiting = self._place(event, address, resolution)
        if waiting is not None:
            await waiting

    def _place(self, event: events.Rcpt, address: Address, resolution: Resolution) -> Awaitable[None] | None:
        if len(resolution.targets) > _MANY_TARGETS:
            return self._place_many(event, address, resolution)
        planner = self._service.shared.planner
        return self._judge_place(event, address, resolution, planner.place(address, resolution, self._sender))

    async def _place_many(self, event: events.Rcpt, address: Address, resolution: Resolution) -> None:
        """What takes more than a few milliseconds, in a thread."""
        found = await asyncio.to_thread(self._service.shared.planner.place, address, resolution, self._sender)
        waiting = self._judge_place(event, address, resolution, found)
        if waiting is not None:
            await waiting

    def _judge_place(
        self, event: events.Rcpt, address: Address, resolution: Resolution, recipient: Recipient | Verdict
    ) -> Awaitable[None] | None:
        if isinstance(recipient, Verdict):
            self._refuse_recipient(address, recipient)
            return None
        if event.notify or event.orcpt:
            recipient = recipient._replace(notify=event.notify, orcpt=event.orcpt)
        limit = resolution.max_message_bytes
        declared = (self._mail.size if self._mail is not None else None) or 0
        if limit and declared > limit:
            self.machine.answer(_TOO_BIG)
            return None
        lists = [target.key for target in resolution.targets if isinstance(target, ListTarget) and target.restricted]
        limited = any(target.quota_bytes or target.quota_messages for target in recipient.targets)
        if lists or limited:
            return self._ask_more(recipient, lists, limit, declared)
        self._take_recipient(recipient, limit)
        return None

    async def _ask_more(self, recipient: Recipient, lists: list[str], limit: int, declared: int) -> None:
        """What only the database knows: who may post to a list (D3: refused here, nothing has to go back later)."""
        try:
            for key in lists:
                reason = await asyncio.to_thread(self._service.shared.check_post, key, self._sender)
                if reason:
                    self._refuse_recipient(recipient.address, rejected(reason.rstrip("."), "list", 550, "5.7.2"))
                    return
        except EstafetaError as error:
            self._failed(error)
            return
        await self._check_quota(recipient, limit, declared)

    async def _check_quota(self, recipient: Recipient, limit: int, declared: int) -> None:
        """R7: a full mailbox is known before the content is sent. The commit looks again."""
        try:
            for target in recipient.targets:
                used, messages = await self._service.shared.usage(target.account_id)
                too_large = target.quota_bytes and used + declared >= target.quota_bytes
                if too_large or (target.quota_messages and messages >= target.quota_messages):
                    self.machine.answer(_FULL)
                    return
        except EstafetaError as error:
            self._failed(error)
            return
        self._take_recipient(recipient, limit)

    def _take_recipient(self, recipient: Recipient, limit: int) -> None:
        self._recipients.append(recipient)
        facts = self._screening.facts
        if facts.recipient is not None:
            facts.recipients.append(facts.recipient)
        if limit:
            self._limit = min(self._limit or limit, limit)
        self.machine.answer(replies.RECIPIENT_OK)

    def _refuse_recipient(self, address: Address, verdict: Verdict) -> None:
        self._learn(verdict)
        if verdict.reason == "unknown":
            self._unknown += 1
        code = _CODES.get(verdict.reason, Code.REJECTED)
        self._service.note(Record(0, code, str(address), self._pump.peer, text=f"{verdict.code} {verdict.text}"))
        if self._unknown > self._service.settings.smtp.max_unknown_recipients:
            self.machine.answer(_GUESSING)
        else:
            self._say(verdict, address)

    def _data(self, event: events.Data) -> None:
        if self._service.shared.space.low:
            self.machine.answer(DISK_LOW)
            return
        if not event.bdat:  # RFC 3030 4.2: the octets of a chunk may follow at once
            note_turn(self.machine, self._screening.facts)
        self._reception = self._service.shared.intake.open(
            self._sender,
            self._recipients,
            self._origin(),
            self._conditions(),
            max_bytes=self._limit,
            max_hops=self._service.settings.smtp.max_received_hops,
            inspect=self._inspect if self._screening.inspects or self._account is not None else None,
        )
        self.machine.answer(replies.START_DATA)

    async def _inspect(self, content: Content) -> Judgement:
        """What checks say of the message; and of a user's, whether it is one too many."""
        judgement = await self._screening.inspect(content)
        brake = self._service.shared.brake
        if brake is not None and self._account is not None:
            judgement = self._screening.judgement = await brake.apply(self._screening.facts, judgement)
        return judgement

    def _chunk(self, event: events.Chunk) -> Awaitable[None] | None:
        reception = self._reception
        if reception is None:
            return None
        return reception.write(event.data)

    def _message_end(self, event: events.MessageEnd) -> Awaitable[Any] | None:
        reception, self._reception = self._reception, None
        if reception is None:
            self._failed(EstafetaError(Kind.TEMPORARY, "The message could not be stored; try again later."))
            return None
        try:
            done = reception.finish()
        except EstafetaError as error:
            self._failed(error)
            return None
        # Before the pump goes on with this future: callbacks run in the order in which they were added.
        done.add_done_callback(partial(self._finished, reception, event.size))
        return done

    def _finished(self, reception: Reception, size: int, done: "asyncio.Future[Stored]") -> None:
        error = done.exception()
        if error is None or isinstance(error, RefusedError):
            self._service.shared.learner.judged(self._screening.facts, self._screening.judgement)
        if error is None:
            self._service.messages += 1
            self._acknowledge(reception.receipt(done.result()), size)
        elif isinstance(error, EstafetaError):
            for record in error.records if isinstance(error, RefusedError) else ():
                self._service.note(record)
            self._failed(error)
        else:
            log.error("message not stored peer=%s", self._pump.peer, exc_info=error)
            self._failed(EstafetaError(Kind.TEMPORARY, "The message could not be stored; try again later."))

    def _acknowledge(self, receipt: Receipt, size: int) -> None:
        log.info(
            "accepted id=%s peer=%s name=%s from=<%s> to=%d size=%d",
            receipt.ident,
            self._pump.peer,
            client_name(self._screening.facts).name,
            self._sender or "",
            len(self._recipients),
            size,
        )
        fine = Reply(250, "2.0.0", f"Accepted as {receipt.ident}")
        if self._service.mode is Mode.LMTP:
            self.machine.answer_each([fine if e is None else error_reply(e) for e in receipt.failures])
            return
        failures = [error for error in receipt.failures if error is not None]
        # One reply for all: where some mailboxes have it, 250 keeps them from getting it twice.
        self.machine.answer(error_reply(failures[0]) if len(failures) == len(receipt.failures) else fine)

    def _abandoned(self, event: events.Abandoned) -> Awaitable[None] | None:
        reception, self._reception = self._reception, None
        self._mail = None
        return None if reception is None else reception.abandon()

    async def _start_tls(self, event: events.StartTls) -> None:
        offer = self._service.tls
        if offer is None:
            self.machine.answer(replies.NOT_OFFERED)
            return
        self.machine.answer(replies.TLS_READY)
        if await self._pump.start_tls(offer.context):
            self._account = None
            self._know(None)
            self._screening.facts.tls = True
            self.machine.tls_started(self._service.session_settings(self._pump.peer, tls=True))

    def _authenticate(self, event: events.Authenticate) -> None:
        offered = self.machine.settings.auth_mechanisms
        plus = any(name.endswith("-PLUS") for name in offered)
        tls, offer = self._pump.tls, self._service.tls
        bindings = offer.bindings(tls) if tls is not None and offer is not None else {}
        mechanism = self._service.shared.sign_in.mechanism(event.mechanism, bindings, plus_offered=plus)
        if mechanism is None:
            self.machine.answer(replies.UNKNOWN_MECHANISM)
        else:
            self.machine.answer_auth(mechanism)

    def _auth_need(self, event: events.AuthNeed) -> Awaitable[None] | None:
        need = event.need
        if isinstance(need, NeedPassword):
            account = self._service.shared.sign_in.cached(need.authcid, need.password, Service.SUBMISSION)
            if account is not None:
                self._account = account
                self.machine.answer_need(PasswordResult.OK)
                return None
        return self._ask_directory(event)

    async def _ask_directory(self, event: events.AuthNeed) -> None:
        supply, self._account = await self._service.shared.sign_in.supply(
            event.need, Service.SUBMISSION, self._pump.peer
        )
        self.machine.answer_need(supply)

    async def _authenticated(self, event: events.Authenticated) -> None:
        """The proof holds; now who is it, and may they act as they ask (RFC 4422 3.4.1)?"""
        try:
            if self._account is None:
                self._account = await self._service.shared.sign_in.account(
                    event.authcid, Service.SUBMISSION, self._pump.peer
                )
        except EstafetaError as error:
            log.info("sign-in refused peer=%s login=%r reason=%r", self._pump.peer, event.authcid, error.public)
            self.machine.answer(replies.AUTH_WRONG)
            return
        if not acts_as_itself(self._account, event.authcid, event.authzid):
            self._account = None
            self.machine.answer(_NOT_YOU)
            return
        self._know(self._account)
        if (refusal := self._screening.ask(Stage.AUTH)) is not None:
            self._learn(refusal)
            log.info("sign-in refused peer=%s login=%r reason=%r", self._pump.peer, event.authcid, refusal.reason)
            self._account = None
            self._know(None)
            self._screening.forget(Stage.AUTH)
            self.machine.answer(verdict_reply(refusal))
            return
        log.info("signed in peer=%s user=%s mechanism=%s", self._pump.peer, self._account.address, event.mechanism)
        self.machine.answer(event.reply)

    def _know(self, account: Account | None) -> None:
        facts = self._screening.facts
        facts.account = account
        facts.trusted = self._service.restrictions.is_trusted(facts)

    def _auth_failed(self, event: events.AuthFailed) -> None:
        self._account = None
        if event.mechanism.startswith("SCRAM") and event.reason is Reason.CREDENTIALS:
            self._service.shared.sign_in.failed(event.authcid, self._pump.peer)
        log.info("sign-in failed peer=%s login=%r reason=%s", self._pump.peer, event.authcid, event.reason)
        self.machine.answer(event.reply)

    def _verify(self, event: events.Verify) -> Awaitable[None] | None:
        if not self._service.settings.smtp.vrfy:
            self.machine.answer(replies.CANNOT_VERIFY)
            return None
        return self._named(event.argument, self._judge_verify)

    def _expand(self, event: events.Expand) -> Awaitable[None] | None:
        return self._named(event.argument, self._judge_expand)

    async def _etrn(self, event: events.Etrn) -> None:
        self.machine.answer(await start_queue(self._service, self._pump.peer, event.argument))

    def _named(self, argument: str, judge: Callable[[Address, Resolution], Any]) -> Awaitable[None] | None:
        local, _, domain = argument.strip("<>").rpartition("@")
        return self._lookup(Address(local or domain, domain if local else ""), judge)

    def _judge_verify(self, address: Address, resolution: Resolution) -> None:
        self._say(check_address(resolution), address)

    def _judge_expand(self, address: Address, resolution: Resolution) -> None:
        verdict = check_address(resolution)
        if verdict.accepted:
            members = f"{address} has {len(resolution.targets)} member{'s' if len(resolution.targets) != 1 else ''}"
            self.machine.answer(Reply(250, "2.1.5", members))
        else:
            self._say(verdict, address)

    # helpers

    def _may_relay(self) -> bool:
        return self._service.restrictions.may_relay(self._screening.facts)

    def _origin(self) -> Origin:
        pump, mode = self._pump, self._service.mode
        tls = pump.tls
        mail = self._mail
        name = "LMTP" if mode is Mode.LMTP else ("ESMTP" if self._esmtp else "SMTP")
        hidden = mode is Mode.SUBMISSION and self._service.settings.submission.hide_client_address
        return Origin(
            protocol=with_protocol(
                name, tls is not None, self._account is not None, mail is not None and mail.smtputf8
            ),
            helo=self._helo if not hidden else "localhost",
            client=pump.peer if not hidden else "127.0.0.1",
            client_name=client_name(self._screening.facts).name if not hidden else "",
            peer=pump.peer,
            login=self._account.address if self._account is not None else "",
            tls=_tls_words(tls) if tls is not None else None,
            repair=mode is Mode.SUBMISSION and self._service.settings.submission.add_missing_fields,
        )

    def _conditions(self) -> Conditions:
        account, mail, service = self._account, self._mail, self._service
        if mail is None:
            return Conditions()
        release = mail.holduntil or (service.clock() + mail.holdfor if mail.holdfor else 0)
        return Conditions(
            owner=account.account_id if account is not None else owner_of(self._pump.peer),
            utf8=mail.smtputf8,
            binary=mail.body is events.Body.BINARY,
            require_tls=mail.requiretls,
            envid=mail.envid,
            ret=mail.ret,
            release_ms=int(release * 1000),
            language=account.language if account is not None else "",
            trusted=self._may_relay(),
        )

    def _say(self, verdict: Verdict, address: Address) -> None:
        if not verdict.accepted:
            log.info("refused peer=%s address=<%s> reason=%s", self._pump.peer, address, verdict.reason)
        self.machine.answer(verdict_reply(verdict))

    def _failed(self, error: EstafetaError) -> None:
        log.warning("not done peer=%s reason=%r cause=%r", self._pump.peer, error.public, error.private)
        self.machine.answer(error_reply(error))


_HANDLERS: dict[type[Any], Callable[[SmtpSession, Any], Awaitable[None] | None]] = {
    events.Hello: SmtpSession._hello,
    events.Mail: SmtpSession._mail_from,
    events.Rcpt: SmtpSession._rcpt,
    events.Data: SmtpSession._data,
    events.Chunk: SmtpSession._chunk,
    events.MessageEnd: SmtpSession._message_end,
    events.Abandoned: SmtpSession._abandoned,
    events.StartTls: SmtpSession._start_tls,
    events.Authenticate: SmtpSession._authenticate,
    events.AuthNeed: SmtpSession._auth_need,
    events.Authenticated: SmtpSession._authenticated,
    events.AuthFailed: SmtpSession._auth_failed,
    events.Verify: SmtpSession._verify,
    events.Expand: SmtpSession._expand,
    events.Etrn: SmtpSession._etrn,
}


def _tls_words(tls: Any) -> str:
    cipher = tls.cipher()
    return f"{tls.version()} {cipher[0]}" if cipher else str(tls.version())
