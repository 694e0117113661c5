"""An exchange of base64 lines around a mechanism: what SMTP (RFC 4954), POP3 (RFC 5034) and IMAP have in common.

The protocol sends each `Prompt` after its own `334 ` or `+ `, hands in the lines that come back, and passes `Need...`
on to the directory. `*` cancels. A success that carries data is sent as one more prompt, which the client answers
with an empty line (RFC 4422 3.6, for protocols whose success reply has no room for it).
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from typing import Protocol

from estafeta.protocols.sasl.outcomes import (
    Challenge,
    Failure,
    NeedPassword,
    NeedScram,
    Outcome,
    Reason,
    Success,
    Supply,
)


class Mechanism(Protocol):
    """One server side exchange. Neither method raises, whatever comes and in whatever order."""

    name: str

    def step(self, response: bytes | None) -> Outcome:
        """The client's next message, out of base64; None: it sent no initial response."""

    def supply(self, answer: Supply) -> Outcome:
        """The directory's answer to the last `NeedPassword` or `NeedScram`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Base64 to send in a continuation line; may be empty."""

    line: bytes


Progress = Prompt | NeedPassword | NeedScram | Success | Failure


class Exchange:
    """Drives one mechanism with lines. `authcid` is the name the client gave so far."""

    def __init__(self, mechanism: Mechanism) -> None:
        self._mechanism = mechanism
        self._success: Success | None = None
        self.authcid = ""

    def start(self, initial: bytes | None) -> Progress:
        """`initial` is the argument as it came: None if there was none, `=` for an empty one (RFC 4954 4)."""
        if initial is None:
            return self._progress(self._mechanism.step(None))
        if initial == b"=":
            return self._progress(self._mechanism.step(b""))
        return self._respond(initial)

    def receive(self, line: bytes) -> Progress:
        """A line from the client without its line end."""
        if line == b"*":
            return Failure(Reason.CANCELLED, self.authcid)
        if self._success is None:
            return self._respond(line)
        if line:
            return Failure(Reason.MALFORMED, self.authcid)
        return self._success

    def supply(self, answer: Supply) -> Progress:
        """The directory's answer."""
        return self._progress(self._mechanism.supply(answer))

    def _respond(self, line: bytes) -> Progress:
        try:
            response = a2b_base64(line, strict_mode=True)
        except Base64Error:
            return Failure(Reason.MALFORMED, self.authcid)
        return self._progress(self._mechanism.step(response))

    def _progress(self, outcome: Outcome) -> Progress:
        if isinstance(outcome, Challenge):
            return Prompt(b2a_base64(outcome.data, newline=False))
        self.authcid = outcome.authcid or self.authcid
        if isinstance(outcome, Success) and outcome.final is not None:
            self._success = outcome
            return Prompt(b2a_base64(outcome.final, newline=False))
        return outcome
