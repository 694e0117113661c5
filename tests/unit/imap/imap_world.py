"""A small site with a real store and directory, and IMAP sessions in it that are driven line by line."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from estafeta.core.errors import EstafetaError
from estafeta.core.ids import INBOX, SHARED, AccountId, MailboxId
from estafeta.directory.model import Account
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.folders import CreateMailbox, create_mailbox
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.sharing import SetAcl, set_acl
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.servers.imap.commands import HANDLERS
from estafeta.servers.imap.people import People
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.settings import ImapSettings, imap_settings
from estafeta.storage.commit import GroupCommit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nWords.\r\n"
CHEAP = PasswordProfile(memory_kib=64, passes=1)
NOW_MS = 1_700_000_000_000


@dataclass
class World:
    """The site: ann, ben and cat of example.test, dan of other.test, and a group staff@example.test with ben."""

    database: Database
    packs: Packs
    group: GroupCommit
    site_settings: SiteSettings
    directory: Directory
    people: People
    mailboxes: Mailboxes
    accounts: dict[str, Account]
    settings: ImapSettings
    sessions: list["Client"] = field(default_factory=list)

    @classmethod
    def open(cls, url: str, root: Path) -> "World":
        database, packs = Database(url), Packs(root)
        group = GroupCommit(database, packs)
        site_settings = SiteSettings(database, lambda: 1_700_000_000.0)
        directory = Directory(database, lambda: 1_700_000_000.0, site_settings, profile=CHEAP, node_key=bytes(32))

        def submit(operation: Any, payload: Any, contents: Sequence[Any]) -> "asyncio.Future[Any]":
            future = asyncio.get_running_loop().create_future()
            try:
                future.set_result(group.run(operation, payload, tuple(contents)))
            except EstafetaError as error:
                future.set_exception(error)
            return future

        accounts = {}
        for domain in ("example.test", "other.test"):
            directory.add_domain(domain)
        for address in ("ann@example.test", "ben@example.test", "cat@example.test", "dan@other.test"):
            user = directory.add_user(address)
            accounts[address.split("@")[0]] = Account(user.account_id, address, "", "en", user.services)
        directory.add_group("staff@example.test", members=["ben@example.test"])
        settings = replace(
            imap_settings(site_settings.current, hostname="mx.test", tls_available=False), default_folders=()
        )
        return cls(
            database,
            packs,
            group,
            site_settings,
            directory,
            People(directory),
            Mailboxes(database, packs, submit),
            accounts,
            settings,
        )

    def close(self) -> None:
        self.group.close()
        self.packs.close()
        self.database.close()

    def id_of(self, name: str) -> AccountId:
        return SHARED if name == "shared" else self.accounts[name].account_id

    def mailbox(self, owner: str, name: str, special_use: str = "", **rights: str) -> MailboxId:
        """Make a mailbox. `rights`: by name of a user, or `anyone`."""
        account_id = self.id_of(owner)
        made = self.group.run(create_mailbox, CreateMailbox(account_id, name, special_use, subscribed=False))
        for person, letters in rights.items():
            self.grant(owner, made, person, letters)
        return MailboxId(made)

    def grant(self, owner: str, mailbox_id: int, identifier: str, rights: str) -> None:
        who = self.accounts[identifier].address if identifier in self.accounts else identifier
        self.group.run(set_acl, SetAcl(self.id_of(owner), MailboxId(mailbox_id), who, rights))

    def deliver(self, owner: str, mailbox_id: int = INBOX, count: int = 1, flags: int = 0) -> None:
        scanner = MessageScanner()
        scanner.feed(MESSAGE)
        where = Delivery(self.id_of(owner), MailboxId(mailbox_id), flags)
        arrival = Arrival(scanner.close(), (where,), NOW_MS, NOW_MS)
        for _ in range(count):
            [done] = self.group.run(deliver, arrival, (MESSAGE,))
            if isinstance(done, EstafetaError):
                raise done

    def client(self, name: str, *, administrator: bool = False, enable: str = "") -> "Client":
        """A session of this user."""
        account = self.accounts[name]
        settings = replace(self.settings, administrators=frozenset({account.address} if administrator else ()))
        client = Client(self, account, settings)
        if enable:
            client.say(f"ENABLE {enable}")
        return client


class Client:
    """One signed-in session; what is said is run to its end, the answer is lines without their CRLF."""

    def __init__(self, world: World, account: Account, settings: ImapSettings) -> None:
        shared = SimpleNamespace(mailboxes=world.mailboxes, people=world.people)
        service = SimpleNamespace(
            shared=shared,
            settings=settings,
            tls=None,
            refusal=lambda pump: None,
            capabilities=lambda session: b"IMAP4rev2",
            entered=lambda account_id, most: True,
            left=lambda account_id: None,
        )
        self._sent: list[bytes] = []
        pump = SimpleNamespace(tls=None, peer="192.0.2.9", send=self._send)
        self.session = ImapSession(service, HANDLERS)  # type: ignore[arg-type]
        self.session.connected(pump)  # type: ignore[arg-type]
        self.session.enter(account)
        self.session.machine.take_output()

    def say(self, command: str | bytes) -> list[str]:
        """The whole answer, the tagged line (without its tag) at the end."""
        return self.octets(command).decode().removesuffix("\r\n").split("\r\n")

    def octets(self, command: str | bytes) -> bytes:
        data = command.encode() if isinstance(command, str) else command
        return asyncio.run(self._say(b"a " + data + b"\r\n"))

    def run(self, function: Callable[[ImapSession], Awaitable[None] | None]) -> None:
        """Call something that a session calls itself."""

        async def wait() -> None:
            waiting = function(self.session)
            if waiting is not None:
                await waiting

        asyncio.run(wait())

    async def _say(self, data: bytes) -> bytes:
        machine = self.session.machine
        machine.feed(data)
        while (event := machine.next_event()) is not None:
            waiting = self.session.handle(event)
            if waiting is not None:
                await waiting
        sent = b"".join(self._sent) + machine.take_output()
        self._sent.clear()
        head, _, last = sent.removesuffix(b"\r\n").rpartition(b"\r\n")
        return (head + b"\r\n" if head else b"") + last.removeprefix(b"a ") + b"\r\n"

    async def _send(self, data: bytes) -> None:
        self._sent.append(data)
