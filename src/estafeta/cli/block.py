"""`estafeta block`: networks and users that may not sign in: those that the server made wait, and an operator's own."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, show_json, show_table, site_of, time_in_words

if TYPE_CHECKING:
    from estafeta.directory.blocks import Block

commands = typer.Typer(
    name="block",
    help="Networks and users that may not sign in.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_UNITS = {"m": 60, "h": 3600, "d": 86_400}

Network = Annotated[str, typer.Option("--network", metavar="NETWORK", help="192.0.2.7, 192.0.2.0/24, 2001:db8::/48.")]
Login = Annotated[str, typer.Option("--user", metavar="ADDRESS", help="This user; with --network, from there only.")]


@commands.command("list")
def list_blocks(context: typer.Context, as_json: Json = False) -> None:
    """List what holds now. Of a user without a network the server only counts: its sign-ins wait some seconds."""
    with site_of(context) as site:
        found = site.directory.list_blocks()
    if as_json:
        show_json([one._asdict() for one in found])
        return
    show_table(
        ["Network", "User", "Until", "Failures", "Made by", "Why"],
        [(one.network, one.login, _until(one), one.failures, one.made_by or "the server", one.reason) for one in found],
        empty="Nothing is blocked.",
    )


@commands.command()
def add(
    context: typer.Context,
    network: Network = "",
    login: Login = "",
    lasting: Annotated[str, typer.Option("--for", metavar="TIME", help="30m, 12h, 7d; without it for good.")] = "",
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="A reason, kept with it.")] = "",
) -> None:
    """Let nobody sign in from a network, or a user from nowhere."""
    with site_of(context) as site:
        made = site.directory.add_block(network, login, seconds=_seconds(lasting), made_by="operator", reason=why)
    typer.echo(f"Blocked {_whom(made)}, {_until(made)}.")


@commands.command()
def remove(context: typer.Context, network: Network = "", login: Login = "") -> None:
    """End a block."""
    with site_of(context) as site:
        gone = site.directory.remove_block(network, login)
    typer.echo(f"{_whom(gone).capitalize()} may sign in again, as far as this block goes.")


def _seconds(text: str) -> int:
    if not text:
        return 0
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if found is None or not int(found[1]):
        raise typer.BadParameter(f"{text!r} is no time such as 30m, 12h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def _until(block: "Block") -> str:
    return f"until {time_in_words(block.until_seconds)}" if block.until_seconds else "for good"


def _whom(block: "Block") -> str:
    return " from ".join(filter(None, (block.login, block.network)))
