"""Relaying end to end: from the first connection until a sink on the same machine has every message.

Messages of 4 KiB for a domain of others come in by SMTP over 50 sessions, with one message per connection and with
many, and go out by SMTP to one next hop (`sink.c`). Beside Estafeta a Postfix does exactly the same; the servers take
turns as in delivery.py. The sink and the load generator share the machine with them and are in no figure; what they
could do without a server between them is told.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from benchmarks.bench import Bench, Section, Target, judge, median, times
from benchmarks.clients import Load, Plan
from benchmarks.delivery import Cell, Scale
from benchmarks.relay_servers import ELSEWHERE, EstafetaRelay, PostfixRelay, Relay
from benchmarks.sinks import Sink

_SCALES: dict[type[Relay], Scale] = {EstafetaRelay: Scale(1000, 12000), PostfixRelay: Scale(300, 2500)}
_CELLS = [Cell(50, False), Cell(50, True)]
_USERS = 100
_WANTED = 5.0
_BARE_MESSAGES = 20_000


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `rate` is messages/s until the sink had all, `acknowledged` until the last 250; `connections` outward;
    CPU seconds of the server for 1000 messages, and of load and sink together."""

    server: str
    many: bool
    messages: int
    rate: float
    acknowledged: float
    cpu_per_1000: float
    others_cpu: float
    pss_mib: float
    p99ms: float
    connections: int


def run(bench: Bench) -> Section | None:
    Relay.sink_program = bench.clients.sink
    bare = {cell: _bare(bench, cell) for cell in _CELLS}
    runs = list(_runs(bench))
    if not runs:
        return None
    middles = [_middle(group) for cell in _CELLS for group in _by_server(runs, cell)]
    columns = ["load", "server", "messages/s", "× Postfix", "CPU s per 1000", "PSS MiB", "250 messages/s", "ack p99 ms"]
    return Section(
        "relay",
        "Relaying, end to end (4 KiB messages, 50 sessions, one next hop)",
        columns,
        [_row(run, middles) for run in middles],
        _notes(bench, bare),
        [_target(cell, middles) for cell in _CELLS],
        [asdict(run) for run in runs],
    )


def _bare(bench: Bench, cell: Cell) -> Load:
    """The load generator straight into the sink."""
    sink = Sink(bench.clients.sink)
    try:
        messages = _BARE_MESSAGES // 4 if bench.quick else _BARE_MESSAGES
        return bench.clients.load(sink.port, Plan(cell.sessions, messages, cell.many, _USERS, domain=ELSEWHERE))
    finally:
        sink.stop()


def _runs(bench: Bench) -> Iterator[Run]:
    """All runs. A server with which one fails is left out of the rest."""
    servers = bench.available(_SCALES)
    for cell, number in itertools.product(_CELLS, range(bench.rounds)):
        for server in [server for server in servers if server.name not in bench.failed]:
            try:
                run = _measure(bench, server, cell)
            except (RuntimeError, OSError) as error:
                bench.fail(server.name, error)
                continue
            bench.say(
                f"  {cell.text}, round {number + 1}: {run.server} {run.rate:.0f}/s, {run.cpu_per_1000:.2f} s CPU/1000"
            )
            yield run


def _measure(bench: Bench, kind: type[Relay], cell: Cell) -> Run:
    scale = _SCALES[kind]
    messages = scale.messages // 3 if bench.quick else scale.messages
    plan = Plan(cell.sessions, messages, cell.many, _USERS, domain=ELSEWHERE)
    with bench.running(kind, _USERS) as server:
        assert isinstance(server, Relay)
        bench.clients.load(server.smtp_port, replace(plan, messages=scale.warm_up))
        before = server.await_relayed(scale.warm_up)
        cpu = server.group.cpu_seconds()
        result = bench.clients.load(server.smtp_port, plan)
        after = server.await_relayed(scale.warm_up + messages)
        return Run(
            server=kind.name,
            many=cell.many,
            messages=messages,
            rate=messages / (after.last - result.begun),
            acknowledged=result.rate,
            cpu_per_1000=(server.group.cpu_seconds() - cpu) / messages * 1000,
            others_cpu=(result.cpu + after.cpu - before.cpu) / messages * 1000,
            pss_mib=server.group.pss_bytes() / 2**20,
            p99ms=result.p99ms,
            connections=after.connections - before.connections,
        )


def _by_server(runs: list[Run], cell: Cell) -> list[list[Run]]:
    groups = [[run for run in runs if (run.server, run.many) == (kind.name, cell.many)] for kind in _SCALES]
    return [group for group in groups if group]


def _middle(group: list[Run]) -> Run:
    """The medians of some runs, as if one run."""
    first = asdict(group[0])
    names = [name for name, value in first.items() if isinstance(value, float)]
    return Run(**(first | {name: median(getattr(run, name) for run in group) for name in names}))


def _find(middles: list[Run], server: type[Relay], many: bool) -> Run | None:
    return next((run for run in middles if (run.server, run.many) == (server.name, many)), None)


def _row(run: Run, middles: list[Run]) -> list[str]:
    reference = _find(middles, PostfixRelay, run.many)
    return [
        Cell(50, run.many).text,
        run.server,
        f"{run.rate:,.0f}",
        times(run.rate, reference.rate if reference else None),
        f"{run.cpu_per_1000:.2f}",
        f"{run.pss_mib:.0f}",
        f"{run.acknowledged:,.0f}",
        f"{run.p99ms:.1f}",
    ]


def _notes(bench: Bench, bare: dict[Cell, Load]) -> list[str]:
    runs = f"Medians of {bench.rounds} runs, each" if bench.rounds > 1 else "One run,"
    alone = " and ".join(f"{load.rate:,.0f} ({cell.text})" for cell, load in bare.items())
    return [
        f"{runs} on a new directory after a warm-up; until the sink has every message, each exactly once.",
        f"The same sink (benchmarks/sink.c) for both; the load generator alone gives it {alone} messages/s.",
        "Both have the message on the disk before 250; neither uses TLS to the sink, which offers none.",
        "CPU: user and system time of all processes of the server, finished ones included.",
    ]


def _target(cell: Cell, middles: list[Run]) -> Target:
    ours, theirs = (_find(middles, kind, cell.many) for kind in (EstafetaRelay, PostfixRelay))
    ratio = ours.rate / theirs.rate if ours and theirs else None
    measured = f"{ratio:.1f} times" if ratio else "not measured"
    name = f"relaying, {cell.text}: rate against Postfix"
    return Target(name, f"at least {_WANTED:g} times", measured, judge(ratio, _WANTED, operator.ge))
