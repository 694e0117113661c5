"""The load: SMTP sessions in threads that send until they are stopped, and remember what was acknowledged.

A message whose fate is not known (the connection broke before the 250) is sent again under the same number, as any
client would do; so it may arrive twice, but never not at all.
"""

import itertools
import random
import socket
import threading
from dataclasses import dataclass, field

from estafeta.app.crashtest.messages import Maker

_TIMEOUT_SECONDS = 20.0
_MESSAGES_PER_CONNECTION = 20
#: Between two messages of a session: the point is to be hit at every moment, not to fill the disk.
_PAUSE_SECONDS = 0.02
_RETRY_SECONDS = 0.05


@dataclass(slots=True)
class Ledger:
    """What the senders know. `acknowledged` holds numbers; `refused` counts replies that were not 250."""

    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    begun: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    broken: int = 0
    refused: dict[str, int] = field(default_factory=dict)


class Load:
    """`sessions` threads that send to `port` on this machine."""

    def __init__(self, port: int, maker: Maker, addresses: list[str], sessions: int) -> None:
        self.ledger = Ledger()
        self._port = port
        self._maker = maker
        self._addresses = addresses
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(sessions)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is under way; a session that cannot gives up after a while."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(2 * _TIMEOUT_SECONDS)

    def _run(self, index: int) -> None:
        dice = random.Random(index)  # noqa: S311 - not a secret
        number = next(self.ledger.numbers)
        while not self._stopping.is_set():
            try:
                with Session(self._port) as session:
                    for _ in range(_MESSAGES_PER_CONNECTION):
                        if self._send(session, number):
                            number = next(self.ledger.numbers)
                        if self._stopping.wait(dice.uniform(0, _PAUSE_SECONDS)):
                            return
            except (OSError, EOFError):
                self.ledger.broken += 1
                self._stopping.wait(_RETRY_SECONDS)

    def _send(self, session: "Session", number: int) -> bool:
        """Send one message; true once it is acknowledged. OSError or EOFError: nobody knows."""
        ledger = self.ledger
        ledger.begun.add(number)
        recipients = [self._addresses[user] for user in self._maker.recipients(number)]
        reply = session.send(recipients, self._maker.content(number))
        if reply.startswith("250"):
            ledger.acknowledged.add(number)
            return True
        ledger.refused[reply] = ledger.refused.get(reply, 0) + 1
        return False


class Session:
    """A minimal SMTP client: one connection, pipelined."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = b""

    def __enter__(self) -> "Session":
        self._expect("220")
        self._socket.sendall(b"EHLO load.crash.test\r\n")
        self._expect("250")
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def send(self, recipients: list[str], content: bytes) -> str:
        """The last reply of the transaction: 250 only when all of it succeeded."""
        commands = ["MAIL FROM:<load@crash.test>", *(f"RCPT TO:<{address}>" for address in recipients), "DATA"]
        self._socket.sendall("".join(f"{command}\r\n" for command in commands).encode())
        replies = [self._reply() for _ in commands]
        bad = [reply for reply in replies[:-1] if not reply.startswith("250")]
        if not replies[-1].startswith("354"):
            return self._reset((bad or replies)[-1])
        self._socket.sendall(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        last = self._reply()
        return bad[0] if bad else last

    def _reset(self, reply: str) -> str:
        self._socket.sendall(b"RSET\r\n")
        self._reply()
        return reply

    def _expect(self, code: str) -> None:
        reply = self._reply()
        if not reply.startswith(code):
            raise OSError(f"unexpected reply: {reply}")

    def _reply(self) -> str:
        """The last line of the next reply (RFC 5321 4.2.1). EOFError when the server is gone."""
        while True:
            line, end, rest = self._input.partition(b"\r\n")
            if end:
                self._input = rest
                if line[3:4] != b"-":
                    return line.decode("utf-8", "replace")
                continue
            piece = self._socket.recv(65536)
            if not piece:
                raise EOFError
            self._input += piece
