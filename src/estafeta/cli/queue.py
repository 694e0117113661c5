"""`estafeta queue`: what waits, when it will be tried, and everything that an operator does about it.

The server may be running, and acts at once, or stopped. Nothing is destroyed without a question.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import Json, Yes, confirm, show_json
from estafeta.cli.queuechoice import Selection, parse_ident, with_selection
from estafeta.cli.queuework import (
    change,
    desk_of,
    find_states,
    lanes_of,
    meter,
    named,
    no_trouble,
    none_of_that,
    order_of,
    people,
    say_what_waits_longer,
    show_content,
)

if TYPE_CHECKING:
    from estafeta.app.queueing import Desk
    from estafeta.queue.operating import Action

commands = typer.Typer(
    name="queue",
    help="Mail that waits: look at it, retry, hold, release, remove, send back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_LETS_GO = "`estafeta queue release` lets it go."

Limit = Annotated[int | None, typer.Option("--limit", "-n", metavar="N", min=1, help="So many at most.")]
Priority = Annotated[str, typer.Option("--priority", metavar="high|normal|all", help="All that has this priority.")]
Next = Annotated[str, typer.Option("--next", metavar="TIME", help="+2h, 11:00, 2026-11-25 11:00, now.")]


# Looking


@commands.command("list")
@with_selection
def list_queue(context: typer.Context, selection: Selection, limit: Limit = None, as_json: Json = False) -> None:
    """List what waits. A line for each message, and one for each recipient with its next try and the last reason."""
    from estafeta.cli.queuelook import Look

    with desk_of(context) as (desk, _):
        found = desk.messages(selection.choice(desk.now_ms(), default=True), limit)
        look = Look(desk.now_ms())
        if as_json:
            look.messages_json(found)
        elif not look.messages(found):
            typer.echo("The queue is empty." if selection.is_empty else none_of_that())


@commands.command()
def summary(
    context: typer.Context,
    by: Annotated[str, typer.Option("--by", metavar="WHAT", help="domain, destination, sender or reason.")] = "domain",
    sort: Annotated[str, typer.Option("--sort", metavar="HOW", help="name, count, volume, oldest or newest.")] = "name",
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Sum up what waits by domain. Count, volume, oldest and newest; or by destination, sender or reason."""
    from estafeta.cli.queuelook import Look
    from estafeta.queue.overview import SumBy, totals
    from estafeta.queue.overview import summary as sums_of

    order = order_of(sort)
    if by not in list(SumBy):
        raise typer.BadParameter(f"{by!r}: it can be summed up by {', '.join(SumBy)}")
    with desk_of(context) as (desk, site):
        with site.database.read() as conn:
            sums, all_of_it = sums_of(conn, SumBy(by)), totals(conn)
        sums = sorted(sums, key=order)[:limit]
        if as_json:
            show_json({"totals": all_of_it._asdict(), by: [one._asdict() for one in sums]})
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
    """Show one message. Its envelope, and each recipient with tries, reason and next try; or what it says."""
    from estafeta.cli.queuelook import Look
    from estafeta.cli.queuelook import as_json as plain

    with desk_of(context) as (desk, _):
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
    """Tell when a destination is tried next. Also when it was last, since when it fails and why, and how many wait."""
    from estafeta.cli.queuelook import Look, state_as_json

    with desk_of(context) as (desk, _):
        found = list(find_states(desk, where, everything))
        if as_json:
            show_json([state_as_json(one) for one in found])
            return
        look = Look(desk.now_ms())
        for number, state in enumerate(found):
            if number:
                typer.echo()
            look.destination(state, desk.delayed(state))
        if not found:
            typer.echo(no_trouble(desk, where))


# Sending


@commands.command()
@with_selection
def retry(context: typer.Context, selection: Selection) -> None:
    """Try now, whatever the times of retry say. All (--all), some messages, a destination; what is held stays so."""
    with desk_of(context) as (desk, _):
        choice = selection.choice(desk.now_ms())
        recipients, _messages = desk.count(choice)
        if selection.only_destination and not recipients:
            _retry_destination(desk, selection.destination)
            return
        with meter(recipients) as progress:
            done = desk.retry(choice, progress)
        typer.echo(f"To be tried now: {people(done.recipients)}." if recipients else none_of_that())
        if recipients > done.recipients:
            typer.echo(f"Held, and so not tried: {people(recipients - done.recipients)}. {_LETS_GO}", err=True)
        for hop in done.held_hops[:20]:
            typer.echo(f"{hop} is held, and so not tried. {_LETS_GO}", err=True)
        for lane in desk.held_priorities():
            typer.echo(f"All that has {lane.name.lower()} priority is held, and so not tried. {_LETS_GO}", err=True)


@commands.command()
@with_selection
def requeue(context: typer.Context, selection: Selection) -> None:
    """Route anew, and try at once. The settings count as they are now."""
    from estafeta.journal.words import hop, printable

    with desk_of(context) as (desk, _):
        choice = selection.choice(desk.now_ms())
        recipients, _messages = desk.count(choice)
        with meter(recipients) as progress:
            done = desk.requeue(choice, progress)
        typer.echo(f"Routed anew: {people(done.recipients)}." if done.recipients else none_of_that())
        for key, number in sorted(done.hops.items(), key=lambda one: -one[1])[:20]:
            typer.echo(f"  {number} to {hop(key)}")
        for address, why in done.refused[:20]:
            typer.echo(f"{printable(address)} stays where it is: {why}", err=True)


# Holding


@commands.command()
@with_selection
def hold(context: typer.Context, selection: Selection, priority: Priority = "") -> None:
    """Hold messages, a destination or a priority. --destination alone holds what is still to come for it, too."""
    _hold(context, selection, priority, held=True)


@commands.command()
@with_selection
def release(context: typer.Context, selection: Selection, priority: Priority = "") -> None:
    """Let go what is held. Messages, a destination (--destination alone), or a priority."""
    _hold(context, selection, priority, held=False)


# Ending


@commands.command()
@with_selection
def remove(context: typer.Context, selection: Selection, yes: Yes = False) -> None:
    """Remove messages for good. Nobody is told: `bounce` tells their senders."""
    from estafeta.queue.operating import Action

    _end(context, selection, yes, Action.REMOVE, "Remove {} for good, and tell nobody?", "Removed: {}.")


@commands.command()
@with_selection
def bounce(context: typer.Context, selection: Selection, yes: Yes = False) -> None:
    """Send messages back to their senders. They are given up without another try."""
    from estafeta.queue.operating import Action

    _end(context, selection, yes, Action.BOUNCE, "Send {} back to the sender?", "Given up: {}. The senders are told.")


# Changing


@commands.command()
@with_selection
def edit(
    context: typer.Context,
    selection: Selection,
    next_: Next = "",
    priority: Annotated[str, typer.Option("--priority", metavar="high|normal", help="The new priority.")] = "",
) -> None:
    """Change the next try, or the priority. --destination alone: when that destination is tried."""
    if bool(next_) == bool(priority):
        raise typer.BadParameter("say what to change: --next TIME, or --priority high or normal")
    if priority not in ("", "high", "normal"):
        raise typer.BadParameter(f"{priority!r} is no priority: high or normal")
    from estafeta.cli.queuewords import moment, parse_ahead
    from estafeta.queue.operating import Action

    with desk_of(context) as (desk, _):
        choice = selection.choice(desk.now_ms())
        if priority:
            changed = change(desk, Action(priority), selection)
            typer.echo(f"Of {priority} priority now: {people(changed)}." if changed else none_of_that())
            return
        when = parse_ahead(next_, desk.now_ms())
        if selection.only_destination:
            _postpone(desk, selection.destination, when)
            return
        changed = change(desk, Action.NEXT_TRY, selection, when)
        typer.echo(f"Next tried at {moment(when)}: {people(changed)}." if changed else none_of_that())
        say_what_waits_longer(desk.messages(choice), when)


@commands.command()
def prune(
    context: typer.Context,
    older: Annotated[str, typer.Option("--older", metavar="TIME", help="Not tried for so long: 7d, 12h.")] = "30d",
    destination: Annotated[
        str, typer.Option("--destination", metavar="HOP", help="Forget the failures of this one, old or not.")
    ] = "",
) -> None:
    """Forget old failures of destinations. Of those where nothing waits; no mail is lost."""
    from estafeta.cli.queuewords import many
    from estafeta.cli.since import parse_moment
    from estafeta.queue.operating import DestinationAction

    with desk_of(context) as (desk, _):
        if destination:
            hops = desk.find_hops(destination)
            desk.change_destinations(DestinationAction.FORGET, hops)
            typer.echo(f"The failures of {named(hops)} are forgotten.")
            return
        gone = desk.forget_older(parse_moment(older, desk.now_ms() / 1000))
        typer.echo(f"Forgot {many(gone, 'destination')}.")


def _retry_destination(desk: "Desk", words: str) -> None:
    from estafeta.queue.operating import DestinationAction

    hops = desk.find_hops(words)
    desk.change_destinations(DestinationAction.RETRY, hops)
    typer.echo(f"Nothing waits for {words}; what comes will be tried at once.")


def _hold(context: typer.Context, selection: Selection, priority: str, *, held: bool) -> None:
    from estafeta.queue.operating import Action, DestinationAction

    with desk_of(context) as (desk, _):
        if priority:
            if not selection.is_empty:
                raise typer.BadParameter("--priority holds all that has it: leave the other options out")
            desk.hold_priorities(lanes_of(priority), held)
            which = "All priorities are" if priority == "all" else f"All that has {priority} priority is"
            typer.echo(f"{which} held until it is released." if held else f"{which} sent again.")
        elif selection.only_destination:
            hops = desk.find_hops(selection.destination, make=held)
            desk.change_destinations(DestinationAction.HOLD if held else DestinationAction.RELEASE, hops)
            names = named(hops)
            typer.echo(f"Nothing is sent to {names} until it is released." if held else f"Sending to {names} again.")
        else:
            changed = change(desk, Action.HOLD if held else Action.RELEASE, selection)
            nothing = "Nothing was there to hold." if held else "Nothing of that was held."
            typer.echo(f"{'Held' if held else 'Released'}: {people(changed)}." if changed else nothing)


def _end(context: typer.Context, selection: Selection, yes: bool, action: "Action", question: str, done: str) -> None:
    from estafeta.cli.queuewords import many

    with desk_of(context) as (desk, _):
        recipients, messages = desk.count(selection.choice(desk.now_ms()))
        if not recipients:
            typer.echo(none_of_that())
            return
        what = f"{many(messages, 'message')} ({many(recipients, 'recipient')})"
        confirm(question.format(what), yes)
        typer.echo(done.format(people(change(desk, action, selection, total=recipients))))


def _postpone(desk: "Desk", words: str, when: int) -> None:
    from estafeta.cli.queuewords import moment
    from estafeta.queue.operating import DestinationAction

    hops = desk.find_hops(words)
    desk.change_destinations(DestinationAction.NEXT_TRY, hops, when)
    typer.echo(f"{named(hops)}: next tried at {moment(when)}.")
