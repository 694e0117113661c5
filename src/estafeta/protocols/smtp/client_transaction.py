"""One mail transaction as a client sees it: what is sent when, and which reply answers what.

`Transaction.start` and `take` put octets into the output list that they are given; the fields hold the replies. How
the commands go out:

    no PIPELINING        one by one; after a refused MAIL, or when every RCPT is refused, nothing more
    PIPELINING           MAIL, all RCPT and DATA at once (RFC 2920 3.1); then the content
    with CHUNKING too    MAIL and all RCPT, then BDAT with the content in one chunk (RFC 3030 2)
    the same, `eager`    MAIL, all RCPT, BDAT and the content at once: one round trip for a message

Where every recipient was refused and the server asks for the content all the same, it gets a lone dot (RFC 2920 3.1),
so that there is nothing that it could deliver.
"""

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from estafeta.protocols.smtp.client_commands import DotStuffer, encode_content
from estafeta.protocols.smtp.client_replies import RawReply

_KEPT_OCTETS: Final = 2048
"""Of each reply in a transaction: a thousand recipients have a thousand replies."""
_CLOSING: Final = 421
_RESET: Final = b"RSET\r\n"


class Phase(IntEnum):
    """What is waited for: the reply to RSET, MAIL, RCPT, DATA; nothing, while content is sent in pieces; the replies
    after the content; nothing any more."""

    RESET = 0
    MAIL = 1
    RCPT = 2
    DATA = 3
    CONTENT = 4
    FINAL = 5
    DONE = 6


class Problem(StrEnum):
    """Why a session ended before its time. CLOSING: the server said 421."""

    LOST = "lost"
    TIMEOUT = "timeout"
    CLOSING = "closing"
    ENDLESS = "endless"
    PROTOCOL = "protocol"
    INJECTED = "injected"
    """There was clear text behind the reply to STARTTLS (RFC 3207 4.2, 5)."""
    LOCAL = "local"


class Message(NamedTuple):
    """What is sent. `content` None: it follows in pieces of `size` octets together."""

    mail: bytes
    rcpts: tuple[bytes, ...]
    content: bytes | None
    size: int


class Manner(NamedTuple):
    """How it is sent: see above. `reset`: RSET goes first, because another transaction may still be open."""

    lmtp: bool = False
    pipelining: bool = False
    chunking: bool = False
    eager: bool = False
    reset: bool = False


class Transaction:
    """A transaction under way or over. `rcpts` has a reply for each RCPT that was answered, `finals` those after the
    content: one, or with LMTP one for each accepted recipient. `closing` is a reply of 421, whenever it came."""

    __slots__ = (
        "_expected",
        "_manner",
        "_message",
        "_stuffer",
        "accepted",
        "closing",
        "content_ended",
        "data",
        "finals",
        "mail",
        "phase",
        "problem",
        "rcpts",
        "reset_wanted",
        "stopped",
    )

    def __init__(self, message: Message, manner: Manner) -> None:
        self._message = message
        self._manner = manner
        self._expected = 1
        self._stuffer: DotStuffer | None = None
        self.phase = Phase.RESET if manner.reset else Phase.MAIL
        self.mail: RawReply | None = None
        self.rcpts: list[RawReply] = []
        self.accepted = 0
        self.data: RawReply | None = None
        self.finals: list[RawReply] = []
        self.closing: RawReply | None = None
        self.problem: Problem | None = None
        self.stopped = Phase.DONE
        """With a problem: what was waited for."""
        self.content_ended = False
        """The last octet of the content was sent: from here on the server may have the message."""
        self.reset_wanted = False
        """The server may believe that the transaction goes on: RSET before another."""

    @property
    def per_recipient(self) -> bool:
        """LMTP: `finals` has a reply for each accepted recipient."""
        return self._manner.lmtp

    def start(self, output: list[bytes]) -> None:
        """The first octets."""
        message, manner = self._message, self._manner
        if not manner.pipelining:
            output.append(_RESET if manner.reset else message.mail)
            return
        if manner.reset:
            output.append(_RESET)
        output.append(message.mail)
        output.extend(message.rcpts)
        if not manner.chunking:
            output.append(b"DATA\r\n")
        elif manner.eager and message.content is not None:
            self._put_chunk(message.content, output)

    def take(self, reply: RawReply, output: list[bytes]) -> bool:
        """A reply. True when the transaction is over; False: more replies, or pieces of the content, are needed."""
        if len(reply.octets) > _KEPT_OCTETS:
            reply = RawReply(reply.code, reply.octets[:_KEPT_OCTETS])
        if reply.code == _CLOSING:
            # RFC 5321 3.8: it closes, whatever it was going to say of the rest.
            self.closing = reply
            return self.stop(Problem.CLOSING)
        phase = self.phase
        if phase is Phase.RCPT:
            self._take_rcpt(reply, output)
        elif phase is Phase.MAIL:
            self._take_mail(reply, output)
        elif phase is Phase.FINAL:
            self._take_final(reply)
        elif phase is Phase.DATA:
            self._take_data(reply, output)
        elif phase is Phase.RESET:
            self._take_reset(output)
        else:
            self._take_early(reply)
        return self.phase is Phase.DONE

    def put_piece(self, data: bytes, output: list[bytes]) -> None:
        """A piece of the content, in phase CONTENT."""
        if self.phase is Phase.CONTENT:
            output.append(self._stuffer.piece(data, last=False) if self._stuffer else data)

    def end_content(self, output: list[bytes]) -> None:
        """There are no more pieces."""
        if self.phase is Phase.CONTENT:
            if self._stuffer:
                output.append(self._stuffer.piece(b"", last=True))
            self.content_ended = True
            self.phase = Phase.FINAL

    def stop(self, problem: Problem) -> bool:
        """The session ended. True, as of `take`."""
        if self.phase is not Phase.DONE:
            self.problem = problem
            self.stopped = self.phase
            self.phase = Phase.DONE
        return True

    def _take_reset(self, output: list[bytes]) -> None:
        # A refused RSET shows in what the server says of MAIL.
        self.phase = Phase.MAIL
        if not self._manner.pipelining:
            output.append(self._message.mail)

    def _take_mail(self, reply: RawReply, output: list[bytes]) -> None:
        self.mail = reply
        if 300 <= reply.code < 400:
            self.stop(Problem.PROTOCOL)
            return
        self.phase = Phase.RCPT
        if not self._manner.pipelining:
            if reply.code < 300:
                output.append(self._message.rcpts[0])
            else:
                self.phase = Phase.DONE

    def _take_rcpt(self, reply: RawReply, output: list[bytes]) -> None:
        replies = self.rcpts
        replies.append(reply)
        if reply.code < 300:
            self.accepted += 1
        elif reply.code < 400:
            self.stop(Problem.PROTOCOL)
            return
        if len(replies) < len(self._message.rcpts):
            if not self._manner.pipelining:
                output.append(self._message.rcpts[len(replies)])
            return
        if self.mail is None or not self.mail.positive:
            self.accepted = 0
        self._envelope_done(output)

    def _envelope_done(self, output: list[bytes]) -> None:
        manner = self._manner
        if self.content_ended:
            self._await_finals()
        elif manner.pipelining and not manner.chunking:
            self.phase = Phase.DATA
        elif not self.accepted:
            self._give_up()
        elif not manner.chunking:
            output.append(b"DATA\r\n")
            self.phase = Phase.DATA
        elif self._message.content is not None:
            self._put_chunk(self._message.content, output)
            self._await_finals()
        else:
            output.append(b"BDAT %d LAST\r\n" % self._message.size)
            self._await_finals()
            self.phase = Phase.CONTENT

    def _put_chunk(self, content: bytes, output: list[bytes]) -> None:
        output.append(b"BDAT %d LAST\r\n" % len(content))
        output.append(content)
        self.content_ended = True

    def _await_finals(self) -> None:
        # RFC 2033 4.2: LMTP has one reply for each accepted recipient; a refusal of the command itself is one reply.
        self._expected = self.accepted if self._manner.lmtp and self.accepted else 1
        self.phase = Phase.FINAL

    def _take_data(self, reply: RawReply, output: list[bytes]) -> None:
        self.data = reply
        if reply.code >= 400:
            self._give_up()
        elif reply.code < 300:
            self.stop(Problem.PROTOCOL)
        elif not self.accepted:
            self._refuse_content(output)
        else:
            self._await_finals()
            if self._message.content is None:
                self._stuffer = DotStuffer()
                self.phase = Phase.CONTENT
            else:
                output.append(encode_content(self._message.content))
                self.content_ended = True

    def _refuse_content(self, output: list[bytes]) -> None:
        if self._manner.lmtp:
            # RFC 2033 4.2 has no reply for this: nobody could tell what the next one answers.
            self.stop(Problem.PROTOCOL)
        else:
            output.append(b".\r\n")
            self._await_finals()

    def _take_final(self, reply: RawReply) -> None:
        if 300 <= reply.code < 400:
            self.stop(Problem.PROTOCOL)
            return
        self.finals.append(reply)
        if len(self.finals) == self._expected:
            self.phase = Phase.DONE
            self.reset_wanted = not self.accepted

    def _take_early(self, reply: RawReply) -> None:
        # RFC 5321 4.1.1.4 has no reply within a content. A server that says 5yz there means it, but can no longer be
        # followed: what it reads next, content or commands, is its secret.
        if self.phase is Phase.CONTENT and reply.code >= 400:
            self.finals = [reply] * self._expected
        self.stop(Problem.PROTOCOL)

    def _give_up(self) -> None:
        self.phase = Phase.DONE
        self.reset_wanted = True
