"""`estafeta smarthost`: how we sign in to the servers that take our mail."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import (
    Json,
    Yes,
    confirm,
    read_text,
    show_import,
    show_json,
    show_table,
    site_of,
    time_in_words,
    who,
)

if TYPE_CHECKING:
    from estafeta.directory.hostcredentials import HostCredentials
    from estafeta.directory.settings import SiteSettings

commands = typer.Typer(
    name="smarthost",
    help="Logins for the servers that take our mail.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Server = Annotated[str, typer.Argument(help="[mail.example.com]:587, as in routing.smarthost or a rule.")]


@commands.command(name="set")
def set_login(
    context: typer.Context,
    server: Server,
    login: Annotated[str, typer.Argument(help="The name to sign in with.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Take the password from standard input.")
    ] = False,
    use: Annotated[bool, typer.Option("--use", help="Also send all mail for others there.")] = False,
) -> None:
    """Keep a login for a server. The password is asked for, and stored encrypted."""
    password = _password(password_stdin)
    with _credentials_of(context) as (credentials, settings):
        kept = credentials.set_credentials(server, login, password)
        if use:
            settings.set_setting("routing.smarthost", server, who(), "estafeta smarthost set --use")
    typer.echo(f"Mail that goes to {kept.server} signs in as {kept.login}.")


@commands.command(name="list")
def list_logins(context: typer.Context, as_json: Json = False) -> None:
    """List the logins, without their passwords."""
    with _credentials_of(context) as (credentials, _):
        found = credentials.list_credentials()
    if as_json:
        show_json([{"server": one.server, "login": one.login, "changed": one.changed_seconds} for one in found])
        return
    rows = [[one.server, one.login, time_in_words(one.changed_seconds)] for one in found]
    show_table(
        ["Server", "Login", "Changed"], rows, empty="There are no logins: add one with `estafeta smarthost set`."
    )


@commands.command()
def remove(context: typer.Context, server: Server, yes: Yes = False) -> None:
    """Forget the login for a server."""
    confirm(f"Forget the login for {server}?", yes)
    with _credentials_of(context) as (credentials, _):
        credentials.remove_credentials(server)
    typer.echo(f"Removed the login for {server}.")


@commands.command(name="import")
def import_logins(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="smtp_sasl_password_maps of Postfix; - is stdin.")] = (
        "/etc/postfix/smtp_pass"
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Import lines such as `[mail.example.com]:587 relay@example.com:password`."""
    text = read_text(file)
    with _credentials_of(context) as (credentials, _):
        report = credentials.import_smtp_pass(text, dry_run=dry_run)
    show_import(report, dry_run)


@contextmanager
def _credentials_of(context: typer.Context) -> "Iterator[tuple[HostCredentials, SiteSettings]]":
    from estafeta.app.node_key import load_node_key
    from estafeta.directory.hostcredentials import HostCredentials

    with site_of(context) as site:
        yield HostCredentials(site.database, load_node_key(site.node.home), time.time), site.settings


def _password(from_stdin: bool) -> str:
    """The password of another server: it is never made here."""
    if from_stdin or not sys.stdin.isatty():
        line = sys.stdin.readline(1025).rstrip("\r\n")
        if not line:
            raise typer.BadParameter("there is no password on standard input")
        return line
    typed: str = typer.prompt("Password", hide_input=True)
    return typed
