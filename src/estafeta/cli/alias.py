"""`estafeta alias`: addresses that stand for others."""

from typing import Annotated

import typer

from estafeta.cli.common import Json, read_text, show_import, show_json, show_table, site_of

commands = typer.Typer(
    name="alias", help="Addresses that stand for others.", no_args_is_help=True, rich_markup_mode=None
)

Address = Annotated[str, typer.Argument(help="info@example.org")]
OfDomain = Annotated[str, typer.Option("--domain", metavar="DOMAIN", help="The domain; the default one without.")]


@commands.command()
def add(
    context: typer.Context,
    address: Address,
    targets: Annotated[list[str], typer.Argument(help="Here or elsewhere.")],
) -> None:
    """Let an address stand for one or many others, in addition to those it has."""
    with site_of(context) as site:
        alias = site.directory.add_alias(address, targets)
    typer.echo(f"{alias.address} stands for {', '.join(alias.targets)}.")


@commands.command(name="list")
def list_aliases(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(help="Only of this domain.")] = "",
    as_json: Json = False,
) -> None:
    """List aliases."""
    with site_of(context) as site:
        aliases = site.directory.list_aliases(domain)
    if as_json:
        show_json(aliases)
        return
    rows = [[one.address, one.targets] for one in aliases]
    show_table(["Alias", "Stands for"], rows, empty="There are no aliases yet: add one with `estafeta alias add`.")


@commands.command()
def show(context: typer.Context, address: Address, as_json: Json = False) -> None:
    """Show what an alias stands for."""
    with site_of(context) as site:
        alias = site.directory.get_alias(address)
    if as_json:
        show_json(alias)
        return
    for target in alias.targets:
        typer.echo(target)


@commands.command()
def remove(
    context: typer.Context,
    address: Address,
    targets: Annotated[list[str] | None, typer.Argument(help="Only these.")] = None,
) -> None:
    """Remove an alias, or some of what it stands for."""
    with site_of(context) as site:
        site.directory.remove_alias(address, targets or [])
    typer.echo(f"Removed {f'{len(targets)} targets of ' if targets else ''}{address}.")


@commands.command(name="import")
def import_aliases(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="/etc/aliases or /etc/email-addresses; - is stdin.")] = ("/etc/aliases"),
    domain: OfDomain = "",
    email_addresses: Annotated[
        bool, typer.Option("--email-addresses", help="The file says which address each user's mail is from.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Import aliases in the form of /etc/aliases."""
    text = read_text(file)
    with site_of(context) as site:
        take = site.directory.import_email_addresses if email_addresses else site.directory.import_aliases
        report = take(text, domain, dry_run=dry_run)
    show_import(report, dry_run)


@commands.command(name="export")
def export_aliases(
    context: typer.Context,
    domain: OfDomain = "",
    email_addresses: Annotated[
        bool, typer.Option("--email-addresses", help="Which address each user's mail is from, instead.")
    ] = False,
) -> None:
    """Print aliases in the form of /etc/aliases."""
    with site_of(context) as site:
        give = site.directory.export_email_addresses if email_addresses else site.directory.export_aliases
        text = give(domain)
    typer.echo(text, nl=False)
