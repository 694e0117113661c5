"""`estafeta serve`, `reload`, `stop`."""

import time
from contextlib import suppress
from typing import Annotated

import typer

from estafeta.cli.common import home_of, node_of


def add_commands(app: typer.Typer) -> None:
    """Put the commands of this file on `app`."""
    app.command()(serve)
    app.command()(reload)
    app.command()(stop)


def serve(
    context: typer.Context,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=256, help="Worker processes; overrides the node file.")
    ] = None,
) -> None:
    """Run the server in the foreground until it is told to stop."""
    from estafeta.app.serve import serve as serve_home

    raise typer.Exit(serve_home(home_of(context), workers=workers))


def reload(context: typer.Context) -> None:
    """Take in changed settings and certificates.

    No session is dropped.
    """
    from estafeta.app.control import ask

    node = node_of(context)
    _require_running(context)
    said = ask(node.home.control, "reload")
    typer.echo("Reloaded.")
    if said["restart_needed"]:
        typer.echo(f"Changes of {', '.join(said['restart_needed'])} take effect when the server is started again.")


def stop(
    context: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Do not wait for sessions to finish.")] = False,
) -> None:
    """Stop a running server: sessions finish what is under way."""
    from estafeta.app.control import ask
    from estafeta.app.pidfile import running_pid
    from estafeta.core.errors import EstafetaError, Kind

    home = home_of(context)
    _require_running(context)
    said = ask(home.control, "stop")
    if now:
        with suppress(EstafetaError):  # it may have ended meanwhile
            ask(home.control, "stop")
    deadline = time.monotonic() + said["grace_seconds"] + 10
    while running_pid(home.pid_file):
        if time.monotonic() > deadline:
            raise EstafetaError(Kind.TEMPORARY, f"The server (pid {said['pid']}) has not ended yet: see its log.")
        time.sleep(0.05)
    typer.echo("Stopped.")


def _require_running(context: typer.Context) -> None:
    from estafeta.app.pidfile import running_pid
    from estafeta.core.errors import EstafetaError, Kind

    home = node_of(context).home
    try:
        running = running_pid(home.pid_file) != 0
    except PermissionError:
        running = True  # another user's: asking it gives the right sentence
    if not running:
        raise EstafetaError(
            Kind.UNAVAILABLE, f"No server is running at {home.root}: start it with `estafeta --home {home.root} serve`."
        )
