"""A worker's part in reports on DMARC: counts are kept when it stops, the job sends and forgets."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "policy"))

from dmarc_kit import DAY, NOW, Base, Names, Posted, facts_of, result, settings

from estafeta.app import dmarc_work
from estafeta.app.dmarc_work import DmarcWork
from estafeta.core.errors import EstafetaError, Kind
from estafeta.policy.dmarc_results import read_day
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import all_of
from estafeta.trust.dmarc import DmarcOutcome


class Site:
    def __init__(self, base: Base, **dmarc: object) -> None:
        self.base, self.names, self.posted, self.now = base, Names(), Posted(), NOW
        self.names.put("_dmarc.example.org", b"v=DMARC1; p=none; rua=mailto:agg@example.org")
        self.work = DmarcWork(
            base.database,
            base.submit,
            self.names,
            self.posted.post,
            settings(dmarc={"reports": True, **dmarc}),
            hostname="mx.here.test",
            contact=lambda: "postmaster@here.test",
            clock=lambda: self.now,
        )

    def learn(self) -> None:
        all_of(self.work.learners).judged(facts_of(result()), Judgement())

    def messages(self) -> int:
        with self.base.database.read() as conn:
            return sum(one.messages for one in read_day(conn, DAY))


@pytest.fixture
def base(tmp_path: Path):
    opened = Base(tmp_path)
    yield opened
    opened.close()


def test_counts_are_kept_each_minute_and_at_the_end(base, monkeypatch):
    monkeypatch.setattr(dmarc_work, "_FLUSH_TICKS", 3)
    site = Site(base)

    async def main() -> list[int]:
        site.learn()
        seen = []
        for _ in range(3):
            site.work.tick()
            await asyncio.sleep(0)
            seen.append(site.messages())
        site.learn()
        await site.work.stop()
        return [*seen, site.messages()]

    assert asyncio.run(main()) == [0, 0, 1, 2]


def test_a_store_that_fails_ends_neither_the_worker_nor_the_counts(base, caplog):
    site = Site(base)

    async def main() -> None:
        site.learn()
        base.broken = True
        await site.work.stop()
        base.broken = False
        await site.work.stop()

    asyncio.run(main())
    assert "were not kept" in caplog.text
    assert site.messages() == 1


@pytest.mark.parametrize(
    ("dmarc", "sender"), [({}, "postmaster@here.test"), ({"reports_from": "d@here.test"}, "d@here.test")]
)
def test_the_job_sends_from_a_thread_and_forgets(base, dmarc, sender):
    site = Site(base, **dmarc)

    async def main() -> None:
        site.learn()
        await site.work.stop()

    asyncio.run(main())
    # Another worker, a day later; then, when all is old.
    later = Site(base, **dmarc)

    async def job() -> None:
        [work] = later.work.jobs(asyncio.get_running_loop())
        for later.now in (NOW + 86_400, NOW + 9 * 86_400):
            await asyncio.to_thread(work.run)

    asyncio.run(job())
    assert [(one, to) for one, to, _ in later.posted] == [(sender, ("agg@example.org",))]
    assert later.messages() == 0


def fail(site: Site) -> None:
    record = b"v=DMARC1; p=reject; ruf=mailto:r@example.org"
    facts = facts_of(result(outcome=DmarcOutcome.FAIL, record=record), b"Subject: x\r\n\r\n")
    all_of(site.work.learners).judged(facts, Judgement())


async def settled(site: Site) -> None:
    if site.work._telling is not None:
        await site.work._telling


@pytest.mark.parametrize(("on", "sent"), [(False, 0), (True, 1)])
def test_failure_reports_are_sent_at_a_tick(base, on, sent):
    site = Site(base, failure_reports=on, reports=False, reports_from="d@here.test")

    async def main() -> None:
        fail(site)
        assert not site.posted
        site.work.tick()
        await settled(site)
        site.work.tick()
        await settled(site)
        await site.work.stop()

    asyncio.run(main())
    assert [(one, to) for one, to, _ in site.posted] == [("d@here.test", ("r@example.org",))] * sent


def test_a_stop_does_not_wait_for_failure_reports(base):
    site = Site(base, failure_reports=True)

    async def never(name: str) -> None:
        await asyncio.Event().wait()

    site.names.txt = never

    async def main() -> None:
        fail(site)
        site.work.tick()
        await asyncio.sleep(0)
        await site.work.stop()

    asyncio.run(main())
    assert not site.posted


def test_no_address_to_send_failure_reports_from_ends_nothing(base, caplog):
    site = Site(base, failure_reports=True)

    def broken() -> str:
        raise EstafetaError(Kind.NOT_FOUND, "No domain.")

    site.work._contact = broken

    async def main() -> None:
        fail(site)
        site.work.tick()
        await settled(site)

    asyncio.run(main())
    assert "were not sent" in caplog.text
    assert site.work._failures.waiting == 0
