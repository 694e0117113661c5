"""`estafeta dmarc`: who sends in the names of our domains, by the reports of others, and what we report to them."""

import time
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from estafeta.cli.common import (
    Json,
    show_fields,
    show_json,
    show_table,
    site_of,
    time_in_words,
)
from estafeta.cli.dmarc_more import add_commands
from estafeta.cli.since import parse_moment

if TYPE_CHECKING:
    from estafeta.app.stores import Site
    from estafeta.policy.dmarc_advice import Advice, Published
    from estafeta.policy.dmarc_received import DomainSum
    from estafeta.policy.dmarc_sources import Source

commands = typer.Typer(
    name="dmarc",
    help="Who sends in the names of our domains, and what others report on it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Since = Annotated[
    str, typer.Option("--since", metavar="WHEN", help="Reports on the time since then: 30d, 2026-03-01, all.")
]
Name = Annotated[str, typer.Argument(metavar="DOMAIN", help="A domain of ours.")]
add_commands(commands)
_MOST_SOURCES = 10_000


class _Line(NamedTuple):
    """A domain of ours, and what the reports on it say; `policy` as the newest one saw it."""

    domain: str
    policy: str = ""
    reports: int = 0
    reporters: int = 0
    messages: int = 0
    passed: int = 0
    failing_sources: int = 0
    last_seconds: int = 0


@commands.command()
def domains(context: typer.Context, since: Since = "30d", as_json: Json = False) -> None:
    """List our domains: reports on them, how much passed, and how many sources failed."""
    from estafeta.policy.dmarc_advice import failing
    from estafeta.policy.dmarc_received import read_domains, read_reports
    from estafeta.policy.dmarc_sources import read_sources

    begin = parse_moment(since) // 1000
    with site_of(context) as site, site.database.read() as conn:
        found = {one.domain: one for one in read_domains(conn, begin)}
        names = sorted({*found, *(one.name for one in site.directory.list_domains())})
        lines = []
        for name in names:
            one = found.get(name)
            if one is None:
                lines.append(_Line(name))
                continue
            bad = len(failing(read_sources(conn, begin, name)))
            policy = read_reports(conn, begin, name, limit=1)[0].policy
            lines.append(
                _Line(name, policy, one.reports, one.reporters, one.messages, one.passed, bad, one.last_seconds)
            )
    if as_json:
        show_json([line._asdict() for line in lines])
        return
    show_table(
        ["Domain", "Policy", "Reports", "From", "Messages", "Passed", "Sources that fail", "Last"],
        [
            (line.domain, line.policy or "unknown", *line[2:-1], time_in_words(line.last_seconds) or "never")
            for line in lines
        ],
        empty="There are no domains.",
    )


@commands.command()
def show(
    context: typer.Context,
    domain: Name,
    since: Since = "30d",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=_MOST_SOURCES, help="So many sources.")] = 50,
    as_json: Json = False,
) -> None:
    """Show who sent in the name of a domain, what passed and failed, and what to do about it."""
    from estafeta.core.errors import EstafetaError, Kind
    from estafeta.policy.dmarc_advice import failing, what_it_is

    with site_of(context) as site:
        name, found, sources = _read(site, domain, parse_moment(since) // 1000)
    if found is None:
        raise EstafetaError(
            Kind.NOT_FOUND,
            f"No report on {name} is about that time: estafeta dmarc record {name} says what is missing.",
        )
    if as_json:
        shown = [_source_as_json(one) for one in sources[:limit]]
        show_json({"domain": name, "summary": found, "sources": shown})
        return
    show_fields(
        [
            ("Domain", name),
            (
                "Reports",
                f"{found.reports}, {time_in_words(found.first_seconds)} to {time_in_words(found.last_seconds)}",
            ),
            ("Messages", f"{found.messages}, of which {found.passed} passed"),
            ("Sources", f"{len(sources)}, of which {len(failing(sources))} failed"),
        ]
    )
    typer.echo()
    show_table(
        ["Address", "Messages", "Failed", "DKIM", "SPF", "Refused", "Signed by", "What it is"],
        [
            (
                one.source_ip or "others",
                one.messages,
                one.failed,
                one.dkim,
                one.spf,
                one.rejected,
                one.signed_by[:2],
                what_it_is(one),
            )
            for one in sources[:limit]
        ],
    )
    if len(sources) > limit:
        typer.echo(f"and {len(sources) - limit} more: --limit")


@commands.command()
def reports(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(metavar="[DOMAIN]", help="Only reports on this domain.")] = "",
    since: Since = "30d",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="So many of the newest.")] = 100,
    as_json: Json = False,
) -> None:
    """List the reports that came, newest first. A reporter in brackets is not proved."""
    from estafeta.policy.dmarc_received import read_reports
    from estafeta.policy.dmarc_sources import reporter_words

    with site_of(context) as site, site.database.read() as conn:
        name = _name(domain) if domain else ""
        found = read_reports(conn, parse_moment(since) // 1000, name, limit)
    if as_json:
        show_json(found)
        return
    show_table(
        ["Until", "Domain", "Reporter", "Messages", "Passed", "Policy", "Came", "Id"],
        [
            (
                time_in_words(one.end_seconds),
                one.domain,
                reporter_words(one.reporter, one.name),
                one.messages,
                one.passed,
                one.policy,
                time_in_words(one.received_seconds),
                one.report_id,
            )
            for one in found
        ],
        empty="No reports came.",
    )


@commands.command()
def record(context: typer.Context, domain: Name, since: Since = "60d", as_json: Json = False) -> None:
    """Show the DMARC record that is published, by asking DNS, and what to publish next."""
    import asyncio

    from estafeta.policy.dmarc_advice import advise

    with site_of(context) as site:
        settings = site.settings.current
        name, found, sources = _read(site, domain, parse_moment(since) // 1000)
        published = asyncio.run(_ask(site, name))
        problem = _problem_of(site, settings.dmarc.reports_address)
    advice = advise(name, published, found, sources, address=settings.dmarc.reports_address, now=time.time())
    if as_json:
        show_json({"domain": name, "published": published.text, "problem": published.problem, "advice": advice.words,
                   "publish": [one._asdict() for one in advice.publish]})  # fmt: skip
        return
    show_fields([("Domain", name), ("Published", published.text or published.problem or "nothing")])
    _show_advice(advice)
    if problem:
        typer.echo(problem)


def _read(site: "Site", domain: str, since_seconds: int) -> "tuple[str, DomainSum | None, list[Source]]":
    from estafeta.policy.dmarc_received import read_domains
    from estafeta.policy.dmarc_sources import read_sources

    name = _name(domain)
    with site.database.read() as conn:
        found = next((one for one in read_domains(conn, since_seconds) if one.domain == name), None)
        return name, found, read_sources(conn, since_seconds, name) if found else []


def _name(domain: str) -> str:
    from estafeta.trust.dmarcauthors import normal_domain

    name = normal_domain(domain)
    if not name:
        raise typer.BadParameter(f"{domain!r} is not a domain", param_hint="DOMAIN")
    return name


def _problem_of(site: "Site", address: str) -> str:
    """Why no reports could come to `dmarc.reports_address`; "" where they can."""
    from estafeta.core.errors import EstafetaError
    from estafeta.mail.address import parse_address

    if not address:
        return "No address takes reports here: estafeta config set dmarc.reports_address dmarc@..."
    try:
        found = site.directory.resolve(parse_address(address))
    except EstafetaError as error:
        return f"dmarc.reports_address {address} cannot take mail: {error.public}"
    if found.targets and site.directory.is_local_domain(address.rpartition("@")[2]):
        return ""
    return f"dmarc.reports_address {address} takes no mail here: estafeta user add {address}"


async def _ask(site: "Site", domain: str) -> "Published":
    from estafeta.dns.resolver import DnsResolver
    from estafeta.policy.dmarc_advice import find_published

    settings = site.settings.current
    dns = DnsResolver()
    dns.use(settings.dns, settings.routing.host_table)
    try:
        return await find_published(domain, dns)
    finally:
        dns.close()


def _show_advice(advice: "Advice") -> None:
    for words in advice.words:
        typer.echo(words)
    for txt in advice.publish:
        typer.echo(f'{txt.name}. IN TXT "{txt.text}"')


def _source_as_json(source: "Source") -> dict[str, object]:
    from dataclasses import asdict

    from estafeta.policy.dmarc_advice import what_it_is

    return asdict(source) | {"failed": source.failed, "what_it_is": what_it_is(source)}
