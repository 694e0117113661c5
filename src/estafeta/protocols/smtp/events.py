"""What the SMTP machine tells its server. All but `Chunk`, `Abandoned` and `Refused` want an answer.

`answer(Reply)` answers all of them; `MessageEnd` in LMTP can have `answer_each`, `Authenticate` wants `answer_auth`
and `AuthNeed` wants `answer_need` unless it is refused with a reply. A 4xx or 5xx reply leaves the state as it was.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from estafeta.mail.address import Address
from estafeta.protocols.sasl import Need, Reason
from estafeta.protocols.smtp.replies import Reply


class HelloKind(StrEnum):
    """The command that greeted."""

    HELO = "HELO"
    EHLO = "EHLO"
    LHLO = "LHLO"


class Body(StrEnum):
    """What MAIL declared the content to be (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class Hello(NamedTuple):
    """HELO, EHLO or LHLO with the client's own name, not checked.

    The text of a 250 is sent behind the host name and may be empty; the list of extensions is added.
    """

    name: str
    kind: HelloKind


class Mail(NamedTuple):
    """MAIL. `address` is None for the null reverse-path. `size` is what the client declared, in octets.

    `auth` is the AUTH= parameter (RFC 4954 5): None if absent, empty for `<>` and from a client that has not
    authenticated. `ret` is FULL, HDRS or empty and `envid` decoded (RFC 3461 4.3, 4.4). `requiretls`: RFC 8689.
    `holdfor` in seconds, or `holduntil` in epoch seconds (RFC 4865); 0 for neither.
    """

    address: Address | None
    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    auth: str | None = None
    ret: str = ""
    envid: str = ""
    requiretls: bool = False
    holdfor: int = 0
    holduntil: int = 0


class Rcpt(NamedTuple):
    """RCPT. `<Postmaster>` comes without a domain (RFC 5321 4.1.1.3): this host's own.

    `notify` is NEVER, or some of SUCCESS, FAILURE and DELAY between commas, or empty; `orcpt` the original recipient
    with its address type, decoded, as in `rfc822;ana@example.org` (RFC 3461 4.1, 4.2).
    """

    address: Address
    notify: str = ""
    orcpt: str = ""


class Data(NamedTuple):
    """DATA, or the first BDAT, of a transaction with `recipients` accepted recipients. 354 lets the content come."""

    recipients: int
    bdat: bool = False


class Chunk(NamedTuple):
    """The next octets of the content: dots unstuffed, line ends as the settings want them. No answer."""

    data: bytes


class MessageEnd(NamedTuple):
    """The content is complete: `size` octets. The answer is the acknowledgement and ends the transaction."""

    size: int


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The transaction that MAIL opened is dropped without a message; forget what came of it. No answer."""


class Refused(NamedTuple):
    """The machine itself refused a message, with `reply`, for its size or its line ends: when it was announced, or when
    it was there for so many accepted `recipients`. No answer."""

    reply: Reply
    mail: Mail
    recipients: int = 0


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS. After a 220 the server sends the output, does the handshake and calls `tls_started`."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTH with an offered mechanism (upper case). Answer with `answer_auth(mechanism)`, or a 4xx/5xx reply."""

    mechanism: str


@dataclass(frozen=True, slots=True)
class AuthNeed:
    """The mechanism asks the directory. Answer with `answer_need`, or a 4xx/5xx reply, which ends the exchange."""

    need: Need


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The credentials are right. Answer with `reply`, or a 4xx/5xx if `authcid` may not act as `authzid` or at all."""

    authcid: str
    authzid: str
    mechanism: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class AuthFailed:
    """An exchange failed. Answer with `reply` (after a pause, if wanted) or with a 421."""

    reason: Reason
    authcid: str
    mechanism: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Verify:
    """VRFY. `replies.CANNOT_VERIFY` is the answer that tells nothing (RFC 5321 7.3)."""

    argument: str
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Etrn:
    """ETRN, only where the settings offer it (RFC 1985): a domain, `@` and a domain, or `#` and the name of a queue."""

    argument: str


@dataclass(frozen=True, slots=True)
class Expand:
    """EXPN, only where the settings allow it."""

    argument: str
    smtputf8: bool = False


Event = (
    Hello
    | Mail
    | Rcpt
    | Data
    | Chunk
    | MessageEnd
    | Abandoned
    | Refused
    | StartTls
    | Authenticate
    | AuthNeed
    | Authenticated
    | AuthFailed
    | Verify
    | Etrn
    | Expand
)
