"""MTA-STS policies, results and notes of reports in both databases."""

import random
from concurrent.futures import ThreadPoolExecutor

from store_kit import Store

from estafeta.delivery.stscache import StoredPolicy, Used, keep_policy, note_used, read_expiring, read_policy
from estafeta.delivery.tlsresults import (
    Count,
    Sent,
    add_counts,
    decode_facts,
    encode_facts,
    forget_before,
    note_sent,
    read_day,
    read_tallies,
    read_unsent,
    summarize,
)
from estafeta.storage.commit import GroupCommit, Job
from estafeta.storage.database import Database
from estafeta.trust.results import AppliedPolicy, PolicyKind, ResultType, TlsFailure
from estafeta.trust.tlsrpt import SessionFacts, Tally

DOMAIN = "example.org"
POLICY = StoredPolicy(DOMAIN, "a1", "version: STSv1\nmode: none\nmax_age: 100\n", 1000, 1100, 1000)


def stored(store: Store, domain: str = DOMAIN) -> StoredPolicy | None:
    with store.database.read() as conn:
        return read_policy(conn, domain)


def test_the_newest_policy_stays(store: Store) -> None:
    assert stored(store) is None
    store.group.run(keep_policy, POLICY)
    assert stored(store) == POLICY
    newer = POLICY._replace(policy_id="a2", content="version: STSv1\nañ", fetched_seconds=1050, expires_seconds=9000)
    jobs = [Job(keep_policy, newer), Job(keep_policy, POLICY._replace(domain="b.test", expires_seconds=8000))]
    store.group.commit(jobs)
    store.group.run(keep_policy, POLICY)
    assert stored(store) == newer
    assert stored(store, "b.test") is not None


def test_expired_policies_go(store: Store) -> None:
    for number in range(150):
        store.group.run(keep_policy, POLICY._replace(domain=f"d{number}.test"))
    for second in (1, 2):
        store.group.run(keep_policy, POLICY._replace(fetched_seconds=5000 + second, expires_seconds=9000))
    with store.database.read() as conn:
        assert read_expiring(conn, 0, 10_000, 0, 500) == [POLICY._replace(fetched_seconds=5002, expires_seconds=9000)]


def test_what_expires_soon_and_is_used(store: Store) -> None:
    for domain, expires, used in (
        ("a.test", 1300, 1000),
        ("b.test", 1200, 1000),
        ("c.test", 1200, 10),
        ("d.test", 9000, 1000),
    ):
        store.group.run(keep_policy, POLICY._replace(domain=domain, expires_seconds=expires, used_seconds=used))
    store.group.run(note_used, Used("c.test", 1050))
    store.group.run(note_used, Used("nobody.test", 1050))
    with store.database.read() as conn:
        assert [row.domain for row in read_expiring(conn, 1100, 2000, 1000, 10)] == ["b.test", "c.test", "a.test"]
        assert [row.domain for row in read_expiring(conn, 1250, 2000, 1000, 10)] == ["a.test"]
        assert [row.domain for row in read_expiring(conn, 1100, 2000, 1020, 10)] == ["c.test"]
        assert len(read_expiring(conn, 1100, 2000, 0, 2)) == 2


GOOD = SessionFacts(AppliedPolicy(PolicyKind.STS, DOMAIN, ("version: STSv1",), ("*.example.org",)))
BAD = GOOD._replace(
    failure=TlsFailure(ResultType.EXPIRED, "expired ñ \0 \udc80", "x"),
    host="mx.example.org",
    ip="::1",
    helo="mx",
    source_ip="::2",
)


def count(day: int, facts: SessionFacts, sessions: int, domain: str = DOMAIN) -> Count:
    return Count(day, domain, f"{hash(facts) & 0xFFFFFFFF:032x}", sessions, encode_facts(facts))


def test_counts_add_up(store: Store) -> None:
    first = (count(7, GOOD, 2), count(7, BAD, 1), count(7, GOOD, 1, "b.test"))
    store.group.commit([Job(add_counts, first), Job(add_counts, (count(7, GOOD, 3),)), Job(add_counts, ())])
    store.group.run(add_counts, (count(7, GOOD, 10), count(8, GOOD, 1)))
    with store.database.read() as conn:
        assert sorted(read_tallies(conn, 7, DOMAIN), key=str) == sorted([Tally(GOOD, 15), Tally(BAD, 1)], key=str)
        assert read_tallies(conn, 9, DOMAIN) == []
        days = summarize(read_day(conn, 7))
    assert [(day.domain, day.good, day.failed, day.policies, day.failures) for day in days] == [
        ("b.test", 1, 0, ["sts"], []),
        (DOMAIN, 15, 1, ["sts"], ["certificate-expired"]),
    ]


def test_two_writers_count_the_same(store: Store) -> None:
    facts = [GOOD._replace(host=str(number)) for number in range(10)]

    def work(seed: int) -> None:
        database = Database(store.url)
        group = GroupCommit(database, store.packs)
        for _ in range(10):
            random.Random(seed).shuffle(facts)
            group.run(add_counts, tuple(count(7, one, 1) for one in facts))
        group.close()
        database.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    with store.database.read() as conn:
        assert sum(tally.sessions for _, tally in read_day(conn, 7)) == 200


def test_a_report_is_noted_once(store: Store) -> None:
    store.group.run(add_counts, tuple(count(7, GOOD, 1, domain) for domain in ("a.test", "b.test", "c.test")))
    assert store.group.run(note_sent, Sent(7, "b.test", "id@here", 5)) is True
    assert store.group.run(note_sent, Sent(7, "b.test", "id@here", 5)) is False
    jobs = [Job(note_sent, Sent(8, "b.test", "", 5)), Job(note_sent, Sent(8, "b.test", "", 5))]
    store.group.commit(jobs)
    assert [job.outcome() for job in jobs] == [True, False]
    with store.database.read() as conn:
        assert read_unsent(conn, 7, "", 10) == ["a.test", "c.test"]
        assert read_unsent(conn, 7, "a.test", 10) == ["c.test"]
        assert read_unsent(conn, 7, "", 1) == ["a.test"]
    assert store.group.run(forget_before, 8) == 3
    with store.database.read() as conn:
        assert list(read_day(conn, 7)) == []
    assert store.group.run(note_sent, Sent(7, "b.test", "id@here", 5)) is True


def test_facts_are_cut_where_they_are_endless() -> None:
    policy = AppliedPolicy(PolicyKind.TLSA, DOMAIN, tuple("x" * 9999 for _ in range(999)), tuple(map(str, range(999))))
    facts = SessionFacts(policy, TlsFailure(ResultType.NOT_TRUSTED, "w" * 9999, "r" * 9999), "h" * 999)
    text = encode_facts(facts)
    assert len(text) < 20_000
    cut = decode_facts(text)
    assert cut.policy.kind is PolicyKind.TLSA
    assert len(cut.policy.lines) == 50
    assert decode_facts(encode_facts(cut)) == cut
    assert decode_facts(encode_facts(BAD)) == BAD
