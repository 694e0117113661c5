"""Which messages a command of `estafeta queue` means: options that many of them share, as one value."""

import re
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from estafeta.cli.selecting import selecting
from estafeta.cli.since import parse_moment

if TYPE_CHECKING:
    from estafeta.queue.choosing import Choice

_IDENT = re.compile(r"[0-9a-f]{11,16}")
_LAST = 1 << 63


class Selection(NamedTuple):
    """What was asked for, all of which must be so. Patterns may have * and ?."""

    idents: list[str] | None = None
    sender: str = ""
    recipient: str = ""
    domain: str = ""
    destination: str = ""
    older: str = ""
    newer: str = ""
    held: bool | None = None
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """Nothing was said."""
        return self == Selection(idents=self.idents) and not self.idents

    @property
    def only_destination(self) -> bool:
        """A destination was named, and nothing besides."""
        return bool(self.destination) and self == Selection(idents=self.idents, destination=self.destination)

    def choice(self, now_ms: int, *, default: bool = False) -> "Choice":
        """As the queue reads it. `default`: nothing said means everything; otherwise that is a BadParameter."""
        from estafeta.queue.choosing import Choice

        if self.is_empty and not default:
            raise typer.BadParameter("say which messages: idents, options such as --sender or --domain, or --all")
        if self.everything and self != Selection(self.idents, everything=True):
            raise typer.BadParameter("--all means all: leave the other options out")
        now = now_ms / 1000
        return Choice(
            self._numbers(),
            self.sender,
            self.recipient,
            self.domain.removeprefix("@"),
            self.destination,
            parse_moment(self.older, now) if self.older else 0,
            parse_moment(self.newer, now) if self.newer else 0,
            self.held,
            self.is_empty or self.everything,
        )

    def _numbers(self) -> tuple[int, ...]:
        try:
            return tuple(map(parse_ident, self.idents or ()))
        except typer.BadParameter as error:
            ways = "--sender, --recipient, --domain and --destination choose in other ways"
            raise typer.BadParameter(f"{error.message}; {ways}") from None


def parse_ident(text: str) -> int:
    """The number of an ident as logs have it; marks of `mailq` (* ! #) may follow. BadParameter otherwise."""
    plain = text.strip().lower().rstrip("*!#")
    if not _IDENT.fullmatch(plain) or int(plain, 16) >= _LAST:
        raise typer.BadParameter(f"{text!r} is no ident of a message, such as 1a1fdbdb10678db4")
    return int(plain, 16)


_PARAMETERS: dict[str, tuple[Any, Any]] = {
    "idents": (Annotated[list[str] | None, typer.Argument(metavar="ID", help="Idents as in logs.")], None),
    "sender": (
        Annotated[str, typer.Option("--sender", metavar="ADDRESS", help="From whom, with * and ?; <> for notices.")],
        "",
    ),
    "recipient": (Annotated[str, typer.Option("--recipient", metavar="ADDRESS", help="To whom, with * and ?.")], ""),
    "domain": (
        Annotated[str, typer.Option("--domain", metavar="DOMAIN", help="Recipients in this domain, with * and ?.")],
        "",
    ),
    "destination": (
        Annotated[
            str,
            typer.Option("--destination", metavar="HOP", help="Next hop: mx:example.org, or its domain or host."),
        ],
        "",
    ),
    "older": (Annotated[str, typer.Option("--older", metavar="TIME", help="Came before: 2d, 2026-03-01.")], ""),
    "newer": (Annotated[str, typer.Option("--newer", metavar="TIME", help="Came since: 2h, 2026-03-01 14:30.")], ""),
    "held": (Annotated[bool | None, typer.Option("--held/--not-held", help="Only what is held, or is not.")], None),
    "everything": (Annotated[bool, typer.Option("--all", help="Everything in the queue.")], False),
}


with_selection = selecting(Selection, _PARAMETERS)
"""Gives a command of the queue the options above, as its parameter `selection`."""
