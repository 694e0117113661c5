"""The certificates of a node: `NAME.crt` (certificate and chain) and `NAME.key` (private key), PEM, in one directory.

Writing is atomic for each file, keys are readable by the server's user only. Every error is one sentence
(`EstafetaError`): NOT_FOUND, PERMISSION or INVALID.
"""

import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from estafeta.certificates.binding import end_point_binding
from estafeta.certificates.selfsigned import PemPair
from estafeta.core.errors import EstafetaError, Kind

#: `status` begins to warn this long before the end; ACME services renew with 30 days left, so less means trouble.
EXPIRES_SOON = timedelta(days=21)

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
#: Forward secret and authenticated (RFC 9325 4.2). TLS 1.3 has its own list, all of it good.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that can be served: what it says, and a context that uses it."""

    name: str
    hosts: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    self_signed: bool
    end_point: bytes
    context: ssl.SSLContext

    def problem(self, now: datetime) -> str:
        """What is wrong with its dates, as a sentence without a full stop, or nothing."""
        if now >= self.not_after:
            return f"certificate {self.name} expired on {self.not_after:%Y-%m-%d}"
        if now < self.not_before:
            return f"certificate {self.name} is not valid before {self.not_before:%Y-%m-%d %H:%M} UTC"
        if self.not_after - now <= EXPIRES_SOON:
            return f"certificate {self.name} expires on {self.not_after:%Y-%m-%d}"
        return ""


class CertificateStore:
    """Reads and writes the certificates in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def names(self) -> list[str]:
        """The names of all certificates that have both files, sorted."""
        return sorted(path.stem for path in self._files() if path.with_suffix(".key").exists())

    def load(self, name: str) -> Certificate:
        """Read a certificate and make its context."""
        crt, key = self._paths(name)
        try:
            leaf = x509.load_pem_x509_certificates(crt.read_bytes())[0]
            context = _context(crt, key)
        except FileNotFoundError:
            raise EstafetaError(
                Kind.NOT_FOUND,
                f"There is no certificate {name}: put {name}.crt and {name}.key into {self.directory},"
                f" or make one with `estafeta certificate renew {name}`.",
            ) from None
        except PermissionError:
            raise EstafetaError(
                Kind.PERMISSION, f"Certificate {name} in {self.directory} cannot be read: give it to the server's user."
            ) from None
        except (ValueError, ssl.SSLError) as error:
            raise EstafetaError(
                Kind.INVALID,
                f"Certificate {name} in {self.directory} cannot be used: {name}.crt must hold the certificate and its"
                f" chain and {name}.key its private key without a password, both PEM.",
                str(error),
            ) from None
        return Certificate(
            name,
            _hosts(leaf),
            leaf.not_valid_before_utc,
            leaf.not_valid_after_utc,
            leaf.issuer == leaf.subject,
            end_point_binding(leaf),
            context,
        )

    def save(self, name: str, pair: PemPair) -> Certificate:
        """Store a pair under `name` after checking that it can be served; replaces an earlier one."""
        crt, key = self._paths(name)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=".new-") as scratch:
            trial = CertificateStore(Path(scratch))
            for path, text, mode in ((crt, pair.certificate, 0o644), (key, pair.key, 0o600)):
                _write(Path(scratch) / path.name, text, mode)
            trial.load(name)
            # A crash between the two leaves a pair that does not match and is refused, never a wrong one.
            os.replace(Path(scratch) / key.name, key)
            os.replace(Path(scratch) / crt.name, crt)
        return self.load(name)

    def _files(self) -> Iterator[Path]:
        return (path for path in self.directory.glob("*.crt") if _NAME.fullmatch(path.stem))

    def _paths(self, name: str) -> tuple[Path, Path]:
        if not _NAME.fullmatch(name):
            raise EstafetaError(
                Kind.INVALID, f"{name!r} cannot name a certificate: use letters, digits, dots, dashes and underscores."
            )
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"


def server_context() -> ssl.SSLContext:
    """A server's context, no certificate yet: TLS 1.2 and later (RFC 8996), no compression, no renegotiation."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = server_context()
    # Without a password callback OpenSSL would ask on the terminal.
    context.load_cert_chain(certificate, key, password=lambda: "")
    return context


def _hosts(leaf: x509.Certificate) -> tuple[str, ...]:
    """The host names it is for, lower case; the subject is not one of them (RFC 6125 6.4.4, RFC 9525 2)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _write(path: Path, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)
        file.write(data)
        file.flush()
        os.fsync(fd)
