"""The times of operations on several servers, and the table and targets made of them.

Each operation is compared with both Dovecots; a target is met when it is met beside both.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.bench import Section, Target, judge, median
from benchmarks.imap_servers import DOVECOTS, EstafetaImap, ImapServer

_SHORT = tuple(name.rpartition(" ")[2] for name in DOVECOTS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An operation has to be at least `times` as fast as in each Dovecot; None: it is only reported."""

    operation: str
    times: float | None = None


@dataclass(slots=True)
class Times:
    """Seconds by operation and server, in the order in which they were first added."""

    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, operation: str, server: ImapServer, seconds: float) -> None:
        self.seconds.setdefault(operation, {}).setdefault(server.name, []).append(seconds)

    def median(self, operation: str, server: str) -> float | None:
        runs = self.seconds.get(operation, {}).get(server)
        return median(runs) if runs else None

    def ratios(self, operation: str) -> list[float | None]:
        """How many times as fast as each of the Dovecots Estafeta is."""
        ours = self.median(operation, EstafetaImap.name)
        theirs = [self.median(operation, name) for name in DOVECOTS]
        return [time / ours if ours and time else None for time in theirs]

    def section(
        self, name: str, title: str, notes: list[str], wanted: list[Wanted], others: Sequence[Target] = ()
    ) -> Section:
        """The table of all operations; `wanted` are those with targets beside the reference, `others` further ones."""
        return Section(
            name,
            title,
            ["operation", f"{EstafetaImap.name} ms", *(f"{name} ms" for name in DOVECOTS), *(f"× {n}" for n in _SHORT)],
            [self._row(operation) for operation in self.seconds],
            notes,
            [*(self._target(one) for one in wanted if one.times is not None), *others],
            [
                {"operation": operation, "server": server, "seconds": runs}
                for operation, servers in self.seconds.items()
                for server, runs in servers.items()
            ],
        )

    def _row(self, operation: str) -> list[str]:
        medians = [self.median(operation, name) for name in (EstafetaImap.name, *DOVECOTS)]
        ratios = ["-" if ratio is None else f"{ratio:.2f}" for ratio in self.ratios(operation)]
        return [operation, *map(_milliseconds, medians), *ratios]

    def _target(self, wanted: Wanted) -> Target:
        assert wanted.times is not None
        found = {name: ratio for name, ratio in zip(_SHORT, self.ratios(wanted.operation), strict=True) if ratio}
        measured = ", ".join(f"{ratio:.2f} × {name}" for name, ratio in found.items()) or "not measured"
        met = judge(min(found.values(), default=None), wanted.times, operator.ge)
        return Target(f"IMAP: {wanted.operation}", f"at least {wanted.times:g} × Dovecot", measured, met)


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1e3:,.1f}" if seconds < 1 else f"{seconds * 1e3:,.0f}"
