"""`estafeta store`: checking, mending, compacting and upgrading the store of this node."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, Yes, become_owner, bytes_in_words, confirm, node_of, show_json

if TYPE_CHECKING:
    from estafeta.app.config import Node
    from estafeta.storage.database import Database
    from estafeta.storage.packs import Packs

commands = typer.Typer(
    name="store", help="Check, mend and compact the store.", no_args_is_help=True, rich_markup_mode=None
)

_REFUSED = 1


@commands.command()
def verify(context: typer.Context, as_json: Json = False) -> None:
    """Check every record, counter and reference, and say what is wrong. The server may be running."""
    from estafeta.app import storecheck

    problems = []
    with _opened(context) as (_, database, packs), _meter() as progress:
        for problem in storecheck.verify(database, packs, progress):
            problems.append(problem)
            if not as_json:
                typer.echo(problem.sentence)
    if as_json:
        show_json({"problems": problems})
    elif not problems:
        typer.echo("Nothing is wrong.")
    if problems:
        raise typer.Exit(_REFUSED)


@commands.command()
def repair(context: typer.Context, as_json: Json = False, yes: Yes = False) -> None:
    """Mend what `verify` finds, with the server stopped. Damaged octets are kept in data/damaged."""
    from estafeta.app import storecheck

    confirm("Repair removes messages that have lost their content. Is there a backup, or none to be had?", yes)
    sentences = []
    with _opened(context) as (node, database, packs), _meter() as progress:
        for sentence in storecheck.repair(node, database, packs, progress):
            sentences.append(sentence)
            if not as_json:
                typer.echo(sentence)
    if as_json:
        show_json({"repaired": sentences})
    elif not sentences:
        typer.echo("There was nothing to repair.")


@commands.command()
def compact(
    context: typer.Context,
    dead_percent: Annotated[
        int, typer.Option("--dead-percent", min=0, max=99, help="Rewrite packs of which more than this is deleted.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Give back the room of deleted messages now, instead of waiting for the hourly run."""
    from estafeta.app import storecheck

    with _opened(context) as (node, database, packs):
        report = storecheck.compact_now(node, database, packs, dead_percent)
    if as_json:
        show_json(report)
        return
    freed, pending = (bytes_in_words(n) if n else "nothing" for n in (report.freed_bytes, report.pending_bytes))
    typer.echo(f"Packs emptied: {report.packs}. Given back: {freed}. To be given back within two hours: {pending}.")


@commands.command()
def upgrade(context: typer.Context) -> None:
    """Bring the database to the schema that this version needs, with the server stopped."""
    from estafeta.app import storecheck

    node = node_of(context)
    become_owner(node)
    storecheck.upgrade(node)
    typer.echo("The database has the schema of this version.")


@contextmanager
def _opened(context: typer.Context) -> "Iterator[tuple[Node, Database, Packs]]":
    from estafeta.storage import migrate
    from estafeta.storage.database import Database
    from estafeta.storage.packs import Packs

    node = node_of(context)
    become_owner(node)
    migrate.check(node.database_url)
    with closing(Database(node.database_url)) as database, closing(Packs(node.data / "packs")) as packs:
        yield node, database, packs


@contextmanager
def _meter() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
