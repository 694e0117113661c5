"""Moments as people write them on the command line: `7d`, `12h`, `2026-03-01`, `2026-03-01 14:30`, `all`."""

import re
import time
from datetime import datetime

import typer

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")

# Later ones have no idents (beyond the year 2100).
_LATEST_MS = 1 << 42


def parse_moment(text: str, now: float | None = None) -> int:
    """Epoch milliseconds: so long ago, or that local time; `all` is 0, `today` and `yesterday` where they begin.
    BadParameter otherwise."""
    plain, here = text.strip().lower(), time.time() if now is None else now
    if plain in ("all", "ever"):
        return 0
    if plain in ("today", "yesterday"):
        from estafeta.journal.daily import midnight_ms

        return midnight_ms(here, -1 if plain == "yesterday" else 0)
    if ago := re.fullmatch(r"(\d{1,6}) ?(s|min|m|h|d|w)", plain, re.ASCII):
        return max(0, int((here - int(ago[1]) * _UNITS[ago[2]]) * 1000))
    for form in _FORMS:
        try:
            return min(_LATEST_MS, max(0, int(datetime.strptime(text.strip(), form).astimezone().timestamp() * 1000)))
        except (ValueError, OverflowError):
            continue
    raise typer.BadParameter(f"{text!r} is no time: write for example 12h, 7d, 2026-03-01 or all")
