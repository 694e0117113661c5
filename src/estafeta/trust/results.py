"""What TLS with another server came to, in the words of RFC 8460 4.3 and in ours."""

from enum import StrEnum
from typing import NamedTuple


class ResultType(StrEnum):
    """Why a session was not as a policy wants it (RFC 8460 4.3)."""

    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    HOST_MISMATCH = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    DANE_REQUIRED = "dane-required"
    STS_FETCH_ERROR = "sts-policy-fetch-error"
    STS_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"


class TlsFailure(NamedTuple):
    """A failure: its type for reports, `words` for the journal (a sentence without a full stop), and `reason`, a short
    code of RFC 8460 4.3 `failure-reason-code`, "" for none."""

    result: ResultType
    words: str
    reason: str = ""


class PolicyKind(StrEnum):
    """Which policy a session was held to (RFC 8460 4.4 `policy-type`)."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


class AppliedPolicy(NamedTuple):
    """A policy as a report names it: its domain, its text in lines, and the MX host patterns of MTA-STS."""

    kind: PolicyKind
    domain: str
    lines: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
