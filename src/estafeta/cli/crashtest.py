"""`estafeta crashtest`: shows on this machine that nothing acknowledged is lost."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import show_fields

if TYPE_CHECKING:
    from estafeta.app.crashtest.run import Report

_LINE_SECONDS = 0.2
_PLAIN_LINE_SECONDS = 10.0


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command()(crashtest)


def crashtest(
    kills: Annotated[int, typer.Option("--kills", min=1, metavar="N", help="Stop after so many kills.")] = 50,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, metavar="S", help="Stop after this time; 0 is no limit.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Repeat the schedule of an earlier run.")
    ] = None,
    step: Annotated[
        str, typer.Option("--step", metavar="NAME", help="Kill only at this step of the commit, e.g. sql-committed.")
    ] = "",
    sessions: Annotated[int, typer.Option("--sessions", min=1, max=200, help="SMTP sessions of the load.")] = 8,
    imap: Annotated[int, typer.Option("--imap", min=0, max=8, help="IMAP connections of the load.")] = 4,
    relay: Annotated[bool, typer.Option(help="Half of the messages go to other servers too, of the test.")] = True,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Worker processes.")] = 2,
    storage_url: Annotated[
        str, typer.Option("--storage-url", metavar="URL", help="An empty PostgreSQL database instead of SQLite.")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the temporary server's files for a look.")] = False,
) -> None:
    """Kill a server under load and count what is lost.

    Lost and torn must be 0. Uses nothing of the server in --home, but free ports of 127.0.0.1 and a temporary
    directory. Status 1 when anything that was acknowledged is missing.
    """
    import secrets

    from estafeta.app.crashtest.run import Options, run
    from estafeta.storage.steps import Step

    if step and step not in list(Step):
        raise typer.BadParameter(f"--step must be one of {', '.join(Step)}")
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    options = Options(
        kills, seconds, seed, Step(step) if step else None, sessions, workers, keep, storage_url, imap, relay
    )
    line = _Line(kills)
    try:
        report = run(options, line.show)
    finally:
        line.end()
    _tell(report, seed)
    raise typer.Exit(0 if report.passed else 1)


def _tell(report: "Report", seed: int) -> None:
    from estafeta.app.crashtest.count import named
    from estafeta.app.crashtest.run import kill_lines

    counted = report.counted
    fields: list[tuple[str, object]] = [
        ("seed", seed),
        ("time", f"{report.seconds:.0f} s"),
        ("kills", report.total_kills),
        *((f"  {what}", times) for what, times in kill_lines(report)),
        ("starts of the server", report.starts),
        ("connections broken", report.broken),
        ("acknowledged", report.acknowledged),
        *((f"  {what}", times) for what, times in sorted(report.changes.items())),
        ("found in mailboxes", counted.messages + counted.imap_messages),
        ("delivered twice", counted.twice),
        ("passed on to others", counted.relayed),
        ("passed on twice", counted.relayed_twice),
        ("left in the queue", counted.queued),
        ("lost", len(counted.lost)),
        ("torn", len(counted.torn)),
        ("store verify", "not clean" if report.problems else "clean"),
        ("last stop", "clean" if not report.stop_status else f"status {report.stop_status}"),
    ]
    if report.tracebacks:
        fields.append(("tracebacks in the log", report.tracebacks))
    fields += [(f"refused {times} times", reply) for reply, times in sorted(report.refused.items())]
    show_fields(fields)
    for title, things in (("Lost:", counted.lost), ("Torn:", counted.torn), ("Verify:", report.problems)):
        for thing in named(things):
            typer.echo(f"{title} {thing}")
    if report.home:
        typer.echo(f"Kept: {report.home}")
    typer.echo("Passed." if report.passed else "FAILED.")


class _Line:
    """The live line: rewritten on a terminal, now and then a new one elsewhere."""

    def __init__(self, kills: int) -> None:
        self._kills = kills
        self._live = sys.stderr.isatty()
        self._next = 0.0

    def show(self, report: "Report") -> None:
        """Show it, if it is time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_LINE_SECONDS if self._live else _PLAIN_LINE_SECONDS)
        text = (
            f"{report.seconds:5.0f} s  {report.total_kills}/{self._kills} kills  "
            f"{report.acknowledged + sum(report.changes.values())} acknowledged  {report.broken} connections broken"
        )
        print(f"\r{text}\x1b[K" if self._live else text, end="" if self._live else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            print(file=sys.stderr)
