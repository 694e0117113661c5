"""`estafeta journal`: the records of what happens to messages, and the receivers that hold them."""

import sys
import time
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, Yes, bytes_in_words, confirm, show_json, show_table, site_of, time_in_words
from estafeta.cli.since import parse_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from estafeta.journal.reading import Entry
    from estafeta.journal.receivers import Receiver
    from estafeta.storage.database import Database

commands = typer.Typer(
    name="journal",
    help="The record of everything that happens to messages.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_FOLLOW_SECONDS = 1.0
# Records that a look for new ones goes back over: what is late in being committed, and later news of recent messages.
_FOLLOWED = 2_000


@commands.command()
def show(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=100_000, help="So many of the latest records.")
    ] = 50,
    code: Annotated[list[str] | None, typer.Option("--code", help="Only these codes; may be repeated.")] = None,
    address: Annotated[str, typer.Option("--address", help="Only records about this address.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones until interrupted.")] = False,
    as_json: Json = False,
) -> None:
    """Show the latest records, oldest first."""
    from estafeta.journal.exporting import Form, export
    from estafeta.journal.reading import latest

    chosen = _Chosen({one.upper() for one in code or ()}, address.casefold())
    with site_of(context) as site:
        entries = [entry for entry in latest(site.database, limit) if chosen(entry)]
        if as_json and not follow:
            show_json([entry._asdict() | {"message_id": f"{entry.message_id:x}"} for entry in entries])
            return
        pages = _following(site.database, entries, chosen) if follow else [entries]
        _write(export(pages, Form.JSONL if as_json else Form.TEXT))


@commands.command()
def receivers(context: typer.Context, as_json: Json = False) -> None:
    """List the receivers: the parts in which the journal is kept, exported and removed."""
    from estafeta.journal.receivers import count, list_receivers

    with site_of(context) as site:
        count(site.database, int(time.time() * 1000))
        found = list_receivers(site.database)
    if as_json:
        show_json([receiver._asdict() for receiver in found])
        return
    show_table(["Number", "From", "To", "Records", "Size"], [_row(one) for one in found])


@commands.command()
def change(context: typer.Context) -> None:
    """Close the open receiver and begin another, as happens by itself by size and age."""
    from estafeta.journal.receivers import change_receiver

    with site_of(context) as site:
        opened = change_receiver(site.database, int(time.time() * 1000))
    typer.echo(f"Journal receiver {opened.number} is open; {opened.number - 1} is closed.")


@commands.command()
def export(
    context: typer.Context,
    receiver: Annotated[int | None, typer.Option("--receiver", min=1, help="Only this receiver.")] = None,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Of messages since: 7d, 2026-03-01.")] = "all",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Of messages before that.")] = "",
    form: Annotated[str, typer.Option("--format", metavar="FORM", help="text, csv or jsonl.")] = "text",
    i5: Annotated[bool, typer.Option("--i5", help="As i5/OS shows its journal, with subtypes in lines.")] = False,
) -> None:
    """Write the journal to standard output."""
    from estafeta.journal.exporting import Form
    from estafeta.journal.exporting import export as lines
    from estafeta.journal.reading import NEWEST, scan

    if form not in list(Form):
        raise typer.BadParameter(f"{form!r} is no format: text, csv or jsonl")
    low, high = parse_moment(since) << 20, parse_moment(until) << 20 if until else NEWEST
    with site_of(context) as site:
        if receiver:
            mine = _find(site.database, receiver)
            low, high = max(low, mine.low), min(high, mine.high(int(time.time() * 1000)))
        pages = chain(_of_destinations(site.database, low, high), scan(site.database, low, high))
        _write(lines(pages, Form.I5 if i5 else Form(form)))


@commands.command()
def prune(
    context: typer.Context,
    receiver: Annotated[
        int | None, typer.Option("--receiver", min=1, help="This one, and those that are older.")
    ] = None,
    before: Annotated[
        str, typer.Option("--before", metavar="TIME", help="All that were closed before: 90d, 2026-01-01.")
    ] = "",
    yes: Yes = False,
) -> None:
    """Remove closed receivers with all their records."""
    from estafeta.journal.receivers import list_receivers, remove_receiver

    if not receiver and not before:
        raise typer.BadParameter("say which: --receiver NUMBER or --before TIME")
    with site_of(context) as site:
        if receiver:
            _find(site.database, receiver)
        limit_ms = parse_moment(before) if before else 0
        doomed = [
            one for one in list_receivers(site.database) if one.ended_ms and _is_doomed(one, receiver or 0, limit_ms)
        ]
        if not doomed:
            typer.echo("There is no closed receiver to remove: `estafeta journal receivers` lists them.")
            return
        records = sum(one.records for one in doomed)
        confirm(f"Remove {len(doomed)} journal receivers with about {records} records?", yes)
        for one in doomed:
            gone = remove_receiver(site.database, one.number)
            typer.echo(f"Removed journal receiver {one.number}: {gone} records.")


class _Chosen:
    """Whether a record is one of those that were asked for."""

    def __init__(self, codes: set[str], address: str) -> None:
        self._codes = codes
        self._address = address

    def __call__(self, entry: "Entry") -> bool:
        return (not self._codes or entry.code in self._codes) and self._address in entry.address.casefold()


def _following(database: "Database", first: "list[Entry]", chosen: _Chosen) -> "Iterator[list[Entry]]":
    """The first ones, then what is new each second."""
    from estafeta.journal.reading import latest

    yield first
    seen = {(entry.message_id, entry.at_us) for entry in latest(database, _FOLLOWED)}
    while True:
        time.sleep(_FOLLOW_SECONDS)
        entries = latest(database, _FOLLOWED)
        yield [entry for entry in entries if (entry.message_id, entry.at_us) not in seen and chosen(entry)]
        seen = {(entry.message_id, entry.at_us) for entry in entries}


def _of_destinations(database: "Database", low: int, high: int) -> "Iterator[list[Entry]]":
    """What was recorded of destinations while the messages with these idents came."""
    from estafeta.journal.reading import OLDEST, scan

    return scan(database, OLDEST, 0, (low >> 20) * 1000, (high >> 20) * 1000)


def _write(lines: "Iterable[str]") -> None:
    for text in lines:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()


def _find(database: "Database", number: int) -> "Receiver":
    from estafeta.core.errors import EstafetaError, Kind
    from estafeta.journal.receivers import list_receivers

    found = next((one for one in list_receivers(database) if one.number == number), None)
    if found is None:
        raise EstafetaError(Kind.NOT_FOUND, f"There is no journal receiver {number}.")
    return found


def _is_doomed(one: "Receiver", number: int, limit_ms: int) -> bool:
    return one.number <= number if number else one.ended_ms < limit_ms


def _row(one: "Receiver") -> tuple[object, ...]:
    ended = time_in_words(one.ended_ms // 1000) if one.ended_ms else "open"
    octets = bytes_in_words(one.bytes) if one.bytes else "0 B"
    return one.number, time_in_words(one.begun_ms // 1000), ended, one.records, octets
