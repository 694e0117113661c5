"""`estafeta filter`: what is kept back, discarded, refused or marked for what it says or carries."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, Why, Yes, confirm, read_text, show_json, show_table, site_of, who

if TYPE_CHECKING:
    from estafeta.directory.filters import Filter

commands = typer.Typer(
    name="filter",
    help="Filters: mail kept in quarantine, discarded, refused or marked.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_NO_MATCH = 1
_NONE_YET = "There are no filters. `estafeta filter add` makes one; docs/guides/filters.md has examples."
_LISTS = ("originator", "recipient", "subject", "attachment", "type", "archive", "client", "direction")

File = Annotated[str, typer.Argument(metavar="FILE", help="Filters as TOML; - reads standard input.")]
Texts = list[str] | None


@commands.command("list")
def list_filters(context: typer.Context, as_json: Json = False) -> None:
    """List the filters in their order: the first that keeps, discards, refuses or passes a message decides."""
    from estafeta.app.filtering import stored_text
    from estafeta.directory.filters import parse_filters

    with site_of(context) as site:
        filters = parse_filters(stored_text(site))
    if as_json:
        show_json(filters)
        return
    rows = [[one.name, _action(one), _criteria(one)] for one in filters]
    show_table(["Name", "Action", "About messages with"], rows, empty=_NONE_YET)


@commands.command()
def export(context: typer.Context) -> None:
    """Print the filters as `import` reads them."""
    from estafeta.app.filtering import stored_text

    with site_of(context) as site:
        text = stored_text(site)
    typer.echo(text, nl=not text.endswith("\n"))


@commands.command("import")
def import_filters(context: typer.Context, file: File, why: Why = "") -> None:
    """Make the filters in a file the filters of this site, in the place of those that are there."""
    from estafeta.app.filtering import store_text

    text, me = read_text(file), who()
    with site_of(context) as site:
        count = store_text(site, text, me, why)
    filters = "1 filter holds" if count == 1 else f"{count} filters hold"
    typer.echo(f"{filters} now; `estafeta config history` can take that back.")


@commands.command()
def check(file: File) -> None:
    """Check a file of filters, and change nothing."""
    from estafeta.directory.filters import parse_filters

    filters = parse_filters(read_text(file))
    typer.echo(f"{len(filters)} filters, nothing wrong.")


@commands.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is called.")],
    action: Annotated[str, typer.Option("--action", help="keep, discard, reject, pass, tag or score.")] = "keep",
    originator: Annotated[Texts, typer.Option("--originator", help="An address or a domain, with * and ?.")] = None,
    recipient: Annotated[Texts, typer.Option("--recipient", help="An address or a domain, with * and ?.")] = None,
    subject: Annotated[Texts, typer.Option("--subject", help="The whole subject, with * and ?.")] = None,
    attachment: Annotated[Texts, typer.Option("--attachment", help="The name of a file, as in *.vbs.")] = None,
    type_: Annotated[Texts, typer.Option("--type", help="A MIME type, as in image/*.")] = None,
    archive: Annotated[Texts, typer.Option("--archive", help="encrypted, unsupported or left.")] = None,
    client: Annotated[Texts, typer.Option("--client", help="An IP address or a network.")] = None,
    direction: Annotated[Texts, typer.Option("--direction", help="in, out or local.")] = None,
    larger: Annotated[str, typer.Option("--larger", metavar="SIZE", help="Larger than this, as in 10MiB.")] = "",
    smaller: Annotated[str, typer.Option("--smaller", metavar="SIZE", help="Smaller than this.")] = "",
    any_of: Annotated[bool, typer.Option("--any", help="One of these is enough; else all must be met.")] = False,
    points: Annotated[float, typer.Option("--points", help="Of action score.")] = 0.0,
    tag: Annotated[str, typer.Option("--tag", help="Of action tag.")] = "",
    text: Annotated[str, typer.Option("--text", help="What a refused sender is told.")] = "",
    release: Annotated[str, typer.Option("--release", help="Who may release what is kept: users or operators.")] = "",
    why: Why = "",
) -> None:
    """Add a filter behind the others. An option given twice means either."""
    from estafeta.app.filtering import store_text, stored_text, with_filter

    given = (originator, recipient, subject, attachment, type_, archive, client, direction)
    values: dict[str, object] = {"action": action, **({"match": "any"} if any_of else {})}
    values |= {key: value for key, value in zip(_LISTS, given, strict=True) if value}
    said = {"larger": larger, "smaller": smaller, "points": points, "tag": tag, "text": text, "release": release}
    values |= {key: value for key, value in said.items() if value}
    me = who()
    with site_of(context) as site:
        store_text(site, with_filter(stored_text(site), name, values), me, why or f"filter {name} added")
    typer.echo(f"Filter {name} holds now.")


@commands.command()
def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name, as `list` shows it.")],
    yes: Yes = False,
    why: Why = "",
) -> None:
    """Remove a filter. What it kept stays in quarantine."""
    from estafeta.app.filtering import store_text, stored_text, without_filter

    me = who()
    with site_of(context) as site:
        text = without_filter(stored_text(site), name)
        confirm(f"Remove the filter {name}?", yes, can_be_undone=True)
        store_text(site, text, me, why or f"filter {name} removed")
    typer.echo(f"Removed the filter {name}.")


@commands.command("test")
def try_message(
    context: typer.Context,
    message: Annotated[Path, typer.Argument(metavar="FILE.eml", exists=True, dir_okay=False, help="A message.")],
    filters: Annotated[str, typer.Option("--filters", metavar="FILE", help="These filters, not those that hold.")] = "",
    sender: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="The sender of the envelope.")] = "",
    to: Annotated[list[str] | None, typer.Option("--to", metavar="ADDRESS", help="A recipient; repeatable.")] = None,
    peer: Annotated[str, typer.Option("--from-ip", metavar="ADDRESS", help="The client's IP address.")] = "192.0.2.1",
    ours: Annotated[bool, typer.Option("--ours", help="It comes from our own people or networks.")] = False,
    as_json: Json = False,
) -> None:
    """Tell which filters are about a message, why, and what would become of it. Nothing is stored."""
    from estafeta.app.filtering import Trial, stored_text, try_filters
    from estafeta.directory.filters import parse_filters
    from estafeta.journal.words import printable

    octets, text = message.read_bytes(), read_text(filters) if filters else ""
    with site_of(context) as site:
        known = parse_filters(text or stored_text(site))
        found = try_filters(site, known, Trial(octets, peer, sender, tuple(to or ()), ours))
    decisive = next((one for one, _ in found if one.action not in ("tag", "score")), None)
    if as_json:
        matched = [{"filter": one.name, "action": one.action, "why": why} for one, why in found]
        show_json({"matched": matched, "action": decisive.action if decisive else "none"})
    else:
        for one, why in found:
            typer.echo(f"{one.name}: {_action(one)}: {printable(why)}{' - decides' if one is decisive else ''}")
        if not found:
            typer.echo(f"None of {len(known)} filters is about this message.")
    if not found:
        raise typer.Exit(_NO_MATCH)


def _action(one: "Filter") -> str:
    return " ".join([str(one.action), *([f"{one.points:+g}"] if one.points else []), *([one.tag] if one.tag else [])])


def _criteria(one: "Filter") -> str:
    """What it asks, in a line."""
    said = [f"{key} {' or '.join(getattr(one, key))}" for key in _LISTS if getattr(one, key)]
    said += [f"{name}: {' or '.join(patterns)}" for name, patterns in one.header]
    said += [f"{key} than {getattr(one, key)} octets" for key in ("larger", "smaller") if getattr(one, key)]
    return (" or " if one.any_of else " and ").join(said)
