"""The commands of POP3: their grammar, and the one table that says which is legal when.

Command names are taken in any case. Arguments are separated by one space or more; the argument of USER and of PASS is
the rest of the line, with its spaces (RFC 1939 7: PASS). Message numbers are decimal; one beyond any mailbox is a
well-formed number of no message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from estafeta.protocols.pop3 import events
from estafeta.protocols.pop3.events import Event


class State(StrEnum):
    """Where a session is (RFC 1939 3). UPDATE has no commands: it is the answer to QUIT."""

    AUTHORIZATION = "authorization"
    EXCHANGE = "exchange"
    """Between AUTH and its end: lines belong to the SASL mechanism."""
    TRANSACTION = "transaction"


class Own(StrEnum):
    """What the machine does by itself, without an event."""

    NOOP = "noop"
    UTF8 = "utf8"
    LANG = "lang"
    PASS = "pass"  # noqa: S105 - the name of a command
    AUTH = "auth"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Command:
    """`parse` makes an event, or names what the machine does itself; None for an argument that is wrong."""

    states: frozenset[State]
    usage: str
    parse: Callable[[bytes], Event | Own | None]


def parse_number(argument: bytes) -> int | None:
    """A message number or a line count, or None."""
    argument = argument.strip()
    return int(argument) if argument.isdigit() else None


def _bare(result: Event | Own) -> Callable[[bytes], Event | Own | None]:
    return lambda argument: None if argument.strip() else result


def _numbered(make: Callable[[int], Event]) -> Callable[[bytes], Event | None]:
    def parse(argument: bytes) -> Event | None:
        number = parse_number(argument)
        return None if number is None else make(number)

    return parse


def _maybe_numbered(make: Callable[[int | None], Event]) -> Callable[[bytes], Event | None]:
    def parse(argument: bytes) -> Event | None:
        if not argument.strip():
            return make(None)
        number = parse_number(argument)
        return None if number is None else make(number)

    return parse


def _top(argument: bytes) -> Event | None:
    numbers = [parse_number(word) for word in argument.split()]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
        return None
    return events.Top(numbers[0], numbers[1])


def _user(argument: bytes) -> Event | None:
    name = argument.strip()
    return events.User(name) if name else None


def _apop(argument: bytes) -> Event | None:
    # RFC 1939 7: "APOP name digest", the digest 16 octets in lower case hexadecimal.
    name, _, digest = argument.strip().rpartition(b" ")
    name = name.strip()
    if not name or len(digest) != 32 or digest.strip(b"0123456789abcdef"):
        return None
    return events.Apop(name, digest.decode())


_AUTHORIZATION = frozenset({State.AUTHORIZATION})
_TRANSACTION = frozenset({State.TRANSACTION})
_BOTH = _AUTHORIZATION | _TRANSACTION

COMMANDS: dict[bytes, Command] = {
    # RFC 1939, RFC 5034 (AUTH), RFC 2595 (STLS), RFC 6856 2 (UTF8): before signing in
    b"USER": Command(_AUTHORIZATION, "USER name", _user),
    b"PASS": Command(_AUTHORIZATION, "PASS password", lambda argument: Own.PASS),
    b"APOP": Command(_AUTHORIZATION, "APOP name digest", _apop),
    b"AUTH": Command(_AUTHORIZATION, "AUTH mechanism [initial-response]", lambda argument: Own.AUTH),
    b"STLS": Command(_AUTHORIZATION, "STLS", _bare(events.StartTls())),
    b"UTF8": Command(_AUTHORIZATION, "UTF8", _bare(Own.UTF8)),
    # RFC 1939 5 and 7: after it
    b"STAT": Command(_TRANSACTION, "STAT", _bare(events.Stat())),
    b"LIST": Command(_TRANSACTION, "LIST [message]", _maybe_numbered(events.List)),
    b"UIDL": Command(_TRANSACTION, "UIDL [message]", _maybe_numbered(events.UniqueIds)),
    b"RETR": Command(_TRANSACTION, "RETR message", _numbered(events.Retrieve)),
    b"TOP": Command(_TRANSACTION, "TOP message lines", _top),
    b"DELE": Command(_TRANSACTION, "DELE message", _numbered(events.Delete)),
    b"RSET": Command(_TRANSACTION, "RSET", _bare(events.Reset())),
    b"NOOP": Command(_TRANSACTION, "NOOP", _bare(Own.NOOP)),
    # RFC 2449 5 (CAPA), RFC 6856 3 (LANG): both
    b"CAPA": Command(_BOTH, "CAPA", _bare(events.Capabilities())),
    b"LANG": Command(_BOTH, "LANG [language]", lambda argument: Own.LANG),
    b"QUIT": Command(_BOTH, "QUIT", _bare(Own.QUIT)),
}
