"""What the commands of `estafeta queue` share: the opened queue, progress, and looking up what is meant."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from estafeta.cli.common import site_of, who
from estafeta.cli.queuechoice import Selection, parse_ident

if TYPE_CHECKING:
    from estafeta.app.queueing import Desk, Message
    from estafeta.app.stores import Site
    from estafeta.queue.operating import Action
    from estafeta.queue.overview import DestinationState, Sum
    from estafeta.queue.values import Lane

# More of them than this take a while, and are shown a progress bar.
_MANY = 5000


@contextmanager
def desk_of(context: typer.Context) -> "Iterator[tuple[Desk, Site]]":
    """The queue of the home."""
    me = who()
    with site_of(context) as site:
        from estafeta.app.queueing import Desk

        yield Desk(site, me), site


@contextmanager
def meter(total: int) -> "Iterator[Callable[[int], None] | None]":
    """A progress bar on a terminal while there is much to do."""
    if total < _MANY or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def change(desk: "Desk", action: "Action", selection: Selection, value_ms: int = 0, total: int | None = None) -> int:
    """Do it to all that is chosen, with progress; returns to how many. `total`: how many there are, if known."""
    choice = selection.choice(desk.now_ms())
    if total is None:
        total, _ = desk.count(choice)
    with meter(total) as progress:
        return desk.change(action, choice, value_ms=value_ms, progress=progress)


def show_content(content: bytes, *, whole: bool) -> None:
    """Write the header of a message, or all of it: as it is, but for a terminal without what steers one."""
    if not whole:
        end = content.find(b"\r\n\r\n")
        content = content if end < 0 else content[: end + 2]
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    for line in content.decode("utf-8", "replace").splitlines():
        sys.stdout.write("".join(one if one.isprintable() or one == "\t" else "\ufffd" for one in line) + "\n")


def order_of(sort: str) -> "Callable[[Sum], Any]":
    """How sums are sorted: large and old ones first, names from A."""
    from operator import attrgetter

    def largest(field: str) -> "Callable[[Sum], int]":
        return lambda one: -getattr(one, field)

    orders: dict[str, Callable[[Sum], Any]] = {
        "name": attrgetter("name"),
        "count": largest("number"),
        "volume": largest("volume"),
        "oldest": attrgetter("oldest_ms"),
        "newest": largest("newest_ms"),
    }
    if sort not in orders:
        raise typer.BadParameter(f"{sort!r}: it can be sorted by {', '.join(orders)}")
    return orders[sort]


def find_states(desk: "Desk", where: str, everything: bool) -> "Iterator[DestinationState]":
    """The destinations that are asked for."""
    if everything or not where:
        for state in desk.states():
            if everything or state.destination.failures or state.destination.held:
                yield state
        return
    keys = [where]
    if not {"*", "?", ".", ":", "@"} & set(where):
        keys = sorted({one.queued.hop for one in desk.get(parse_ident(where)).waiting})
    seen = set()
    for key in keys:
        found = [] if "@" in key else desk.states(key)
        for state in found or desk.states(desk.route_domain(key) or key):
            if state.destination.hop not in seen:
                seen.add(state.destination.hop)
                yield state


def no_trouble(desk: "Desk", where: str) -> str:
    """What to say where nothing waits and nothing is remembered."""
    if not where:
        return "No destination is in trouble or held."
    hop = desk.route_domain(where)
    if not hop:
        return f"Nothing is known of {where}."
    return f"Nothing waits for {where}; what comes would go{f' to {hop}' if hop != where else ''} at once."


def lanes_of(priority: str) -> "list[Lane]":
    """The lanes that are meant. BadParameter."""
    from estafeta.queue.values import Lane

    lanes = {"high": [Lane.HIGH], "normal": [Lane.NORMAL], "all": [Lane.HIGH, Lane.NORMAL]}
    if priority not in lanes:
        raise typer.BadParameter(f"{priority!r} is no priority: high, normal or all")
    return list(lanes[priority])


def say_what_waits_longer(messages: "Iterator[Message]", when: int) -> None:
    """A destination in trouble is not tried for the sake of one message."""
    from estafeta.cli.queuewords import moment

    later = {one.queued.hop: one.next_ms for message in messages for one in message.waiting if one.next_ms > when}
    for hop, next_ms in sorted(later.items())[:10]:
        typer.echo(
            f"{hop} is in trouble and not tried before {moment(next_ms)}: `estafeta queue edit --destination"
            f" {hop} --next ...` changes that.",
            err=True,
        )


def named(hops: Sequence[str]) -> str:
    """The first of them."""
    return f"{', '.join(hops[:5])}{' ...' if len(hops) > 5 else ''}"


def people(number: int) -> str:
    """So many recipients."""
    from estafeta.cli.queuewords import many

    return many(number, "recipient")


def none_of_that() -> str:
    """What to say where nothing matches."""
    return "Nothing in the queue is like that."
