"""Certificates of the lab: an authority of its own, and servers' certificates that are right or wrong in one way."""

import hashlib
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from estafeta.app.lab.behaviours import TlsKind

_LONG = timedelta(days=3650)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, PEM; the certificate and its public key also DER (RFC 6698 1.3 digests those)."""

    pem: bytes
    key_pem: bytes
    der: bytes
    public_key: bytes

    def tlsa(self, usage: int, selector: int, matching: int) -> tuple[int, int, int, bytes]:
        """The TLSA record that this certificate satisfies (RFC 6698 2.1)."""
        data = self.public_key if selector else self.der
        if matching:
            data = hashlib.new("sha256" if matching == 1 else "sha512", data).digest()
        return usage, selector, matching, data


class Authority:
    """Signs certificates. Their time is the lab's: `now` is asked for each."""

    def __init__(self, now: datetime | None = None, name: str = "Lab authority") -> None:
        self._now = now or datetime.now(UTC)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key.public_key(), self._now - _LONG, self._now + _LONG)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._certificate = builder.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self._issued: dict[tuple[str, tuple[str, ...]], Issued] = {}
        self._contexts: dict[tuple[str, tuple[str, ...]], ssl.SSLContext] = {}

    @cached_property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: Sequence[str], kind: str = TlsKind.GOOD) -> Issued:
        """A certificate for host names and addresses, right or wrong as `kind` says; the same one each time."""
        found = self._issued.get((kind, tuple(names)))
        if found is None:
            found = self._issued[kind, tuple(names)] = self._issue(names, kind)
        return found

    def context(self, names: Sequence[str], kind: str = TlsKind.GOOD) -> ssl.SSLContext:
        """A server's context with such a certificate. It notes in each session the name that the client wants (SNI)."""
        found = self._contexts.get((kind, tuple(names)))
        if found is None:
            found = self._contexts[kind, tuple(names)] = self._make_context(names, kind)
        return found

    def _make_context(self, names: Sequence[str], kind: str) -> ssl.SSLContext:
        issued = self.issue(names, kind)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(issued.pem + issued.key_pem)
            file.flush()
            context.load_cert_chain(file.name)
        if kind == TlsKind.CLIENT:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.pem.decode())
        if kind == TlsKind.REFUSE:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # the key is no RSA key: no handshake can succeed
        context.sni_callback = _note_name
        return context

    def _issue(self, names: Sequence[str], kind: str) -> Issued:
        if kind == TlsKind.WRONG_NAME:
            names = ("somebody.else.test",)
        key = ec.generate_private_key(ec.SECP256R1())
        begin, end = self._now - _LONG, self._now + _LONG
        if kind == TlsKind.EXPIRED:
            begin, end = self._now - 2 * _LONG, self._now - _DAY
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        own = kind == TlsKind.SELF_SIGNED
        builder = self._builder(subject, key.public_key(), begin, end, subject if own else self._name)
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return _issued(builder.sign(key if own else self._key, hashes.SHA256()), key)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        begin: datetime,
        end: datetime,
        issuer: x509.Name | None = None,
    ) -> x509.CertificateBuilder:
        own = x509.SubjectKeyIdentifier.from_public_key(key)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            key if issuer in (None, subject) else self._key.public_key()
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(own, critical=False)
            .add_extension(signer, critical=False)
        )


def _issued(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    encoding, none = serialization.Encoding, serialization.NoEncryption()
    return Issued(
        certificate.public_bytes(encoding.PEM),
        key.private_bytes(encoding.PEM, serialization.PrivateFormat.PKCS8, none),
        certificate.public_bytes(encoding.DER),
        key.public_key().public_bytes(encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


def _note_name(session: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
    setattr(session, "wanted_name", name or "")  # noqa: B010 - no attribute that its type knows


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
