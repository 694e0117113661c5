"""`estafeta policy scanners` and `estafeta policy hook-secret`: the programs that mail is shown to."""

from typing import Annotated

import typer

from estafeta.cli.common import Json, show_json, show_table, site_of


def add_commands(commands: typer.Typer) -> None:
    """Put the commands of this file into a group."""
    commands.command()(scanners)
    commands.command(name="hook-secret")(hook_secret)


def scanners(context: typer.Context, as_json: Json = False) -> None:
    """Test every scanner of the settings now, with something to find: EICAR for ClamAV, GTUBE for rspamd and
    SpamAssassin, a letter for the web hook. Status 1 when one does not answer as it should.
    """
    import asyncio

    from estafeta.app.guard import site_secret
    from estafeta.policy.scanners.probing import probe_scanners

    with site_of(context) as site:
        probes = asyncio.run(probe_scanners(site.settings.current, site_secret(site), thoroughly=True))
    if as_json:
        show_json(
            [
                {"scanner": one.name, "at": one.place, "fine": one.fine, "away": str(one.away), "says": one.words}
                for one in probes
            ]
        )
    else:
        show_table(
            ["Scanner", "At", "", "Says", "While away"],
            [(one.name, one.place, "fine" if one.fine else "AWAY", one.words, str(one.away)) for one in probes],
            empty="No scanner is set: see clamav.server, milters.server_rules, hook.url, rspamd.server and "
            "spamassassin.server.",
        )
    if not all(one.fine for one in probes):
        raise typer.Exit(1)


def hook_secret(
    context: typer.Context,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Take it from standard input.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Forget it.")] = False,
) -> None:
    """Keep the secret that the web hook of the settings is shown (Authorization: Bearer). It is stored encrypted, and
    belongs to the host and port of hook.url.
    """
    import sys
    import time

    from estafeta.app.guard import HOOK_LOGIN
    from estafeta.app.node_key import load_node_key
    from estafeta.core.errors import EstafetaError, Kind
    from estafeta.directory.hostcredentials import HostCredentials
    from estafeta.directory.settings_hook import parse_hook_url

    with site_of(context) as site:
        url = site.settings.current.hook.url
        if not url:
            raise EstafetaError(Kind.INVALID, "There is no web hook: set hook.url first.")
        place = parse_hook_url(url).place
        server = f"[{place.host}]:{place.port}"
        credentials = HostCredentials(site.database, load_node_key(site.node.home), time.time)
        if remove:
            credentials.remove_credentials(server)
            typer.echo(f"Forgot the secret for {place}.")
            return
        if secret_stdin or not sys.stdin.isatty():
            secret = sys.stdin.readline(1025).rstrip("\r\n")
        else:
            secret = typer.prompt("Secret", hide_input=True)
        credentials.set_credentials(server, HOOK_LOGIN, secret)
    typer.echo(f"The web hook at {place} is shown the secret from now on.")
