"""What goes over a connection outward and what came of it. Values only; nothing here does I/O.

`Transmission` is one message for some of its recipients at one host; `TransmissionResult` says for each of them, in
the same order, what the other side did. An `AttemptError` says why no connection came about.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol

from estafeta.queue.values import EntryFlag
from estafeta.trust.results import TlsFailure


class Endpoint(NamedTuple):
    """One host as it is called: its name as in the MX record or the setting, an IP address, a port. `path` is set
    instead of `ip` for LMTP to a Unix socket."""

    host: str
    ip: str = ""
    port: int = 25
    lmtp: bool = False
    path: str = ""

    @property
    def words(self) -> str:
        """How a person reads it: `mx.example.org[192.0.2.1]:25`."""
        return self.path or f"{self.host}[{self.ip}]:{self.port}"


class MessageSource(Protocol):
    """Where a content comes from. `size` is the exact number of octets that it gives. `pieces` may be asked for more
    than once and begins anew each time; line ends are CR LF, unless the content is binary."""

    @property
    def size(self) -> int: ...

    def whole(self) -> bytes | None:
        """All of it, where that is in memory already."""

    def pieces(self) -> AsyncIterator[bytes]:
        """All of it in pieces of any size. May raise EstafetaError or OSError."""

    def pieces_now(self) -> Iterator[bytes]:
        """The same in a thread."""


class MemorySource:
    """A content that is in memory."""

    __slots__ = ("_content", "size")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def whole(self) -> bytes | None:
        """All of it."""
        return self._content

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it, at once."""
        yield self._content

    def pieces_now(self) -> Iterator[bytes]:
        """All of it, at once."""
        yield self._content


class Receiver(NamedTuple):
    """A recipient of a transmission. `notify` ("SUCCESS,DELAY", "NEVER", "") and `orcpt` (`rfc822;` and xtext) as
    RFC 3461 has them; they go out where the other side has DSN."""

    address: str
    notify: str = ""
    orcpt: str = ""


class Finished(NamedTuple):
    """A content as it is sent. `signed`, `sealed`: by which keys, as `example.org rsa1 ed1` (domain and selectors), ""
    for none."""

    content: MessageSource
    signed: str = ""
    sealed: str = ""


Finish = Callable[[MessageSource, bool], Awaitable[Finished]]
"""Puts in front of a content, as it will be sent, what is due; the switch: it was encoded anew for the next server.
Raises EstafetaError, OSError where the content or a key cannot be read."""


class Transmission(NamedTuple):
    """One message to be sent. `sender` is the reverse-path, "" for null. `envid` is xtext, `ret` FULL, HDRS or "".
    `finish`: done last with the content, None: nothing."""

    sender: str
    recipients: tuple[Receiver, ...]
    content: MessageSource
    flags: EntryFlag = EntryFlag.NONE
    envid: str = ""
    ret: str = ""
    finish: Finish | None = None


class Stage(StrEnum):
    """How far a connection came."""

    CONNECT = "connect"
    PROXY = "proxy"
    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    IDLE = "idle"


class ErrorKind(StrEnum):
    """Why an attempt failed, in the words of `queue.retry_rules`. REPLY: the other side said so, its code tells."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    """Nobody there: connection refused, no route, network unreachable."""
    LOST = "lost"
    """The connection ended before its time."""
    DNS = "dns"
    TLS = "tls"
    AUTH = "auth"
    QUOTA = "quota"
    GREYLISTED = "greylisted"
    PROTOCOL = "protocol"
    """What came was no SMTP, or more than anybody should say."""
    LOCAL = "local"
    """Our own doing: the content could not be read, no free port ..."""
    REPLY = "reply"


class ReplyInfo(NamedTuple):
    """A reply of the other side. `status` is the enhanced code or "", `command` what was answered: MAIL, RCPT, DATA
    (also for BDAT and the final dot), CONNECT, EHLO ... `code` 0: it is we who say so, with a status."""

    code: int
    status: str
    text: str
    command: str = ""

    @property
    def words(self) -> str:
        """Code, status and text, as a person quotes a reply."""
        text = self.text.replace("\n", " ")
        return " ".join(word for word in (str(self.code or ""), self.status, text) if word)


class OutcomeKind(StrEnum):
    """UNTRIED: nothing was said of this recipient, because the connection ended before: send it at once over another
    one; it is no attempt, and nobody needs to hear of it."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNTRIED = "untried"


class Outcome(NamedTuple):
    """What became of one recipient. `mta` is the host that said so. `error` chooses the retry rule: an ErrorKind, or a
    code such as "451"; "" where it was delivered."""

    kind: OutcomeKind
    reply: ReplyInfo
    mta: str
    error: str = ""


class TransmissionResult(NamedTuple):
    """What became of a transmission: one outcome for each of its recipients, in order.

    `lost_after_dot`: the connection ended after the last octet of the content and before the reply, so that the other
    side may have it. `connection_usable`: another may be sent over this connection. `relayed_dsn`: the other side has
    DSN and was told what the sender wishes. `tls` as `Connection.tls_words`; `seconds` from first to last octet;
    `signed`, `sealed` as of `Finished`."""

    outcomes: tuple[Outcome, ...]
    lost_after_dot: bool = False
    connection_usable: bool = True
    relayed_dsn: bool = False
    tls: str = ""
    seconds: float = 0.0
    signed: str = ""
    sealed: str = ""


class AttemptError(Exception):
    """No connection, or one that is of no use. `text` is one sentence with the host; `reply` what the host said, if
    anything. `permanent`: it is the host's final word (a 5yz greeting). `tls_failure`: what was wrong with TLS."""

    def __init__(
        self,
        stage: Stage,
        error: ErrorKind,
        text: str,
        *,
        permanent: bool = False,
        reply: ReplyInfo | None = None,
        tls_failure: TlsFailure | None = None,
    ) -> None:
        super().__init__(text)
        self.stage = stage
        self.error = error
        self.text = text
        self.permanent = permanent
        self.reply = reply
        self.tls_failure = tls_failure

    @property
    def rule_word(self) -> str:
        """What chooses the retry rule: as `Outcome.error`."""
        return error_word(self.reply) if self.error is ErrorKind.REPLY and self.reply else str(self.error)


_GREYLISTED = re.compile(r"gr[ae]y.?list", re.IGNORECASE)


def error_word(reply: ReplyInfo) -> str:
    """What chooses the retry rule for a reply that is none of success: `quota`, `greylisted` or its code."""
    # RFC 3463 3.3: X.2.2 mailbox full, X.3.1 mail system full.
    if reply.status[1:] == ".2.2" or (reply.code in (452, 552) and reply.status[1:] == ".3.1"):
        return ErrorKind.QUOTA
    if reply.code // 100 == 4 and _GREYLISTED.search(reply.text):
        return ErrorKind.GREYLISTED
    return str(reply.code)
