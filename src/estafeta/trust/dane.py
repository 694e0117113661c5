"""DANE for SMTP (RFC 7672, on RFC 6698 and RFC 7671): which TLSA records are usable, whether a chain satisfies them.

Whether the records are secure (DNSSEC) is for the caller to know. Certificates come as DER, the server's own first, as
they were sent; nothing is fetched. Pure, and quick: some signatures at most.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from estafeta.trust.certnames import certificate_matches, dns_names
from estafeta.trust.results import ResultType, TlsFailure

_TRUST_ANCHOR, _END_ENTITY = 2, 3
_FULL, _SHA256, _SHA512 = 0, 1, 2
_LENGTHS = {_SHA256: 32, _SHA512: 64}
# A chain as it was sent has rarely more than four; each costs signatures.
_LONGEST_CHAIN = 6


class TlsaRecord(Protocol):
    """The fields of a TLSA record (RFC 6698 2.1)."""

    @property
    def usage(self) -> int: ...
    @property
    def selector(self) -> int: ...
    @property
    def matching(self) -> int: ...
    @property
    def data(self) -> bytes: ...


R = TypeVar("R", bound=TlsaRecord)


def usable(records: Iterable[R]) -> tuple[R, ...]:
    """The records that SMTP can use, the weaker digests left out (RFC 7672 5).

    RFC 7672 3.1.3: usages 0 and 1 are unusable for SMTP; so are unknown numbers and digests of a wrong length."""
    good = [record for record in records if _is_usable(record)]
    strongest: dict[tuple[int, int], int] = {}
    for record in good:
        key = (record.usage, record.selector)
        strongest[key] = max(strongest.get(key, 0), record.matching)
    # SHA2-512(2) goes before SHA2-256(1); Full(0) is no digest and always counts.
    return tuple(record for record in good if record.matching in (_FULL, strongest[record.usage, record.selector]))


def _is_usable(record: TlsaRecord) -> bool:
    if record.usage not in (_TRUST_ANCHOR, _END_ENTITY) or record.selector not in (0, 1):
        return False
    if record.matching != _FULL:
        return _LENGTHS.get(record.matching) == len(record.data)
    try:
        if record.selector == 0:
            x509.load_der_x509_certificate(record.data)
        else:
            serialization.load_der_public_key(record.data)
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def check_chain(
    records: Sequence[TlsaRecord], chain: Sequence[bytes], names: tuple[str, ...], now: datetime
) -> TlsFailure | None:
    """None when `chain` satisfies one of the usable `records`; else what is wrong with it.

    `names` are the reference identifiers of RFC 7672 3.2.2, for usage 2 only. `now` is aware of its zone."""
    if not chain:
        return TlsFailure(ResultType.VALIDATION_FAILURE, "the server sent no certificate")
    # RFC 7672 3.1.1: DANE-EE(3) looks at nothing but the match: neither names nor dates.
    leaf = _Seen.of(chain[0])
    if leaf is not None and any(record.usage == _END_ENTITY and leaf.matches(record) for record in records):
        return None
    anchors = [record for record in records if record.usage == _TRUST_ANCHOR]
    if not anchors or leaf is None:
        words = "no TLSA record matches the server's certificate"
        return TlsFailure(ResultType.VALIDATION_FAILURE, words, "tlsa-mismatch")
    return _check_anchored(anchors, leaf, _others(anchors, chain), names, now)


class _Seen(NamedTuple):
    """A certificate, and the two forms of it that a record may name."""

    certificate: x509.Certificate
    der: bytes
    key: bytes

    @classmethod
    def of(cls, der: bytes) -> "_Seen | None":
        """None for what cannot be read as a certificate."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            key = certificate.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        except (ValueError, UnsupportedAlgorithm):
            return None
        return cls(certificate, der, key)

    def matches(self, record: TlsaRecord) -> bool:
        """RFC 6698 2.1.2, 2.1.3."""
        selected = self.key if record.selector else self.der
        if record.matching == _SHA256:
            selected = hashlib.sha256(selected).digest()
        elif record.matching == _SHA512:
            selected = hashlib.sha512(selected).digest()
        return selected == record.data


def _others(anchors: Sequence[TlsaRecord], chain: Sequence[bytes]) -> list[_Seen]:
    """What may stand above the server's certificate. RFC 7671 5.2: an anchor that is whole in DNS need not be sent."""
    given = [record.data for record in anchors if record.matching == _FULL and record.selector == 0]
    seen = [_Seen.of(der) for der in [*chain[1:_LONGEST_CHAIN], *given[:_LONGEST_CHAIN]]]
    return [one for one in seen if one is not None]


def _check_anchored(
    anchors: Sequence[TlsaRecord], leaf: _Seen, others: list[_Seen], names: tuple[str, ...], now: datetime
) -> TlsFailure | None:
    """DANE-TA(2), RFC 7672 3.1.2: a path to an anchor, and there names and dates count."""
    path = [leaf]
    while not (len(path) > 1 and any(path[-1].matches(record) for record in anchors)):
        issuer = next((one for one in others if one not in path and _issued(path[-1], one, len(path) - 1)), None)
        if issuer is None:
            words = "no TLSA record matches the server's certificate or one above it"
            return TlsFailure(ResultType.VALIDATION_FAILURE, words, "tlsa-mismatch")
        path.append(issuer)
    return _check_dates(path, now) or _check_leaf(leaf.certificate, names)


def _check_dates(path: Sequence[_Seen], now: datetime) -> TlsFailure | None:
    for certificate in (one.certificate for one in path):
        if now >= certificate.not_valid_after_utc:
            day = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
            return TlsFailure(ResultType.EXPIRED, f"the server's certificate, or one above it, expired on {day}")
        if now < certificate.not_valid_before_utc:
            return TlsFailure(ResultType.VALIDATION_FAILURE, "the server's certificate is not valid yet")
    return None


def _check_leaf(leaf: x509.Certificate, names: tuple[str, ...]) -> TlsFailure | None:
    if not _may_serve(leaf):
        return TlsFailure(ResultType.VALIDATION_FAILURE, "the server's certificate is not one for servers")
    if not certificate_matches(leaf, names):
        have = ", ".join(dns_names(leaf)[:5]) or "no name"
        words = f"the server's certificate is for {have}, not for {' or '.join(names)}"
        return TlsFailure(ResultType.HOST_MISMATCH, words)
    return None


def _issued(below: _Seen, above: _Seen, depth: int) -> bool:
    """Whether `above` signed `below`, and may: RFC 5280 4.2.1.3, 4.2.1.9. `depth`: how many CAs are below it."""
    try:
        below.certificate.verify_directly_issued_by(above.certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return _may_issue(above.certificate, depth)


def _may_issue(certificate: x509.Certificate, depth: int) -> bool:
    try:
        extensions = certificate.extensions
        if any(isinstance(one.value, x509.NameConstraints) for one in extensions):
            # We do not apply them, so such a CA vouches for nothing here (RFC 5280 4.2: a critical extension).
            return False
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
        usages = [one.value for one in extensions if isinstance(one.value, x509.KeyUsage)]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return False
    if not basic.ca or (basic.path_length is not None and basic.path_length < depth):
        return False
    return all(usage.key_cert_sign for usage in usages)


def _may_serve(certificate: x509.Certificate) -> bool:
    """RFC 5280 4.2.1.12: without extended key usages, everything is allowed."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return bool({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usages))
