"""PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login; obsolete, still what many clients use). Server side.

Both hand the password over as it is, so they belong inside TLS; that is for the caller to see to.
"""

from estafeta.protocols.sasl.outcomes import (
    Challenge,
    Failure,
    NeedPassword,
    Outcome,
    Reason,
    Supply,
    password_outcome,
)
from estafeta.protocols.sasl.prep import prepare


class _PasswordMechanism:
    """What the two have in common: one question to the directory, then the end."""

    def __init__(self) -> None:
        self._need: NeedPassword | None = None
        self._over = False

    def supply(self, answer: Supply) -> Outcome:
        """The directory's answer to `NeedPassword`."""
        need, self._need = self._need, None
        if need is None:
            return self._fail(Reason.MALFORMED)
        self._over = True
        return password_outcome(need, answer)

    def _ask(self, authcid: bytes, authzid: bytes, password: bytes) -> Outcome:
        name, secret = prepare(authcid), prepare(password)
        acting = prepare(authzid) if authzid else ""
        if name is None or secret is None or acting is None:
            # RFC 4616 2: where preparation fails the verification fails; no different from a wrong password.
            return self._fail(Reason.CREDENTIALS, name or "")
        self._need = NeedPassword(name, acting, secret)
        return self._need

    def _fail(self, reason: Reason, name: str = "") -> Failure:
        self._over = True
        return Failure(reason, name)


class PlainServer(_PasswordMechanism):
    """`message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 2)."""

    name = "PLAIN"

    def step(self, response: bytes | None) -> Outcome:
        """None asks for the message with an empty challenge. Never raises."""
        if self._over or self._need is not None:
            return self._fail(Reason.MALFORMED)
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3:
            return self._fail(Reason.MALFORMED)
        authzid, authcid, password = parts
        return self._ask(authcid, authzid, password)


class LoginServer(_PasswordMechanism):
    """Two prompts, whose texts some clients compare; then name and password."""

    name = "LOGIN"

    def __init__(self) -> None:
        super().__init__()
        self._authcid: bytes | None = None

    def step(self, response: bytes | None) -> Outcome:
        """None, or the name as an initial response, then the password. Never raises."""
        if self._over or self._need is not None:
            return self._fail(Reason.MALFORMED)
        if response is None:
            return Challenge(b"Username:") if self._authcid is None else self._fail(Reason.MALFORMED)
        if self._authcid is None:
            self._authcid = response
            return Challenge(b"Password:")
        return self._ask(self._authcid, b"", response)
