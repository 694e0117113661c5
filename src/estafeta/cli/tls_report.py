"""`estafeta tls-report`: how TLS with other servers went, as they would be told (RFC 8460)."""

from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, show_json, show_table, site_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from estafeta.directory.settings_model import Settings


def add_commands(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="tls-report")(tls_report)


def tls_report(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(metavar="[DOMAIN]", help="The report on this domain, as JSON.")] = "",
    day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="The day (UTC). Today unless given.")] = "",
    as_json: Json = False,
) -> None:
    """Show how TLS with the servers of others went on a day: all domains, or the report on one."""
    from estafeta.core.errors import EstafetaError, Kind

    wanted = parse_day(day)
    with site_of(context) as site, site.database.read() as conn:
        if not domain:
            _show_all(conn, wanted, as_json)
        elif not _show_one(conn, wanted, domain.lower(), site.node.config.hostname, site.settings.current):
            raise EstafetaError(Kind.NOT_FOUND, f"There were no sessions with {domain} on that day.")


def _show_all(conn: "Connection", day: int, as_json: bool) -> None:
    from estafeta.delivery.tlsresults import read_day, summarize

    domains = summarize(read_day(conn, day))
    if as_json:
        show_json(domains)
        return
    rows = [(one.domain, one.good, one.failed, one.policies, one.failures) for one in domains]
    heads = ["Domain", "Good", "Failed", "Policies", "Failures"]
    show_table(heads, rows, empty="There were no sessions with TLS on that day.")


def _show_one(conn: "Connection", day: int, domain: str, hostname: str, settings: "Settings") -> bool:
    from estafeta.delivery.tlsresults import read_tallies
    from estafeta.trust.tlsrpt import make_report

    tallies = read_tallies(conn, day, domain)
    contact = settings.notices.responsible_person or f"postmaster@{hostname}"
    report = make_report(domain, day, tallies, submitter=hostname, contact=contact, unique=domain)
    if tallies:
        typer.echo(report.document.decode("utf-8"))
    return bool(tallies)


def parse_day(text: str) -> int:
    """A day in days since 1970."""
    import time
    from datetime import UTC, datetime

    from estafeta.trust.tlsrpt import day_of

    if not text:
        return day_of(time.time())
    try:
        return day_of(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day such as 2026-11-22", param_hint="--day") from None
