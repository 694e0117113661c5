"""The AUTH command (RFC 4954): challenges and responses between the client and a SASL mechanism."""

from estafeta.protocols.sasl import Exchange, Failure, Mechanism, Progress, Prompt, Reason, Success, Supply
from estafeta.protocols.smtp import replies
from estafeta.protocols.smtp.commands import parse_auth
from estafeta.protocols.smtp.conversation import Conversation
from estafeta.protocols.smtp.events import Authenticate, Authenticated, AuthFailed, AuthNeed
from estafeta.protocols.smtp.framing import Fault
from estafeta.protocols.smtp.limits import AUTH_LINE, SmtpSettings
from estafeta.protocols.smtp.replies import Reply
from estafeta.protocols.smtp.states import COMMAND_PHASE, RESPONSE_PHASE

# RFC 4954 6. A reason that a person behind the client can do nothing about is told in the same words as a wrong name.
_FAILED = {
    Reason.CREDENTIALS: replies.AUTH_WRONG,
    Reason.MALFORMED: replies.AUTH_MALFORMED,
    Reason.CANCELLED: replies.AUTH_CANCELLED,
    Reason.CHANNEL_BINDING: replies.AUTH_BINDING,
    Reason.TEMPORARY: replies.AUTH_TEMPORARY,
    Reason.TOO_WEAK: replies.AUTH_TOO_WEAK,
    Reason.TRANSITION: replies.AUTH_TRANSITION,
}


class AuthConversation(Conversation):
    """A conversation that can authenticate. `authenticated` is the identity that it acts as, once it is settled."""

    def __init__(self, settings: SmtpSettings) -> None:
        super().__init__(settings)
        self.authenticated: str | None = None
        self._mechanism = ""
        self._initial: bytes | None = None
        self._exchange: Exchange | None = None
        self._auth_failures = 0

    def answer_auth(self, mechanism: Mechanism) -> None:
        """The answer to `Authenticate`: a fresh mechanism, which then talks with the client."""
        if self.closed:
            return
        question = self._take_question()
        if not isinstance(question, Authenticate):
            raise RuntimeError("no Authenticate is waiting for a mechanism")
        self._exchange = Exchange(mechanism)
        self._go_on(self._exchange.start(self._initial))
        self._stop_if_due()

    def answer_need(self, supply: Supply) -> None:
        """The answer to `AuthNeed`: what the directory said."""
        if self.closed:
            return
        question = self._take_question()
        if not isinstance(question, AuthNeed) or self._exchange is None:
            raise RuntimeError("no AuthNeed is waiting for a directory's answer")
        self._go_on(self._exchange.supply(supply))
        self._stop_if_due()

    def _auth_command(self, argument: bytes) -> Reply | None:
        mechanisms = self.settings.auth_mechanisms
        if not mechanisms:
            # RFC 4954 6: 538 where encryption is all that is missing.
            return replies.AUTH_NEEDS_TLS if self.settings.tls_available and not self.tls else replies.NOT_OFFERED
        if self.authenticated is not None:
            return replies.ALREADY_AUTHENTICATED
        parsed = parse_auth(argument)
        if isinstance(parsed, Reply):
            return parsed
        if parsed[0] not in mechanisms:
            return replies.UNKNOWN_MECHANISM
        self._mechanism, self._initial = parsed
        self._ask(Authenticate(self._mechanism), self._auth_refused)
        return None

    def _go_on(self, progress: Progress) -> None:
        if isinstance(progress, Prompt):
            self._output.append(b"334 %b\r\n" % progress.line)
            self._phase = RESPONSE_PHASE
        elif isinstance(progress, Success):
            event = Authenticated(progress.authcid, progress.authzid, self._mechanism, replies.AUTH_OK)
            self._ask(event, lambda reply: self._auth_settled(progress.authzid or progress.authcid, reply))
        elif isinstance(progress, Failure):
            self._auth_failed(progress)
        else:
            self._ask(AuthNeed(progress), self._auth_refused)

    def _read_response(self) -> bool:
        line = self._input.line(AUTH_LINE, 0, accept_lf=self._accept_lf)
        if line is None:
            return False
        if line is Fault.ENDLESS:
            self._end_with(replies.TOO_MANY_ERRORS)
        elif isinstance(line, Fault) or self._exchange is None:
            too_long = line is Fault.TOO_LONG
            self._end_exchange(replies.AUTH_LINE_TOO_LONG if too_long else replies.BARE_IN_COMMAND)
        else:
            self._go_on(self._exchange.receive(line))
        return True

    def _auth_failed(self, failure: Failure) -> None:
        reply = _FAILED[failure.reason]
        if failure.reason is Reason.CANCELLED:
            self._end_exchange(reply)  # the client's own wish: nothing to report
            return
        self._ask(AuthFailed(failure.reason, failure.authcid, self._mechanism, reply), self._failure_answered)

    def _failure_answered(self, reply: Reply) -> None:
        self._auth_failures += 1
        if self._auth_failures >= self.settings.max_auth_failures:
            self._end_with(replies.TOO_MANY_ERRORS)
        else:
            self._end_exchange(reply)

    def _auth_settled(self, identity: str, reply: Reply) -> None:
        if not reply.positive:
            self._failure_answered(reply)
            return
        self.authenticated = identity
        self._end_exchange(reply)

    def _auth_refused(self, reply: Reply) -> None:
        if reply.positive:
            raise RuntimeError("an exchange goes on with answer_auth or answer_need")
        self._end_exchange(reply)

    def _end_exchange(self, reply: Reply) -> None:
        self._exchange, self._initial = None, None
        self._say(reply)
        self._phase = COMMAND_PHASE
