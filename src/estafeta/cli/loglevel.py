"""`estafeta log-level`: how much a running server logs, for a while."""

import time
from typing import Annotated

import typer

from estafeta.cli.common import become_owner, node_of

_LONGEST_SECONDS = 7 * 86_400
_USUAL = "usual"


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command(name="log-level")(log_level)


def log_level(
    context: typer.Context,
    level: Annotated[
        str, typer.Argument(help="debug, info, warning or error; `usual` is that of estafeta.toml. Without: show it.")
    ] = "",
    span: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, as 10m or 2h; at most 7d.")] = "1h",
    part: Annotated[
        str, typer.Option("--part", metavar="NAME", help="Only this part: smtp, imap, pop3, net, outward ...")
    ] = "",
) -> None:
    """Change how much the running server logs, without a restart; it goes back by itself.

    A reload or SIGHUP neither ends nor prolongs it.
    """
    from estafeta.app import control
    from estafeta.app.config import LogLevel
    from estafeta.app.loglevel import LevelForAWhile, read_level, write_level
    from estafeta.core.clock import parse_span

    node = node_of(context)
    become_owner(node)
    if level not in ("", _USUAL, *LogLevel):
        raise typer.BadParameter(f"the level must be {', '.join(LogLevel)} or {_USUAL}")
    if part and not part.replace("_", "").isalnum():
        raise typer.BadParameter("--part is one word, as the log's lines have none; try smtp")
    now = time.time()
    if level:
        seconds = parse_span(span)
        if not 0 < seconds <= _LONGEST_SECONDS:
            raise typer.BadParameter("--for must be more than nothing and at most 7d")
        control.ask(node.home.control, "status")
        write_level(node.home, None if level == _USUAL else LevelForAWhile(LogLevel(level), now + seconds, part))
        control.ask(node.home.control, "reload")
    found = read_level(node.home, now)
    if found is None:
        typer.echo(f"The server logs {node.config.log.level}.")
        return
    what = f"{found.part} logs" if found.part else "The server logs"
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.until))
    typer.echo(f"{what} {found.level} until {until}, then {node.config.log.level}.")
