"""What the parts of a run share: directories, clients, which servers can be had, progress on the terminal."""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.clients import Clients
from benchmarks.server import Server, Skip


@dataclass(frozen=True, slots=True)
class Target:
    """Something Estafeta promises, and what was measured. `met` is None when it could not be judged."""

    name: str
    wanted: str
    measured: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the report. `data` is everything measured, run by run, for the JSON file."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]
    targets: list[Target]
    data: list[dict[str, Any]]


@dataclass(slots=True)
class Bench:
    """One run of the benchmarks. `root` holds a new directory for each start of a server; `only` is a part of the
    names of the servers to measure.
    """

    root: Path
    clients: Clients
    console: Console
    quick: bool
    only: str = ""
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def rounds(self) -> int:
        return 1 if self.quick else 3

    def new_directory(self) -> Path:
        directory = self.root / f"{next(self._numbers):03d}"
        directory.mkdir()
        directory.chmod(0o755)
        return directory

    def available(self, servers: Iterable[type[Server]]) -> list[type[Server]]:
        """Those of `servers` that can be measured here; why the others cannot is noted."""
        wanted = [server for server in servers if self.only.lower() in server.name.lower()]
        return [server for server in wanted if self._prepare(server)]

    def _prepare(self, server: type[Server]) -> bool:
        if server.name in self.skipped or server.name in self.versions:
            return server.name in self.versions
        try:
            server.prepare()
        except (Skip, OSError) as reason:
            self.skipped[server.name] = " ".join(str(reason).split())
            self.say(f"  skipped {server.name}: {self.skipped[server.name]}")
            return False
        self.versions[server.name] = server.version()
        return True

    @contextmanager
    def running(self, kind: type[Server], users: int) -> Iterator[Server]:
        """A server of `kind`, started on a new directory, ended afterwards. Dirty pages are written out first."""
        os.sync()
        server = kind(self.new_directory(), users)
        try:
            server.start()
            yield server
        except RuntimeError as error:
            raise RuntimeError(f"{error} {server.last_words()}") from error
        finally:
            server.stop()

    def fail(self, what: str, error: Exception) -> None:
        """Notes that something could not be measured because it went wrong: the run ends with status 1."""
        self.failed[what] = " ".join(str(error).split()) or type(error).__name__
        self.say(f"  FAILED {what}: {self.failed[what]}")

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def times(value: float, reference: float | None) -> str:
    """How many times `reference` a value is."""
    return f"{value / reference:.1f}" if reference else "-"


def judge(measured: float | None, wanted: float, compare: Callable[[float, float], bool]) -> bool | None:
    return None if measured is None else compare(measured, wanted)
