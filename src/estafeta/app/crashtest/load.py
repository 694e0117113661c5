"""The load: SMTP sessions in threads that send until they are stopped, and remember what was acknowledged.

A message whose fate is not known (the connection broke before the 250) is sent again under the same number, as any
client would do; so it may arrive twice, but never not at all.
"""

import itertools
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from estafeta.app.crashtest.messages import Maker
from estafeta.app.sendmail.client import Client, Place

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
    """`sessions` threads that send to `port` on this machine, to `addresses` of users and to others `elsewhere`."""

    def __init__(
        self, port: int, maker: Maker, addresses: list[str], sessions: int, elsewhere: Sequence[str] = ()
    ) -> None:
        self.ledger = Ledger()
        self._port = port
        self._maker = maker
        self._addresses = addresses
        self._elsewhere = elsewhere
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
        recipients += [self._elsewhere[other] for other in self._maker.elsewhere(number)]
        reply = session.send(recipients, self._maker.content(number))
        if reply.startswith("250"):
            ledger.acknowledged.add(number)
            return True
        ledger.refused[reply] = ledger.refused.get(reply, 0) + 1
        return False


class Session(Client):
    """One connection, pipelined (RFC 2920)."""

    def __init__(self, port: int) -> None:
        super().__init__(Place(port=port).connect(_TIMEOUT_SECONDS))

    def __enter__(self) -> "Session":
        try:
            for reply in (self.reply(), self.command("EHLO load.crash.test")):
                if not reply.positive:
                    raise OSError(str(reply))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def send(self, recipients: list[str], content: bytes) -> str:
        """The last reply of the transaction: 250 only when all of it succeeded."""
        self.say(["MAIL FROM:<load@crash.test>", *(f"RCPT TO:<{address}>" for address in recipients), "DATA"])
        *before, data = [self.reply() for _ in range(len(recipients) + 2)]
        bad = [reply for reply in before if not reply.positive]
        if not data.positive:
            self.command("RSET")
            return str((bad or [data])[0])
        self.content([content.replace(b"\r\n.", b"\r\n..")])
        last = self.reply()
        return str((bad or [last])[0])
