"""`estafeta group`: named sets of addresses that can be written to as one."""

from typing import Annotated

import typer

from estafeta.cli.common import Json, show_json, show_table, site_of

commands = typer.Typer(
    name="group", help="Sets of addresses written to as one.", no_args_is_help=True, rich_markup_mode=None
)

Address = Annotated[str, typer.Argument(help="team@example.org")]
Members = Annotated[list[str], typer.Argument(help="Addresses, here or elsewhere.")]


@commands.command()
def add(
    context: typer.Context,
    address: Address,
    members: Annotated[list[str] | None, typer.Argument(help="Its first members.")] = None,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Display name.")] = "",
) -> None:
    """Add a group."""
    with site_of(context) as site:
        group = site.directory.add_group(address, display_name=name, members=members or [])
    typer.echo(f"Added {group.address} with {len(group.members)} members.")


@commands.command(name="list")
def list_groups(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(help="Only of this domain.")] = "",
    as_json: Json = False,
) -> None:
    """List groups."""
    with site_of(context) as site:
        groups = site.directory.list_groups(domain)
    if as_json:
        show_json(groups)
        return
    rows = [[one.address, one.display_name, one.members] for one in groups]
    show_table(["Group", "Name", "Members"], rows, empty="There are no groups yet: add one with `estafeta group add`.")


@commands.command()
def show(context: typer.Context, address: Address, as_json: Json = False) -> None:
    """Show the members of a group."""
    with site_of(context) as site:
        group = site.directory.get_group(address)
    if as_json:
        show_json(group)
        return
    for member in group.members:
        typer.echo(member)


@commands.command()
def join(context: typer.Context, address: Address, members: Members) -> None:
    """Put addresses into a group."""
    with site_of(context) as site:
        group = site.directory.add_members(address, members)
    typer.echo(f"{group.address} has {len(group.members)} members.")


@commands.command()
def leave(context: typer.Context, address: Address, members: Members) -> None:
    """Take addresses out of a group."""
    with site_of(context) as site:
        group = site.directory.remove_members(address, members)
    typer.echo(f"{group.address} has {len(group.members)} members.")


@commands.command()
def remove(context: typer.Context, address: Address) -> None:
    """Remove a group; its members stay."""
    with site_of(context) as site:
        site.directory.remove_group(address)
    typer.echo(f"Removed {address}.")
