"""A POP3 session: the state that the commands share, and how events reach them.

The commands are in `access` (CAPA, STLS), `signin` (USER, PASS, APOP), `sasl` (AUTH), `listing`, `reading` and
`leaving`; `commands` has the table. What can be answered from memory is answered at once; only what asks the directory,
waits for the disk or for a slow peer returns an awaitable.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Account
from estafeta.net.pump import Pump
from estafeta.protocols.pop3.commands import State
from estafeta.protocols.pop3.events import Event
from estafeta.protocols.pop3.replies import Code
from estafeta.protocols.pop3.server import Limits, Pop3Server
from estafeta.protocols.pop3.texts import Text
from estafeta.servers.pop3.errors import answer_error
from estafeta.servers.pop3.maildrop import Maildrop

if TYPE_CHECKING:
    from estafeta.servers.pop3.service import Pop3Service

log = logging.getLogger("estafeta.pop3")

# Answers to pipelined commands are gathered up to this size, so that few writes carry them and memory stays bounded.
_GATHER_OCTETS = 128 << 10
# Of a client that pipelines without end, this many commands are served before others have their turn.
_TURN_COMMANDS = 256

Handler = Callable[["Pop3Session", Any], Awaitable[None] | None]


class Pop3Session:
    """Decides for one connection. Fields without an underscore are for the modules of the commands."""

    __slots__ = (
        "_handlers",
        "_login_until",
        "_served",
        "account",
        "gone",
        "machine",
        "maildrop",
        "pump",
        "service",
        "settings",
        "sign_ins",
        "timestamp",
    )

    def __init__(self, service: "Pop3Service", handlers: Mapping[type[Any], Handler]) -> None:
        self._handlers = handlers
        self._login_until = 0.0
        self._served = 0
        self.service = service
        self.settings = service.settings
        self.pump: Pump
        self.machine: Pop3Server
        self.account: Account | None = None
        """Whose password was checked, while SASL has not come to its end."""
        self.maildrop: Maildrop | None = None
        self.timestamp = ""
        self.sign_ins = 0
        """Sign-ins that failed."""
        self.gone = False

    # what the pump calls

    def connected(self, pump: Pump) -> None:
        """Greet, or say why not."""
        self.pump = pump
        self.machine = Pop3Server(Limits(bad_commands=self.settings.max_bad_commands), tls=pump.tls is not None)
        self._login_until = time.monotonic() + self.settings.login_seconds
        refusal = self.service.refusal(pump)
        if refusal is None:
            if self.settings.apop:
                # RFC 1939 7: different each time the server greets, in the form of a message-id.
                self.timestamp = f"<{secrets.token_hex(12)}@{self.settings.hostname}>"
            self.machine.greeting(self.settings.hostname, self.timestamp)
        else:
            log.info("refused peer=%s reason=%r", pump.peer, refusal)
            self.machine.refuse_session(refusal, Code.SYS_TEMP)

    def handle(self, event: Event) -> Awaitable[None] | None:
        """One event; the table says which function."""
        try:
            waiting = self._handlers[type(event)](self, event)
        except EstafetaError as error:
            self._failed(error)
            return None
        if waiting is not None:
            return self._wait(waiting)
        self._served += 1
        if self.machine.queued >= _GATHER_OCTETS or self._served >= _TURN_COMMANDS:
            return self._take_turns()
        return None

    def allowance(self) -> float:
        """RFC 1939 3: at least ten minutes of silence. Before signing in, what is left of `login_seconds` in all."""
        if self.machine.state is State.TRANSACTION:
            return self.settings.inactivity_seconds
        return max(0.0, self._login_until - time.monotonic())

    def disconnected(self) -> None:
        """The peer is gone without QUIT: nothing is removed (RFC 1939 6)."""
        self.gone = True
        self.release()

    # for the commands

    def release(self) -> Maildrop | None:
        """Let the maildrop go; the lock is given back."""
        maildrop, self.maildrop = self.maildrop, None
        if maildrop is not None:
            maildrop.lock.release()
            self._note_reading(maildrop)
        return maildrop

    def clear_text_refused(self) -> bool:
        """Answer `-ERR` if a password may not come over this connection as it is."""
        settings = self.settings
        return self.tls_refused() or (
            not self.machine.tls and self.pump.peer not in settings.clear_text and self._refuse_clear()
        )

    def tls_refused(self) -> bool:
        """Answer `-ERR` if nobody may sign in over this connection as it is."""
        return self.settings.require_tls and not self.machine.tls and self._refuse_clear()

    def _refuse_clear(self) -> bool:
        self.machine.err(Text.STLS_FIRST if self.settings.stls else Text.TLS_PORT, code=Code.SYS_PERM)
        return True

    # inside

    def _note_reading(self, maildrop: Maildrop) -> None:
        """Nobody waits for it: a session may end while the journal cannot be written."""
        reading = maildrop.reading()
        if reading is not None:
            self.service.shared.mailboxes.note_read(reading).add_done_callback(_look_at)

    async def _wait(self, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        except EstafetaError as error:
            self._failed(error)

    async def _take_turns(self) -> None:
        """The pump has written what was gathered; go on when others had their turn and the peer takes what we send."""
        self._served = 0
        await self.pump.send(b"")

    def _failed(self, error: EstafetaError) -> None:
        log.warning("not done peer=%s reason=%r cause=%r", self.pump.peer, error.public, error.private)
        if self.machine.in_content:
            # Half a message is out: only a cut connection says that it is not whole.
            self.pump.abort()
        else:
            answer_error(self.machine, error)


def _look_at(noted: "asyncio.Future[int]") -> None:
    """What a note in the journal came to."""
    if not noted.cancelled() and (error := noted.exception()) is not None:
        log.warning("reading not recorded cause=%r", str(error))
