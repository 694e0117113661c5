"""`estafeta shared`: folders that belong to nobody, and who may do what with them."""

from typing import Annotated

import typer

from estafeta.cli.common import Json, Yes, confirm, show_json, show_table, site_of

commands = typer.Typer(
    name="shared",
    help="Folders of #shared/, which mail programs show to everyone who has rights on them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="News or News/Sport; #shared/ before it is understood.")]


@commands.command()
def add(
    context: typer.Context,
    name: Name,
    everyone: Annotated[
        str, typer.Option("--anyone", metavar="RIGHTS", help="Rights of all users: read, post, write, or letters.")
    ] = "",
) -> None:
    """Add a shared folder. It has the rights of the folder above it; without any, only administrators see it."""
    from estafeta.app.shared_folders import add_folder, grant, parse_rights

    parse_rights(everyone)
    with site_of(context) as site:
        folder = add_folder(site, name)
        if everyone:
            grant(site, name, "anyone", everyone)
    typer.echo(f"Added {folder.name}.")


@commands.command(name="list")
def list_folders(context: typer.Context, as_json: Json = False) -> None:
    """List shared folders."""
    from estafeta.app.shared_folders import list_folders

    with site_of(context) as site:
        folders = list_folders(site)
    if as_json:
        show_json(folders)
        return
    rows = [
        [
            one.name,
            one.messages,
            f"{one.bytes / 1048576:.1f} MiB",
            [f"{who} {what}" for who, what in one.rights.items()],
        ]
        for one in folders
    ]
    columns = ["Folder", "Messages", "Size", "Rights"]
    show_table(columns, rows, empty="There are no shared folders yet: add one with `estafeta shared add`.")


@commands.command()
def rights(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show who has which rights on a folder."""
    from estafeta.app.shared_folders import get_folder

    with site_of(context) as site:
        folder = get_folder(site, name)
    if as_json:
        show_json(folder)
        return
    show_table(["Who", "Rights"], list(folder.rights.items()), empty="Nobody but administrators has rights on it.")


@commands.command()
def grant(
    context: typer.Context,
    name: Name,
    who: Annotated[str, typer.Argument(help="anna@example.org, @example.org, group:team@example.org or anyone.")],
    rights: Annotated[
        str, typer.Argument(help="read, post, write, all, none, or letters of lrswipkxtea as in RFC 4314.")
    ],
    deny: Annotated[
        bool, typer.Option("--deny", help="Take these rights away from those that other entries give.")
    ] = False,
) -> None:
    """Give someone exactly these rights on a folder; `none` takes the entry away."""
    from estafeta.app.shared_folders import grant

    with site_of(context) as site:
        folder = grant(site, name, who, rights, deny=deny)
    given = ", ".join(f"{one} {letters}" for one, letters in folder.rights.items())
    typer.echo(f"Rights on {folder.name}: {given or 'none'}.")


@commands.command()
def remove(context: typer.Context, name: Name, yes: Yes = False) -> None:
    """Remove a shared folder with its messages, for good; folders below it stay."""
    from estafeta.app.shared_folders import get_folder, remove_folder

    with site_of(context) as site:
        folder = get_folder(site, name)
        confirm(f"Delete {folder.name} with {folder.messages} messages for good?", yes)
        gone = remove_folder(site, name)
    typer.echo(f"Removed {folder.name}: {gone} messages deleted.")
