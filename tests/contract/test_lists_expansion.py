"""Lists from the queue to the mailboxes and back into the queue, with the real planner, on both databases: every member
once, whatever is killed in between; moderation, the archive, lists within lists."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from queue_kit import Queue
from sqlalchemy import select
from store_kit import NOW_MS, Store

from estafeta.core.ids import SHARED, AccountId
from estafeta.directory.listvalues import NewMember
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.intake.conditions import Conditions, Origin
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.intake.posting import Posting
from estafeta.journal.tables import journal
from estafeta.lists.agent import ListAgent
from estafeta.lists.held import list_held
from estafeta.lists.moderating import moderate, remove_expired
from estafeta.lists.posting import summary_of
from estafeta.lists.values import Fate, ListResult, Moderated
from estafeta.mail.address import parse_address
from estafeta.mail.trace import return_path
from estafeta.mailboxes import look
from estafeta.mailboxes.folders import CreateMailbox, create_mailbox
from estafeta.queue.accepting import accept
from estafeta.queue.tables import entries, recipients
from estafeta.queue.values import Work
from estafeta.routing.table import build_route_table

POST = b"From: Ana <ana@example.org>\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n\r\nHi all\r\n"
NEWS = "news@example.org"


@dataclass
class Club:
    """A site with a queue, and one who works for its lists."""

    store: Store
    queue: Queue
    directory: Directory
    settings: SiteSettings
    posting: Posting
    agent: ListAgent
    planner: Planner
    now: list[float]
    handled: list[ListResult] = field(default_factory=list)

    def write(self, content: bytes = POST, sender: str = "ana@example.org", to: str = NEWS) -> None:
        """What intake does with a message to a list."""
        path = parse_address(sender)
        front = return_path(path)
        origin, conditions = Origin("ESMTPA", "h", "192.0.2.1"), Conditions(owner=1, trusted=True)
        acceptance, refused = self.planner.plan(
            front + content, path, [parse_address(to)], origin, conditions, skip=len(front)
        )
        assert refused == []
        self.store.group.run(accept, (acceptance,), (front + content,))

    def work(self, *, settle: bool = True) -> int:
        """One round at all lists where something waits; how many messages there were."""
        done, now = 0, int(self.now[0] * 1000)
        claimed = self.queue.claim(100, now)
        for one in claimed:
            if one.hop.startswith("list:"):
                for work in self.queue.work(one.destination_id, now=now):
                    self._handle(one.destination_id, one.hop, work, settle)
                    done += 1
        self.queue.release(*[one.destination_id for one in claimed], now=now)
        return done

    def _handle(self, destination_id: int, hop: str, work: Work, settle: bool) -> None:
        with self.store.database.read() as conn:
            content_id = conn.execute(select(entries.c.content_id).where(entries.c.entry_id == work.entry_id)).scalar()
        result = self.agent.handle(work, self._content(content_id or 0), hop)
        self.handled.append(result)
        if settle:
            self.queue.settle(
                destination_id,
                now=int(self.now[0] * 1000),
                done=tuple(one.place for one in result.outcomes if one.fate is not Fate.LATER),
                notices=tuple(made.acceptance for made in result.made),
                records=result.records,
                contents=tuple(made.content for made in result.made),
            )
            moderate(self.store.database, result.moderated, clock=lambda: self.now[0])

    def _content(self, content_id: int) -> bytes:
        from estafeta.storage.contents import find_location

        location = find_location(self.store.database, content_id)
        assert location is not None
        return self.store.packs.read(location)

    def drain(self) -> None:
        for _ in range(50):
            if not self.work():
                return
        pytest.fail("the lists do not come to an end")

    def queued(self) -> list[tuple[str, str]]:
        """Sender and recipient of all that waits."""
        query = select(entries.c.sender, recipients.c.address).join_from(
            recipients, entries, entries.c.entry_id == recipients.c.entry_id
        )
        with self.store.database.read() as conn:
            return sorted((row[0], row[1]) for row in conn.execute(query))

    def held(self) -> list[int]:
        found = self.directory.get_list(NEWS)
        with self.store.database.read() as conn:
            return [one.entry_id for one in list_held(conn, found)]


@pytest.fixture
def club(store: Store) -> Club:
    now = [NOW_MS / 1000]
    settings = SiteSettings(store.database, lambda: now[0])
    cheap = PasswordProfile(memory_kib=64, passes=1)
    directory = Directory(store.database, lambda: now[0], settings, profile=cheap, node_key=bytes(32))
    directory.add_domain("example.org")
    for name in ("ana", "luis", "boss"):
        directory.add_user(f"{name}@example.org")
    directory.add_list(NEWS, {"owners": "boss", "name": "News"})
    routes = build_route_table(settings.current.routing, directory.is_local_domain)
    idents = Idents()
    planner = Planner(settings.current, routes, "mx.example.org", directory.resolve, idents, lambda: now[0])
    posting = Posting(planner)
    agent = ListAgent(
        directory=directory,
        settings=settings,
        hostname=lambda: "mx.example.org",
        plan=posting.letter,
        new_ident=lambda: idents.number(now[0]),
        clock=lambda: now[0],
    )
    return Club(store, Queue(store), directory, settings, posting, agent, planner, now)


def test_every_member_gets_it_once(club: Club) -> None:
    far = [f"m{number}@far.test" for number in range(2300)]
    club.directory.add_group("staff@example.org", members=["luis@example.org", "x@far.test"])
    members = ["ana@example.org", "staff@example.org", *far]
    club.directory.subscribe(NEWS, [NewMember(one) for one in members])
    club.write()
    assert club.work(settle=False) == 1  # killed before the commit: as if nothing had happened
    club.drain()
    assert Counter(club.queued()) == Counter([("news-bounces@example.org", one) for one in [*far, "x@far.test"]])
    assert len(club.handled) == 4
    accounts = [user.account_id for user in club.directory.list_users()]
    got = {account: club.store.contents(account) for account in accounts}
    assert sorted(len(contents) for contents in got.values()) == [0, 1, 1]
    assert b"\r\nList-Id: News <news.example.org>\r\n" in max(got.values())[0]
    with club.store.database.read() as conn:
        codes = Counter(conn.execute(select(journal.c.code)).scalars())
    assert codes["TX"] == 3


def test_lists_within_lists_and_in_circles(club: Club) -> None:
    club.directory.add_list("all@example.org", {"owners": "boss"})
    club.directory.subscribe("all@example.org", [NewMember(NEWS), NewMember("ana@example.org")])
    club.directory.subscribe(NEWS, [NewMember("all@example.org"), NewMember("eva@far.test")])
    club.write(to="all@example.org")
    club.drain()
    assert club.queued() == [("news-bounces@example.org", "eva@far.test")]
    assert len(club.store.contents(1)) == 1


def test_held_until_a_moderator_answers(club: Club) -> None:
    club.directory.subscribe(NEWS, [NewMember("eva@far.test")])
    club.write(sender="luis@example.org", content=POST.replace(b"ana", b"luis"))
    club.drain()
    assert len(club.held()) == 1
    letter = club.store.contents(3)[0]
    answer_to = letter.partition(b"Reply-To: ")[2].partition(b"\r\n")[0].decode()
    club.write(b"From: boss@example.org\r\nSubject: Re: Approve\r\n\r\nyes\r\n", "boss@example.org", answer_to)
    club.drain()
    assert club.held() == []
    assert club.queued() == [("news-bounces@example.org", "eva@far.test")]
    club.write(b"From: boss@example.org\r\nSubject: Re: Approve\r\n\r\nyes\r\n", "boss@example.org", answer_to)
    club.drain()
    assert len(club.queued()) == 1


def test_rejected_and_forgotten_posts_leave_nothing(club: Club) -> None:
    for _ in range(2):
        club.write(sender="luis@example.org", content=POST.replace(b"ana", b"luis"))
    club.drain()
    first, second = club.held()
    decisions = [Moderated(first, False, "by me"), Moderated(first, True, "by me")]
    assert moderate(club.store.database, decisions) == decisions[:1]
    assert remove_expired(club.store.database, club.now[0]) == 0
    assert club.held() == [second]
    assert remove_expired(club.store.database, club.now[0] + 8 * 86_400) == 1
    assert (club.held(), club.queued()) == ([], [])


@pytest.mark.parametrize("archive", ["#shared/Lists/News", "boss@example.org/Club", "#shared/Nowhere"])
def test_the_archive(club: Club, archive: str) -> None:
    accounts = {user.address: user.account_id for user in club.directory.list_users()}
    club.store.group.run(create_mailbox, CreateMailbox(SHARED, "Lists/News", subscribed=False))
    club.store.group.run(create_mailbox, CreateMailbox(AccountId(accounts["boss@example.org"]), "Club"))
    club.directory.change_list(NEWS, {"archive": archive, "post": "anyone"})
    club.write()
    club.drain()
    kept = []
    for account, name in ((SHARED, "Lists/News"), (accounts["boss@example.org"], "Club")):
        mailbox = look.find_mailbox(club.store.database, account, name)
        assert mailbox is not None
        kept.append(mailbox.messages)
    assert kept == [archive == "#shared/Lists/News", archive == "boss@example.org/Club"]
    with club.store.database.read() as conn:
        codes = set(conn.execute(select(journal.c.code)).scalars())
    assert ("B3" in codes) == (archive == "#shared/Nowhere")


def test_summaries_are_those_of_intake() -> None:
    assert summary_of(POST).subject == "Hello"
