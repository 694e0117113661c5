"""Results of TLS: counted, committed, shown, and sent to who asks for them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tls_policy_kit import FAILED, Base, Names, settings

from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.tlsdemand import Level, TlsDemand, TlsRefusal, missing_starttls
from estafeta.delivery.tlsreports import TlsReporter
from estafeta.delivery.tlsresults import TlsResults, read_day, read_tallies
from estafeta.trust.results import AppliedPolicy, PolicyKind, ResultType, TlsFailure
from estafeta.trust.tlsrpt import SessionFacts

DAY = 19_675
NOW = DAY * 86_400 + 100.0
STS = AppliedPolicy(PolicyKind.STS, "example.org")
VERIFY = TlsDemand(Level.VERIFY, ("mx.example.org",), policy=STS)
EXPIRED = TlsFailure(ResultType.EXPIRED, "expired")
WHERE = {"host": "mx.example.org", "ip": "192.0.2.1"}


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    opened = Base(tmp_path)
    yield opened
    opened.close()


def tallies(base: Base, domain: str = "example.org", day: int = DAY) -> dict[SessionFacts, int]:
    with base.database.read() as conn:
        return dict(read_tallies(conn, day, domain))


def test_sessions_are_counted_and_committed(base: Base) -> None:
    now = NOW

    async def main() -> None:
        nonlocal now
        results = TlsResults(base.submit, settings(), lambda: now)
        for number in range(100):
            results.note(VERIFY, None, host=f"mx{number}.example.org", ip="192.0.2.1")
        results.note(VERIFY, EXPIRED, **WHERE, helo="mx", source_ip="192.0.2.9")
        results.refused(TlsRefusal(False, "4.7.5", "no", EXPIRED, STS), host="evil.test")
        results.refused(TlsRefusal(True, "5.7.30", "no"), host="evil.test")
        await results.flush()
        await results.flush()
        results.note(VERIFY, None, **WHERE)
        now += 86_400
        results.note(VERIFY, None, **WHERE)
        await results.flush()

    asyncio.run(main())
    assert tallies(base) == {
        SessionFacts(STS): 101,
        SessionFacts(STS, EXPIRED, "mx.example.org", "192.0.2.1", "mx", "192.0.2.9"): 1,
        SessionFacts(STS, EXPIRED, "evil.test"): 1,
    }
    assert tallies(base, day=DAY + 1) == {SessionFacts(STS): 1}


def test_what_is_counted_and_what_not(base: Base) -> None:
    none = AppliedPolicy(PolicyKind.NONE, "example.org")
    may = TlsDemand(Level.MAY, policy=none)
    clear = may._replace(level=Level.NONE)

    async def main() -> None:
        results = TlsResults(base.submit, settings(), lambda: NOW)
        results.note(clear, None, **WHERE)
        results.note(TlsDemand(Level.MAY), None, **WHERE)
        results.note(may, missing_starttls(may), **WHERE)
        results.note(may._replace(known=EXPIRED), None, **WHERE)
        await results.flush()
        quiet = TlsResults(base.submit, settings(delivery={"tls_reports": False}), lambda: NOW)
        quiet.note(may, None, **WHERE)
        await quiet.flush()

    asyncio.run(main())
    assert {facts.failure.result for facts in tallies(base) if facts.failure} == {
        ResultType.STARTTLS_NOT_SUPPORTED,
        ResultType.EXPIRED,
    }
    with base.database.read() as conn:
        assert sum(tally.sessions for _, tally in read_day(conn, DAY)) == 2


def test_what_cannot_be_committed_is_counted_later(base: Base) -> None:
    async def main() -> None:
        results = TlsResults(base.submit, settings(), lambda: NOW)
        results.note(VERIFY, None, **WHERE)
        base.broken = True
        with pytest.raises(EstafetaError):
            await results.flush()
        base.broken = False
        results.note(VERIFY, None, **WHERE)
        await results.flush()

    asyncio.run(main())
    assert tallies(base) == {SessionFacts(STS): 2}


def test_memory_is_bounded(base: Base) -> None:
    async def main() -> None:
        results = TlsResults(base.submit, settings(), lambda: NOW)
        for number in range(30_000):
            results.note(VERIFY, EXPIRED, host=str(number), ip="")
        assert len(results._counts) == 20_000

    asyncio.run(main())


class Posted(list[tuple[str, tuple[str, ...], bytes]]):
    async def post(self, sender: str, recipients: tuple[str, ...], content: bytes) -> None:
        if recipients == ("tls@broken.test",):
            raise EstafetaError(Kind.LIMIT, "Too many.")
        if recipients == ("tls@crash.test",):
            raise ValueError("a fault of ours")
        self.append((sender, recipients, content))


def test_reports_go_to_who_asks_and_once(base: Base) -> None:
    names, posted = Names(), Posted()
    source = settings(delivery={"send_tls_reports": True})
    names.put("txt", "_smtp._tls.example.org", b"v=TLSRPTv1; rua=mailto:tls@example.org")
    for domain in ("broken.test", "crash.test"):
        names.put("txt", f"_smtp._tls.{domain}", f"v=TLSRPTv1; rua=mailto:tls@{domain}".encode())
    names.table["txt", "_smtp._tls.slow.test"] = FAILED

    async def main() -> list[int]:
        results = TlsResults(base.submit, settings(), lambda: NOW)
        for domain in ("example.org", "broken.test", "crash.test", "quiet.test", "slow.test"):
            results.note(VERIFY._replace(policy=STS._replace(domain=domain)), None, **WHERE)
        await results.flush()
        reporter = TlsReporter(
            base.database, base.submit, names, posted.post, source, hostname="here.test", contact="pm@here.test"
        )
        sent = [await reporter.send(NOW), await reporter.send(NOW + 86_400), await reporter.send(NOW + 86_400)]
        names.put("txt", "_smtp._tls.slow.test", b"v=TLSRPTv1; rua=mailto:tls@slow.test")
        return [*sent, await reporter.send(NOW + 86_400)]

    assert asyncio.run(main()) == [0, 1, 0, 1]
    assert [recipients for _, recipients, _ in posted] == [("tls@example.org",), ("tls@slow.test",)]
    sender, _, content = posted[0]
    assert sender == "pm@here.test"
    assert b"\r\nTLS-Report-Domain: example.org\r\n" in content
    assert b"\r\nDate: Wed, 15 Nov 2023 00:01:40 +0000\r\n" in content


def test_old_results_go(base: Base) -> None:
    async def main() -> None:
        results = TlsResults(base.submit, settings(), lambda: NOW)
        results.note(VERIFY, None, **WHERE)
        await results.flush()
        reporter = TlsReporter(
            base.database, base.submit, Names(), Posted().post, settings(), hostname="h", contact="p@h"
        )
        await reporter.send(NOW + 31 * 86_400)

    asyncio.run(main())
    with base.database.read() as conn:
        assert list(read_day(conn, DAY)) == []
