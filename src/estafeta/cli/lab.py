"""`estafeta lab`: a small internet on this machine, and a clock that jumps."""

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import become_owner, home_of, read_text

if TYPE_CHECKING:
    from estafeta.app.config import Node
    from estafeta.app.lab import Lab

commands = typer.Typer(
    name="lab",
    help="A small internet on this machine, for tests and for learning.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_MOST_WORDS = 200
_SHOWN = {"connect": "<->", "command": "C:", "reply": "S:", "message": "***", "close": "-x-"}


@commands.command()
def example() -> None:
    """Print a lab file to begin with."""
    from estafeta.app.lab.file import EXAMPLE

    typer.echo(EXAMPLE, nl=False)


@commands.command()
def run(
    file: Annotated[str, typer.Argument(help="The lab file; - is stdin. Without one, that of `lab example`.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show messages only, not every command.")] = False,
) -> None:
    """Make the internet of a lab file and show each connection and message as it comes, until interrupted."""
    import asyncio

    from estafeta.app.lab.file import EXAMPLE, parse_lab

    text = read_text(file) if file else EXAMPLE
    lab_file = parse_lab(text, file or "the example")
    watcher = _Watcher(quiet)

    async def serve() -> None:
        from estafeta.app.lab import Lab
        from estafeta.app.lab.file import build

        async with Lab(port=lab_file.port, dns_port=lab_file.dns_port, watch=watcher.show) as lab:
            await build(lab, lab_file, file or "the example")
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            _explain(lab)
            await stop.wait()

    asyncio.run(serve())


@commands.command()
def jump(
    context: typer.Context,
    span: Annotated[str, typer.Argument(help="How far, as 90s, 15m, 4h, 1d12h; `now` goes back to the world's time.")],
    home: Annotated[str, typer.Option("--home", metavar="DIR", help="Where the server is.")] = "",
) -> None:
    """Move the clock of a server that has [lab] in its estafeta.toml, for all its processes at once."""
    from estafeta.app.config import load_node
    from estafeta.app.home import Home
    from estafeta.core.clock import LabClock
    from estafeta.core.errors import EstafetaError, Kind

    node = load_node(Home.at(home) if home else home_of(context))
    if node.config.lab is None:
        raise EstafetaError(
            Kind.INVALID, f"{node.home.root} is no lab: add a line [lab] to its estafeta.toml and restart the server."
        )
    become_owner(node)
    clock = LabClock(node.home.resolve(node.config.lab.clock))
    if span == "now":
        clock.set_offset(0)
    else:
        clock.jump(span)
    _wake(node)
    typer.echo(f"It is {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(clock()))} UTC there now.")


def _wake(node: "Node") -> None:
    """What waits for a time that has come now shall not wait for anything else."""
    from estafeta.net.bus import Bus
    from estafeta.queue.destinations import TOPIC

    bus = Bus(node.home.run)
    bus.publish([TOPIC])
    bus.close()


def _explain(lab: "Lab") -> None:
    """Say how a server is brought into this lab."""
    settings = lab.settings()
    typer.echo(f"Name server {lab.dns_address}, mail servers at port {lab.port}, authority {lab.ca_file}")
    for remote in lab.remotes.values():
        typer.echo(f"  {remote.host}  {remote.address}:{remote.port}")
    typer.echo("To bring a server in: add [lab] to its estafeta.toml and restart it with")
    typer.echo(f"  SSL_CERT_FILE={lab.ca_file}")
    for key, value in settings.items():
        shown = ",".join(value) if isinstance(value, tuple) else str(value).lower()
        typer.echo(f"  estafeta config set {key} {shown}")
    sys.stdout.flush()


class _Watcher:
    """Prints what happens, a line each; what a client says cannot leave its line."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()

    def show(self, host: str, what: str, words: str) -> None:
        if self._quiet and what != "message":
            return
        for line in (words or what).split("\n"):
            plain = "".join(letter if letter.isprintable() else "?" for letter in line[:_MOST_WORDS])
            with self._lock:
                print(f"{time.strftime('%H:%M:%S')} {host} {_SHOWN[what]} {plain}", flush=True)
