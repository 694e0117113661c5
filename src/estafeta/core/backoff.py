"""Retry rules: when what could not be delivered is tried again, read as Exim reads them.

A rule is a line of a domain pattern, an error, and times: `* * F,2h,15m; G,16h,2h,1.5; F,4d,8h`. Each part of the times
begins with its cut-off, counted from the first failure; the first part whose cut-off is not past counts. F: a fixed
interval from now. G: the interval named, and then each time the last one (from the last try to now) multiplied by the
factor. H: as G, but by chance, at least half of what is above the interval named. No interval is over 24 hours. After
the cut-off of the last part a message goes back. The first rule whose domain and error match counts; where none does,
or one without times, nothing is tried again.

Domain patterns have * and ?, those with @ are matched with the whole address. Errors: `*`; a word such as timeout,
refused, lost, dns, tls, auth, quota, greylisted; or a reply code in which x stands for any digit (4xx, 45x, 451).
"""

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind

#: Longest time between two tries (Exim: retry_interval_max).
MAX_INTERVAL_MS = 86_400_000
# How much shorter than planned an interval may be and still count as it.
_SLACK_PERCENT = 2
_MAX_MS = 10 * 366 * MAX_INTERVAL_MS
_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_TIME = re.compile(r"(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s?)?", re.ASCII)
_FACTOR = re.compile(r"\d{1,4}(?:\.\d{1,3})?", re.ASCII)
_CODE = re.compile(r"[2-5][0-9x]{2}", re.ASCII)
#: Errors that have names; others are reply codes.
ERRORS = frozenset(
    ["*", "timeout", "refused", "lost", "dns", "tls", "auth", "quota", "greylisted", "protocol", "local"]
)
_RULE = "A retry rule is a domain, an error and times, as in `* * F,2h,15m; G,16h,2h,1.5; F,4d,8h`"


class Part(NamedTuple):
    """One part of a rule. `letter` F, G or H; `factor` in thousandths, of G and H."""

    letter: str
    cutoff_ms: int
    interval_ms: int
    factor: int = 1000


@dataclass(frozen=True, slots=True)
class Schedule:
    """The times of a rule."""

    parts: tuple[Part, ...] = ()

    @property
    def lifetime_ms(self) -> int:
        """How long a message is tried: the last cut-off. 0: one try only."""
        return self.parts[-1].cutoff_ms if self.parts else 0

    def next_ms(
        self,
        first_failed_ms: int,
        last_try_ms: int,
        now_ms: int,
        jitter_percent: float = 0,
        rand: Callable[[], float] = random.random,
        *,
        planned_ms: int = 0,
        beyond: bool = False,
    ) -> int | None:
        """When to try again after the failure of now; None when the last cut-off is past, or there are no times.

        `first_failed_ms`: the first failure (of now: 0 or `now_ms`); `last_try_ms` the try before this one, and
        `planned_ms` when this one should have been, where that is known: a server that stood still does not make
        intervals grow. The interval is changed by up to `jitter_percent` either way, as `rand` (0 to 1) says. `beyond`:
        after the last cut-off the last part goes on, as for a destination for which new mail still comes."""
        failing = now_ms - first_failed_ms if first_failed_ms else 0
        part = next((part for part in self.parts if failing <= part.cutoff_ms), None)
        if part is None:
            if not (beyond and self.parts):
                return None
            part = self.parts[-1]
        last = now_ms - last_try_ms if last_try_ms and failing else 0
        if planned_ms > last_try_ms:
            last = min(last, planned_ms - last_try_ms)
        least = part.interval_ms * (100 - _SLACK_PERCENT - jitter_percent) / 100
        interval = min(_interval(part, last, least, rand), MAX_INTERVAL_MS)
        if jitter_percent:
            interval += int(interval * jitter_percent / 100 * (2 * rand() - 1))
        return now_ms + max(interval, 1)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. `error` is `*`, a word, or a code with x for any digit."""

    pattern: str
    error: str
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class RetryRules:
    """All rules, in their order."""

    rules: tuple[Rule, ...] = ()

    def find(self, domain: str, error: str) -> Schedule:
        """The times for a domain (or an address) and an error: a word or a reply code, or both, separated by a space;
        `*` is no error in particular."""
        words = error.lower().split()
        for rule in self.rules:
            if _is_error(rule.error, words) and _is_domain(rule.pattern, domain):
                return rule.schedule
        return _NONE


def parse_retry_rules(lines: Iterable[str]) -> RetryRules:
    """Rules from their lines; empty ones and those that begin with # are passed over. Raises EstafetaError INVALID."""
    return RetryRules(tuple(parse_retry_rule(line) for line in lines if line.strip() and line.strip()[0] != "#"))


def parse_retry_rule(line: str) -> Rule:
    """One rule. Raises EstafetaError INVALID."""
    line = line.strip()
    pattern, error, times = (*line.split(None, 2), "", "")[:3]
    if error.lower() not in ERRORS and not _CODE.fullmatch(error.lower()):
        raise _invalid(line, f"{error!r} is no error" if error else "")
    parts = tuple(_parse_part(line, part.strip()) for part in times.split(";") if part.strip())
    return Rule(pattern.lower().rstrip("."), error.lower(), Schedule(parts))


def parse_time_ms(text: str) -> int | None:
    """A time as Exim writes it, largest unit first: 15m, 1h30m, 2w, 90 (seconds). None: it is none."""
    match = _TIME.fullmatch(text)
    if not text or match is None:
        return None
    total = sum(int(number or 0) * unit for number, unit in zip(match.groups(), _DESCENDING, strict=True))
    return total if total <= _MAX_MS else None


_NONE = Schedule()
_DESCENDING = tuple(_UNITS[letter] for letter in "wdhms")


def _interval(part: Part, last: int, least: float, rand: Callable[[], float]) -> int:
    """`least`: a last interval from which the next one grows. One that was the first of the part comes out a little
    shorter, by jitter and by the time that the try took."""
    if part.letter == "F" or last < least:
        return part.interval_ms
    grown = max(last, part.interval_ms) * part.factor // 1000
    if part.letter == "G":
        return grown
    more = max(grown - part.interval_ms, 0)
    return part.interval_ms + more // 2 + int(rand() * (more / 2))


def _is_error(pattern: str, words: list[str]) -> bool:
    if pattern == "*":
        return True
    if not pattern[0].isdigit():
        return pattern in words
    return any(len(word) == 3 and all(p in ("x", w) for p, w in zip(pattern, word, strict=True)) for word in words)


def _is_domain(pattern: str, domain: str) -> bool:
    if pattern == "*":
        return True
    name = domain if "@" in pattern else domain.rpartition("@")[2]
    return _matcher(pattern).fullmatch(name.rstrip(".").lower()) is not None


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(sign) or re.escape(sign) for sign in pattern), re.DOTALL)


def _parse_part(line: str, text: str) -> Part:
    letter, *fields = (field.strip() for field in text.split(","))
    letter = letter.upper()
    times = [parse_time_ms(field) for field in fields[:2]]
    if letter not in ("F", "G", "H") or len(fields) != (2 if letter == "F" else 3) or None in times:
        raise _invalid(line, f"{text!r} is none of F,CUTOFF,INTERVAL and G,CUTOFF,INTERVAL,FACTOR")
    cutoff, interval = (time or 0 for time in times)
    factor = 1000
    if letter != "F":
        if not _FACTOR.fullmatch(fields[2]) or float(fields[2]) < 1:
            raise _invalid(line, f"the factor in {text!r} is no number of at least 1, with up to three decimals")
        factor = round(float(fields[2]) * 1000)
    if interval < 1000:
        raise _invalid(line, f"the interval in {text!r} is less than a second")
    return Part(letter, cutoff, interval, factor)


def _invalid(line: str, reason: str) -> EstafetaError:
    what = f": {reason}" if reason else ""
    return EstafetaError(Kind.INVALID, f"{_RULE}; {line[:200]!r} is none{what}.")
