"""Delivery end to end: from the first connection until every message can be read in its mailbox.

Every server gets the same load: 4 KiB messages from loopback to 100 mailboxes in turn, over 10, 50 and 200
sessions, with one message per connection and with many. Each run has a server of its own on directories that
nothing used before, is warmed up with some messages of the same kind, and lasts a few seconds; the order is a
round of all servers, three times over, so that what else the machine does falls on all alike. Reported are
medians of the rounds, each figure for itself.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from benchmarks.aiosmtpd_server import AiosmtpdMaildir
from benchmarks.bench import Bench, Section, Target, judge, median, times
from benchmarks.clients import Plan
from benchmarks.estafeta_server import Estafeta
from benchmarks.postfix import PostfixDovecot, PostfixVirtual
from benchmarks.server import Server

USERS = 100
REFERENCE = PostfixDovecot


@dataclass(frozen=True, slots=True)
class Scale:
    """Messages that warm a server up and messages that are counted: multiples of USERS, a few seconds' worth."""

    warm_up: int
    messages: int


SCALES: dict[type[Server], Scale] = {
    Estafeta: Scale(1000, 12000),
    PostfixDovecot: Scale(300, 1500),
    PostfixVirtual: Scale(300, 2500),
    AiosmtpdMaildir: Scale(300, 2500),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of load."""

    sessions: int
    many: bool

    @property
    def text(self) -> str:
        return f"{self.sessions} sessions, {'many per connection' if self.many else 'one per connection'}"


CELLS = [Cell(sessions, many) for many in (False, True) for sessions in (10, 50, 200)]
QUICK_CELLS = [Cell(50, False), Cell(50, True)]


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `rate` is messages/s end to end, `acknowledged` messages/s until the last 250."""

    server: str
    sessions: int
    many: bool
    messages: int
    rate: float
    acknowledged: float
    cpu_per_1000: float
    pss_mib: float
    p50ms: float
    p99ms: float
    processes: int
    load_cpu: float
    cpu_note: str


def run(bench: Bench) -> Section | None:
    runs = list(_runs(bench))
    if not runs:
        return None
    middles = [_middle(group) for group in _grouped(runs)]
    return Section(
        "delivery",
        "Delivery, end to end (4 KiB messages, 100 mailboxes)",
        [
            "load",
            "server",
            "messages/s",
            "× reference",
            "CPU s per 1000",
            "PSS MiB",
            "ack p50 ms",
            "ack p99 ms",
        ],
        [_row(run, middles) for run in middles],
        _notes(middles, bench),
        _targets(middles),
        [asdict(run) for run in runs],
    )


def _runs(bench: Bench) -> Iterator[Run]:
    """All runs. A server with which one fails is left out of the rest."""
    servers = bench.available(SCALES)
    for cell, number in itertools.product(QUICK_CELLS if bench.quick else CELLS, range(bench.rounds)):
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


def _measure(bench: Bench, kind: type[Server], cell: Cell) -> Run:
    scale = SCALES[kind]
    messages = scale.messages // 3 // USERS * USERS if bench.quick else scale.messages
    plan = Plan(cell.sessions, messages, cell.many, USERS)
    with bench.running(kind, USERS) as server:
        warm = bench.clients.load(server.smtp_port, replace(plan, messages=scale.warm_up))
        server.await_delivered(scale.warm_up, warm.ended)
        cpu = server.group.cpu_seconds()
        result = bench.clients.load(server.smtp_port, plan)
        delivered = server.await_delivered(scale.warm_up + messages, result.ended)
        cpu = server.group.cpu_seconds() - cpu
        pss, processes = server.group.pss_bytes(), len(server.group.pids())
        server.verify(scale.warm_up + messages)
        return Run(
            server=kind.name,
            sessions=cell.sessions,
            many=cell.many,
            messages=messages,
            rate=messages / (delivered - result.begun),
            acknowledged=result.rate,
            cpu_per_1000=cpu / messages * 1000,
            pss_mib=pss / 2**20,
            p50ms=result.p50ms,
            p99ms=result.p99ms,
            processes=processes,
            load_cpu=result.cpu,
            cpu_note=server.group.note,
        )


def _grouped(runs: Iterable[Run]) -> list[list[Run]]:
    groups: dict[tuple[int, bool, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.sessions, run.many, run.server), []).append(run)
    return list(groups.values())


def _middle(group: list[Run]) -> Run:
    """The medians of some runs, as if one run."""
    first = asdict(group[0])
    names = [name for name, value in first.items() if isinstance(value, float)]
    return Run(**(first | {name: median(getattr(run, name) for run in group) for name in names}))


def _find(middles: list[Run], server: type[Server], cell: Cell) -> Run | None:
    wanted = (server.name, cell.sessions, cell.many)
    return next((run for run in middles if (run.server, run.sessions, run.many) == wanted), None)


def _row(run: Run, middles: list[Run]) -> list[str]:
    cell = Cell(run.sessions, run.many)
    reference = _find(middles, REFERENCE, cell)
    return [
        cell.text,
        run.server,
        f"{run.rate:,.0f}",
        times(run.rate, reference.rate if reference else None),
        f"{run.cpu_per_1000:.2f}",
        f"{run.pss_mib:.0f}",
        f"{run.p50ms:.1f}",
        f"{run.p99ms:.1f}",
    ]


def _notes(middles: list[Run], bench: Bench) -> list[str]:
    counted = sorted({run.cpu_note for run in middles})
    runs = f"Medians of {bench.rounds} runs, each" if bench.rounds > 1 else "One run,"
    return [
        f"Reference: {REFERENCE.name} in the same run.",
        f"{runs} on a new directory after a warm-up.",
        "CPU: user and system time of all processes of the server, finished ones included"
        f" ({', '.join(counted)}); the load generator is not in it, but shares the machine.",
        "Acknowledgement: from connect (with many per connection from MAIL) to the final 250.",
    ]


def _targets(middles: list[Run]) -> list[Target]:
    one, many = Cell(50, False), Cell(50, True)
    return [
        _faster(middles, one, PostfixDovecot, 10),
        _faster(middles, many, PostfixDovecot, 15),
        _faster(middles, one, PostfixVirtual, 3.5),
        *(_frugal(middles, cell) for cell in (one, many)),
    ]


def _faster(middles: list[Run], cell: Cell, reference: type[Server], wanted: float) -> Target:
    ours, theirs = _find(middles, Estafeta, cell), _find(middles, reference, cell)
    ratio = ours.rate / theirs.rate if ours and theirs else None
    measured = f"{ratio:.1f} times" if ratio else "not measured"
    met = judge(ratio, wanted, operator.ge)
    return Target(f"{cell.text}: rate against {reference.name}", f"at least {wanted:g} times", measured, met)


def _frugal(middles: list[Run], cell: Cell) -> Target:
    ours = _find(middles, Estafeta, cell)
    measured = f"{ours.cpu_per_1000:.2f} s" if ours else "not measured"
    met = judge(ours.cpu_per_1000 if ours else None, 0.45, operator.le)
    return Target(f"{cell.text}: CPU per 1000 messages", "at most 0.45 s", measured, met)
