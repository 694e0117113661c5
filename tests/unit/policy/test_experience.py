"""Experience with senders: how it grows, fades and counts, and that nobody gains or loses by a forged name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spam_kit import NOW, FakeClock, committing, facts, local, message, run, session, settings

from estafeta.core.ids import AccountId
from estafeta.directory.model import ALL_SERVICES, Account, RemoteTarget, Resolution, Status
from estafeta.directory.settings import SiteSettings
from estafeta.mail.address import Address
from estafeta.policy import experience_store, reputation
from estafeta.policy.content import Content
from estafeta.policy.experience import (
    MOST_POINTS,
    TURN_SECONDS,
    Row,
    Seen,
    aged,
    counted,
    is_correspondent,
    is_good,
    names_of,
    opinion,
    points,
)
from estafeta.policy.experience_store import MAX_GATHERED, ExperienceStore, prune
from estafeta.policy.identities import Identities, identities_of, network_of
from estafeta.policy.judgement import judge
from estafeta.policy.learning import Learner
from estafeta.policy.verdict import quarantined, rejected, scored
from estafeta.storage.database import Database

DAY = 86_400
HALF = 21.0 * DAY
START = int(NOW)
NEW = Row("d:there.test", turned_seconds=START, updated_seconds=START)


def test_what_looked_fine_is_good_only_days_later() -> None:
    row = counted(NEW, Seen(fine=1000), START, HALF)
    assert (row.good, row.fresh) == (0, 100)
    assert opinion(row, START, HALF) == 0
    assert opinion(row, START + TURN_SECONDS, HALF) == 0  # older now
    assert opinion(row, START + 2 * TURN_SECONDS, HALF) < -0.9


def test_what_people_say_weighs_more_than_what_checks_say() -> None:
    judged, said = counted(NEW, Seen(junk=1), START, HALF), counted(NEW, Seen(said_junk=1), START, HALF)
    assert 0 < opinion(judged, START, HALF) < opinion(said, START, HALF)
    back = counted(judged, Seen(said_good=1), START, HALF)
    assert back.bad == 0
    assert opinion(back, START, HALF) < 0


def test_it_fades_by_half_in_a_half_life() -> None:
    row = counted(NEW, Seen(junk=8), START, HALF)
    assert aged(row, START + int(HALF), HALF).bad == pytest.approx(4)
    assert aged(row, START - DAY, HALF).bad == 8


@given(
    st.lists(
        st.tuples(st.builds(Seen, *[st.integers(0, 10_000)] * 4, st.booleans()), st.integers(-10 * DAY, 400 * DAY)),
        max_size=12,
    )
)
def test_sums_stay_within_bounds_whatever_happens(events: list[tuple[Seen, int]]) -> None:
    row, now = NEW, START
    for seen, later in events:
        now += later
        row = counted(row, seen, now, HALF)
        assert all(0 <= value <= 104 for value in (row.good, row.bad, row.fresh))
        assert -1 < opinion(row, now, HALF) < 1
    rows = [row, row._replace(name="a:x@y.test"), row._replace(name="n:192.0.2.0/24")]
    assert abs(points(rows, now, HALF)) <= MOST_POINTS


def known(name: str, good: float = 0.0, bad: float = 0.0) -> Row:
    return Row(name, good, bad, turned_seconds=START, updated_seconds=START)


@pytest.mark.parametrize(
    ("rows", "low", "high"),
    [
        ([], 0, 0),
        ([known("a:eve@there.test", good=50)], -3, -2.5),
        # A domain of millions speaks little for one of whom nothing is known.
        ([known("d:there.test", good=50)], -1, -0.8),
        ([known("d:there.test", bad=50)], 1.5, 2),
        ([known("n:192.0.2.0/24", bad=50)], 1, 1.5),
        ([known("n:192.0.2.0/24", good=50)], -0.5, -0.3),
        ([known("a:eve@there.test", bad=50), known("d:there.test", good=50)], 1.5, 2.5),
        ([known("a:eve@there.test", bad=50), known("d:there.test", bad=50)], 3, 3),
        ([known("d:good.test", good=50), known("d:bad.test", bad=50)], 1.5, 2),
    ],
)
def test_points(rows: list[Row], low: float, high: float) -> None:
    assert low <= points(rows, START, HALF) <= high


def test_who_is_known_as_good() -> None:
    assert is_good([known("a:eve@there.test", good=1)], START, HALF)
    assert not is_good([known("n:192.0.2.0/24", good=2)], START, HALF)
    assert is_good([known("n:192.0.2.0/24", good=5)], START, HALF)
    assert not is_good([known("d:there.test", good=5), known("a:eve@there.test", bad=6)], START, HALF)
    assert not is_good([], START, HALF)


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.99", "192.0.2.0/24"),
        ("::ffff:192.0.2.99", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("local", ""),
    ],
)
def test_networks(peer: str, network: str) -> None:
    assert network_of(peer) == network


def test_only_what_is_proven_has_a_name() -> None:
    content = message(author="Bank <service@bank.test>")
    forged = facts("service@bank.test", spf="there.test", dkim="mail.there.test", content=content)
    assert names_of(identities_of(forged)) == ("d:there.test", "n:192.0.2.0/24")
    proven = facts("eve@there.test", spf="there.test", dkim="mail.bank.test", content=content)
    assert names_of(identities_of(proven)) == (
        "a:service@bank.test",
        "a:eve@there.test",
        "d:bank.test",
        "d:there.test",
        "n:192.0.2.0/24",
    )


@pytest.mark.parametrize("local_part", ["a\x00b", "a\x1bb", "a\u2028b", "a\udc80b"])
def test_what_no_database_holds_is_no_name(store: ExperienceStore, local_part: str) -> None:
    names = names_of(Identities("192.0.2.0/24", f"{local_part}@there.test", "", ("there.test", "x\x00.test")))
    assert names == ("d:there.test", "n:192.0.2.0/24")
    header = f"From: {local_part}@there.test\r\n\r\n".encode("utf-8", "replace")
    seen = facts("", dkim="there.test", content=Content.of(header))
    store.add(names_of(identities_of(seen)), Seen(fine=1))
    store.flush(21)
    assert len(rows(store, *names)) == 2


# In sessions


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(database: Database, clock: FakeClock) -> ExperienceStore:
    return ExperienceStore(database, committing(database), clock)


@pytest.fixture
def learner(store: ExperienceStore, database: Database, clock: FakeClock) -> Learner:
    return reputation.learner(store, SiteSettings(database, clock))


def rows(store: ExperienceStore, *names: str) -> list[Row]:
    return run(store.rows(names))


def test_judgements_become_experience(store: ExperienceStore, learner: Learner, clock: FakeClock) -> None:
    policy = settings().policy
    eve = facts(spf="there.test", content=message())
    learner.judged(eve, judge([scored(6, "x")], policy))
    learner.judged(eve, judge([scored(6, "x")], policy))
    learner.judged(eve, judge([scored(1, "x")], policy))
    store.flush(21)
    names = names_of(identities_of(eve))
    assert names == ("a:eve@there.test", "d:there.test", "n:192.0.2.0/24")
    clock.now += 61
    assert [(row.bad, row.fresh) for row in rows(store, *names)] == [(2, 1)] * 3
    found, judgement = run(session(reputation.checks(store), settings(), eve, message(), [local("ana@here.test", 1)]))
    assert found == [None]
    assert judgement is not None
    assert judgement.score > 1
    assert "experience with eve@there.test, there.test, 192.0.2.0/24" in judgement.verdicts[0].reason


def test_experience_does_not_feed_on_itself() -> None:
    policy = settings().policy
    own = scored(3, "bad before")._replace(check=reputation.NAME)
    assert reputation.outcome(judge([own, scored(3, "x")], policy)) == Seen(fine=1)
    assert reputation.outcome(judge([own, scored(5, "x")], policy)) == Seen(junk=1)
    assert reputation.outcome(judge([scored(100, "mine")._replace(account=7)], policy)) == Seen(fine=1)
    assert reputation.outcome(judge([scored(20, "x")], policy)) == Seen(junk=1)
    for verdict in (quarantined("a filter"), rejected("No", "DMARC")):
        assert reputation.outcome(judge([verdict], policy)) is None


def test_to_whom_users_write_is_no_stranger(store: ExperienceStore, learner: Learner, clock: FakeClock) -> None:
    eve = Address("Eve", "There.test")
    out = facts("ana@here.test", recipients=[(eve, Resolution(Status.NOT_OURS, (RemoteTarget(eve),)))])
    out.account = Account(AccountId(1), "ana@here.test", "Ana", "", ALL_SERVICES)
    learner.judged(out, judge([], settings().policy))
    store.flush(21)
    [row] = rows(store, "a:eve@there.test")
    assert is_correspondent([row], int(NOW) + DAY)
    assert not is_correspondent([row], int(NOW) + 366 * DAY)
    clock.now += 61
    answer = facts(spf="there.test", content=message())
    answer.now = clock.now
    _, judgement = run(session(reputation.checks(store), settings(), answer, message(), [local("ana@here.test", 1)]))
    assert judgement is not None
    assert judgement.score == -2


def test_switched_off_nothing_is_learnt(store: ExperienceStore, database: Database, clock: FakeClock) -> None:
    site = SiteSettings(database, clock)
    site.set_setting("spam.reputation", "false", "test")
    reputation.learner(store, site).judged(facts(), judge([], settings().policy))
    store.flush(21)
    assert rows(store, "n:192.0.2.0/24") == []


def test_what_is_gathered_is_bounded_and_old_rows_go(
    store: ExperienceStore, database: Database, clock: FakeClock
) -> None:
    for number in range(MAX_GATHERED + 50):
        store.add((f"n:{number}",), Seen(fine=1))
    store.add(("n:0",), Seen(fine=1))
    store.flush(21)
    found = rows(store, "n:0", f"n:{MAX_GATHERED - 1}", f"n:{MAX_GATHERED}")
    assert [(row.name, row.fresh) for row in found] == [("n:0", 2), (f"n:{MAX_GATHERED - 1}", 1)]
    assert prune(database, clock.now + 100 * DAY) == 0
    assert prune(database, clock.now + 181 * DAY) == MAX_GATHERED


def test_where_there_is_too_much_strangers_are_forgotten_sooner(
    store: ExperienceStore, database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experience_store, "MAX_ROWS", 2)
    store.add(("a:friend@there.test",), Seen(wrote=True))
    for days, name in ((0, "n:old"), (10, "n:newer"), (12, "n:new")):
        clock.now = NOW + days * DAY
        store.add((name,), Seen(fine=1))
        store.flush(21)
    assert prune(database, clock.now) == 2
    names = {row.name for row in rows(store, "a:friend@there.test", "n:old", "n:newer", "n:new")}
    assert names == {"a:friend@there.test", "n:new"}


def test_a_database_that_is_away_costs_nothing(database: Database, clock: FakeClock) -> None:
    class Away(ExperienceStore):
        async def rows(self, names):  # type: ignore[no-untyped-def]
            raise OSError("away")

    store = Away(database, None, clock)  # type: ignore[arg-type]
    _, judgement = run(session(reputation.checks(store), settings(), facts(), message(), [local("ana@here.test", 1)]))
    assert judgement is not None
    assert (judgement.score, judgement.decisive.accepted) == (0, True)
