"""What signing costs: mail of a domain of ours relayed unsigned, signed with Ed25519, with RSA-2048, and with both.

Nothing differs between two loads but which keys of the domain are active; both is what a domain has by default. They
take turns on one server.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from benchmarks.bench import Bench, Section, median
from benchmarks.clients import Plan
from benchmarks.estafeta_server import Estafeta, command
from benchmarks.relay_servers import ELSEWHERE, EstafetaRelay, Relay
from benchmarks.server import DOMAIN

_USERS = 100
#: Until all workers know of a changed setting or key.
_NOTICE_SECONDS = 1.0
_KINDS = {"no signature": (), "Ed25519": ("ed25519",), "RSA-2048": ("rsa",), "both": ("ed25519", "rsa")}


@dataclass(frozen=True, slots=True)
class Run:
    """One load. `rate` is messages/s end to end."""

    what: str
    rate: float
    cpu_per_1000: float


def run(bench: Bench) -> Section | None:
    if not bench.available([Estafeta]):
        return None
    Relay.sink_program = bench.clients.sink
    messages = 1500 if bench.quick else 6000
    with bench.running(EstafetaRelay, _USERS) as server:
        assert isinstance(server, EstafetaRelay)
        for kind in ("ed25519", "rsa"):
            command(server.directory, "dkim", "create", DOMAIN, "--kind", kind, "--selector", kind)
        runs = _alternate(bench, server, messages)
    return _section(messages, runs)


def _alternate(bench: Bench, server: EstafetaRelay, messages: int) -> list[Run]:
    sent = 0

    def load(count: int) -> float:
        nonlocal sent
        sent += count
        plan = Plan(50, count, many=True, users=_USERS, domain=ELSEWHERE, sender=DOMAIN)
        begun = bench.clients.load(server.smtp_port, plan).begun
        return count / (server.await_relayed(sent).last - begun)

    load(messages // 4)
    runs = []
    for number in range(1 if bench.quick else 3):
        for what in sorted(_KINDS, reverse=bool(number % 2)):
            _use(server, _KINDS[what])
            cpu = server.group.cpu_seconds()
            rate = load(messages)
            cpu = (server.group.cpu_seconds() - cpu) / messages * 1000
            runs.append(Run(what, rate, cpu))
            bench.say(f"  {what}: {rate:.0f}/s, {cpu:.2f} s CPU/1000")
    return runs


def _use(server: EstafetaRelay, kinds: tuple[str, ...]) -> None:
    """Sign with these keys."""
    for kind in ("ed25519", "rsa"):
        state = command(server.directory, "dkim", "list", DOMAIN)
        active = any(line.split()[1:4:2] == [kind, "active"] for line in state.splitlines())
        if active != (kind in kinds):
            words = ("activate", DOMAIN, kind, "--yes") if kind in kinds else ("retire", DOMAIN, kind)
            command(server.directory, "dkim", *words)
    time.sleep(_NOTICE_SECONDS)


def _section(messages: int, runs: list[Run]) -> Section:
    cpu = {what: median(run.cpu_per_1000 for run in runs if run.what == what) for what in _KINDS}
    rows = [
        [
            what,
            f"{median(run.rate for run in runs if run.what == what):,.0f}",
            f"{cpu[what]:.2f}",
            f"{cpu[what] - cpu['no signature']:+.2f}",
        ]
        for what in _KINDS
    ]
    return Section(
        "signing_cost",
        "What signing costs (Estafeta, relaying, 50 sessions, many per connection)",
        ["signed with", "messages/s", "CPU s per 1000", "of that signing"],
        rows,
        [f"Medians of {len(runs) // len(rows)} loads of {messages:,} messages of 4 KiB each, by turns."],
        [],
        [asdict(run) for run in runs],
    )
