"""Ages, volumes and moments of the queue in few letters, and moments to come as people write them."""

import re
import time
from datetime import datetime, timedelta

import typer

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAYS = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%y%m%d:%H%M")
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
#: Beyond it nobody waits (the year 2100).
_LATEST_MS = 4_102_444_800_000


def age(ms: int) -> str:
    """`45s`, `12m`, `5h`, `34d`: a time that has passed, or is to pass."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if ms >= size:
            return f"{ms // size}{unit}"
    return f"{max(ms, 0) // 1000}s"


def span(ms: int) -> str:
    """`45 s`, `12 min`, `5 h 20 min`, `3 d 4 h`."""
    parts: list[str] = []
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if ms >= size and len(parts) < 2:
            parts.append(f"{ms // size} {unit}")
            ms %= size
    return " ".join(parts) or f"{max(ms, 0) // 1000} s"


def volume(octets: int) -> str:
    """`1740`, `28KB`, `4.2MB`: octets as exiqsumm writes them."""
    for size, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if octets >= size * (10 if unit == "KB" else 1):
            number = octets / size
            return f"{number:.1f}{unit}" if number < 10 else f"{number:.0f}{unit}"
    return str(octets)


def moment(ms: int) -> str:
    """`2026-03-01 12:00:05`, local time; "" for 0."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ms / 1000)) if ms else ""


def exim_moment(ms: int) -> str:
    """`28-Jun-2002 09:42:48`, local time."""
    return time.strftime("%d-%b-%Y %H:%M:%S", time.localtime(ms / 1000))


def due(ms: int, now_ms: int) -> str:
    """`now`, or `in 12 min (2026-03-01 12:00:05)`."""
    return "now" if ms <= now_ms else f"in {span(ms - now_ms)} ({moment(ms)})"


def many(number: int, one: str, more: str = "") -> str:
    """`1 message`, `3 messages`."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"


def parse_ahead(text: str, now_ms: int) -> int:
    """Epoch milliseconds of a moment to come: `now`, `+2h`, `11:00` (the next), `2026-11-25 11:00`, `261125:1100`.
    BadParameter otherwise."""
    plain = text.strip().lower()
    if plain == "now":
        return now_ms
    if ahead := re.fullmatch(r"\+? ?(\d{1,6}) ?(s|min|m|h|d|w)", plain, re.ASCII):
        return min(_LATEST_MS, now_ms + int(ahead[1]) * _UNITS[ahead[2]] * 1000)
    here = datetime.fromtimestamp(now_ms / 1000)
    if today := re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", plain, re.ASCII):
        then = here.replace(hour=int(today[1]), minute=int(today[2]), second=0, microsecond=0)
        return int((then if then > here else then + timedelta(days=1)).timestamp() * 1000)
    for form in _DAYS:
        try:
            return max(0, min(_LATEST_MS, int(datetime.strptime(text.strip(), form).timestamp() * 1000)))
        except (ValueError, OverflowError):
            continue
    raise typer.BadParameter(f"{text!r} is no time: write for example now, +2h, 11:00 or 2026-11-25 11:00")
