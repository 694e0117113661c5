"""The mail transaction (RFC 5321 3.3): MAIL, RCPT, DATA and BDAT, and the content on its way in."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from estafeta.protocols.smtp import replies
from estafeta.protocols.smtp.auth import AuthConversation
from estafeta.protocols.smtp.commands import Session, parse_bdat, parse_mail, parse_rcpt
from estafeta.protocols.smtp.content import Content
from estafeta.protocols.smtp.events import Abandoned, Body, Chunk, Data, Mail, MessageEnd, Refused
from estafeta.protocols.smtp.limits import SmtpSettings
from estafeta.protocols.smtp.replies import Reply
from estafeta.protocols.smtp.states import (
    CHUNK_PHASE,
    COMMAND_PHASE,
    CONNECTED,
    DATA_PHASE,
    GREETED,
    IN_BDAT,
    IN_MAIL,
    IN_RCPT,
    State,
)

_BINARY: Final = Body.BINARY


class TransactionConversation(AuthConversation):
    """A conversation that can take messages."""

    def __init__(self, settings: SmtpSettings) -> None:
        super().__init__(settings)
        self.state: State = CONNECTED
        self.tls = False
        self.transaction: Mail | None = None
        """The MAIL of the transaction that is under way."""
        self._extended = False
        self._recipients = 0
        self._content: Content | None = None
        self._dropped = False
        self._chunk_left = 0
        self._chunk_last = False
        self._chunk_reply: Reply | None = None
        self._transactions = 0
        self._idle_commands = 0

    def answer_each(self, each: Sequence[Reply]) -> None:
        """The answer to `MessageEnd` in LMTP: one reply for each accepted recipient, in order (RFC 2033 4.2)."""
        if self.closed:
            return
        question = self._take_question()
        is_lmtp_end = isinstance(question, MessageEnd) and self._lmtp
        if not is_lmtp_end or len(each) != self._recipients:
            raise RuntimeError("one reply is wanted for each accepted recipient, at the end of a message in LMTP")
        for reply in each:
            self._say(reply)
        self._end_transaction()
        self._stop_if_due()

    # MAIL and RCPT

    def _session(self) -> Session:
        return Session(self.settings, self._extended, self.authenticated is not None, self.tls)

    def _mail_command(self, argument: bytes) -> Reply | None:
        limit = self.settings.max_transactions
        if limit and self._transactions >= limit:
            self._end_with(replies.TOO_MANY_TRANSACTIONS)
            return None
        mail = parse_mail(argument, self._session())
        if isinstance(mail, Reply):
            return mail
        if 0 < self.settings.max_message_bytes < (mail.size or 0):  # RFC 1870 6.1
            self._events.append(Refused(replies.MESSAGE_TOO_BIG, mail))
            return replies.MESSAGE_TOO_BIG
        self._ask(mail, partial(self._mail_answered, mail))
        return None

    def _mail_answered(self, mail: Mail, reply: Reply) -> None:
        if reply.positive:
            self.transaction = mail
            self.state = IN_MAIL
            self._utf8 = mail.smtputf8
            self._transactions += 1
            self._say(reply)
        else:
            self._refuse(reply)

    def _rcpt_command(self, argument: bytes) -> Reply | None:
        if self._recipients >= self.settings.max_recipients:
            # RFC 5321 4.5.3.1.10: the client sends to those that were taken, so this must not cost it the session.
            self._say(replies.TOO_MANY_RECIPIENTS)
            return None
        rcpt = parse_rcpt(argument, smtputf8=self._utf8, dsn=self.settings.dsn and self._extended)
        if isinstance(rcpt, Reply):
            return rcpt
        self._ask(rcpt, self._rcpt_answered)
        return None

    def _rcpt_answered(self, reply: Reply) -> None:
        if reply.positive:
            self._recipients += 1
            self.state = IN_RCPT
            self._say(reply)
        else:
            self._refuse(reply)

    # DATA

    def _data_command(self, argument: bytes) -> Reply | None:
        if self.state is IN_MAIL:
            # RFC 2033 4.2 asks for 503 in LMTP, RFC 2920 3.1 speaks of 554 in SMTP.
            return replies.RCPT_FIRST if self._lmtp else replies.NO_RECIPIENTS
        if self.transaction is not None and self.transaction.body is _BINARY:
            return replies.BINARY_NEEDS_BDAT  # RFC 3030 3
        self._ask(Data(self._recipients), self._data_answered)
        return None

    def _data_answered(self, reply: Reply) -> None:
        if not reply.positive:
            self._refuse(reply)
            return
        self._say(reply if reply.code == 354 else replies.START_DATA)
        self._content = self._new_content()
        self._phase = DATA_PHASE

    def _read_data(self) -> bool:
        source, content = self._input, self._content
        if content is None or source.pos >= len(source.data):
            return False
        start = source.pos
        block, source.pos = content.read_dotted(source.data, start)
        self._pass_on(content, block)
        if content.ended:
            self._end_of_content(content)
        return source.pos != start

    # BDAT (RFC 3030)

    def _bdat_command(self, argument: bytes) -> Reply | None:
        if not self._expect_chunk(argument):
            return None
        if not self.settings.chunking:
            self._chunk_reply = replies.NOT_OFFERED
        elif self.state is IN_MAIL:
            self._chunk_reply = replies.RCPT_FIRST if self._lmtp else replies.NO_RECIPIENTS
        elif self.state is IN_RCPT:
            self._ask(Data(self._recipients, bdat=True), self._bdat_answered)
        return None

    def _bdat_refused(self, argument: bytes, reply: Reply) -> None:
        """BDAT out of place: its octets come all the same, and the reply after them (RFC 3030 2)."""
        if self._expect_chunk(argument):
            self._chunk_reply = reply

    def _expect_chunk(self, argument: bytes) -> bool:
        """Get ready for the octets. Where their number cannot be told, the content would be run as commands: close."""
        chunk = parse_bdat(argument)
        if chunk is None:
            self._end_with(replies.BDAT_SYNTAX)
            return False
        self._chunk_left, self._chunk_last = chunk
        self._phase = CHUNK_PHASE
        return True

    def _bdat_answered(self, reply: Reply) -> None:
        if reply.positive:
            self._content = self._new_content()
            self.state = IN_BDAT
        else:
            # The next BDAT must not be taken for the first one: the transaction is over.
            self._chunk_reply = reply
            self._abandon()
            self._phase = CHUNK_PHASE

    def _read_chunk(self) -> bool:
        data = self._input.take(self._chunk_left)
        if self._chunk_left and not data:
            return False
        self._chunk_left -= len(data)
        content = self._content
        if content is not None and self._chunk_reply is None:
            last = self._chunk_last and not self._chunk_left
            self._pass_on(content, content.read_octets(data, last=last))
        if not self._chunk_left:
            self._end_of_chunk(content)
        return True

    def _end_of_chunk(self, content: Content | None) -> None:
        self._phase = COMMAND_PHASE
        refusal, self._chunk_reply = self._chunk_reply, None
        if refusal is not None or content is None:
            self._refuse(refusal or replies.MAIL_FIRST)
        elif self._chunk_last:
            self._end_of_content(content)
        elif content.refusal is not None:
            self._tell_refused(content.refusal)
            self._say(content.refusal)
            self._end_transaction()
        else:
            self._say(replies.CHUNK_OK)

    # Content, however it came

    def _new_content(self) -> Content:
        binary = self.transaction is not None and self.transaction.body is _BINARY
        return Content(self.settings.bare_lf, self.settings.max_message_bytes, binary=binary)

    def _pass_on(self, content: Content, block: bytes) -> None:
        if content.refusal is None:
            if block:
                self._events.append(Chunk(block))
        elif not self._dropped:
            self._dropped = True
            self._events.append(Abandoned())

    def _end_of_content(self, content: Content) -> None:
        self._phase = COMMAND_PHASE
        if content.refusal is None:
            self._ask(MessageEnd(content.size), self._message_answered)
        else:
            self._tell_refused(content.refusal)
            self._message_answered(content.refusal)

    def _tell_refused(self, reply: Reply) -> None:
        if self.transaction is not None:
            self._events.append(Refused(reply, self.transaction, self._recipients))

    def _message_answered(self, reply: Reply) -> None:
        # RFC 2033 4.2: in LMTP each accepted recipient gets a reply of its own.
        for _ in range(self._recipients if self._lmtp else 1):
            self._say(reply)
        self._end_transaction()

    def _end_transaction(self) -> None:
        self.transaction = None
        self.state = GREETED
        self._recipients = 0
        self._content = None
        self._dropped = False
        self._utf8 = False
        self._idle_commands = 0

    def _abandon(self) -> None:
        """Drop the transaction, if there is one, and say so."""
        if self.transaction is not None:
            if not self._dropped:
                self._events.append(Abandoned())
            idle = self._idle_commands
            self._end_transaction()
            self._idle_commands = idle

    def _close(self) -> None:
        self._abandon()
        super()._close()
