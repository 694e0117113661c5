"""`estafeta import` and `estafeta export`: mail in and out as mbox or Maildir."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import node_of

if TYPE_CHECKING:
    from rich.progress import Progress

    from estafeta.app.transfer.exporting import Exporter
    from estafeta.app.transfer.importing import Importer
    from estafeta.app.transfer.values import Tally

imports = typer.Typer(
    name="import",
    help="Bring mail in. Can be interrupted and repeated: what is there already is not brought in twice.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
exports = typer.Typer(name="export", help="Take mail out.", no_args_is_help=True, rich_markup_mode=None)

_GOES_ON = "The same command goes on from here."

Address = Annotated[str, typer.Argument(help="The user: anna@example.org; a bare name gets the default domain.")]
Again = Annotated[bool, typer.Option("--again", help="Forget earlier imports of it and bring everything in once more.")]


def add_commands(app: typer.Typer) -> None:
    """Put the groups of this file on `app`."""
    app.add_typer(imports)
    app.add_typer(exports)


@imports.command("mbox")
def import_mbox(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="FILE", help="An mbox, or a directory of files NAME.mbox.")],
    address: Address,
    mailbox: Annotated[
        str, typer.Option("--mailbox", metavar="NAME", help="Where to put the mail of a file.")
    ] = "INBOX",
    again: Again = False,
) -> None:
    """Bring an mbox into a mailbox."""
    from pathlib import Path

    with _importer(context, address, again) as importer:
        importer.from_mbox(Path(path), mailbox)


@imports.command("maildir")
def import_maildir(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="DIR", help="A Maildir; its folders become mailboxes.")],
    address: Address,
    again: Again = False,
) -> None:
    """Bring a Maildir with its folders into a user's mailboxes."""
    from pathlib import Path

    with _importer(context, address, again) as importer:
        importer.from_maildir(Path(path))


@exports.command("mbox")
def export_mbox(
    context: typer.Context,
    address: Address,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A new directory; with --mailbox a new file.")],
    mailbox: Annotated[str, typer.Option("--mailbox", metavar="NAME", help="Only this mailbox.")] = "",
) -> None:
    """Write a user's mailboxes as mbox files."""
    from pathlib import Path

    with _exporter(context, address, "What is complete is there; the rest needs another place.") as exporter:
        exporter.to_mbox(Path(path), mailbox)


@exports.command("maildir")
def export_maildir(
    context: typer.Context,
    address: Address,
    path: Annotated[str, typer.Argument(metavar="DIR", help="A new directory, or the Maildir of an earlier export.")],
) -> None:
    """Write a user's mailboxes as a Maildir with folders. Repeated, it adds what is new."""
    from pathlib import Path

    with _exporter(context, address, _GOES_ON) as exporter:
        exporter.to_maildir(Path(path))


@contextmanager
def _importer(context: typer.Context, address: str, again: bool) -> "Iterator[Importer]":
    from estafeta.app.stores import open_site
    from estafeta.app.transfer.importing import open_importer
    from estafeta.app.transfer.person import as_owner

    node = node_of(context)
    with (
        as_owner(node) as person,
        open_site(node) as site,
        _meter() as meter,
        open_importer(site, person, address, meter, again=again) as importer,
        _told(importer.tally, "Imported", meter, _GOES_ON),
    ):
        yield importer


@contextmanager
def _exporter(context: typer.Context, address: str, hint: str) -> "Iterator[Exporter]":
    from estafeta.app.stores import open_site
    from estafeta.app.transfer.exporting import open_exporter
    from estafeta.app.transfer.person import as_owner

    node = node_of(context)
    with (
        as_owner(node) as person,
        open_site(node) as site,
        _meter() as meter,
        open_exporter(site, person, address, meter) as exporter,
        _told(exporter.tally, "Exported", meter, hint),
    ):
        yield exporter


@contextmanager
def _told(tally: "Tally", verb: str, meter: "_Silent | _Bar", hint: str) -> Iterator[None]:
    """The summary at the end, also of what was done before something stopped it."""
    try:
        yield
    except BaseException:
        meter.stop()
        if tally.done:
            _say(tally, f"{verb} so far:")
            typer.echo(hint, err=True)
        raise
    meter.stop()
    _say(tally, verb)


def _say(tally: "Tally", verb: str) -> None:
    for line in tally.lines(verb):
        typer.echo(line)


@contextmanager
def _meter() -> "Iterator[_Silent | _Bar]":
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar)


class _Silent:
    def total(self, steps: int) -> None:
        """Nobody looks."""

    def advance(self, steps: int) -> None:
        """Nobody looks."""

    def stop(self) -> None:
        """Nothing to take away."""


class _Bar:
    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._total = 0
        self._task = bar.add_task("", total=None)

    def total(self, steps: int) -> None:
        """So many more steps."""
        self._total += steps
        self._bar.update(self._task, total=self._total)

    def advance(self, steps: int) -> None:
        """So many more are done."""
        self._bar.advance(self._task, steps)

    def stop(self) -> None:
        """Take the bar away: what is printed next stays."""
        self._bar.stop()
