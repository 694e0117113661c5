"""The report of a day, ready to be mailed."""

import time
from typing import NamedTuple

from estafeta.journal.stats import collect
from estafeta.journal.stats_html import in_html
from estafeta.journal.stats_text import in_text
from estafeta.storage.database import Database


class DailyReport(NamedTuple):
    """What the message about a day holds."""

    subject: str
    text: str
    html: str


def daily_report(database: Database, now_seconds: float, *, hostname: str) -> DailyReport:
    """The report of the local day before the one of `now_seconds`."""
    since_ms, until_ms = midnight_ms(now_seconds, -1), midnight_ms(now_seconds)
    report = collect(database, since_ms, until_ms, hostname=hostname)
    totals = report.totals
    day = time.strftime("%Y-%m-%d", time.localtime(since_ms / 1000))
    subject = (
        f"Mail at {hostname} on {day}: {totals.received} received, {totals.filed + totals.sent} delivered,"
        f" {totals.failed} failed"
    )
    return DailyReport(subject, in_text(report), in_html(report))


def midnight_ms(now_seconds: float, days: int = 0) -> int:
    """Where the local day of a moment, or one some days before or after it, begins; epoch milliseconds."""
    day = time.localtime(now_seconds)
    return int(time.mktime((day.tm_year, day.tm_mon, day.tm_mday + days, 0, 0, 0, 0, 0, -1)) * 1000)
