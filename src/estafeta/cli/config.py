"""`estafeta config`: the settings of the site, with who changed what and why."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, Why, Yes, read_text, show_json, show_table, site_of, time_in_words, who

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estafeta.directory.settings import Difference

commands = typer.Typer(name="config", help="Settings of the site.", no_args_is_help=True, rich_markup_mode=None)

Key = Annotated[str, typer.Argument(help="SECTION.NAME, as in smtp.max_message_bytes.")]


@commands.command()
def show(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="One setting, or one section.")] = "",
    as_json: Json = False,
) -> None:
    """Show the settings that hold; those that differ from the default are marked."""
    from estafeta.directory.settings_catalog import SETTINGS, find_setting

    with site_of(context) as site:
        values = site.settings.list_settings()
    chosen = {name: value for name, value in values.items() if not key or name == key or name.startswith(f"{key}.")}
    if not chosen:
        find_setting(key)  # says which is the nearest
    if as_json:
        show_json(chosen)
        return
    rows = [
        [name, _shown(value), "" if value == SETTINGS[name].default else "changed"] for name, value in chosen.items()
    ]
    show_table(["Setting", "Value", ""], rows)
    if key in chosen and sys.stdout.isatty():
        typer.echo(f"{SETTINGS[key].description}\nIt may be {SETTINGS[key].allowed}.")


@commands.command(name="set")
def set_setting(
    context: typer.Context,
    key: Key,
    value: Annotated[str, typer.Argument(help="Sizes take K, M, G; times s, m, h, d; lists commas.")],
    why: Why = "",
) -> None:
    """Change a setting; a running server takes it in at once."""
    with site_of(context) as site:
        _tell(site.settings.set_setting(key, value, who(), why))


@commands.command()
def unset(context: typer.Context, key: Key, why: Why = "") -> None:
    """Give a setting its default again."""
    with site_of(context) as site:
        _tell(site.settings.reset_setting(key, who(), why))


@commands.command()
def export(context: typer.Context) -> None:
    """Print all settings with their meaning as TOML, to edit and `apply`."""
    with site_of(context) as site:
        text = site.settings.export_toml()
    typer.echo(text, nl=False)


@commands.command(name="apply")
def apply_file(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="TOML as from `export`; - is stdin.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    yes: Yes = False,
    why: Why = "",
) -> None:
    """Make the settings what a file says, wholly or not at all; shows the difference and asks first."""
    text = read_text(file)
    with site_of(context) as site:
        differences = site.settings.apply_toml(text, who(), why, dry_run=True)
        _tell(differences, done=False)
        if dry_run or not differences:
            return
        if not yes and sys.stdin.isatty() and file != "-" and not typer.confirm("Apply this?"):
            raise typer.Exit(1)
        site.settings.apply_toml(text, who(), why)
    typer.echo(f"Applied {len(differences)} changes.")


@commands.command()
def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10000, help="How many changes.")] = 50,
    as_json: Json = False,
) -> None:
    """Show who changed what, when and why."""
    with site_of(context) as site:
        changes = site.settings.history(limit)
    if as_json:
        show_json(changes)
        return
    rows = [
        [
            one.change_id,
            time_in_words(one.changed_seconds),
            one.who,
            [_arrow(entry) for entry in one.differences],
            one.why,
        ]
        for one in changes
    ]
    show_table(["Change", "When", "Who", "What", "Why"], rows, empty="Nothing was changed yet.")


@commands.command()
def rollback(
    context: typer.Context,
    change: Annotated[int, typer.Argument(help="The number that `history` shows.")],
    why: Why = "",
) -> None:
    """Undo one change; that is a change itself."""
    with site_of(context) as site:
        _tell(site.settings.rollback(change, who(), why))


def _tell(differences: "Sequence[Difference]", *, done: bool = True) -> None:
    for entry in differences:
        typer.echo(_arrow(entry))
    if not differences:
        typer.echo("Nothing changes: it is so already." if done else "Nothing differs.")


def _arrow(entry: "Difference") -> str:
    return f"{entry.key}: {_shown(entry.old)} -> {_shown(entry.new)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "(none)"
    return str(value) if value != "" else "(empty)"
