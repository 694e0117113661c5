"""A site with lists, whose agent's messages are planned by a short stand-in for intake: everything can be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from estafeta.directory.listvalues import NewMember
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.lists.agent import ListAgent
from estafeta.lists.posting import summary_of
from estafeta.lists.values import Fate, ListResult, Made
from estafeta.mail.address import parse_address
from estafeta.mail.trace import return_path
from estafeta.queue.values import Acceptance, EntryFlag, Lane, NewEntry, NewRecipient, Place, Waiting, Work
from estafeta.storage.database import Database

START = 1_700_000_000.0
DAY = 86_400
LIST = "news@example.org"
POST = (
    b"From: Ana <ana@example.org>\r\nTo: news@example.org\r\n"
    b"Subject: Hello\r\nMessage-ID: <1@example.org>\r\n\r\nHi all\r\n"
)


@dataclass
class House:
    """The directory, the agent, and all that it made."""

    directory: Directory
    settings: SiteSettings
    agent: ListAgent
    clock: list[float]
    made: list[Made] = field(default_factory=list)
    flags: list[EntryFlag] = field(default_factory=list)

    def handle(
        self, content: bytes, address: str = LIST, sender: str = "ana@example.org", flags: EntryFlag = EntryFlag.NONE
    ) -> ListResult:
        """Give one message to the list; what came of it."""
        front = return_path(parse_address(sender) if sender else None)
        waiting = Waiting(Place(77, 0), address, 0, 0, 0, "", "", 0, 0)
        stored = front + content
        work = Work(77, 1, sender, 1, 1, flags, len(stored), len(front), 0, "", "", "en", "Hello", (waiting,))
        result = self.agent.handle(work, stored, f"list:{LIST}")
        self.made = list(result.made)
        return result

    def follow(self, made: Made) -> ListResult:
        """Give what the list queued for itself to it again."""
        entry = made.acceptance.entry
        assert entry is not None
        one = entry.recipients[0]
        assert one.hop == f"list:{LIST}"
        waiting = Waiting(Place(entry.entry_id, 0), one.address, 0, 0, 0, "", "", 0, 0)
        work = Work(
            *(entry.entry_id, 1, entry.sender, entry.owner, entry.lane, entry.flags, entry.size, entry.skip),
            *(entry.created_ms, "", "", "en", entry.subject, (waiting,)),
        )
        return self.agent.handle(work, made.content, one.hop)

    def join(self, *members: str) -> None:
        self.directory.subscribe(LIST, [NewMember(one) for one in members])

    def set(self, **options: str) -> None:
        self.directory.change_list(LIST, options)

    def members(self) -> list[str]:
        return [one.address for one in self.directory.list_members(LIST)]


def build_house(database: Database) -> House:
    clock, idents = [START], [1000]
    settings = SiteSettings(database, lambda: clock[0])
    cheap = PasswordProfile(memory_kib=64, passes=1)
    directory = Directory(database, lambda: clock[0], settings, profile=cheap, node_key=bytes(32))
    directory.add_domain("example.org")
    for name in ("ana", "luis", "boss"):
        directory.add_user(f"{name}@example.org")
    directory.add_list("news", {"owners": "boss", "name": "News"})

    def new_ident() -> int:
        idents[0] += 1
        return idents[0]

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
        stored = return_path(parse_address(sender) if sender else None) + content
        lost = tuple((one, "There is no way") for one in recipients if one.endswith("@lost.test"))
        to = tuple(NewRecipient("mx:x", one, 0, 0) for one in recipients if not one.endswith("@lost.test"))
        entry = NewEntry(new_ident(), sender, owner, to, len(stored), 0, Lane.NORMAL, flags, language=language)
        return Made(Acceptance(summary_of(stored), None, entry), stored, lost)

    agent = ListAgent(
        directory=directory,
        settings=settings,
        hostname=lambda: "mx.example.org",
        plan=plan,
        new_ident=new_ident,
        clock=lambda: clock[0],
    )
    return House(directory, settings, agent, clock)


def people(made: Made) -> list[str]:
    """To whom it goes."""
    assert made.acceptance.entry is not None
    return [one.address for one in made.acceptance.entry.recipients]


def fates(result: ListResult) -> list[Fate]:
    return [one.fate for one in result.outcomes]


def header(made: Made) -> str:
    return made.content.partition(b"\r\n\r\n")[0].decode()


def open_database(path: Path) -> Database:
    from estafeta.directory import tables  # noqa: F401
    from estafeta.mailboxes import tables as mailbox_tables  # noqa: F401
    from estafeta.queue import tables as queue_tables  # noqa: F401
    from estafeta.storage.tables import metadata

    database = Database(f"sqlite:///{path}/lists.db")
    with database.write() as tx:
        metadata.create_all(tx.conn)
    return database
