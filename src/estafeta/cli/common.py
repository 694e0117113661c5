"""What commands share: where the home is, opening the store, asking, and showing."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from estafeta.app.config import Node
    from estafeta.app.home import Home
    from estafeta.app.stores import Site
    from estafeta.directory.model import ImportReport

#: `--json`, the same for every listing.
Json = Annotated[bool, typer.Option("--json", help="Show JSON.")]
#: Why a setting was changed, kept with the change.
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="A reason, kept with the change.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the command."""

    home: str


def home_of(context: typer.Context) -> "Home":
    """The home that `--home` or `$ESTAFETA_HOME` names."""
    from estafeta.app.home import DEFAULT_HOME, Home

    options: Options = context.find_object(Options) or Options(DEFAULT_HOME)
    return Home.at(options.home)


def node_of(context: typer.Context) -> "Node":
    """The node file of the home, read and checked."""
    from estafeta.app.config import load_node

    return load_node(home_of(context))


@contextmanager
def site_of(context: typer.Context) -> Iterator["Site"]:
    """The store of the home, opened as the server's own user so that root leaves no files of its own in it."""
    from estafeta.app.stores import open_site

    node = node_of(context)
    become_owner(node)
    with open_site(node) as site:
        yield site


def become_owner(node: "Node") -> None:
    """Started as root, become the server's user. Read files of the person's first."""
    from estafeta.app.privileges import become, find_identity

    if os.geteuid() == 0 and node.config.user:
        become(find_identity(node.config.user, node.config.group))


def who() -> str:
    """The person at the keyboard, for the record of changes."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def read_text(path: str) -> str:
    """The text of a file, or of standard input for `-`."""
    from estafeta.core.errors import EstafetaError, Kind

    try:
        if path == "-":
            return sys.stdin.read()
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError:
        raise EstafetaError(Kind.INVALID, f"{path} is not UTF-8 text: save it again as UTF-8.") from None


def confirm(question: str, yes: bool, *, can_be_undone: bool = False) -> None:
    """Ask first. Without a terminal, what cannot be undone needs `--yes`."""
    if yes or (can_be_undone and not sys.stdin.isatty()):
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("this cannot be undone and there is nobody to ask: add --yes")
    if not typer.confirm(question):
        raise typer.Exit(1)


def show_json(value: object) -> None:
    """Print a value as JSON, for programs; indented for a person."""
    indent = 2 if sys.stdout.isatty() else None
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=indent))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = "") -> None:
    """Print rows: framed on a terminal, aligned plain text elsewhere. `empty` is for a terminal when there are none."""
    if not rows:
        if empty and sys.stdout.isatty():
            typer.echo(empty)
        return
    cells = [[_cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _show_rich(columns, cells)
    else:
        _show_plain(columns, cells)


def show_import(report: "ImportReport", dry_run: bool) -> None:
    """Say what an import did; lines that need a person go to standard error."""
    for problem in report.problems:
        typer.echo(f"line {problem.line}: {problem.text}: {problem.problem}", err=True)
    done = "Would add" if dry_run else "Added"
    typer.echo(f"{done} {len(report.added)}, changed {len(report.changed)}, {len(report.problems)} lines to look at.")


def show_fields(fields: Sequence[tuple[str, object]]) -> None:
    """Print one thing as `name  value` lines."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        typer.echo(f"{name:<{width}}  {_cell(value)}".rstrip())


def bytes_in_words(number: int) -> str:
    """`1.5 GiB`; 0 is `no limit`, since only limits are shown so."""
    if number <= 0:
        return "no limit"
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"


def parse_bytes(text: str) -> int:
    """`500M`, `2 GiB`, `1048576`; 0 or `none` is no limit. BadParameter otherwise."""
    plain = text.strip().lower().replace("ib", "").replace(" ", "").removesuffix("b")
    if plain in ("none", "unlimited"):
        return 0
    scale = {"k": 1, "m": 2, "g": 3, "t": 4}.get(plain[-1:], 0)
    try:
        number = float(plain[:-1] if scale else plain)
    except ValueError:
        number = -1.0
    if not 0 <= number * 1024**scale < 2**62:
        raise typer.BadParameter(f"{text!r} is not a size: write for example 500M, 2G or 0 for no limit")
    return int(number * 1024**scale)


def count_in_words(number: int) -> str:
    """`1000`; 0 is `no limit`."""
    return str(number) if number > 0 else "no limit"


def parse_count(text: str) -> int:
    """`1000`; 0 or `none` is no limit. BadParameter otherwise."""
    plain = text.strip().lower()
    if plain in ("none", "unlimited"):
        return 0
    if not (plain.isascii() and plain.isdigit() and len(plain) < 13):
        raise typer.BadParameter(f"{text!r} is not a number: write for example 10000 or 0 for no limit")
    return int(plain)


def time_in_words(seconds: int) -> str:
    """A moment in local time, `2026-03-01 12:00`."""
    from datetime import datetime

    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M") if seconds else ""


def _plain(value: Any) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _cell(value: object) -> str:
    """A value as it is shown: what strangers wrote in it does nothing to a terminal."""
    from estafeta.journal.words import printable

    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        value = ", ".join(sorted(map(str, value)) if isinstance(value, set | frozenset) else map(str, value))
    return printable(str(value))


def _show_plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = [list(columns), *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    for row in table:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _show_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")  # an address that is cut off is worth nothing
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: an address with brackets is not markup
    Console().print(table)
