"""`estafeta quarantine`: mail that a filter holds, and the decision about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from estafeta.cli.common import (
    Json,
    Yes,
    bytes_in_words,
    confirm,
    show_fields,
    show_json,
    show_table,
    site_of,
    time_in_words,
    who,
)
from estafeta.cli.queuechoice import parse_ident
from estafeta.cli.selecting import selecting
from estafeta.cli.since import parse_moment

if TYPE_CHECKING:
    from estafeta.app.quarantine import Looked, QuarantineDesk
    from estafeta.queue.quarantine import Decision
    from estafeta.queue.quarantinelook import Choice, HeldMessage

commands = typer.Typer(
    name="quarantine",
    help="Mail that a filter holds: look at it, release it, delete it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_MOST_NAMED = 5


class Selection(NamedTuple):
    """What was asked for, all of which must be so. Patterns may have * and ?."""

    idents: list[str] | None = None
    sender: str = ""
    recipient: str = ""
    rule: str = ""
    older: str = ""
    newer: str = ""
    everything: bool = False

    def choice(self, now_ms: int, *, default: bool = False) -> "Choice":
        """As the store reads it. `default`: nothing said means everything; otherwise that is a BadParameter."""
        from estafeta.queue.quarantinelook import Choice

        nothing = not any(self)
        if nothing and not default:
            raise typer.BadParameter("say which messages: idents, options such as --sender or --filter, or --all")
        if self.everything and any(self[:-1]):
            raise typer.BadParameter("--all means all: leave the other options out")
        now = now_ms / 1000
        return Choice(
            tuple(map(parse_ident, self.idents or ())),
            self.sender,
            self.recipient,
            self.rule,
            parse_moment(self.older, now) if self.older else 0,
            parse_moment(self.newer, now) if self.newer else 0,
            everything=nothing or self.everything,
        )


_PARAMETERS: dict[str, tuple[Any, Any]] = {
    "idents": (Annotated[list[str] | None, typer.Argument(metavar="ID", help="Idents as `list` shows them.")], None),
    "sender": (Annotated[str, typer.Option("--sender", metavar="ADDRESS", help="From whom, with * and ?.")], ""),
    "recipient": (Annotated[str, typer.Option("--recipient", metavar="ADDRESS", help="For whom, with * and ?.")], ""),
    "rule": (Annotated[str, typer.Option("--filter", metavar="NAME", help="Held by this filter, with * and ?.")], ""),
    "older": (Annotated[str, typer.Option("--older", metavar="TIME", help="Came before: 2d, 2026-03-01.")], ""),
    "newer": (Annotated[str, typer.Option("--newer", metavar="TIME", help="Came since: 2h, 2026-03-01 14:30.")], ""),
    "everything": (Annotated[bool, typer.Option("--all", help="All that is held.")], False),
}


_with_selection = selecting(Selection, _PARAMETERS)


@commands.command("list")
@_with_selection
def list_held(context: typer.Context, selection: Selection, as_json: Json = False) -> None:
    """List what is held, oldest first."""
    from estafeta.journal.words import printable

    with _desk_of(context) as desk:
        found = list(desk.messages(selection.choice(desk.now_ms(), default=True)))
    if as_json:
        show_json([as_plain(one) for one in found])
        return
    rows = [
        [
            one.ident,
            time_in_words(one.held_ms // 1000),
            one.rule,
            printable(one.sender) or "<>",
            _people(one),
            printable(one.subject),
            bytes_in_words(one.size),
            time_in_words(one.expires_ms // 1000),
        ]
        for one in found
    ]
    columns = ["Id", "Held since", "Filter", "From", "For", "Subject", "Size", "Deleted on"]
    show_table(columns, rows, empty="Nothing is in quarantine.")


@commands.command()
def show(
    context: typer.Context,
    ident: Annotated[str, typer.Argument(metavar="ID", help="The ident of a message, as `list` shows it.")],
    as_json: Json = False,
) -> None:
    """Show why a message is held, and for whom."""
    from estafeta.journal.words import printable

    looked = _look(context, ident)
    if as_json:
        show_json(as_plain(looked.message))
        return
    one = looked.message
    show_fields(
        [
            ("Message", one.ident),
            ("From", printable(one.sender) or "<>"),
            ("For", printable(", ".join(found.address for found in one.recipients))),
            ("Subject", printable(one.subject)),
            ("Size", bytes_in_words(one.size)),
            ("Filter", one.rule),
            ("Why", printable(one.reason)),
            ("Held since", time_in_words(one.held_ms // 1000)),
            ("Deleted on", time_in_words(one.expires_ms // 1000)),
            ("Released by", "its recipients, or an operator" if one.by_users else "an operator"),
        ]
    )


@commands.command()
def look(
    context: typer.Context,
    ident: Annotated[str, typer.Argument(metavar="ID", help="The ident of a message, as `list` shows it.")],
    as_json: Json = False,
) -> None:
    """Look at a message without harm: its fields, its parts, how its text begins; no markup, nothing is opened."""
    from estafeta.journal.words import printable

    looked = _look(context, ident)
    if as_json:
        parts = [dict(zip(("path", "type", "name", "octets"), one, strict=True)) for one in looked.parts]
        fields = [list(one) for one in looked.fields]
        plain = {"fields": fields, "parts": parts, "text": looked.text, "unread": list(looked.beyond)}
        show_json(as_plain(looked.message) | plain)
        return
    show_fields([*((name.title(), printable(value)[:1000]) for name, value in looked.fields), ("", "")])
    rows = [(path, media, printable(name), octets) for path, media, name, octets in looked.parts]
    show_table(["Part", "Type", "Name", "Octets"], [[printable(path), *rest] for path, *rest in rows])
    if looked.beyond:
        typer.echo(f"Not all of it was read, for its {', '.join(looked.beyond)}.")
    typer.echo()
    for line in looked.text.splitlines():
        typer.echo(f"| {printable(line)}")


@commands.command()
@_with_selection
def release(context: typer.Context, selection: Selection, yes: Yes = False) -> None:
    """Deliver what is held, as if it had come now."""
    from estafeta.queue.quarantine import Decision

    _decide(context, selection, yes, Decision.RELEASE, "Deliver {}?", "Released: {}.")


@commands.command()
@_with_selection
def delete(context: typer.Context, selection: Selection, yes: Yes = False) -> None:
    """Delete what is held for good. Nobody is told."""
    from estafeta.queue.quarantine import Decision

    _decide(context, selection, yes, Decision.DELETE, "Delete {} for good, and tell nobody?", "Deleted: {}.")


@commands.command()
def expire(context: typer.Context) -> None:
    """Delete what nobody decided about in time (quarantine.keep_days), as is done once a day."""
    from estafeta.cli.queuework import people
    from estafeta.queue.quarantine import Decision
    from estafeta.queue.quarantinelook import Choice

    with _desk_of(context) as desk:
        done = desk.decide(Decision.EXPIRE, Choice(expired_ms=desk.now_ms()))
    typer.echo(f"Deleted: {people(done)}." if done else "Nothing is older than it may be.")


def as_plain(one: "HeldMessage") -> dict[str, object]:
    """A held message for programs."""
    values = one._asdict()
    for name in ("entry_id", "secret", "content_id", "flags", "skip"):
        del values[name]
    people = [{"address": found.address, "told": found.told} for found in one.recipients]
    return {"ident": one.ident} | values | {"recipients": people}


@contextmanager
def _desk_of(context: typer.Context) -> "Iterator[QuarantineDesk]":
    me = who()
    with site_of(context) as site:
        from estafeta.app.quarantine import QuarantineDesk

        yield QuarantineDesk(site, me)


def _look(context: typer.Context, ident: str) -> "Looked":
    with _desk_of(context) as desk:
        return desk.look(parse_ident(ident))


def _decide(
    context: typer.Context, selection: Selection, yes: bool, decision: "Decision", question: str, done: str
) -> None:
    from estafeta.cli.queuewords import many
    from estafeta.cli.queuework import people

    with _desk_of(context) as desk:
        choice = selection.choice(desk.now_ms())
        messages, recipients = desk.count(choice)
        if not messages:
            typer.echo("Nothing of that is in quarantine.")
            raise typer.Exit(1)
        what = f"{many(messages, 'message')} ({many(recipients, 'recipient')})"
        # To release is what one named message is meant for; many at once, or to delete, is asked about.
        if not (decision == "release" and messages == 1):
            confirm(question.format(what), yes)
        typer.echo(done.format(people(desk.decide(decision, choice))))


def _people(one: "HeldMessage") -> str:
    from estafeta.journal.words import printable

    named = [printable(found.address) for found in one.recipients[:_MOST_NAMED]]
    more = len(one.recipients) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
