"""The statistics as text, in the manner of `eximstats`."""

import time
from collections.abc import Iterator, Sequence

from estafeta.journal.tally import Bucket, Report
from estafeta.journal.words import duration, moment, printable, size

_WIDTH = 50
_NAME = 62


def totals(report: Report) -> Iterator[tuple[str, int, str]]:
    """The totals: heading, number, and what there is to say besides."""
    t = report.totals
    yield "Messages received", t.received, f"{size(t.received_bytes)}, {share(t.received_tls, t.received)} with TLS"
    yield "Made here", t.made_here, "notices, lists, programs"
    yield "Sent by users", t.submitted, f"{share(t.submitted, t.received)} of those received"
    yield "Relayed", t.relayed, f"{share(t.relayed, t.received)} of those received"
    yield "Filed in mailboxes", t.filed, size(t.filed_bytes)
    yield "Delivered to others", t.sent, f"{size(t.sent_bytes)}, {share(t.sent_tls, t.sent)} with TLS"
    yield "At the first try", t.sent_at_once, f"{share(t.sent_at_once, t.sent)} of those delivered to others"
    yield "Put off", t.put_off, f"{t.delayed} messages delayed"
    yield "Failed", t.failed, f"{share(t.failed, t.failed + t.sent + t.filed)} of all recipients"
    yield "Refused", t.refused, "connections, senders, recipients, messages"
    yield "Notices", t.notices, "of non-delivery, delay and delivery"
    yield "Read", t.read, "by POP3 and IMAP"


def share(part: int, whole: int) -> str:
    """`12.5%`; nothing of nothing is `0%`."""
    return f"{100 * part / whole:.1f}%" if whole else "0%"


def title(report: Report) -> str:
    """What it is the report of."""
    at = f" at {report.hostname}" if report.hostname else ""
    return f"Mail{at} from {moment(report.since_ms)[:16]} to {moment(report.until_ms)[:16]}"


def bucket_name(report: Report, bucket: Bucket) -> str:
    """When a piece of the time line begins, as short as can be."""
    form = "%d %b %H:%M" if report.bucket_seconds < 86_400 else "%d %b %Y"
    return time.strftime(form, time.localtime(bucket.begins_ms / 1000))


def wait_name(limit: int, before: int) -> str:
    """A class of waiting times in words."""
    return f"under {duration(limit)}" if limit else f"{duration(before)} and more"


def in_text(report: Report) -> str:
    """The whole report."""
    parts = [_heading(title(report), "="), _totals(report), _timeline(report)]
    if report.bucket_seconds >= 86_400:
        parts.append(_hours(report))
    parts.append(_waits(report))
    for name, ranked in report.tables.items():
        lines = [f"{one.number:>9}  {size(one.bytes) if one.bytes else '':>11}  {_short(one.name)}" for one in ranked]
        parts.append(_heading(name) + "\n".join(lines) + "\n")
    return "\n".join(part for part in parts if part)


def _totals(report: Report) -> str:
    return "".join(f"{name:<20} {number:>10}  {more}\n" for name, number, more in totals(report))


def _timeline(report: Report) -> str:
    what = {3600: "hour", 86_400: "day"}.get(report.bucket_seconds, "week")
    return _bars(
        f"Messages received per {what}", [bucket_name(report, one) for one in report.timeline], report.timeline
    )


def _hours(report: Report) -> str:
    names = [f"{one.begins_ms // 3_600_000:02}-{one.begins_ms // 3_600_000 + 1:02}" for one in report.hours]
    return _bars("Messages received by hour of the day", names, report.hours)


def _bars(heading: str, names: Sequence[str], buckets: Sequence[Bucket]) -> str:
    most = max((one.received for one in buckets), default=0)
    if not most:
        return ""
    unit = max(1, -(-most // _WIDTH))
    lines = [
        f"{name:>12}  {one.received:>8}  {'.' * -(-one.received // unit)}".rstrip()
        for name, one in zip(names, buckets, strict=True)
    ]
    return _heading(f"{heading} (each dot is {unit})") + "\n".join(lines) + "\n"


def _waits(report: Report) -> str:
    total, before, seen, lines = sum(number for _, number in report.waits), 0, 0, []
    if not total:
        return ""
    for limit, number in report.waits:
        seen += number
        if number:
            name = wait_name(limit, before)
            lines.append(f"{name:>18}  {number:>8}  {share(number, total):>6}  {share(seen, total):>6}")
        before = limit
    return _heading("Time from coming to delivery at other servers") + "\n".join(lines) + "\n"


def _heading(text: str, line: str = "-") -> str:
    return f"{text}\n{line * len(text)}\n"


def _short(name: str) -> str:
    plain = printable(name)
    return plain if len(plain) <= _NAME else f"{plain[: _NAME - 1]}…"
