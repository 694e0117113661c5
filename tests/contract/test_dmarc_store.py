"""Counts of DMARC, notes of reports and reports of others in both databases, with several writers at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select
from store_kit import Store

from estafeta.core.errors import EstafetaError, Kind
from estafeta.policy import dmarc_results
from estafeta.policy.dmarc_reading import ReceivedReport, ReportRow
from estafeta.policy.dmarc_received import Expired, Stored, forget_received, read_domains, read_reports, store_report
from estafeta.policy.dmarc_results import (
    Count,
    Sent,
    add_counts,
    forget_others,
    note_sent,
    read_day,
    read_tallies,
    read_unsent,
)
from estafeta.policy.dmarc_sources import read_sources
from estafeta.policy.dmarc_tables import dmarc_kinds
from estafeta.policy.dmarc_tables import dmarc_results as table
from estafeta.policy.dmarc_values import DmarcFacts, Tally, encode_facts

DAY, NOW = 19_675, 19_675 * 86_400 + 100
FACTS = DmarcFacts("192.0.2.1", "none", True, False, "a.test", "a.test", "a.test", "fail", comment="é\U0001f4e7")
ROW = ReportRow("192.0.2.1", "here.test", "none", True, False, "here.test", "here.test", 2)
REPORT = ReceivedReport("here.test", "Big é", "id", NOW - 86_400, NOW - 1, "none", (ROW, ROW._replace(spf=True)))
_NODES = 3


def counted(number: int, owner: str = "a.test", day: int = DAY) -> Count:
    return Count(day, f"d{number % 7}.{owner}", f"{number:032x}", owner, 1, encode_facts(FACTS))


@pytest.fixture
def nodes(database_url: str, tmp_path: Path):
    opened = [Store.open(database_url, tmp_path / "packs") for _ in range(_NODES)]
    yield opened
    for one in opened:
        one.close()


def at_once(nodes: list[Store], work) -> list:
    with ThreadPoolExecutor(_NODES) as pool:
        return list(pool.map(work, nodes))


def test_counts_are_read_as_they_were_made(store: Store) -> None:
    store.group.run(add_counts, (counted(1), counted(2), counted(1)))
    store.group.run(note_sent, Sent(DAY, "d1.a.test", "id", NOW))
    with store.database.read() as conn:
        assert read_tallies(conn, DAY, "d1.a.test") == [Tally(FACTS, 2)]
        assert read_unsent(conn, DAY, "", 10) == ["d2.a.test"]
        assert [(one.domain, one.kinds, one.messages, one.report_id) for one in read_day(conn, DAY)] == [
            ("d1.a.test", 1, 2, "id"),
            ("d2.a.test", 1, 1, None),
        ]


def test_several_nodes_count_the_same_kinds_at_once(nodes: list[Store]) -> None:
    def work(store: Store) -> None:
        for round_ in range(8):
            store.group.run(add_counts, tuple(counted(number) for number in range(round_, round_ + 30)))

    at_once(nodes, work)
    with nodes[0].database.read() as conn:
        assert conn.execute(select(func.sum(table.c.messages))).scalar() == _NODES * 8 * 30
        assert conn.execute(select(func.count()).select_from(table)).scalar() == 37
        kinds = dict(conn.execute(select(dmarc_kinds.c.owner, dmarc_kinds.c.kinds)).all())
    assert kinds == {"": 37, "a.test": 37}


def test_the_limit_of_a_day_holds_for_all_nodes_together(nodes: list[Store], monkeypatch) -> None:
    monkeypatch.setattr(dmarc_results, "MAX_KINDS", 50)
    monkeypatch.setattr(dmarc_results, "MAX_KINDS_OF_ONE", 40)

    def work(numbered: tuple[int, Store]) -> None:
        node, store = numbered
        for at in range(10):
            owners = ("evil.test", f"o{node}.test")
            store.group.run(add_counts, tuple(counted(at * 10 + n + node * 1000, owners[n % 2]) for n in range(10)))

    with ThreadPoolExecutor(_NODES) as pool:
        list(pool.map(work, enumerate(nodes)))
    with nodes[0].database.read() as conn:
        assert conn.execute(select(func.count()).select_from(table)).scalar() == 50
        kinds = dict(conn.execute(select(dmarc_kinds.c.owner, dmarc_kinds.c.kinds)).all())
    assert kinds.pop("") == 50 == sum(kinds.values())
    assert kinds["evil.test"] <= 40


def test_one_node_of_all_sends_a_report(nodes: list[Store]) -> None:
    def work(store: Store) -> int:
        return sum(store.group.run(note_sent, Sent(DAY, f"d{number}.test", "id", NOW)) for number in range(20))

    assert sum(at_once(nodes, work)) == 20


def test_a_report_that_comes_to_several_nodes_is_kept_once(nodes: list[Store]) -> None:
    def work(store: Store) -> int:
        reports = [REPORT._replace(report_id=str(number)) for number in range(10)]
        return sum(store.group.run(store_report, Stored(report, "big.test", NOW)) for report in reports)

    assert sum(at_once(nodes, work)) == 10
    with nodes[0].database.read() as conn:
        [summed] = read_domains(conn, 0)
        assert (summed.reports, summed.reporters, summed.messages, summed.passed) == (10, 1, 40, 40)
        [source] = read_sources(conn, 0, "here.test")
        assert (source.messages, source.spf, source.reporters) == (40, 20, ["big.test"])
        assert {one.name for one in read_reports(conn, 0, "here.test")} == {"Big é"}


def test_limits_of_reports_are_refusals_not_faults(store: Store, monkeypatch) -> None:
    monkeypatch.setattr("estafeta.policy.dmarc_received.MAX_ROWS_OF_ONE", 3)
    store.group.run(store_report, Stored(REPORT, "", NOW))
    with pytest.raises(EstafetaError) as caught:
        store.group.run(store_report, Stored(REPORT._replace(report_id="2"), "", NOW))
    assert caught.value.kind is Kind.LIMIT


def test_what_is_old_goes(store: Store) -> None:
    store.group.run(add_counts, tuple(counted(number, day=day) for day in (DAY - 9, DAY) for number in range(5)))
    store.group.run(note_sent, Sent(DAY - 9, "x.test", "", NOW))
    store.group.run(store_report, Stored(REPORT, "", NOW - 200 * 86_400))
    assert store.group.run(forget_others, DAY) == 5 + 1 + 2
    assert store.group.run(forget_others, DAY) == 0
    assert store.group.run(forget_received, Expired(NOW, 180)) == 1
    assert store.group.run(forget_received, Expired(NOW, 180)) == 0
    with store.database.read() as conn:
        assert len(read_day(conn, DAY)) == 5
        assert read_sources(conn, 0, "here.test") == []
