"""Couriers at work in one process: a real store, a lab for the outside world, a clock that jumps.

`async with CourierHouse(root, url) as house:` gives a house with one courier; mail for `example.test` is local (every
address is a mailbox, counted from 1), everything else goes out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from estafeta.app.lab import Lab
from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.delivery.courier import Courier
from estafeta.delivery.forwarding import Forwarding
from estafeta.delivery.keyring import KeyRing
from estafeta.delivery.notices import Notifier
from estafeta.delivery.outfit import Outfit
from estafeta.delivery.signing import Signer
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlspolicy import TlsPolicies
from estafeta.delivery.tlsresults import TlsResults
from estafeta.directory.model import LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.directory.signingkeys import SigningKeys
from estafeta.dns.resolver import DnsResolver
from estafeta.intake.accept import Intake
from estafeta.intake.conditions import PLAIN, Conditions, Origin, Recipient
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.intake.posting import Posting, confirmations
from estafeta.intake.reception import Receipt
from estafeta.journal.tables import journal
from estafeta.mail.address import Address, parse_address
from estafeta.mailboxes import look
from estafeta.mailboxes.service import Mailboxes
from estafeta.queue.choosing import Choice, find_places
from estafeta.queue.operating import Action, Change, change
from estafeta.queue.tables import destinations, entries, recipients
from estafeta.routing.table import RouteTable, build_route_table
from estafeta.routing.values import HopKind
from estafeta.storage.commit import GroupCommit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs
from judge_kit import takes

DOMAIN = "example.test"
HOST = "mail.example.test"
SENDER = "ana@example.test"
#: What takes longer has waited for a time limit (60 seconds and more), however slow the machine is.
PATIENCE_SECONDS = 30
OWN = PLAIN._replace(trusted=True, owner=1)
TEXT = b"From: ana@example.test\r\nTo: somebody\r\nSubject: Hello\r\nMessage-ID: <1@example.test>\r\n\r\nIt works.\r\n"


class FixedSettings:
    """Settings that a test chooses."""

    def __init__(self, current: Settings) -> None:
        self.current = current


class CourierHouse:
    """One node. `settings` by section: `delivery={"max_connections": 3}`; `patience`: time limits of connections in
    seconds, shorter than settings may have them. `apart`: each courier commits by itself."""

    def __init__(
        self,
        root: Path,
        url: str,
        lab: Lab,
        couriers: int = 1,
        patience: float = 0.0,
        apart: bool = False,
        **settings: dict[str, Any],
    ) -> None:
        self.lab = lab
        self.url = url
        given: dict[str, dict[str, Any]] = {"queue": {"jitter_percent": 0}, "delivery": {"idle_seconds": 0}}
        for key, value in lab.settings().items():
            section, _, name = key.partition(".")
            given.setdefault(section, {})[name] = value
        for section, values in settings.items():
            given.setdefault(section, {}).update(values)
        self._given = given
        self._patience = patience
        self._apart = apart
        self._groups: list[GroupCommit] = []
        self.settings = FixedSettings(self._made())
        #: While it is set commits fail, as when the writer is restarted: before anything is stored, or behind it.
        self.broken = ""
        self.commits = 0
        self._dead: set[str] = set()
        #: Our domains, and local parts that nobody has there.
        self.domains = {DOMAIN}
        self.gone = {"nobody"}
        self.database, self.packs = Database(url, publish=self._published), Packs(root / "packs")
        self.group = GroupCommit(self.database, self.packs)
        self.accounts: dict[str, int] = {}
        self.couriers: list[Courier] = []
        self._number = couriers
        self._commits = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self.mailboxes = Mailboxes(self.database, self.packs, self.submit)
        self.idents = Idents()
        self.routes = self._routes()
        self.planner = Planner(self.settings.current, self.routes, HOST, self.resolve, self.idents, self.lab.clock)
        self.posting = posting = Posting(self.planner)
        self.notifier = Notifier(
            hostname=HOST,
            settings=lambda: self.settings.current.notices,
            plan=posting.notice,
            new_ident=lambda: self.idents.number(self.lab.clock()),
            clock=self.lab.clock,
        )
        self.intake = Intake(
            self.mailboxes,
            self.packs,
            self.database,
            planner=self.planner,
            idents=self.idents,
            submit=self.submit,
            confirm=partial(confirmations, self.notifier),
            hostname=HOST,
            clock=self.lab.clock,
        )
        self.dns = DnsResolver()
        self.dns.use(self.settings.current.dns, self.settings.current.routing.host_table)
        contexts = TlsContexts(None, self.settings)  # type: ignore[arg-type]
        self.keys = SigningKeys(self.database, bytes(32), self.lab.clock)
        self.signer = Signer(KeyRing(self.keys), self.settings, HOST, self.lab.clock)  # type: ignore[arg-type]
        self.outfit = Outfit(
            mailboxes=self.mailboxes,
            submit=self.submit,
            resolver=self.dns,
            policies=TlsPolicies(
                self.database,
                self.submit,
                self.dns,
                self.settings,
                self.lab.clock,
                contexts,  # type: ignore[arg-type]
            ),
            contexts=contexts,
            tls_results=TlsResults(self.submit, self.settings, self.lab.clock),  # type: ignore[arg-type]
            notifier=self.notifier,
            routes=lambda: self.routes,
            credentials=self._credentials,
            agents={HopKind.LOCAL: posting.relocate},
            settings=self.settings,  # type: ignore[arg-type]
            hostname=HOST,
            own_addresses=tuple,
            new_ident=lambda: self.idents.number(self.lab.clock()),
            clock=self.lab.clock,
            watch=lambda ip: None,
            signer=self.signer,
            forwarding=Forwarding(
                self.database,
                self.settings,  # type: ignore[arg-type]
                lambda domain: domain in self.domains,
                HOST,
                self.lab.clock,
            ),
        )
        for _ in range(self._number):
            self.hire()
        return self

    def hire(self, name: str = "") -> Courier:
        """One more courier, at work."""
        outfit = self.outfit
        if self._apart:
            # A node of its own as far as the store is concerned: several write at once (PostgreSQL).
            group = GroupCommit(Database(self.url, publish=self._published), self.packs)
            self._groups.append(group)
            outfit = replace(outfit, submit=partial(self._submit_to, group, asyncio.Lock()))
        courier = Courier(outfit, name or f"node:{len(self.couriers)}")
        self.couriers.append(courier)
        self._dead.discard(courier.name)
        courier.start()
        return courier

    async def kill(self, courier: Courier) -> None:
        """A courier dies: nothing of it is settled or given back any more."""
        tasks = [*courier._loops, *courier._tasks.values()]
        streams = list(courier._streams.values())
        steps = [
            task for stream in streams for task in (*getattr(stream, "_lines", ()), *getattr(stream, "_steps", ()))
        ]
        self.couriers.remove(courier)
        self._dead.add(courier.name)
        for task in (*tasks, *steps):
            task.cancel()
        await asyncio.gather(*tasks, *steps, return_exceptions=True)

    async def __aexit__(self, *_: object) -> None:
        for courier in self.couriers:
            await courier.stop()
        for group in self._groups:
            group.close()
            group.database.close()
        self.outfit.policies.close()
        self.dns.close()
        self.group.close()
        self.packs.close()
        self.database.close()

    # what the test does

    async def send(
        self,
        *to: str,
        content: bytes = TEXT,
        sender: str = SENDER,
        conditions: Conditions = OWN,
        **dsn: str,
    ) -> Receipt:
        """Take in a message, as a session does after DATA."""
        origin = Origin("ESMTP", "client.example", "192.0.2.1")
        path = parse_address(sender) if sender else None
        placed = [self._placed(parse_address(one), path)._replace(**dsn) for one in to]
        reception = self.intake.open(path, placed, origin, conditions, max_bytes=0, max_hops=50, inspect=takes)
        for start in range(0, len(content), 60_000):
            waiting = reception.write(content[start : start + 60_000])
            if waiting is not None:
                await waiting
        return reception.receipt(await reception.finish())

    def change(self, **settings: dict[str, Any]) -> None:
        """New settings, while everything runs."""
        for section, values in settings.items():
            self._given.setdefault(section, {}).update(values)
        self.settings.current = self._made()
        self.routes = self._routes()
        self.planner.use(self.settings.current, self.routes)
        self.signer.forget()
        for courier in self.couriers:
            courier.use()

    async def operate(self, action: Action, pattern: str = "*") -> None:
        """What an operator does to recipients."""
        with self.database.read() as conn:
            portions = list(find_places(conn, Choice(recipient=pattern)))
        for places in portions:
            await self.submit(change, Change(action, places, self.lab.clock.ms(), "root"))

    async def until(self, true: Callable[[], Any], seconds: float = 15.0) -> Any:
        """Wait until something is true; look at everything again after each moment."""
        async with asyncio.timeout(seconds):
            while not (found := true()):  # noqa: ASYNC110 - whatever it waits for
                await asyncio.sleep(0.01)
            return found

    async def jump(self, span: str | float) -> None:
        """Let time pass."""
        self.lab.clock.jump(span)
        for courier in self.couriers:
            courier.look_again()

    async def jump_to(self, at_ms: int) -> None:
        """Let time pass until a moment."""
        self.lab.clock.jump(max(0.0, (at_ms - self.lab.clock.ms()) / 1000))
        for courier in self.couriers:
            courier.look_again()

    async def at_rest(self) -> None:
        """No courier has anything under way."""
        await self.until(lambda: not any(courier.active for courier in self.couriers))

    async def emptied(self) -> None:
        """The queue is empty."""
        await self.until(lambda: not self.rows(entries))

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as conn:
            return list(conn.execute(table.select()).all())

    def waiting(self) -> list[Any]:
        """Recipients in the queue."""
        return self.rows(recipients)

    def destination(self, hop: str) -> Any:
        """The row of a destination, or None."""
        return next((row for row in self.rows(destinations) if row.hop == hop), None)

    def story(self, code: str = "") -> list[Any]:
        """Records of the journal, in order of time."""
        rows = sorted(self.rows(journal), key=lambda row: row.at_us)
        return [row for row in rows if not code or row.code == code]

    def mailbox(self, address: str) -> list[bytes]:
        """The messages in a mailbox here."""
        account = self.accounts.get(parse_address(address).key)
        if account is None:
            return []
        rows = look.snapshot(self.database, AccountId(account)).rows
        return [self.packs.read(row.location) for row in rows]

    # what a node has

    def submit(self, operation: Any, payload: Any, contents: Sequence[Any] = ()) -> "asyncio.Future[Any]":
        """As `Writer.submit`, each alone and in a thread."""
        return asyncio.ensure_future(self._commit(operation, payload, contents))

    def _submit_to(
        self, group: GroupCommit, lock: asyncio.Lock, operation: Any, payload: Any, contents: Sequence[Any] = ()
    ) -> "asyncio.Future[Any]":
        async def commit() -> Any:
            async with lock:
                return await asyncio.to_thread(group.run, operation, payload, contents)

        return asyncio.ensure_future(commit())

    async def _commit(self, operation: Any, payload: Any, contents: Sequence[Any]) -> Any:
        if getattr(payload, "holder", getattr(payload, "name", "")) in self._dead:
            raise asyncio.CancelledError
        async with self._commits:
            self.commits += 1
            if self.broken == "before":
                raise EstafetaError(Kind.TEMPORARY, "The server is being restarted; try again.")
            result = await asyncio.to_thread(self.group.run, operation, payload, contents)
            if self.broken == "behind":
                raise EstafetaError(Kind.TEMPORARY, "The server is being restarted; try again.")
            return result

    def resolve(self, address: Address) -> Resolution:
        """Every address of our domains is a mailbox, but those who are gone."""
        if address.domain.lower() not in self.domains:
            return Resolution(Status.NOT_OURS, (RemoteTarget(address),))
        if address.local in self.gone:
            return Resolution(Status.UNKNOWN)
        account = self.accounts.setdefault(address.key, len(self.accounts) + 1)
        return Resolution(Status.LOCAL, (LocalTarget(AccountId(account), 0),))

    def _placed(self, address: Address, sender: Address | None) -> Recipient:
        placed = self.planner.place(address, self.resolve(address), sender)
        assert isinstance(placed, Recipient), placed
        return placed

    def _published(self, topics: Sequence[str]) -> None:
        self._loop.call_soon_threadsafe(self._heard, list(topics))

    def _heard(self, topics: list[str]) -> None:
        for topic in topics:
            for courier in self.couriers:
                if topic == "queue":
                    courier.wake()
                elif topic.startswith("queue:"):
                    courier.more_for(int(topic[6:]))

    def _made(self) -> Settings:
        settings = Settings.model_validate(self._given)
        if not self._patience:
            return settings
        names = ("connect_seconds", "greeting_seconds", "command_seconds", "data_seconds")
        limits = dict.fromkeys(names, self._patience)
        return settings.model_copy(update={"delivery": settings.delivery.model_copy(update=limits)})

    def _routes(self) -> RouteTable:
        return build_route_table(self.settings.current.routing, lambda domain: domain in self.domains)

    async def _credentials(self, host: str, port: int) -> Any:
        return None


def run(scene: Callable[[CourierHouse], Awaitable[Any]], root: Path, url: str, **options: Any) -> Any:
    """Play a scene in a house with a lab."""

    async def main() -> Any:
        async with Lab() as lab, CourierHouse(root, url, lab, **options) as house:
            return await scene(house)

    return asyncio.run(main())
