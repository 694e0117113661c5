"""Certificates of made-up authorities, and handshakes in memory."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and those above it that a server sends along."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple["Issued", ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def chain(self) -> list[bytes]:
        return [self.der, *(one.der for one in self.above)]

    @property
    def pem(self) -> bytes:
        return b"".join(one.certificate.public_bytes(serialization.Encoding.PEM) for one in (self, *self.above))

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def issue(self, name: str, **how: Any) -> "Issued":
        """A certificate that this one signs."""
        return make(name, by=self, **how)

    def save(self, directory: Path, name: str) -> Path:
        """NAME.crt and NAME.key; the path of the first."""
        (directory / f"{name}.crt").write_bytes(self.pem)
        (directory / f"{name}.key").write_bytes(self.key_pem)
        return directory / f"{name}.crt"

    def server_context(self, directory: Path, name: str = "server") -> ssl.SSLContext:
        """A server that shows it."""
        path = self.save(directory, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, path.with_suffix(".key"))
        return context


def make(
    name: str,
    *,
    by: Issued | None = None,
    ca: bool = False,
    days: tuple[int, int] = (-2, 30),
    hosts: Sequence[str] | None = None,
    path_length: int | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> Issued:
    """A certificate for `name`, signed by `by` or by itself; `days`: from when to when, from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signing_key = by.key if by else key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
    )
    if not ca:
        names = [x509.DNSName(host) for host in ([name] if hosts is None else hosts)]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    above = (by, *by.above) if by else ()
    return Issued(builder.sign(signing_key, hashes.SHA256()), key, above)


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both sides after a handshake in memory; raises what the client's side raises, or else the server's."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [ours, theirs]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    return ours, theirs
