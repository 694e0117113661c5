"""What the journal costs: deliveries and relaying with `journal.level` full and off, by turns on one server each.

Nothing differs between two loads but the setting, which a running server obeys at once; which of them goes first
alternates. Records are counted, so that a setting that was not obeyed is seen.
"""

from __future__ import annotations

import operator
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass

from benchmarks.bench import Bench, Section, Target, judge, median
from benchmarks.clients import Plan
from benchmarks.estafeta_server import Estafeta, command
from benchmarks.relay_servers import ELSEWHERE, EstafetaRelay, Relay

_LEVELS = ("off", "full")
_USERS = 100
_LEAST = 0.9
#: Until all workers know of a changed setting, and until what they note at their ease is written.
_NOTICE_SECONDS, _WRITE_SECONDS = 1.0, 1.2


@dataclass(frozen=True, slots=True)
class Run:
    """One load. `rate` is messages/s end to end; `records` were written for each message."""

    what: str
    level: str
    rate: float
    records: float
    cpu_per_1000: float


def run(bench: Bench) -> Section | None:
    if not bench.available([Estafeta]):
        return None
    Relay.sink_program = bench.clients.sink
    messages = 1500 if bench.quick else 8000
    runs = [
        run
        for what, measure in (("delivery", _deliveries), ("relaying", _relays))
        for run in measure(bench, what, messages)
    ]
    return _section(bench, messages, runs)


def _deliveries(bench: Bench, what: str, messages: int) -> list[Run]:
    with bench.running(Estafeta, _USERS) as server:
        assert isinstance(server, Estafeta)

        def load(count: int) -> float:
            return bench.clients.load(server.smtp_port, Plan(50, count, many=True, users=_USERS)).rate

        return _alternate(bench, what, server, load, messages)


def _relays(bench: Bench, what: str, messages: int) -> list[Run]:
    with bench.running(EstafetaRelay, _USERS) as server:
        assert isinstance(server, EstafetaRelay)
        sent = 0

        def load(count: int) -> float:
            nonlocal sent
            sent += count
            plan = Plan(50, count, many=True, users=_USERS, domain=ELSEWHERE)
            begun = bench.clients.load(server.smtp_port, plan).begun
            return count / (server.await_relayed(sent).last - begun)

        return _alternate(bench, what, server, load, messages)


def _alternate(bench: Bench, what: str, server: Estafeta, load: Callable[[int], float], messages: int) -> list[Run]:
    load(messages // 4)
    runs = []
    for number in range(1 if bench.quick else 4):
        for level in sorted(_LEVELS, reverse=bool(number % 2)):
            command(server.directory, "config", "set", "journal.level", level)
            time.sleep(_NOTICE_SECONDS)
            before, cpu = _records(server), server.group.cpu_seconds()
            rate = load(messages)
            cpu = (server.group.cpu_seconds() - cpu) / messages * 1000
            time.sleep(_WRITE_SECONDS)
            records = (_records(server) - before) / messages
            if (level == "off") != (records < 0.01):
                raise RuntimeError(f"journal.level {level}: {records:.2f} records for each message")
            runs.append(Run(what, level, rate, records, cpu))
            bench.say(f"  {what}, journal {level}: {rate:.0f}/s, {cpu:.2f} s CPU/1000")
    return runs


def _records(server: Estafeta) -> int:
    """Records in the journal."""
    with closing(sqlite3.connect(server.directory / "data/estafeta.sqlite", timeout=30)) as db:
        (count,) = db.execute("select count(*) from journal").fetchone()
    return int(count)


def _section(bench: Bench, messages: int, runs: list[Run]) -> Section:
    rows, targets = [], []
    for what in dict.fromkeys(run.what for run in runs):
        rates = {level: median(run.rate for run in runs if (run.what, run.level) == (what, level)) for level in _LEVELS}
        for level, rate in rates.items():
            some = [run for run in runs if (run.what, run.level) == (what, level)]
            records, cpu = median(run.records for run in some), median(run.cpu_per_1000 for run in some)
            rows.append(
                [
                    f"{what}, journal {level}",
                    f"{rate:,.0f}",
                    f"{rate / rates['off']:.2f}",
                    f"{cpu:.2f}",
                    f"{records:.1f}",
                ]
            )
        share = rates["full"] / rates["off"]
        name = f"{what}: rate with the journal against without"
        targets.append(Target(name, f"at least {_LEAST:g}", f"{share:.2f}", judge(share, _LEAST, operator.ge)))
    rounds = len(runs) // len(rows)
    return Section(
        "journal_cost",
        "What the journal costs (Estafeta, 50 sessions, many per connection)",
        ["load", "messages/s", "× without", "CPU s per 1000", "records per message"],
        rows,
        [f"Medians of {rounds} loads of {messages:,} messages of 4 KiB each, by turns."],
        targets,
        [asdict(run) for run in runs],
    )
