"""`estafeta dmarc counts` and `read`: what we report to others, and reports of others from files."""

import time
from typing import Annotated

import typer

from estafeta.cli.common import Json, become_owner, node_of, show_json, show_table, site_of


def add_commands(commands: typer.Typer) -> None:
    """Add the commands."""
    commands.command()(counts)
    commands.command()(read)


def counts(
    context: typer.Context,
    domain: Annotated[
        str, typer.Argument(metavar="[DOMAIN]", help="The report on this domain of others, as XML.")
    ] = "",
    day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="The day (UTC). Today unless given.")] = "",
    as_json: Json = False,
) -> None:
    """Show what we report to others: mail in the names of their domains on a day, and whether the report went out."""
    from estafeta.cli.tls_report import parse_day
    from estafeta.core.errors import EstafetaError, Kind
    from estafeta.policy.dmarc_report import make_report
    from estafeta.policy.dmarc_results import read_day, read_tallies
    from estafeta.trust.dmarcauthors import normal_domain
    from estafeta.trust.dmarcrecord import parse_record

    wanted = parse_day(day)
    with site_of(context) as site, site.database.read() as conn:
        hostname = site.node.config.hostname
        if domain:
            name = normal_domain(domain)
            tallies = read_tallies(conn, wanted, name)
            if not tallies:
                raise EstafetaError(Kind.NOT_FOUND, f"No mail in the name of {domain} was counted on that day.")
            # What the domain publishes is asked for when the report is sent.
            record = parse_record(b"v=DMARC1")
            contact = site.settings.current.dmarc.reports_from or f"postmaster@{hostname}"
            made = make_report(name, wanted, record, tallies, submitter=hostname, contact=contact)
            typer.echo(made.document.decode("utf-8"))
            return
        found = read_day(conn, wanted)
    if as_json:
        show_json(found)
        return
    show_table(
        ["Domain", "Kinds", "Messages", "Report"],
        [
            (
                one.domain,
                one.kinds,
                one.messages,
                "not sent" if one.report_id is None else one.report_id or "none wanted",
            )
            for one in found
        ],
        empty="Nothing was counted on that day.",
    )


def read(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Messages, or reports as .xml, .gz or .zip.")],
) -> None:
    """Take in reports from files, as if they had come by mail."""
    from estafeta.core.errors import EstafetaError, Kind
    from estafeta.policy.dmarc_reading import read_report
    from estafeta.policy.dmarc_received import Stored, store_report
    from estafeta.policy.dmarc_unpacking import MAX_MESSAGE_BYTES, ReportError, find_in_file
    from estafeta.storage.commit import Item

    node = node_of(context)
    read_ones, bad = [], 0
    for path in files:
        try:
            with open(path, "rb") as file:
                read_ones.append((path, read_report(find_in_file(file.read(MAX_MESSAGE_BYTES + 1)))))
        except ReportError as error:
            typer.echo(f"{path}: {error}", err=True)
            bad += 1
    become_owner(node)
    with site_of(context) as site:
        for path, report in read_ones:
            if not site.directory.is_local_domain(report.domain):
                typer.echo(f"{path}: a report on {report.domain}, which is not ours", err=True)
                bad += 1
                continue
            with site.database.write() as tx:
                [new] = store_report(tx, [Item(Stored(report, "", int(time.time()), limited=False), ())])
            words = f"{report.messages} messages of {report.domain}, reported by {report.name}"
            typer.echo(f"{path}: {words}" if new else f"{path}: it was here before")
    if bad:
        raise EstafetaError(Kind.INVALID, f"{bad} of {len(files)} files were left out.")
