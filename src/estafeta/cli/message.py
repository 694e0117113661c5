"""`estafeta message`: what became of a message, told from the journal."""

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, show_json, site_of
from estafeta.cli.since import parse_moment

if TYPE_CHECKING:
    from estafeta.cli.storytelling import Teller
    from estafeta.journal.story import Story
    from estafeta.storage.database import Database

commands = typer.Typer(name="message", help="What became of a message.", no_args_is_help=True, rich_markup_mode=None)

_NOT_FOUND = 1
# A message and the notices about it: so many that match are looked at as one story.
_MOST_OF_ONE_STORY = 10


@commands.command()
def trace(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="ID|ADDRESS|IP|SUBJECT",
            help="An ident as in `250 ... 19aa0c5f1e300000` or the Received field, a Message-ID field, an address or"
            " @domain, the IP address of another machine, or part of a subject.",
        ),
    ],
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="How far back to look: 7d, 12h, 2026-03-01, all.")
    ] = "7d",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Stop after so many messages.")] = 20,
    full: Annotated[bool, typer.Option("--full", help="The whole story of each, not only of a single one.")] = False,
    as_json: Json = False,
) -> None:
    """Tell the story of a message: where it came from, where it went, what other servers said, who was told.

    The newest come first. Several that match are listed with a line each, and told if they are one story.
    """
    from estafeta.cli.storytelling import Teller

    wanted, since_ms = " ".join(words), parse_moment(since)
    with site_of(context) as site:
        teller = Teller(site.database)
        found = _found(site.database, wanted, since_ms, limit)
        if as_json:
            show_json([teller.as_json(story) for one in found for story in _whole(site.database, one.message_id)])
            return
        count, idents = _tell(site.database, teller, found, full)
        if idents and not full:
            _tell_if_one(site.database, teller, idents)
    if not count:
        typer.echo(_nothing(wanted, since), err=True)
        raise typer.Exit(_NOT_FOUND)
    if count == limit:
        typer.echo(f"There may be more: these are the newest {limit} (--limit).", err=True)


@commands.command()
def show(
    context: typer.Context,
    ident: Annotated[str, typer.Argument(help="The ident of a message, as `trace` shows it.")],
    content: Annotated[bool, typer.Option("--content", help="Its content, as long as it is here.")] = False,
    as_json: Json = False,
) -> None:
    """Show every record of one message as the journal has it, with its codes; or what it holds."""
    from contextlib import closing

    from estafeta.app.passports import read_stored
    from estafeta.cli.storytelling import Teller
    from estafeta.journal.reading import parse_wanted, read_records
    from estafeta.journal.story import summarize
    from estafeta.storage.packs import Packs

    wanted = parse_wanted(ident)
    if not wanted.ident:
        raise typer.BadParameter(f"{ident!r} is no ident: find it with `estafeta message trace`")
    with site_of(context) as site:
        records = read_records(site.database, wanted.ident)
        if not records:
            typer.echo(_nothing(ident, "all"), err=True)
            raise typer.Exit(_NOT_FOUND)
        story = summarize(records)
        if content:
            with closing(Packs(site.node.data / "packs")) as packs:
                sys.stdout.buffer.write(read_stored(site.database, packs, story))
            return
        if as_json:
            show_json(Teller(site.database).as_json(story))
        else:
            Teller(site.database).show_records(story)


def _found(database: "Database", words: str, since_ms: int, limit: int) -> "Iterable[Story]":
    """The messages that match, as they are found."""
    from estafeta.journal.reading import Search, find_messages, parse_wanted, read_records
    from estafeta.journal.story import summarize

    count = 0
    search = Search(parse_wanted(words), since_ms << 20)
    for idents in find_messages(database, search):
        _sign_of_life(search.below)
        for ident in idents:
            if records := read_records(database, ident):
                yield summarize(records)
                count += 1
            if count == limit:
                return


def _tell(database: "Database", teller: "Teller", found: "Iterable[Story]", full: bool) -> "tuple[int, list[int]]":
    """How many there were, and which (newest first), if they are few enough to be one story."""
    count, idents = 0, list[int]()
    for one in found:
        count += 1
        if count <= _MOST_OF_ONE_STORY:
            idents.append(one.message_id)
        if full:
            if count > 1:
                typer.echo()
            _tell_whole(database, teller, one)
        else:
            teller.list(one)
    return count, idents if count <= _MOST_OF_ONE_STORY else []


def _tell_if_one(database: "Database", teller: "Teller", idents: list[int]) -> None:
    """The story of the oldest, when all others belong to it: notices about it, what became of it."""
    stories = list(_whole(database, idents[-1]))
    if not {one.message_id for one in stories}.issuperset(idents):
        return
    for one in stories:
        typer.echo()
        teller.tell(one)


def _whole(database: "Database", message_id: int) -> "Iterable[Story]":
    from estafeta.journal.story import tell_story

    return tell_story(database, message_id)


def _tell_whole(database: "Database", teller: "Teller", story: "Story") -> None:
    for number, one in enumerate(_whole(database, story.message_id)):
        if number:
            typer.echo()
        teller.tell(one)


def _sign_of_life(below: int) -> None:
    """How far back it was looked, for a person who waits."""
    if sys.stderr.isatty() and below < 1 << 62:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime((below >> 20) / 1000))
        print(f"\r\x1b[2mlooked back to {day}\x1b[0m\x1b[K\r", end="", file=sys.stderr, flush=True)


def _nothing(words: str, since: str) -> str:
    where = "" if since in ("all", "ever") else f" since {since} (--since all looks at everything)"
    return f"The journal knows no message {words!r}{where}."
