"""What starting costs, and what a worker holds in memory after much work."""

from __future__ import annotations

import operator
import subprocess
import time
from typing import Any

from benchmarks.bench import Bench, Section, Target, judge, median
from benchmarks.clients import Plan
from benchmarks.estafeta_server import COMMAND, Estafeta

_USERS = 100
#: The processes of `serve --workers 1` in the order of their start.
_PROCESSES = ("supervisor", "writer", "indexer", "worker")


def run(bench: Bench) -> Section | None:
    if not bench.available([Estafeta]):
        return None
    count = 3 if bench.quick else 7
    messages = 20_000 if bench.quick else 100_000
    help_seconds = median(_help() for _ in range(count))
    ready_seconds = median(_ready(bench) for _ in range(count))
    idle, worked = _memory(bench, messages)
    rows = [
        ["`estafeta --help`", f"{help_seconds:.3f} s"],
        ["`estafeta serve` until ready", f"{ready_seconds:.3f} s"],
    ]
    for name in reversed(_PROCESSES):
        rows.append([f"{name}, resident, just started", f"{idle[name]:.0f} MiB"])
        rows.append([f"{name}, resident, after {messages:,} messages", f"{worked[name]:.0f} MiB"])
    data: dict[str, Any] = {"help_seconds": help_seconds, "ready_seconds": ready_seconds}
    data |= {"idle_mib": idle, "worked_mib": worked, "messages": messages}
    return Section(
        "start",
        "Starting, and memory (Estafeta)",
        ["what", "measured"],
        rows,
        [
            f"Times are medians of {count}. Memory: VmRSS, which counts shared pages in full, of the processes of"
            " `serve --workers 1`; 50 sessions, many messages of 4 KiB per connection."
        ],
        [
            _target("`estafeta --help`", help_seconds, 0.25, "s"),
            _target("`serve` until ready", ready_seconds, 1, "s"),
            _target(f"worker after {messages:,} messages", worked["worker"], 80, "MiB"),
        ],
        [data],
    )


def _target(name: str, measured: float, most: float, unit: str) -> Target:
    digits = 3 if unit == "s" else 0
    met = judge(measured, most, operator.le)
    return Target(name, f"at most {most:g} {unit}", f"{measured:.{digits}f} {unit}", met)


def _help() -> float:
    begun = time.monotonic()
    subprocess.run([COMMAND, "--help"], check=True, capture_output=True)
    return time.monotonic() - begun


def _ready(bench: Bench) -> float:
    server = Estafeta(bench.new_directory(), _USERS)
    try:
        server.install()
        return server.start_serve()
    finally:
        server.stop()


def _memory(bench: Bench, messages: int) -> tuple[dict[str, float], dict[str, float]]:
    """Resident MiB of each process: just started, and after `messages`."""
    server = Estafeta(bench.new_directory(), _USERS)
    try:
        server.start("--workers", "1")
        idle = _resident(server)
        bench.clients.load(server.smtp_port, Plan(50, messages, many=True, users=_USERS))
        return idle, _resident(server)
    finally:
        server.stop()


def _resident(server: Estafeta) -> dict[str, float]:
    return {name: octets / 2**20 for name, octets in zip(_PROCESSES, server.group.rss_bytes(), strict=True)}
