"""A session of SMTP, submission or LMTP: its state, and the table of what each event of the machine means here.

Everything that can be answered from memory is answered at once, without a task; only what asks the database, hashes a
password or waits for the disk returns an awaitable. The 250 after the content is said when the commit is done.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Account, Resolution
from estafeta.intake.conditions import Recipient
from estafeta.intake.reception import Reception
from estafeta.journal.records import MAX_NAMED, Code, Record, refusal
from estafeta.mail.address import Address
from estafeta.net.pump import Pump
from estafeta.policy.checks import Stage
from estafeta.policy.verdict import Verdict
from estafeta.protocols.smtp import events
from estafeta.protocols.smtp.events import Event, HelloKind
from estafeta.protocols.smtp.replies import Reply
from estafeta.protocols.smtp.server import SmtpServer
from estafeta.servers.smtp import asking, envelope, receiving, signing_in
from estafeta.servers.smtp.errors import error_reply, verdict_reply
from estafeta.servers.smtp.patience import greet, note_turn
from estafeta.servers.smtp.screening import Screening

if TYPE_CHECKING:
    from estafeta.servers.smtp.service import SmtpService

log = logging.getLogger("estafeta.smtp")

# RFC 5321 4.5.3.2.6: clients wait ten minutes for the answer to a message; each scanner may take as long.
_OUR_SECONDS = 660.0


class SmtpSession:
    """Decides for one connection."""

    __slots__ = (
        "account",
        "esmtp",
        "helo",
        "limit",
        "machine",
        "mail",
        "pump",
        "reception",
        "recipients",
        "screening",
        "sender",
        "service",
        "unknown",
    )

    def __init__(self, service: "SmtpService") -> None:
        self.service = service
        self.pump: Pump
        self.machine: SmtpServer
        self.helo = ""
        self.esmtp = False
        self.account: Account | None = None
        self.mail: events.Mail | None = None
        self.sender: Address | None = None
        self.recipients: list[Recipient] = []
        self.limit = 0
        self.reception: Reception | None = None
        self.unknown = 0

    # what the pump calls

    def connected(self, pump: Pump) -> Awaitable[None] | None:
        """Greet, or say why not."""
        self.pump = pump
        tls = pump.tls is not None
        self.machine = SmtpServer(self.service.session_settings(pump.peer, tls=tls), tls=tls)
        # Whatever a listener calls itself: in Authentication-Results this machine has one name.
        hostname = self.service.shared.intake.hostname
        self.screening = Screening(self.service.chain, self.service.facts(pump.peer, tls=tls), hostname)
        if self.service.settings.restrict.verify_originator:
            self.screening.facts.ends = pump.ends
        refusal = self.service.refusal(pump, self.screening.facts) or self.screening.ask(Stage.CONNECT)
        if refusal is None:
            return greet(pump, self.machine, self.screening.facts, self.service.settings.spam.greeting_delay_seconds)
        self.learn(refusal)
        log.info("refused peer=%s reason=%r", pump.peer, refusal.reason or refusal.text)
        self.service.note(Record(0, Code.CONNECTION_REFUSED, peer=pump.peer, text=refusal.text))
        self.machine.refuse_session(refusal.code, refusal.enhanced, refusal.text)
        return None

    def handle(self, event: Event) -> Awaitable[None] | None:
        """One event; the table below says which function."""
        return _HANDLERS[type(event)](self, event)

    def allowance(self) -> float:
        """Seconds for the next step (RFC 5321 4.5.3.2)."""
        if self.machine.is_our_turn:
            return _OUR_SECONDS
        smtp = self.service.settings.smtp
        return smtp.command_timeout_seconds if self.reception is None else smtp.data_timeout_seconds

    def disconnected(self) -> None:
        """The peer is gone: nothing it did not finish is kept."""
        self.screening.close()
        reception, self.reception = self.reception, None
        if reception is not None:
            self.service.background(reception.abandon())

    # events

    def _hello(self, event: events.Hello) -> None:
        self.helo = event.name
        self.esmtp = event.kind is not HelloKind.HELO
        facts = self.screening.facts
        facts.helo, facts.esmtp = event.name, self.esmtp
        note_turn(self.machine, facts)
        refusal = self.screening.ask(Stage.HELO)
        if refusal is None:
            self.machine.answer(Reply(250, "", "at your service"))
        else:
            self.learn(refusal)
            self.machine.answer(verdict_reply(refusal))

    # what the modules of the events call

    def learn(self, refusal: Verdict) -> None:
        """Who learns from refusals hears of this one."""
        self.service.shared.learner.refused(self.screening.facts, refusal)

    def note_refused(
        self,
        said: Verdict | Reply,
        sender: Address | None,
        *,
        code: Code = Code.REJECTED,
        number: int = 0,
        address: str = "",
        recipients: int = 0,
    ) -> None:
        """Into the journal: a recipient was refused (`address`), a sender, or a message to so many `recipients`."""
        words, name = f"{said.code} {said.enhanced} {said.text}", str(sender or "")
        to = [str(one.address) for one in self.recipients[: min(recipients, MAX_NAMED)]]
        self.service.note(refusal(words, name, self.pump.peer, code=code, number=number, address=address, to=to))

    def lookup(self, address: Address, judge: Callable[[Address, Resolution], Any]) -> Awaitable[None] | None:
        """Resolve from memory if we can, else in a thread."""
        resolution = self.service.shared.addresses.cached(address)
        if resolution is None:
            return self._resolve(address, judge)
        waiting: Awaitable[None] | None = judge(address, resolution)
        return waiting

    async def _resolve(self, address: Address, judge: Callable[[Address, Resolution], Any]) -> None:
        try:
            resolution = await asyncio.to_thread(self.service.shared.addresses.resolve, address)
        except EstafetaError as error:
            self.failed(error)
            return
        waiting = judge(address, resolution)
        if waiting is not None:
            await waiting

    def know(self, account: Account | None) -> None:
        """Who signed in, for the checks; None: nobody."""
        facts = self.screening.facts
        facts.account = account
        facts.trusted = self.service.restrictions.is_trusted(facts)

    def may_relay(self) -> bool:
        """Whether the client may send to others."""
        return self.service.restrictions.may_relay(self.screening.facts)

    def say(self, verdict: Verdict, address: Address) -> None:
        """Answer what was decided of an address."""
        if not verdict.accepted:
            log.info("refused peer=%s address=<%s> reason=%s", self.pump.peer, address, verdict.reason)
        self.machine.answer(verdict_reply(verdict))

    def failed(self, error: EstafetaError) -> None:
        """Answer that something could not be done."""
        log.warning("not done peer=%s reason=%r cause=%r", self.pump.peer, error.public, error.private)
        self.machine.answer(error_reply(error))


_HANDLERS: dict[type[Any], Callable[[SmtpSession, Any], Awaitable[None] | None]] = {
    events.Hello: SmtpSession._hello,
    events.Mail: envelope.mail_from,
    events.Rcpt: envelope.rcpt,
    events.Data: receiving.data,
    events.Chunk: receiving.chunk,
    events.MessageEnd: receiving.message_end,
    events.Abandoned: receiving.abandoned,
    events.Refused: receiving.refused,
    events.StartTls: signing_in.start_tls,
    events.Authenticate: signing_in.authenticate,
    events.AuthNeed: signing_in.auth_need,
    events.Authenticated: signing_in.authenticated,
    events.AuthFailed: signing_in.auth_failed,
    events.Verify: asking.verify,
    events.Expand: asking.expand,
    events.Etrn: asking.etrn,
}
