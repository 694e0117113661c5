"""`estafeta stats`: volumes, hours, waiting times, destinations, senders and failures, from the journal."""

import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from estafeta.cli.common import Json, show_json, site_of


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command()(stats)


def stats(
    context: typer.Context,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="From when on: 1d, yesterday, 2026-03-01, all.")
    ] = "1d",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Up to when: today, 2026-03-02.")] = "",
    top: Annotated[int, typer.Option("--top", min=1, max=10_000, help="Lines of each table.")] = 20,
    html: Annotated[bool, typer.Option("--html", help="A page with charts.")] = False,
    as_json: Json = False,
) -> None:
    """Show statistics of mail, as text, JSON or a page with charts (`estafeta stats --html > stats.html`).

    With journal.report_to set, those of each day are mailed.
    """
    from estafeta.cli.since import parse_moment
    from estafeta.journal.stats import collect
    from estafeta.journal.stats_html import in_html
    from estafeta.journal.stats_text import in_text

    now_ms = int(time.time() * 1000)
    since_ms, until_ms = parse_moment(since), parse_moment(until) if until else now_ms
    if since_ms >= until_ms:
        raise typer.BadParameter("the time ends before it begins: --since has to be before --until")
    with site_of(context) as site:
        report = collect(site.database, since_ms, until_ms, hostname=site.node.config.hostname, top=top)
    if as_json:
        show_json(asdict(report))
    else:
        sys.stdout.write(in_html(report) if html else in_text(report))
