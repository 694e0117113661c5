"""How a remote server of the lab behaves: a value that may be replaced at any time, also between two commands.

An *act* says what happens at a stage, as text:

    accept                    the usual reply
    451 4.7.1 Try later       that reply; \\n separates its lines
    hang                      no reply, ever
    drop, reset               the connection is closed, or cut with RST
    drip                      the usual reply, octet by octet, for longer than anybody waits
    endless, giant, garbage   lines without end, a line without end, octets that are no reply
    lost                      at the end of a message: it is taken, the connection closed without a reply
    goodbye                   421, and closed
    early                     the usual reply twice
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from estafeta.core.errors import EstafetaError, Kind


class Stage(StrEnum):
    """Where in a session something may happen."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    HELO = "helo"
    LHLO = "lhlo"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    DOT = "dot"
    BDAT = "bdat"
    RSET = "rset"
    NOOP = "noop"
    VRFY = "vrfy"
    ETRN = "etrn"
    QUIT = "quit"


class TlsKind(StrEnum):
    """What STARTTLS, or TLS from the start, meets. `good` is signed by the lab's own CA; `client` wants a certificate
    of the client; `refuse` breaks the handshake off; `garbage` answers it with what is no TLS."""

    GOOD = "good"
    NONE = "none"
    EXPIRED = "expired"
    WRONG_NAME = "wrong-name"
    SELF_SIGNED = "self-signed"
    CLIENT = "client"
    REFUSE = "refuse"
    GARBAGE = "garbage"


Act = str | Sequence[str]

WORDS = frozenset(
    {"accept", "hang", "drop", "reset", "drip", "endless", "giant", "garbage", "lost", "goodbye", "early"}
)
_REPLY = re.compile(r"[2-5]\d\d([ -].*)?", re.DOTALL)
_EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "ENHANCEDSTATUSCODES", "ETRN")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`at` and `recipients` say what differs from a server that takes everything. A list of acts is used one by one,
    each use the next; the last stays. `after_dot` answers for single recipients (LMTP), by pattern.

    `without` and `extra` change what EHLO offers; `auth` (user -> password) makes AUTH required; `greylist` refuses
    each pair of sender and recipient so many times; `delay_seconds` is waited before each reply.
    """

    at: Mapping[str, Act] = field(default_factory=dict)
    recipients: Mapping[str, str] = field(default_factory=dict)
    after_dot: Mapping[str, str] = field(default_factory=dict)
    lmtp: bool = False
    implicit_tls: bool = False
    without: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    size: int = 52_428_800
    max_recipients: int = 0
    tls: str = TlsKind.GOOD
    auth: Mapping[str, str] = field(default_factory=dict)
    greylist: int = 0
    delay_seconds: float = 0.0
    keep_contents: bool = True

    def __post_init__(self) -> None:
        """Raises EstafetaError INVALID for a stage or an act that does not exist."""
        for stage, act in self.at.items():
            if stage not in list(Stage):
                raise _invalid(f"{stage!r} is no stage of a session", Stage)
            for each in _each(act):
                check_act(each)
        for reply in (*self.recipients.values(), *self.after_dot.values()):
            check_act(reply)
        if self.tls not in list(TlsKind):
            raise _invalid(f"{self.tls!r} is no kind of TLS", TlsKind)

    def act(self, stage: str, use: int) -> str:
        """What happens at the use-th visit (from 0) of a stage."""
        acts = _each(self.at.get(stage, "accept"))
        return acts[min(use, len(acts) - 1)] if acts else "accept"

    def recipient_act(self, address: str) -> str:
        """What RCPT says to an address."""
        return match_act(self.recipients, address)

    def extensions(self, *, tls: bool) -> list[str]:
        """What EHLO offers besides STARTTLS and AUTH."""
        offered = [*_EXTENSIONS, f"SIZE {self.size}"]
        if self.tls != TlsKind.NONE and not tls and not self.lmtp:
            offered.append("STARTTLS")
        if self.tls != TlsKind.NONE and tls:
            offered.append("REQUIRETLS")  # RFC 8689 3: only inside TLS
        if self.auth:
            offered.append("AUTH PLAIN LOGIN CRAM-MD5")
        left_out = {name.upper() for name in self.without}
        return [line for line in (*offered, *self.extra) if line.split()[0].upper() not in left_out]


def match_act(table: Mapping[str, str], address: str) -> str:
    """The act of the first pattern that fits."""
    lower = address.lower()
    return next((act for pattern, act in table.items() if fnmatchcase(lower, pattern.lower())), "accept")


def check_act(text: str) -> None:
    """Raises EstafetaError INVALID for what is no act."""
    if text not in WORDS and not _REPLY.fullmatch(text):
        words = ", ".join(sorted(WORDS))
        raise EstafetaError(Kind.INVALID, f"{text[:80]!r} is no act: write a reply as `451 4.7.1 Later`, or {words}.")


def defer(stage: str = "rcpt", text: str = "451 4.7.1 Try again later") -> Behaviour:
    """Refuses for now."""
    return Behaviour(at={stage: text})


def refuse(stage: str = "rcpt", text: str = "550 5.1.1 No such user here") -> Behaviour:
    """Refuses for good."""
    return Behaviour(at={stage: text})


def hang(stage: str) -> Behaviour:
    """Says nothing more."""
    return Behaviour(at={stage: "hang"})


def drop(stage: str) -> Behaviour:
    """Closes the connection."""
    return Behaviour(at={stage: "drop"})


def lost_reply() -> Behaviour:
    """Takes a message and closes without saying so."""
    return Behaviour(at={Stage.DOT: "lost", Stage.BDAT: "lost"})


def _each(act: Act) -> tuple[str, ...]:
    return (act,) if isinstance(act, str) else tuple(act)


def _invalid(what: str, known: type[StrEnum]) -> EstafetaError:
    return EstafetaError(Kind.INVALID, f"{what}: known are {', '.join(known)}.")


ACCEPT = Behaviour()
