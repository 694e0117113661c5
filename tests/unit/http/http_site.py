"""A server with the pages of one list, news@example.org, on a free port; what it sends and records is kept here."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from estafeta.directory.listvalues import NewMember
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.journal.records import Record
from estafeta.lists.posting import summary_of
from estafeta.lists.tokens import Act, last_day, make_link
from estafeta.lists.values import Made, Means
from estafeta.net.connections import Connections
from estafeta.net.peers import Guest
from estafeta.policy.networks import Networks
from estafeta.queue.values import Acceptance, EntryFlag, Lane, NewEntry, NewRecipient
from estafeta.servers.http.allowance import Allowance
from estafeta.servers.http.held import HeldDesk, HeldPages
from estafeta.servers.http.lists import ListDesk, ListPages
from estafeta.servers.http.service import HttpService, HttpShared
from estafeta.servers.http.site import build_site
from estafeta.storage.commit import Item
from estafeta.storage.database import Database

LIST = "news@example.org"
START = 1_700_000_000.0


@dataclass
class Reply:
    """An answer taken apart; `fields` by lower-case name."""

    status: int
    fields: dict[str, str]
    body: str


@dataclass
class WebSite:
    """`secure`: as if in TLS. `letters`: (recipient, content) of all that was submitted."""

    directory: Directory
    settings: SiteSettings
    means: Means
    hours: list[float]
    exempt: Networks
    secure: bool = True
    https_port: int | None = 443
    letters: list[tuple[str, str]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    port: int = 0

    async def start(self) -> None:
        """Listen."""
        allowance = Allowance(lambda: self.hours[0])
        desk = ListDesk(self.means, self._submit, self.records.append, allowance, lambda: self.exempt)
        held = HeldPages(HeldDesk(self.directory.database, self._decide, lambda: START))
        shared = HttpShared(build_site(ListPages(desk), held), self.https_port)
        loop = asyncio.get_running_loop()
        self.service = HttpService(
            shared, self.settings.current, hostname="mx.example.org", secure=self.secure, loop=loop
        )
        self.server = await loop.create_server(self.service, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    @property
    def connections(self) -> Connections:
        return self.service.connections

    def _submit(self, operation: Any, acceptances: Any, contents: Any) -> asyncio.Future[Any]:
        entry = acceptances[0].entry
        self.letters += [(one.address, contents[0].decode()) for one in entry.recipients]
        done = asyncio.get_running_loop().create_future()
        done.set_result(())
        return done

    def _decide(self, operation: Any, payload: Any, contents: Any) -> asyncio.Future[Any]:
        done = asyncio.get_running_loop().create_future()
        with self.directory.database.write() as tx:
            done.set_result(operation(tx, [Item(payload, ())])[0])
        return done

    async def guest(self) -> Guest:
        """The one connection, as soon as it is there."""
        while not len(self.connections):  # noqa: ASYNC110
            await asyncio.sleep(0)
        [guest] = self.connections._guests
        return guest

    async def talk(self, octets: bytes) -> bytes:
        """Send this; all that comes until the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(octets)
        try:
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    async def request(self, method: str, path: str, body: str = "", **fields: str) -> Reply:
        """One request on a connection of its own. Names of fields have _ for -."""
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        octets = f"{method} {path} HTTP/1.1\r\nHost: mx.example.org\r\nConnection: close\r\n{head}{length}\r\n{body}"
        return parse_reply(await self.talk(octets.encode()))

    def link(self, act: Act, about: str = "", *, number: int = 0, days: int = 7) -> str:
        """The path of a link as a letter has it."""
        found = self.directory.get_list(LIST)
        if act is Act.OUT:
            return f"/lists/leave/{make_link(found, act, number=number)}"
        return f"/lists/confirm/{make_link(found, act, day=last_day(START, days), about=about)}"

    def join(self, *members: str) -> None:
        self.directory.subscribe(LIST, [NewMember(one) for one in members])

    def members(self) -> list[str]:
        return [one.address for one in self.directory.list_members(LIST)]


def parse_reply(octets: bytes) -> Reply:
    """The first answer in `octets`."""
    head, _, body = octets.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return Reply(int(first.split(" ")[1]), {name.lower(): value for name, value in fields.items()}, body)


def build_web_site(database: Database) -> WebSite:
    """A site with a domain, a list and an owner."""
    settings = SiteSettings(database, lambda: START)
    cheap = PasswordProfile(memory_kib=64, passes=1)
    directory = Directory(database, lambda: START, settings, profile=cheap, node_key=bytes(32))
    directory.add_domain("example.org")
    directory.add_user("boss@example.org")
    directory.add_list(LIST, {"owners": "boss", "name": "News <b>"})
    idents = iter(range(1000, 2000))

    def plan(
        content: bytes,
        sender: str,
        recipients: Sequence[str],
        *,
        flags: EntryFlag,
        owner: int,
        parent: int,
        language: str,
    ) -> Made:
        to = tuple(NewRecipient("mx:x", one, 0, 0) for one in recipients)
        entry = NewEntry(next(idents), sender, owner, to, len(content), 0, Lane.NORMAL, flags, language=language)
        return Made(Acceptance(summary_of(content), None, entry), content)

    means = Means(
        database=database,
        directory=directory,
        settings=settings,
        hostname=lambda: "mx.example.org",
        plan=plan,
        new_ident=lambda: next(idents),
        clock=lambda: START,
        own_base=lambda: "https://mx.example.org",
    )
    return WebSite(directory, settings, means, [0.0], Networks(()))
