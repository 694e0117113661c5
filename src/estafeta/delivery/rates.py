"""How fast and over how many connections a destination may be sent to (row Q2; `delivery.rate_rules`)."""

import fnmatch
import re
from collections.abc import Sequence
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind

_RULE = re.compile(r"(\S+)\s+(?:(\d{1,9})/(s|m|h)|-)(?:\s+(\d{1,5}))?")
_MOST_BUCKETS = 1000
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Rate(NamedTuple):
    """At most `messages` in `seconds` (0: no limit) over at most `connections` (0: the usual number)."""

    messages: int = 0
    seconds: int = 1
    connections: int = 0


class RateRule(NamedTuple):
    """A rate for the destinations whose names match."""

    pattern: str
    rate: Rate


def parse_rate_rule(line: str) -> RateRule:
    """`example.org 100/m 2`; `-` instead of a number per time is no limit. Raises EstafetaError INVALID."""
    match = _RULE.fullmatch(line.strip())
    if match is None or (match[2] is not None and int(match[2]) == 0):
        raise EstafetaError(
            Kind.INVALID, f"{line!r} is no rate: write it as `example.org 100/m` or `example.org 100/m 2`."
        )
    pattern, messages, unit, connections = match.groups()
    return RateRule(pattern.lower(), Rate(int(messages or 0), _SECONDS.get(unit or "s", 1), int(connections or 0)))


def find_rate(rules: Sequence[RateRule], name: str) -> Rate:
    """The rate of the first rule that matches a domain or host."""
    name = name.lower()
    return next((rule.rate for rule in rules if fnmatch.fnmatchcase(name, rule.pattern)), Rate())


class Bucket:
    """Lets messages through at a rate; a second's worth may go at once. `now` is monotonic seconds."""

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._interval = rate.seconds / rate.messages if rate.messages else 0.0
        self._burst = max(1.0, self._interval)
        self._next = now

    def wait_seconds(self, now: float) -> float:
        """Take one; how long it has to wait."""
        if not self._interval:
            return 0.0
        self._next = max(self._next, now - self._burst) + self._interval
        return max(0.0, self._next - self._interval - now)

    def give_back(self) -> None:
        """The one that was taken last is not used."""
        self._next -= self._interval

    def is_full(self, now: float) -> bool:
        """Whether it is as if nothing had ever been sent."""
        return self._next <= now - self._burst


class Buckets:
    """The buckets of destinations, by name: they outlive the connections that they are for."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def find(self, name: str, rules: Sequence[RateRule], now: float) -> Bucket:
        """The bucket of a domain or host."""
        rate = find_rate(rules, name)
        if not rate.messages:
            return Bucket(rate, now)
        bucket = self._buckets.get(name)
        if bucket is None or bucket.rate != rate:
            if len(self._buckets) >= _MOST_BUCKETS:
                self._buckets = {key: one for key, one in self._buckets.items() if not one.is_full(now)}
            bucket = self._buckets[name] = Bucket(rate, now)
        return bucket
