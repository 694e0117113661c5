"""A mail server of the lab: speaks SMTP or LMTP as its `Behaviour` says, and remembers what it was told.

It is written apart from this server's own SMTP machine, so that a mistake there is not hidden by the same mistake here,
and because it must do what no machine would. It takes what RFC 5321, 3030, 3207, 4954, 3461 and 2033 let clients say,
and is strict where a client could be wrong: a command out of order gets 503, a bare LF in a line 500, an end of line
that is too long 500. Data stay in memory, so it is no place for a gigabyte.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable

from estafeta.app.lab.behaviours import ACCEPT, Behaviour
from estafeta.app.lab.certificates import Authority, Issued
from estafeta.app.lab.conversation import Conversation
from estafeta.app.lab.records import Session, TakenMessage
from estafeta.app.lab.wire import Wire

_POLL_SECONDS = 0.01
_MOST_SESSIONS = 10_000
Watch = Callable[[str, str, str], None]


class Remote:
    """One server. `host` is its name, which its certificate has too."""

    def __init__(self, host: str, address: str, port: int, authority: Authority, behaviour: Behaviour = ACCEPT) -> None:
        self.host = host
        self.address = address
        self.port = port
        self.behaviour = behaviour
        self.authority = authority
        self.messages: list[TakenMessage] = []
        self.sessions: list[Session] = []
        self.connections = 0
        self.open = 0
        #: Called with the server's name, a kind of event (connect, command, reply, message, close), and words.
        self.watch: Watch | None = None
        self.greylisted: dict[tuple[str, str], int] = {}
        self._uses: dict[str, int] = {}
        self._changed = threading.Condition()
        self._arrived = asyncio.Event()

    def behave(self, behaviour: Behaviour) -> None:
        """Behave so from now on; counts of uses begin anew. Safe from any thread."""
        self.behaviour = behaviour
        self._uses = {}

    def issued(self, kind: str = "") -> Issued:
        """The certificate that is shown."""
        return self.authority.issue(self.names(), kind or self.behaviour.tls)

    def names(self) -> tuple[str, ...]:
        """What the certificate is for."""
        return (self.host,)

    def use(self, stage: str) -> str:
        """The act of a stage, which is used by that."""
        count = self._uses.get(stage, 0)
        self._uses[stage] = count + 1
        return self.behaviour.act(stage, count)

    def took(self, message: TakenMessage) -> None:
        """A message is complete."""
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
        self._arrived.set()
        self.tell(
            "message", f"from <{message.sender}> to {', '.join(message.addresses)}: {len(message.content)} octets"
        )

    def tell(self, what: str, words: str) -> None:
        """Let who watches know."""
        if self.watch is not None:
            self.watch(self.host, what, words)

    def commands(self) -> list[str]:
        """All that clients said, in order of sessions."""
        return [line for session in list(self.sessions) for line in session.commands()]

    async def received(self, count: int = 1, seconds: float = 10.0) -> list[TakenMessage]:
        """The messages, when there are so many. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.messages) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.messages

    def wait(self, count: int = 1, seconds: float = 10.0) -> list[TakenMessage]:
        """The same from another thread than the lab's."""
        end = time.monotonic() + seconds
        with self._changed:
            while len(self.messages) < count:
                if not self._changed.wait(max(0.0, end - time.monotonic())) and time.monotonic() >= end:
                    raise TimeoutError(f"{self.host} has {len(self.messages)} of {count} messages")
        return self.messages

    def wait_command(self, pattern: str, count: int = 1, seconds: float = 10.0) -> list[str]:
        """From another thread: the commands that match a regular expression, when there are so many."""
        end = time.monotonic() + seconds
        while len(found := [line for line in self.commands() if re.match(pattern, line, re.IGNORECASE)]) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.host} heard {len(found)} of {count} commands like {pattern}")
            time.sleep(_POLL_SECONDS)
        return found

    async def serve(self, wire: Wire) -> None:
        """One connection, from beginning to end."""
        session = Session(wire.peer, self.host)
        if len(self.sessions) < _MOST_SESSIONS:
            self.sessions.append(session)
        self.connections += 1
        self.open += 1
        self.tell("connect", f"from {wire.peer}")
        try:
            await Conversation(self, wire, session).run()
        finally:
            self.open -= 1
            session.ended = True
            self.tell("close", "")
