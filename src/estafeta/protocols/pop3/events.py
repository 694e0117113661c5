"""What the POP3 machine tells its session. Every event but `Answered` wants one answer: `ok`, `err`, or what
its docstring names.

Names and passwords are octets as they came: whoever checks them prepares them (RFC 4013). Secrets stay out of `repr`.
"""

from dataclasses import dataclass, field

from estafeta.protocols.sasl import Need, Reason


@dataclass(frozen=True, slots=True)
class Answered:
    """A command that the machine answered by itself (NOOP, UTF8, LANG). Wants no answer; whoever is fair counts it."""


@dataclass(frozen=True, slots=True)
class User:
    """USER. After `ok` the machine expects PASS."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Password:
    """PASS, with the name of the USER before it. `signed_in` and `ok`, or `err`."""

    name: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Apop:
    """APOP: `digest` is 32 lower case hexadecimal digits of MD5 (RFC 1939 7)."""

    name: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTH (RFC 5034), mechanism in upper case. Answer with `answer_auth(mechanism)`, or `err`."""

    mechanism: str


@dataclass(frozen=True, slots=True)
class AuthNeed:
    """The mechanism asks the directory. Answer with `answer_need`, or `err`, which ends the exchange."""

    need: Need


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The proof is right. `signed_in` and `ok`, or `err` if `authcid` may not act as `authzid` or not sign in."""

    authcid: str
    authzid: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class AuthFailed:
    """The exchange failed. Answer with `err`."""

    reason: Reason
    authcid: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class Mechanisms:
    """AUTH without an argument, as clients sent it before CAPA was there. Answer with `ok_lines`."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """CAPA (RFC 2449). Answer with `ok_lines`."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STLS (RFC 2595). `ok`, send the output, do the handshake, `tls_started`; or `err`."""


@dataclass(frozen=True, slots=True)
class Stat:
    """STAT."""


@dataclass(frozen=True, slots=True)
class List:
    """LIST; `number` None for all."""

    number: int | None


@dataclass(frozen=True, slots=True)
class UniqueIds:
    """UIDL; `number` None for all."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Retrieve:
    """RETR. Answer with `ok_content`, or with `begin_content` and then `end_content`, or `err`."""

    number: int


@dataclass(frozen=True, slots=True)
class Top:
    """TOP: the header and `lines` lines of the body. Answers as for `Retrieve`."""

    number: int
    lines: int


@dataclass(frozen=True, slots=True)
class Delete:
    """DELE."""

    number: int


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT. The answer ends the session. `update` says that deleted messages are to be removed now (RFC 1939 6)."""

    update: bool


Event = (
    Answered
    | User
    | Password
    | Apop
    | Authenticate
    | AuthNeed
    | Authenticated
    | AuthFailed
    | Mechanisms
    | Capabilities
    | StartTls
    | Stat
    | List
    | UniqueIds
    | Retrieve
    | Top
    | Delete
    | Reset
    | Quit
)
