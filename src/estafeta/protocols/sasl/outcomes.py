"""What a SASL mechanism says at each step, and what a directory tells it. Values only.

A mechanism never looks anything up: it answers `NeedPassword` or `NeedScram`, and whoever drives it supplies the
directory's answer. Secrets are kept out of `repr`.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why an exchange failed. Each protocol maps these to its own replies in one place."""

    CREDENTIALS = "credentials"
    """Wrong name, password or proof: one reason, so that names cannot be probed."""
    MALFORMED = "malformed"
    """What came was no message of this mechanism, or no base64."""
    CANCELLED = "cancelled"
    """The client sent `*`."""
    CHANNEL_BINDING = "channel_binding"
    """The channel bindings differ, are missing or show a downgrade: someone may sit in between."""
    TEMPORARY = "temporary"
    """The directory could not answer; the same password may work later."""
    TOO_WEAK = "too_weak"
    """This account may not use this mechanism."""
    TRANSITION = "transition"
    """This account has to use a simpler mechanism once before this one works (RFC 4954 6: 432)."""


class PasswordResult(StrEnum):
    """What a directory says of a password, or instead of keys."""

    OK = "ok"
    FAILED = "failed"
    TEMPORARY = "temporary"
    TOO_WEAK = "too_weak"
    TRANSITION = "transition"


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What a server keeps of a password for SCRAM (RFC 5802 3). Not enough to log in with elsewhere."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send these octets to the client (in base64 where the protocol has lines) and step with its response."""

    data: bytes


@dataclass(frozen=True, slots=True)
class NeedPassword:
    """Check this password; supply a `PasswordResult`. `authzid` is empty where the client named none."""

    authcid: str
    authzid: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NeedScram:
    """Find this user's keys; supply `ScramKeys`, None (unknown, or has no keys) or a `PasswordResult`."""

    authcid: str
    authzid: str


@dataclass(frozen=True, slots=True)
class Success:
    """The client is who `authcid` names and asks to act as `authzid` (empty: as itself).

    Whether it may act so is for the caller to decide. `final` goes to the client, if any (SCRAM: the server's proof).
    """

    authcid: str
    authzid: str
    final: bytes | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The exchange is over. `authcid` is the name the client gave, for the log; empty where it came to none.

    `error` is SCRAM's `e=` message (RFC 5802 7) for protocols that can carry data with a failure.
    """

    reason: Reason
    authcid: str = ""
    error: bytes | None = None


Need = NeedPassword | NeedScram
Supply = PasswordResult | ScramKeys | None
Outcome = Challenge | NeedPassword | NeedScram | Success | Failure

_REFUSALS = {
    PasswordResult.FAILED: Reason.CREDENTIALS,
    PasswordResult.TEMPORARY: Reason.TEMPORARY,
    PasswordResult.TOO_WEAK: Reason.TOO_WEAK,
    PasswordResult.TRANSITION: Reason.TRANSITION,
}


def password_outcome(need: NeedPassword, answer: Supply) -> Outcome:
    """What the directory's answer to a password means. Anything but a clear OK is a failure."""
    if answer is PasswordResult.OK:
        return Success(need.authcid, need.authzid)
    return Failure(refusal_reason(answer), need.authcid)


def refusal_reason(answer: Supply) -> Reason:
    """The reason that goes with a directory's refusal; wrong credentials where it gave none."""
    return _REFUSALS.get(answer, Reason.CREDENTIALS) if isinstance(answer, PasswordResult) else Reason.CREDENTIALS
