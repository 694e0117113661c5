"""The parts of a server that are others in a rehearsal: they tell what they decide, and write nothing."""

import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.auth import Authenticator
from estafeta.directory.blocks import Block
from estafeta.directory.model import Account, RemoteTarget, Resolution, Service
from estafeta.intake.accept import Intake
from estafeta.intake.conditions import PLAIN, Conditions, Origin, Recipient
from estafeta.intake.planning import Planner
from estafeta.intake.reception import Inspect, Reception
from estafeta.mail.address import Address
from estafeta.policy.verdict import Verdict
from estafeta.routing.route import route
from estafeta.servers.signin import SignIn

Tell = Callable[[str], None]
"""Takes one thing that was checked, in words."""

#: A rehearsal keeps the message in memory, some times over.
MOST_BYTES = 64 << 20


class Stage:
    """What a session needs of its pump."""

    def __init__(self, peer: str, tls: bool, tell: Tell) -> None:
        self.peer = peer
        #: Nobody's program.
        self.ends = None
        self.tls: _PretendedTls | None = _PretendedTls() if tls else None
        self._tell = tell

    def has_input(self) -> bool:
        """Who only plays waits for its turn."""
        return False

    async def start_tls(self, context: ssl.SSLContext) -> bool:
        """Pretend."""
        self._tell("TLS: go on as if the handshake were done")
        self.tls = _PretendedTls()
        return True


class _PretendedTls:
    def version(self) -> str:
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        return "TLS_AES_256_GCM_SHA384", "TLSv1.3", 256


class ToldPlanner(Planner):
    """Says how each recipient is routed."""

    tell: Tell

    def place(self, address: Address, resolution: Resolution, sender: Address | None) -> Recipient | Verdict:
        for target in resolution.targets:
            if isinstance(target, RemoteTarget):
                found = route(target.address, self.routes, sender=sender)
                for step in found.steps:
                    self.tell(f"route: {step.rule}: {step.words}")
                if found.hop is not None:
                    self.tell(f"route: <{found.address}> goes to {found.hop.key}")
        return super().place(address, resolution, sender)


class SmallIntake(Intake):
    """Keeps messages in memory: a server puts large ones aside before they are complete."""

    def open(
        self,
        sender: Address | None,
        recipients: Sequence[Recipient],
        origin: Origin,
        conditions: Conditions = PLAIN,
        *,
        max_bytes: int,
        max_hops: int,
        inspect: Inspect,
    ) -> Reception:
        return _SmallReception(self, sender, tuple(recipients), origin, conditions, max_bytes, max_hops, inspect)


class _SmallReception(Reception):
    __slots__ = ()

    def write(self, data: bytes) -> Awaitable[None] | None:
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise EstafetaError(Kind.LIMIT, f"A rehearsal takes messages of up to {MOST_BYTES >> 20} MiB.")
        self._buffer.append(data)
        return None


class ReadingAuthenticator(Authenticator):
    """Leaves hashes as they are."""

    def _rehash(self, account_id: Any, old: str, password: str) -> None:
        """Nothing is written."""

    def _tell(self, told: list[Block]) -> None:
        """Likewise."""


class ToldSignIn(SignIn):
    """Says who signs in. The `user` of the rehearsal needs no password."""

    tell: Tell
    user: str

    def cached(self, login: str, password: str, service: Service) -> Account | None:
        return None

    async def check(self, login: str, password: str, service: Service, peer: str) -> Account:
        try:
            if self.user and login == self.user:
                self.tell(f"sign-in: {login}, the password was not asked for")
                return await self.account(login, service, peer)
            account = await super().check(login, password, service, peer)
        except EstafetaError as error:
            self.tell(f"sign-in: {error.public}")
            raise
        self.tell(f"sign-in: {login} is {account.address}")
        return account


class TellingHandler(logging.Handler):
    """Lines of the log, told."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one."""
        with suppress(Exception):
            self._tell(f"log: {record.getMessage()}")


@contextmanager
def logging_to(handler: logging.Handler) -> Iterator[None]:
    """What this program logs goes to the handler only."""
    root = logging.getLogger("estafeta")
    before = root.level, root.propagate
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    root.propagate = False
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.level, root.propagate = before
