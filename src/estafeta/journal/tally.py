"""Counting by name in bounded memory, and the values of a report."""

from dataclasses import dataclass, field
from typing import NamedTuple

# Names kept in one table; with more, those with the fewest go, so that the largest stay right for all practical ends.
_NAMES = 40_000
_LONGEST = 200


class Ranked(NamedTuple):
    """A name with what was counted for it: messages (or recipients, or refusals) and octets."""

    name: str
    number: int
    bytes: int


class Tally:
    """Counts and octets by name."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}

    def add(self, name: str, octets: int = 0, number: int = 1) -> None:
        """Count one more."""
        mine = self._counts.get(name[:_LONGEST])
        if mine is None:
            mine = self._counts[name[:_LONGEST]] = [0, 0]
            if len(self._counts) > _NAMES:
                self._forget_small()
        mine[0] += number
        mine[1] += octets

    def top(self, number: int) -> tuple[Ranked, ...]:
        """The largest, first those with the highest count."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
        return tuple(Ranked(name, count, octets) for name, (count, octets) in ordered[:number] if count > 0)

    def __len__(self) -> int:
        return len(self._counts)

    def _forget_small(self) -> None:
        largest = sorted(self._counts.items(), key=lambda item: item[1][0], reverse=True)
        self._counts = dict(largest[: _NAMES // 2])


@dataclass(slots=True)
class Totals:
    """What happened in the time of a report. Messages are counted as they come, recipients as they are served."""

    received: int = 0
    received_bytes: int = 0
    received_tls: int = 0
    made_here: int = 0
    relayed: int = 0
    """Of those received, how many were for other servers and came from nobody who signed in."""
    submitted: int = 0
    """Of those received, how many users sent who signed in."""
    filed: int = 0
    filed_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    sent_tls: int = 0
    sent_at_once: int = 0
    put_off: int = 0
    """Attempts that are to be repeated."""
    delayed: int = 0
    """Messages of which at least one recipient was put off."""
    failed: int = 0
    refused: int = 0
    notices: int = 0
    read: int = 0
    list_messages: int = 0


@dataclass(slots=True)
class Bucket:
    """A piece of the time and what happened in it: when it begins, in milliseconds since 1970, or since midnight."""

    begins_ms: int
    received: int = 0
    delivered: int = 0
    failed: int = 0
    refused: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Statistics of a time. `waits`: recipients at other servers by the time from coming to delivery: the upper bound
    in seconds (0: none), how many. `hours`: by hour of the day, all days together. `tables`: heading -> the largest."""

    since_ms: int
    until_ms: int
    hostname: str
    totals: Totals
    bucket_seconds: int
    timeline: tuple[Bucket, ...]
    hours: tuple[Bucket, ...]
    waits: tuple[tuple[int, int], ...]
    tables: dict[str, tuple[Ranked, ...]] = field(default_factory=dict)
