"""`estafeta trace`: what clients and servers say to each other, as it happens."""

import itertools
import signal
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estafeta.cli.common import become_owner, node_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command()(trace)


def trace(
    context: typer.Context,
    peer: Annotated[
        list[str] | None, typer.Option("--peer", metavar="ADDRESS", help="Only this IP address or network; repeatable.")
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            "--service",
            metavar="NAME",
            help="Only this one: smtp, submission, submissions, lmtp, pop3, pop3s, imap, imaps, or delivery for"
            " connections to other servers; repeatable.",
        ),
    ] = None,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="Only sessions in which this user signs in.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Only the first connection that matches; end with it.")] = False,
    seconds: Annotated[float, typer.Option("--seconds", min=0, metavar="S", help="End after this time.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Show JSON, a line each.")] = False,
) -> None:
    """Follow connections of the running server, both directions, until interrupted.

    Secrets and the bodies of messages are left out. C is the client, S the server, also where this server is the
    client.
    """
    from estafeta.app.config import WEB, Service
    from estafeta.app.tracing import follow
    from estafeta.net.watching import DELIVERY, Wanted

    # Web pages are not followed: their octets are those of another library.
    known = [*(name for name in Service if name not in WEB), DELIVERY]
    for name in service or ():
        if name not in known:
            raise typer.BadParameter(f"--service must be one of {', '.join(known)}")
    networks = tuple(_network(each) for each in peer or ())
    node = node_of(context)
    become_owner(node)
    lines: Iterable[dict[str, Any]] = follow(
        node.home, Wanted(networks, tuple(service or ()), user.lower()), seconds=seconds
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.stderr.isatty():
        typer.echo("Following; ^C ends it.", err=True)
    try:
        for line in _first(lines) if once else lines:
            _show(line, as_json)
    except KeyboardInterrupt:
        return


def _network(text: str) -> str:
    from ipaddress import ip_network

    if text == "local":
        return text
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise typer.BadParameter("--peer must be an IP address, a network, or local") from None


def _first(lines: "Iterable[dict[str, Any]]") -> "Iterable[dict[str, Any]]":
    """Those of the first connection that begins, to its end."""
    ident = None
    for line in lines:
        if ident is None and line.get("text") == "connected":
            ident = line.get("id")
        if ident is not None and line.get("id") == ident:
            yield line
            if line["who"] == "*" and line["text"].startswith("closed"):
                return


def _show(line: dict[str, Any], as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps(line, ensure_ascii=False))
        return
    moment = line.get("time", time.time())
    clock = time.strftime("%H:%M:%S", time.localtime(moment)) + f".{int(moment % 1 * 1000):03d}"
    where = " ".join(str(line[key]) for key in ("service", "peer", "id") if key in line)
    # What a peer says must not move the cursor of who looks at it.
    text = "".join(letter if letter.isprintable() else "?" for letter in line["text"])
    typer.echo(" ".join(itertools.chain([clock], [where] * bool(where), [f"{line['who']}:", text])))
