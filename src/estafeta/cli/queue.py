"""`estafeta queue`: what waits, when it will be tried, and everything that an operator does about it.

The server may be running, and acts at once, or stopped. Nothing is destroyed without a question.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estafeta.cli.common import Json, Yes, confirm, show_json, site_of, who
from estafeta.cli.queuechoice import Selection, parse_ident, selecting

if TYPE_CHECKING:
    from estafeta.app.queueing import Desk, Message
    from estafeta.app.stores import Site
    from estafeta.queue.operating import Action
    from estafeta.queue.overview import DestinationState, Sum
    from estafeta.queue.values import Lane

commands = typer.Typer(
    name="queue",
    help="Mail that waits: look at it, retry, hold, release, remove, send back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_REFUSED = 1
# More of them than this take a while, and are shown a progress bar.
_MANY = 5000

Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="So many at most.")]
Priority = Annotated[str, typer.Option("--priority", metavar="high|normal|all", help="All that has this priority.")]
Next = Annotated[str, typer.Option("--next", metavar="TIME", help="+2h, 11:00, 2026-11-25 11:00, now.")]


# Looking


@commands.command("list")
@selecting
def list_queue(context: typer.Context, selection: Selection, limit: Limit = None, as_json: Json = False) -> None:
    """List what waits: a line for each message, one for each recipient with its next try and the last reason."""
    from estafeta.cli.queuelook import Look

    with _desk(context) as (desk, _):
        found = desk.messages(selection.choice(desk.now_ms(), default=True), limit)
        look = Look(desk.now_ms())
        if as_json:
            look.messages_json(found)
        elif not look.messages(found):
            typer.echo("The queue is empty." if selection.is_empty else "Nothing in the queue is like that.")


@commands.command()
def summary(
    context: typer.Context,
    by: Annotated[str, typer.Option("--by", help="domain, destination, sender or reason.")] = "domain",
    sort: Annotated[str, typer.Option("--sort", help="name, count, volume, oldest or newest.")] = "name",
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Sum up what waits: count, volume, oldest and newest, by domain of the recipients or by something else."""
    from estafeta.cli.queuelook import Look
    from estafeta.queue.overview import SumBy, totals
    from estafeta.queue.overview import summary as sums_of

    order = _order(sort)
    if by not in list(SumBy):
        raise typer.BadParameter(f"{by!r}: it can be summed up by {', '.join(SumBy)}")
    with _desk(context) as (desk, site):
        with site.database.read() as conn:
            sums, all_of_it = sums_of(conn, SumBy(by)), totals(conn)
        sums = sorted(sums, key=order)[:limit]
        if as_json:
            show_json({"totals": all_of_it._asdict(), by: [one._asdict() for one in sums]})
        elif not sums:
            typer.echo("The queue is empty.")
        else:
            Look(desk.now_ms()).summary(sums, all_of_it, by.capitalize(), desk.held_priorities())


@commands.command()
def show(
    context: typer.Context,
    ident: Annotated[str, typer.Argument(metavar="ID", help="The ident of a message, as `list` shows it.")],
    content: Annotated[bool, typer.Option("--content", help="Its header.")] = False,
    body: Annotated[bool, typer.Option("--body", help="The whole message, header and body.")] = False,
    as_json: Json = False,
) -> None:
    """Show a message that waits: its envelope, and each recipient with tries, reason and next try; or what it says."""
    from estafeta.cli.queuelook import Look
    from estafeta.cli.queuelook import as_json as plain

    with _desk(context) as (desk, _):
        message = desk.get(parse_ident(ident))
        if content or body:
            show_content(desk.content(message), whole=body)
        elif as_json:
            show_json(plain(message))
        else:
            Look(desk.now_ms()).show(message)


@commands.command("next")
def next_try(
    context: typer.Context,
    where: Annotated[
        str, typer.Argument(metavar="[DOMAIN|ADDRESS|HOP|ID]", help="Whose; without it those that are in trouble.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every destination that is known.")] = False,
    as_json: Json = False,
) -> None:
    """Tell when a destination will be tried, when it was last, since when it fails and why, and how many wait."""
    from estafeta.cli.queuelook import Look, state_as_json

    with _desk(context) as (desk, _):
        found = list(_states(desk, where, everything))
        if as_json:
            show_json([state_as_json(one) for one in found])
            return
        look = Look(desk.now_ms())
        for number, state in enumerate(found):
            if number:
                typer.echo()
            look.destination(state)
        if not found:
            typer.echo(_no_trouble(desk, where))


# Sending


@commands.command()
@selecting
def retry(context: typer.Context, selection: Selection) -> None:
    """Try now, whatever the times of retry say: all (--all), some messages, a destination. What is held stays so."""
    with _desk(context) as (desk, _):
        choice = selection.choice(desk.now_ms())
        recipients, _messages = desk.count(choice)
        if selection.only_destination and not recipients:
            _retry_destination(desk, selection.destination)
            return
        with meter(recipients) as progress:
            concerned = desk.retry(choice, progress)
        held = recipients - concerned
        typer.echo(_nothing() if not recipients else f"To be tried now: {_people(concerned)}.")
        if held > 0:
            typer.echo(f"Held, and so not tried: {_people(held)}. `estafeta queue release` lets them go.", err=True)


@commands.command()
@selecting
def requeue(context: typer.Context, selection: Selection) -> None:
    """Route anew with the settings as they are now, and try at once."""
    from estafeta.journal.words import hop, printable

    with _desk(context) as (desk, _):
        choice = selection.choice(desk.now_ms())
        recipients, _messages = desk.count(choice)
        with meter(recipients) as progress:
            done = desk.requeue(choice, progress)
        typer.echo(f"Routed anew: {_people(done.recipients)}." if done.recipients else _nothing())
        for key, number in sorted(done.hops.items(), key=lambda one: -one[1])[:20]:
            typer.echo(f"  {number} to {hop(key)}")
        for address, why in done.refused[:20]:
            typer.echo(f"{printable(address)} stays where it is: {why}", err=True)


# Holding


@commands.command()
@selecting
def hold(context: typer.Context, selection: Selection, priority: Priority = "") -> None:
    """Hold messages, a destination (--destination alone: what comes for it, too), or a priority, until `release`."""
    _hold(context, selection, priority, held=True)


@commands.command()
@selecting
def release(context: typer.Context, selection: Selection, priority: Priority = "") -> None:
    """Let go what is held: messages, a destination (--destination alone), or a priority."""
    _hold(context, selection, priority, held=False)


# Ending


@commands.command()
@selecting
def remove(context: typer.Context, selection: Selection, yes: Yes = False) -> None:
    """Remove messages for good. Nobody is told: `bounce` tells their senders."""
    from estafeta.queue.operating import Action

    _end(context, selection, yes, Action.REMOVE, "Remove {} for good, and tell nobody?", "Removed: {}.")


@commands.command()
@selecting
def bounce(context: typer.Context, selection: Selection, yes: Yes = False) -> None:
    """Give messages up without another try, and tell their senders so."""
    from estafeta.queue.operating import Action

    _end(context, selection, yes, Action.BOUNCE, "Send {} back to the sender?", "Given up: {}. The senders are told.")


# Changing


@commands.command()
@selecting
def edit(
    context: typer.Context,
    selection: Selection,
    next_: Next = "",
    priority: Annotated[str, typer.Option("--priority", metavar="high|normal", help="The new priority.")] = "",
) -> None:
    """Change when messages, or a destination (--destination alone), are tried next, or their priority."""
    if bool(next_) == bool(priority):
        raise typer.BadParameter("say what to change: --next TIME, or --priority high or normal")
    if priority not in ("", "high", "normal"):
        raise typer.BadParameter(f"{priority!r} is no priority: high or normal")
    from estafeta.cli.queuewords import moment, parse_ahead
    from estafeta.queue.operating import Action

    with _desk(context) as (desk, _):
        choice = selection.choice(desk.now_ms())
        if priority:
            changed = _change(desk, Action(priority), selection)
            typer.echo(f"Of {priority} priority now: {_people(changed)}." if changed else _nothing())
            return
        when = parse_ahead(next_, desk.now_ms())
        if selection.only_destination:
            _postpone(desk, selection.destination, when)
            return
        changed = _change(desk, Action.NEXT_TRY, selection, when)
        typer.echo(f"Next tried at {moment(when)}: {_people(changed)}." if changed else _nothing())
        _say_what_waits_longer(desk.messages(choice), when)


@commands.command()
def prune(
    context: typer.Context,
    older: Annotated[str, typer.Option("--older", metavar="TIME", help="Not tried for so long: 7d, 12h.")] = "30d",
    destination: Annotated[
        str, typer.Option("--destination", metavar="HOP", help="Forget the failures of this one, old or not.")
    ] = "",
) -> None:
    """Forget what is remembered of destinations where nothing waits and that were not tried lately. No mail goes."""
    from estafeta.cli.queuewords import many
    from estafeta.cli.since import parse_moment
    from estafeta.queue.operating import DestinationAction

    with _desk(context) as (desk, _):
        if destination:
            hops = desk.find_hops(destination)
            desk.change_destinations(DestinationAction.FORGET, hops)
            typer.echo(f"The failures of {', '.join(hops[:5])}{' ...' if len(hops) > 5 else ''} are forgotten.")
            return
        gone = desk.forget_older(parse_moment(older, desk.now_ms() / 1000))
        typer.echo(f"Forgot {many(gone, 'destination')}.")


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


@contextmanager
def _desk(context: typer.Context) -> "Iterator[tuple[Desk, Site]]":
    """The queue of the home."""
    me = who()
    with site_of(context) as site:
        from estafeta.app.queueing import Desk

        yield Desk(site, me), site


def _order(sort: str) -> "Callable[[Sum], Any]":
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


def _states(desk: "Desk", where: str, everything: bool) -> "Iterator[DestinationState]":
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


def _no_trouble(desk: "Desk", where: str) -> str:
    if not where:
        return "No destination is in trouble or held."
    hop = desk.route_domain(where)
    to = f", and would go to {hop} at once" if hop and hop != where else ", and it would go at once"
    return f"Nothing waits for {where}{to}." if hop else f"Nothing is known of {where}."


def _retry_destination(desk: "Desk", words: str) -> None:
    from estafeta.queue.operating import DestinationAction

    hops = desk.find_hops(words)
    desk.change_destinations(DestinationAction.RETRY, hops)
    typer.echo(f"Nothing waits for {words}; what comes will be tried at once.")


def _hold(context: typer.Context, selection: Selection, priority: str, *, held: bool) -> None:
    from estafeta.queue.operating import Action, DestinationAction

    with _desk(context) as (desk, _):
        if priority:
            if not selection.is_empty:
                raise typer.BadParameter("--priority holds all that has it: leave the other options out")
            desk.hold_priorities(_lanes(priority), held)
            which = "All priorities are" if priority == "all" else f"All that has {priority} priority is"
            typer.echo(f"{which} held until it is released." if held else f"{which} sent again.")
        elif selection.only_destination:
            hops = desk.find_hops(selection.destination, make=held)
            desk.change_destinations(DestinationAction.HOLD if held else DestinationAction.RELEASE, hops)
            names = f"{', '.join(hops[:5])}{' ...' if len(hops) > 5 else ''}"
            typer.echo(f"Nothing is sent to {names} until it is released." if held else f"Sending to {names} again.")
        else:
            changed = _change(desk, Action.HOLD if held else Action.RELEASE, selection)
            nothing = "Nothing was there to hold." if held else "Nothing of that was held."
            typer.echo(f"{'Held' if held else 'Released'}: {_people(changed)}." if changed else nothing)


def _lanes(priority: str) -> "list[Lane]":
    from estafeta.queue.values import Lane

    lanes = {"high": [Lane.HIGH], "normal": [Lane.NORMAL], "all": [Lane.HIGH, Lane.NORMAL]}
    if priority not in lanes:
        raise typer.BadParameter(f"{priority!r} is no priority: high, normal or all")
    return list(lanes[priority])


def _end(context: typer.Context, selection: Selection, yes: bool, action: "Action", question: str, done: str) -> None:
    from estafeta.cli.queuewords import many

    with _desk(context) as (desk, _):
        recipients, messages = desk.count(selection.choice(desk.now_ms()))
        if not recipients:
            typer.echo(_nothing())
            return
        what = f"{many(messages, 'message')} ({many(recipients, 'recipient')})"
        confirm(question.format(what), yes)
        typer.echo(done.format(_people(_change(desk, action, selection, total=recipients))))


def _change(desk: "Desk", action: "Action", selection: Selection, value_ms: int = 0, total: int | None = None) -> int:
    choice = selection.choice(desk.now_ms())
    if total is None:
        total, _ = desk.count(choice)
    with meter(total) as progress:
        return desk.change(action, choice, value_ms=value_ms, progress=progress)


def _postpone(desk: "Desk", words: str, when: int) -> None:
    from estafeta.cli.queuewords import moment
    from estafeta.queue.operating import DestinationAction

    hops = desk.find_hops(words)
    desk.change_destinations(DestinationAction.NEXT_TRY, hops, when)
    typer.echo(f"{', '.join(hops[:5])}{' ...' if len(hops) > 5 else ''}: next tried at {moment(when)}.")


def _say_what_waits_longer(messages: "Iterator[Message]", when: int) -> None:
    """A destination in trouble is not tried for the sake of one message."""
    from estafeta.cli.queuewords import moment

    later = {one.queued.hop: one.next_ms for message in messages for one in message.waiting if one.next_ms > when}
    for hop, next_ms in sorted(later.items())[:10]:
        typer.echo(
            f"{hop} is in trouble and not tried before {moment(next_ms)}: `estafeta queue edit --destination"
            f" {hop} --next ...` changes that.",
            err=True,
        )


def _people(number: int) -> str:
    from estafeta.cli.queuewords import many

    return many(number, "recipient")


def _nothing() -> str:
    return "Nothing in the queue is like that."
