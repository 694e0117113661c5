"""An IMAP session: the state that the commands share, and how events reach them.

A handler decides about one event and returns how the command ends; before that is said, the session tells the client
what changed in its selected mailbox, as far as the machine's EXPUNGE rule lets it. What can be answered from memory is
answered at once; only what asks the store, waits for the disk or for a slow peer returns an awaitable.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory.model import Account, Service
from estafeta.mailboxes.service import Mailboxes
from estafeta.net.pump import Pump
from estafeta.protocols.imap.commands import Command, IdleDone, Noop
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.protocols.imap.server import ImapServer
from estafeta.protocols.imap.states import State
from estafeta.servers.imap.errors import ReplyError, reply_of
from estafeta.servers.imap.folders import find_folder
from estafeta.servers.imap.selected import Selected

if TYPE_CHECKING:
    from estafeta.servers.imap.folders import Folder
    from estafeta.servers.imap.notices import Notices
    from estafeta.servers.imap.service import ImapService

log = logging.getLogger("estafeta.imap")

# Answers are gathered up to this size, so that few writes carry them and memory stays bounded.
_GATHER_OCTETS = 128 << 10
# More than this is compressed in a thread.
_COMPRESSED_OCTETS = 32 << 10
# Of a client that pipelines without end, this many commands are served before others have their turn.
_TURN_COMMANDS = 64
# Answers about so many messages are made without a thread.
_QUICK = 500
# Commands that ask "what is new?": the store is looked at even if nobody announced a change.
_ASKING = (Noop, IdleDone)

P = ParamSpec("P")
R = TypeVar("R")
#: What a handler returns that has answered by other means (a SASL exchange, STARTTLS).
ANSWERED = ok("")

Handler = Callable[["ImapSession", Any], Awaitable[Reply | None] | Reply | None]


class ImapSession:
    """Decides for one connection. Fields without an underscore are for the modules of the commands."""

    __slots__ = (
        "_asking",
        "_counted",
        "_handlers",
        "_known",
        "_login_until",
        "_poked",
        "_served",
        "account",
        "appending",
        "gone",
        "machine",
        "notices",
        "pump",
        "selected",
        "service",
        "settings",
        "sign_ins",
    )

    def __init__(self, service: "ImapService", handlers: Mapping[type[Any], Handler]) -> None:
        self._handlers = handlers
        self._login_until = 0.0
        self._served = 0
        self._poked = False
        self._asking = False
        self._counted: AccountId | None = None
        self._known = 0
        """The generation of the directory in which it was clear that this person may be here."""
        self.service = service
        self.settings = service.settings
        self.pump: Pump
        self.machine: ImapServer
        self.account: Account | None = None
        """Who signed in, or whose password was checked while SASL has not come to its end."""
        self.selected: Selected | None = None
        self.appending: Any = None
        """The APPEND that is under way."""
        self.notices: Notices | None = None
        """What NOTIFY asked for."""
        self.sign_ins = 0
        """Sign-ins that failed."""
        self.gone = False

    @property
    def mailboxes(self) -> Mailboxes:
        """The store."""
        return self.service.shared.mailboxes

    @property
    def reader(self) -> str:
        """Who reads, for the journal; empty where it does not ask."""
        return str(self.user.address) if self.settings.note_reading else ""

    @property
    def user(self) -> Account:
        """Who signed in; only for commands that come after that."""
        if self.account is None:
            raise RuntimeError("nobody has signed in")
        return self.account

    # what the pump calls

    def connected(self, pump: Pump) -> None:
        """Greet, or say why not."""
        self.pump = pump
        limits = Limits(bad_commands=self.settings.max_bad_commands, append_octets=self.settings.max_append_bytes)
        self.machine = ImapServer(limits, tls=pump.tls is not None)
        self._login_until = time.monotonic() + self.settings.login_seconds
        refusal = self.service.refusal(pump)
        if refusal is None:
            self.machine.greeting(f"{self.settings.hostname} Estafeta ready.", self.service.capabilities(self))
        else:
            log.info("refused peer=%s reason=%r", pump.peer, refusal)
            self.machine.refuse_session(refusal, b"UNAVAILABLE")

    def handle(self, event: Command) -> Awaitable[None] | None:
        """One event; the table says which function."""
        self._asking = isinstance(event, _ASKING)
        if self._is_doubtful():
            return self._to_the_end(self._wait(self._checked(event)))
        try:
            result = self._handlers[type(event)](self, event)
        except (EstafetaError, ReplyError) as error:
            result = self._failed(error)
        if result is None:
            self.machine.go_on()
        elif not isinstance(result, Reply):
            return self._to_the_end(self._wait(result))
        elif result is ANSWERED:
            return None
        elif self.selected is not None and self.selected.wants_sync(asking=self._asking):
            return self._finish(result)
        else:
            self.machine.reply(result)
        self._served += 1
        if self.machine.queued >= _GATHER_OCTETS or self._served >= _TURN_COMMANDS:
            return self._take_turns()
        return None

    def allowance(self) -> float:
        """RFC 9051 5.4: at least 30 minutes of silence. Before signing in, what is left of `login_seconds` in all."""
        if self.machine.state is State.NOT_AUTHENTICATED:
            return max(0.0, self._login_until - time.monotonic())
        return self.settings.inactivity_seconds

    def disconnected(self) -> None:
        """The peer is gone."""
        self.gone = True
        self.release()

    # for the commands

    async def thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run what waits for the store in a thread."""
        return await asyncio.to_thread(function, *args, **kwargs)

    async def made(self, size: int, make: Callable[[], R]) -> R:
        """`make()`, which works on so many messages: in a thread if these are enough to keep others waiting."""
        return make() if size <= _QUICK else await asyncio.to_thread(make)

    async def send(self, *pieces: bytes) -> None:
        """Send a part of a long answer; waits while the peer is slow. Raises ConnectionResetError when it is gone."""
        self.machine.raw(*pieces)
        if self.machine.queued >= _GATHER_OCTETS:
            await self.flush()

    async def flush(self) -> None:
        """Send what is queued."""
        machine = self.machine
        # What is to be compressed takes its time.
        aside = machine.compressed and machine.queued > _COMPRESSED_OCTETS
        await self.pump.send(*(await asyncio.to_thread(machine.take_pieces) if aside else machine.take_pieces()))

    def untagged(self, data: bytes) -> None:
        """Queue `* data`."""
        self.machine.untagged(data)

    async def find(self, name: str, needed: str = "") -> "Folder":
        """The mailbox of this name with all of the rights `needed`. Raises NOT_FOUND, PERMISSION."""
        return await find_folder(self, name, needed)

    def enter(self, account: Account) -> bool:
        """Somebody signed in; False when they have too many sessions already."""
        if not self.service.entered(account.account_id, self.settings.max_sessions_per_user):
            return False
        self.account = account
        self._counted = account.account_id
        self._known = self.service.shared.people.directory.generation
        limits = Limits(bad_commands=self.settings.max_bad_commands, append_octets=self.settings.max_append_bytes)
        self.machine.set_limits(limits)
        self.machine.signed_in()
        return True

    def poke(self) -> None:
        """Something changed that this session may want to say now: if it idles, it does."""
        may_speak = self.machine.idling or (self.notices is not None and self.machine.state is not State.LOGOUT)
        if may_speak and not self._poked and not self.gone:
            self._poked = True
            self.pump.interject(self._speak)

    def deselect(self) -> None:
        """Let go of the selected mailbox, if there is one."""
        selected, self.selected = self.selected, None
        if selected is not None:
            selected.close()

    async def leave_selected(self) -> None:
        """The same for a client that goes on: the mailbox it selects next may be this one."""
        selected, self.selected = self.selected, None
        claim = selected.close() if selected is not None else None
        if claim is not None:
            await asyncio.wait({claim})

    def release(self) -> None:
        """Let go of everything that somebody signed in holds."""
        self.deselect()
        if self.appending is not None:
            self.appending.discard()
            self.appending = None
        if self.notices is not None:
            self.notices.close()
            self.notices = None
        if self._counted is not None:
            self.service.left(self._counted)
            self._counted = None
        self.account = None

    # inside

    def _is_doubtful(self) -> bool:
        """Whether the person may have lost the right to be here, or to the selected mailbox."""
        if self._counted is not None and self._known != self.service.shared.people.directory.generation:
            return True
        return self.selected is not None and self.selected.doubtful

    async def _checked(self, event: Command) -> Reply | None:
        """The same as `handle`, once it is clear that the person may still be here and see the selected mailbox."""
        try:
            await self._check_person()
            if self.selected is not None and self.selected.doubtful:
                await self.selected.check_rights()
        except EstafetaError as error:
            self._lost_mailbox(error)
            return ANSWERED
        result = self._handlers[type(event)](self, event)
        return result if result is None or isinstance(result, Reply) else await result

    async def _check_person(self) -> None:
        """Raises PERMISSION when whoever signed in was disabled, removed, or may not use IMAP any more."""
        directory = self.service.shared.people.directory
        if self._counted is None or self._known == directory.generation:
            return
        self._known = directory.generation
        if not await self.thread(directory.may_use, self._counted, Service.IMAP):
            raise EstafetaError(Kind.PERMISSION, "You may not use IMAP here any more.")

    async def _wait(self, waiting: Awaitable[Reply | None]) -> None:
        try:
            result = await waiting
        except (EstafetaError, ReplyError) as error:
            result = self._failed(error)
        if result is None:
            self.machine.go_on()
        elif result is not ANSWERED:
            await self._finish(result)

    async def _to_the_end(self, waiting: Awaitable[None]) -> None:
        """What is taken hold of after the peer has gone is let go of, too."""
        try:
            await waiting
        finally:
            if self.gone:
                self.release()

    async def _finish(self, reply: Reply) -> None:
        """Tell what changed, then how the command ended."""
        if self.selected is not None and self.selected.wants_sync(asking=self._asking):
            try:
                await self.selected.sync()
            except EstafetaError as error:
                self._lost_mailbox(error)
        self.machine.reply(reply)

    async def _speak(self) -> None:
        """Say unasked what changed (IDLE, NOTIFY)."""
        self._poked = False
        if self.gone or self.machine.closed:
            return
        try:
            await self._check_person()
            if self.selected is not None and self.machine.idling:
                await self.selected.sync()
            if self.notices is not None:
                await self.notices.tell()
        except EstafetaError as error:
            self._lost_mailbox(error)

    def _lost_mailbox(self, error: EstafetaError) -> None:
        """The selected mailbox cannot be looked at any more; most often somebody removed it (RFC 2180 3)."""
        log.info("mailbox lost peer=%s reason=%r cause=%r", self.pump.peer, error.public, error.private)
        self.machine.bye(error.public, b"UNAVAILABLE")

    async def _take_turns(self) -> None:
        """The pump has written what was gathered; go on when others had their turn and the peer takes what we send."""
        self._served = 0
        await self.flush()

    def _failed(self, error: EstafetaError | ReplyError) -> Reply:
        if isinstance(error, EstafetaError):
            log.info("not done peer=%s reason=%r cause=%r", self.pump.peer, error.public, error.private)
        return reply_of(error)
