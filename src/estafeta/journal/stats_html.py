"""The statistics as one page of HTML that needs nothing from anywhere: tables, and charts as inline SVG.

It has a light and a dark side, as the reader's screen has (prefers-color-scheme), and what the charts show is in tables
or in titles, too.
"""

import html
from collections.abc import Callable, Sequence

from estafeta.journal.stats_text import bucket_name, share, title, totals, wait_name
from estafeta.journal.tally import Bucket, Ranked, Report
from estafeta.journal.words import printable, size

_STYLE = """
:root { color-scheme: light dark; --ground: #f7f8fa; --card: #fff; --ink: #1c2430; --soft: #5d6b7e; --line: #e2e6ec;
  --first: #2f6fde; --second: #23a08c; --bad: #d1495b; --warm: #d98b1f; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --card: #1a2029; --ink: #e6eaf0; --soft: #93a1b5;
  --line: #2b3440; --first: #6a9cf5; --second: #4cc7b3; --bad: #ee7283; --warm: #e9ac53; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 48px; }
h1 { font-size: 22px; margin: 0; font-weight: 650; letter-spacing: -.01em; }
h2 { font-size: 15px; margin: 0 0 12px; font-weight: 620; }
.when { color: var(--soft); margin: 4px 0 22px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-bottom: 12px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px;
  min-width: 0; }
.figures b { display: block; font-size: 25px; font-weight: 640; font-variant-numeric: tabular-nums; line-height: 1.2; }
.figures span { color: var(--soft); font-size: 13px; }
.figures .name { color: var(--ink); font-size: 13px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 12px;
  margin-top: 12px; }
.wide { margin-top: 12px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 11px; font-family: inherit; }
.legend { color: var(--soft); font-size: 13px; margin: 0 0 8px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin: 0 5px 0 14px; }
.legend i:first-child { margin-left: 0; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; font-size: 14px; }
td { padding: 5px 0; border-top: 1px solid var(--line); vertical-align: top; }
tr:first-child td { border-top: 0; }
td.n { width: 72px; text-align: right; font-variant-numeric: tabular-nums; padding-left: 10px; }
td.b { width: 92px; text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; padding-left: 10px; }
td.w { overflow-wrap: anywhere; }
.bar { height: 4px; border-radius: 2px; background: var(--first); margin-top: 3px; min-width: 2px; }
footer { color: var(--soft); font-size: 13px; margin-top: 24px; }
"""
_FIRST, _SECOND, _BAD, _WARM = "var(--first)", "var(--second)", "var(--bad)", "var(--warm)"
_BAD_TABLES = ("Failures", "Refused", "Reasons for refusal")
_WARM_TABLES = ("Reasons for delay", "Not reached")
_WIDTH, _HEIGHT, _LEFT, _BELOW, _ABOVE = 1000, 220, 52, 24, 10
_Series = tuple[str, str, Callable[[Bucket], int]]


def in_html(report: Report) -> str:
    """The whole page."""
    heading = f"Mail at {report.hostname}" if report.hostname else "Mail"
    time = title(report).partition(" from ")[2]
    body = [
        f"<h1>{_e(heading)}</h1><p class=when>{_e(time.replace(' to ', ' – '))}</p>",
        _figures(report),
        _over_time(report),
        f"<div class=pair>{_hours(report)}{_waits(report)}</div>",
        "<div class=pair>",
        *(_table(name, ranked) for name, ranked in report.tables.items()),
        "</div><footer>Made by Estafeta from its journal.</footer>",
    ]
    return (
        '<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>{_e(title(report))}</title><style>{_STYLE}</style><main>{''.join(body)}</main></html>\n"
    )


def _figures(report: Report) -> str:
    cards = (
        f"<div class=card><span class=name>{_e(name)}</span><b>{_grouped(number)}</b><span>{_e(more)}</span></div>"
        for name, number, more in totals(report)
    )
    return f"<div class=figures>{''.join(cards)}</div>"


def _over_time(report: Report) -> str:
    what = {3600: "hour", 86_400: "day"}.get(report.bucket_seconds, "week")
    series: list[_Series] = [
        ("received", _FIRST, lambda one: one.received),
        ("delivered", _SECOND, lambda one: one.delivered),
    ]
    bad: list[_Series] = [
        ("failed", _BAD, lambda one: one.failed),
        ("refused", _WARM, lambda one: one.refused),
    ]
    series += [one for one in bad if any(map(one[2], report.timeline))]
    names = [bucket_name(report, one) for one in report.timeline]
    chart = _columns(names, report.timeline, series)
    return f"<div class='card wide'><h2>Per {what}</h2>{_legend(series)}{chart}</div>"


def _hours(report: Report) -> str:
    names = [f"{one.begins_ms // 3_600_000:02}:00" for one in report.hours]
    series: list[_Series] = [
        ("received", _FIRST, lambda one: one.received),
        ("delivered", _SECOND, lambda one: one.delivered),
    ]
    chart = _columns(names, report.hours, series, width=520)
    return f"<div class=card><h2>By hour of the day</h2>{_legend(series)}{chart}</div>"


def _waits(report: Report) -> str:
    total, before, rows = sum(number for _, number in report.waits), 0, []
    for limit, number in report.waits:
        if number:
            rows.append(_row(wait_name(limit, before), number, share(number, total), number / total, _SECOND))
        before = limit
    inside = f"<table>{''.join(rows)}</table>" if rows else "<p class=legend>Nothing went to other servers.</p>"
    return f"<div class=card><h2>Time from coming to delivery at other servers</h2>{inside}</div>"


def _table(name: str, ranked: Sequence[Ranked]) -> str:
    color = _BAD if name in _BAD_TABLES else _WARM if name in _WARM_TABLES else _FIRST
    most = max(one.number for one in ranked) if ranked else 1
    rows = (
        _row(printable(one.name), one.number, size(one.bytes) if one.bytes else "", one.number / most, color)
        for one in ranked
    )
    return f"<div class=card><h2>{_e(name)}</h2><table>{''.join(rows)}</table></div>"


def _row(name: str, number: int, more: str, part: float, color: str) -> str:
    bar = f"<div class=bar style='width:{100 * part:.1f}%;background:{color}'></div>"
    return f"<tr><td class=w>{_e(name)}{bar}<td class=n>{_grouped(number)}<td class=b>{_e(more)}</tr>"


def _legend(series: Sequence[_Series]) -> str:
    marks = (f"<i style='background:{color}'></i>{_e(name)}" for name, color, _ in series)
    return f"<p class=legend>{''.join(marks)}</p>"


def _columns(names: Sequence[str], buckets: Sequence[Bucket], series: Sequence[_Series], width: int = _WIDTH) -> str:
    """Columns side by side, with lines at round numbers and as many names below as have room."""
    top = _round_up(max((value(one) for one in buckets for _, _, value in series), default=0))
    room, step = _HEIGHT - _BELOW - _ABOVE, (width - _LEFT) / max(1, len(buckets))
    thick = min(28.0, step * 0.8 / len(series))
    parts = [_line(level, top, room, width) for level in _levels(top)]
    every = max(1, -(-len(buckets) // max(1, (width - _LEFT) // 90)))
    for place, (name, bucket) in enumerate(zip(names, buckets, strict=True)):
        middle = _LEFT + step * (place + 0.5)
        words = ", ".join(f"{value(bucket)} {what}" for what, _, value in series)
        inside = [
            _column(middle + (number - len(series) / 2) * thick, thick, value(bucket) / top * room, room, color)
            for number, (_, color, value) in enumerate(series)
            if value(bucket)
        ]
        parts.append(f"<g><title>{_e(name)}: {words}</title>{''.join(inside)}</g>")
        if place % every == 0:
            parts.append(f"<text x={middle:.1f} y={_HEIGHT - 6} text-anchor=middle>{_e(name)}</text>")
    return f'<svg viewBox="0 0 {width} {_HEIGHT}" role=img aria-label="{_e(_spoken(series))}">{"".join(parts)}</svg>'


def _column(left: float, thick: float, height: float, room: float, color: str) -> str:
    tall = max(1.0, height)
    gap = min(1.0, thick * 0.1)
    return (
        f"<rect x={left + gap:.1f} y={_ABOVE + room - tall:.1f} width={max(0.5, thick - 2 * gap):.1f} height={tall:.1f}"
        f' rx={min(2.0, thick / 4):.1f} fill="{color}"/>'
    )


def _line(level: int, top: int, room: float, width: int) -> str:
    y = _ABOVE + room - level / top * room
    return (
        f'<line x1={_LEFT} x2={width} y1={y:.1f} y2={y:.1f} stroke="var(--line)"/>'
        f"<text x={_LEFT - 8} y={y + 4:.1f} text-anchor=end>{_grouped(level)}</text>"
    )


def _levels(top: int) -> list[int]:
    steps = next(number for number in (4, 5, 3, 2, 1) if top % number == 0)
    return [top * number // steps for number in range(steps + 1)]


def _round_up(value: int) -> int:
    """A round number that is not below, for the top of a chart."""
    scale = 1
    while True:
        for front in (1, 2, 4, 5, 8, 10):
            if front * scale >= value:
                return front * scale
        scale *= 10


def _spoken(series: Sequence[_Series]) -> str:
    return "Chart: messages " + ", ".join(name for name, _, _ in series)


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _e(text: str) -> str:
    return html.escape(text, quote=True)
