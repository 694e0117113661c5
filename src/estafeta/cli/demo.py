"""`estafeta demo`: a server to try, with two users, in the foreground."""

import typer

from estafeta.cli.common import home_of


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command()(demo)


def demo(context: typer.Context) -> None:
    """Run a demonstration server to try it out.

    Made once, in the home directory, for the domain example.test with two users, on unprivileged ports of 127.0.0.1.
    """
    from estafeta.app.demo import prepare, render_screen
    from estafeta.app.serve import serve

    ready = prepare(home_of(context))
    typer.echo(render_screen(ready))
    raise typer.Exit(serve(ready.node.home))
