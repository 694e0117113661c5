"""A certificate that signs itself, so that TLS works from the first minute (RFC 5280, names as RFC 9525 wants them)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: Apple's mail programs refuse a server certificate that is valid for more than 825 days, also one that its user chose
#: to trust; all others take less. 800 leaves room for clocks that disagree.
VALID_DAYS = 800
_CLOCKS_DIFFER = timedelta(hours=1)
#: X.520 ub-common-name: a longer name goes only where names belong today, into the subject alternative names.
_MAX_COMMON_NAME = 64


@dataclass(frozen=True, slots=True)
class PemPair:
    """A certificate (with its chain) and its private key, both PEM."""

    certificate: bytes
    key: bytes


def make_self_signed(names: Sequence[str], now: datetime, *, days: int = VALID_DAYS) -> PemPair:
    """A certificate for `names` (host names or IP addresses, the first is the subject) with a new P-256 key.

    `now` is aware of its zone. Raises ValueError for no names or one that is not ASCII.
    """
    if not names:
        raise ValueError("a certificate needs a name")
    key = ec.generate_private_key(ec.SECP256R1())
    common = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) <= _MAX_COMMON_NAME else []
    subject = x509.Name(common)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([_general_name(n) for n in dict.fromkeys(names)]), critical=not common
        )
        # Not a CA: who trusts this certificate trusts it for this server and nothing else.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    return PemPair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name)
