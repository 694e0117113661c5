"""`estafeta batch run`: a batch session now (row Q8)."""

import typer

from estafeta.cli.common import node_of

commands = typer.Typer(name="batch", help="Sites that send mail in sessions.", no_args_is_help=True)


@commands.callback()
def _group() -> None:
    """Keeps `run` a command of its own."""


@commands.command("run")
def run_session(context: typer.Context) -> None:
    """Have the running server begin a session now: dial, ask for mail, send, hang up. Its log tells how it went."""
    from estafeta.app.batches import TOPIC
    from estafeta.core.errors import EstafetaError, Kind
    from estafeta.net.bus import Bus

    node = node_of(context)
    if not node.home.control.exists():
        raise EstafetaError(Kind.UNAVAILABLE, "The server is not running: start it with `estafeta serve`.")
    bus = Bus(node.home.run)
    try:
        bus.publish([TOPIC])
    finally:
        bus.close()
    typer.echo("A batch session begins.")
