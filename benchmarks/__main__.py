"""`python -m benchmarks [NAME ...] [--quick] [--json FILE]`: measures, prints tables, leaves them in results/."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks import (
    bayes,
    corpus,
    dead_destination,
    delivery,
    dkim,
    imap_idle,
    imap_login,
    imap_read,
    imap_search,
    imap_select,
    imap_write,
    journal_cost,
    large_mailbox,
    machine,
    policy,
    pop3,
    queue_scale,
    relay,
    report,
    signing_cost,
    start,
)
from benchmarks.bench import Bench, Section
from benchmarks.clients import Clients
from benchmarks.server import Skip

RESULTS = Path(__file__).parent / "results"
PARTS: dict[str, Callable[[Bench], Section | None]] = {
    "delivery": delivery.run,
    "large_mailbox": large_mailbox.run,
    "pop3": pop3.run,
    "imap_read": imap_read.run,
    "imap_search": imap_search.run,
    "imap_select": imap_select.run,
    "imap_write": imap_write.run,
    "imap_login": imap_login.run,
    "imap_idle": imap_idle.run,
    "relay": relay.run,
    "queue_scale": queue_scale.run,
    "dead_destination": dead_destination.run,
    "journal_cost": journal_cost.run,
    "dkim": dkim.run,
    "signing_cost": signing_cost.run,
    "bayes": bayes.run,
    "policy": policy.run,
    "corpus": corpus.run,
    "start": start.run,
}


def main(argv: list[str]) -> int:
    options = _parse(argv)
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        clients = Clients(RESULTS)
    except Skip as reason:
        console.print(f"skipped: {reason}")
        return 0
    options.directory.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="bench-", dir=options.directory))
    root.chmod(0o755)  # servers that drop privileges have to pass through
    try:
        made = _measure(Bench(root, clients, console, options.quick, options.only), options.names, argv)
    finally:
        if not options.keep:  # only now: removing many files between runs would slow the next ones down
            shutil.rmtree(root, ignore_errors=True)
    _publish(made, console, options.json)
    missed = options.strict and any(target.met is False for target in made.targets)
    return 1 if made.failed or missed else 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer loads, one round: rough figures in 3 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to FILE")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="where servers keep mail: a real disk")
    parser.add_argument("--only", default="", metavar="SERVER", help="only servers with this in their names")
    parser.add_argument("--keep", action="store_true", help="keep the servers' directories")
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a target is missed")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.names if not _parts(name)]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(PARTS)}")
    options.names = [part for name in options.names for part in _parts(name)] or list(PARTS)
    return options


def _parts(name: str) -> list[str]:
    """The part `name`, or all whose names begin with it: `imap` is all of IMAP."""
    return [part for part in PARTS if part == name or part.startswith(f"{name}_")]


def _measure(bench: Bench, names: list[str], argv: list[str]) -> report.Report:
    where, sections, begun = machine.describe(bench.root), [], time.monotonic()
    for name in names:
        bench.say(name)
        try:
            section = PARTS[name](bench)
        except (RuntimeError, OSError) as error:
            bench.fail(name, error)
            continue
        if section is not None:
            sections.append(section)
    bench.say(f"took {time.monotonic() - begun:.0f} s")
    command = shlex.join(["python", "-m", "benchmarks", *argv])
    return report.Report(where, command, bench.versions, bench.skipped, bench.failed, sections)


def _publish(made: report.Report, console: Console, json_file: Path | None) -> None:
    report.show(made, console)
    table = RESULTS / "benchmarks.md"
    table.write_text(report.to_markdown(made), encoding="utf-8")
    console.print(f"The same as Markdown: {table}")
    if json_file:
        json_file.write_text(report.to_json(made), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
