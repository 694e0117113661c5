"""What a connection to one host must have of TLS. Decided by `TlsPolicies`, carried out by whoever connects.

level     STARTTLS offered               STARTTLS not offered        handshake fails
none      not used                       goes on                     -
may       used                           goes on                     `fall_back` at once, at last in clear text
encrypt   used                           the attempt fails           the attempt fails
verify    used, certificate by CAs       the attempt fails           the attempt fails
dane      used, certificate by TLSA      the attempt fails           the attempt fails
"""

from enum import StrEnum
from typing import NamedTuple

from estafeta.dns.values import Tlsa
from estafeta.trust.levels import Level
from estafeta.trust.results import AppliedPolicy, PolicyKind, ResultType, TlsFailure

__all__ = ["Level", "TlsDemand", "TlsFailure", "TlsNeed", "TlsRefusal", "missing_starttls"]


class TlsNeed(StrEnum):
    """What a message asks for. REQUIRED: REQUIRETLS (RFC 8689 2). OPTIONAL: its header says `TLS-Required: No` (RFC
    8689 3): policies of the other side do not hold it up, rules of our operator still do."""

    USUAL = "usual"
    REQUIRED = "required"
    OPTIONAL = "optional"


class TlsDemand(NamedTuple):
    """The demand on a connection; equal demands may share connections.

    `names`: the first is sent as SNI; at `verify` it is the name that the certificate must have, at `dane` (usage 2) it
    must have one of them. `tlsa`: the usable records at `dane`. `source`: where the demand comes from, in words.
    `policy`: what reports hold the session to. `ca_file`: CAs instead of the system's. `certificate`: our own, by its
    name in the node's store. `testing`: at `may`, the
    certificate is checked as at `verify` and a failure is reported, then `fall_back` (RFC 8461 5).
    `require_tls`: the server must offer REQUIRETLS after TLS, and MAIL carries it (RFC 8689 4.2.1).
    `known`: a failure that reports name whatever happens. `fallen`: nobody decided on clear text, TLS failed before;
    passwords stay here then."""

    level: Level
    names: tuple[str, ...] = ()
    tlsa: tuple[Tlsa, ...] = ()
    source: str = ""
    policy: AppliedPolicy = AppliedPolicy(PolicyKind.NONE, "")
    ca_file: str = ""
    certificate: str = ""
    testing: bool = False
    require_tls: bool = False
    known: TlsFailure | None = None
    fallen: bool = False

    @property
    def used(self) -> bool:
        """Whether STARTTLS is used where it is offered."""
        return self.level is not Level.NONE

    @property
    def mandatory(self) -> bool:
        """Whether nothing may be sent without TLS."""
        return self.level not in (Level.NONE, Level.MAY)

    def fall_back(self, words: str) -> "TlsDemand | None":
        """The demand on the next attempt at the same host after a handshake failed with `words`; None: there is none.

        A policy in testing mode is no longer checked (RFC 8461 5: the message is delivered as though there had been no
        failure); after that, and where TLS was only a wish from the start, clear text (RFC 7435 4)."""
        if self.level is not Level.MAY:
            return None
        if self.testing:
            return self._replace(testing=False)
        return self._replace(level=Level.NONE, fallen=True, source=f"clear text, because TLS failed before: {words}")


class TlsRefusal(NamedTuple):
    """This host must not be used for this message. `status` is an enhanced status code, `text` a sentence without a
    full stop. Not `permanent`: try another host, or this one later. `dns`: because DNS did not answer."""

    permanent: bool
    status: str
    text: str
    failure: TlsFailure | None = None
    policy: AppliedPolicy = AppliedPolicy(PolicyKind.NONE, "")
    dns: bool = False


def missing_starttls(demand: TlsDemand) -> TlsFailure:
    """What to say of a server that does not offer STARTTLS, or refuses it."""
    words = "the server does not offer STARTTLS"
    if demand.mandatory:
        words += f", which {demand.source or 'the settings'} demands"
    return TlsFailure(ResultType.STARTTLS_NOT_SUPPORTED, words)
