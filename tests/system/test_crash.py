"""Two hundred kills: nothing that was acknowledged is lost, nothing is torn, the store is whole.

Beside the deliveries, IMAP connections append, store, copy, move and expunge, and messages for others are passed on to
servers that refuse some for now, and break off others.
"""

from itertools import islice

import pytest

from estafeta.app.crashtest.plan import make_rounds
from estafeta.app.crashtest.run import Options, Report, run
from estafeta.storage.steps import Step

SEED = 20_240_601


def crash(kills: int, *, seed: int, step: Step | None = None, storage_url: str = "", **more: int) -> Report:
    options = Options(kills, 240, seed, step, more.get("sessions", 8), 2, False, storage_url, more.get("imap", 0), True)
    report = run(options, lambda report: None)
    assert report.counted.lost == []
    assert report.counted.torn == []
    assert report.problems == []
    assert report.stop_status == 0
    assert report.tracebacks == 0
    assert report.total_kills >= kills
    assert report.acknowledged > kills
    assert report.counted.messages + report.counted.relayed >= report.acknowledged
    assert report.counted.relayed > kills
    assert report.counted.queued == 0
    assert bool(more.get("imap")) == bool(report.counted.imap_messages)
    assert report.passed
    assert not report.home
    return report


@pytest.mark.crash
@pytest.mark.timeout(400)
def test_killed_at_random_moments_and_at_every_step():
    report = crash(160, seed=SEED, imap=4)
    assert {"APPEND", "STORE", "COPY", "MOVE", "EXPUNGE"} == set(report.changes)
    assert {"one worker", "the writer", "all at once", "whole tree"} <= set(report.kills)
    assert {f"at {step}" for step in Step} <= set(report.kills)


@pytest.mark.crash
@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", [Step.CONTENT_SYNCED, Step.SQL_COMMITTED])
def test_killed_at_one_step(step: Step):
    report = crash(10, seed=SEED, step=step, sessions=12, imap=6)
    assert set(report.kills) <= {f"at {step}", "whole tree"}


@pytest.mark.crash
@pytest.mark.timeout(300)
def test_killed_on_postgresql(postgres_url: str):
    crash(20, seed=SEED, storage_url=postgres_url, imap=3)


def test_the_same_seed_gives_the_same_schedule():
    first, second = ([*islice(make_rounds(seed, list(Step)), 20)] for seed in (7, 7))
    assert first == second
    assert [*islice(make_rounds(8, list(Step)), 20)] != first


def test_every_step_has_its_turn():
    rounds = [*islice(make_rounds(1, list(Step)), 3 * len(Step))]
    assert {one.step for one in rounds} == {*Step, None}
    alone = [*islice(make_rounds(1, [Step.SQL_BEGUN]), 5)]
    assert {one.step for one in alone} == {Step.SQL_BEGUN}
    assert alone[0].crash_at.startswith("sql-begun:0.")
