"""Private keys that sign (RFC 6376 3.3, RFC 8301 3.2, RFC 8463) and the records that publish their public halves.

A key that cannot be used raises ValueError, in words.
"""

import base64
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from estafeta.trust.dkimkeys import LEAST_RSA_BITS, MOST_RSA_BITS
from estafeta.trust.signature import key_name, read_name

#: RFC 8301 3.2: signers should use at least so many; more do not fit into one string of a TXT record anyway.
DEFAULT_RSA_BITS = 2048
_STRING_OCTETS = 255  # RFC 1035 3.3: a character-string

_PADDING, _PREHASHED = PKCS1v15(), Prehashed(SHA256())

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]


class DnsRecord(NamedTuple):
    """A TXT record to publish."""

    name: str
    text: str

    @property
    def strings(self) -> tuple[str, ...]:
        """The text in parts that fit into a record."""
        return tuple(self.text[start : start + _STRING_OCTETS] for start in range(0, len(self.text), _STRING_OCTETS))

    def zone_line(self) -> str:
        """The record as a zone file has it (RFC 1035 5.1)."""
        parts = " ".join(f'"{part}"' for part in self.strings)
        return f"{self.name}. IN TXT ( {parts} )"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with where its public half is published. Raises ValueError for a domain or selector that is no
    name in DNS, and for a key of another kind or size than verifiers accept."""

    domain: str
    selector: str
    private: rsa.RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        names = {"d": self.domain, "s": self.selector}
        if (read_name(names, "d"), read_name(names, "s")) != (self.domain, self.selector):
            raise ValueError("the domain and the selector of a key are given in lower case, as A-labels")
        if isinstance(self.private, Ed25519PrivateKey):
            return
        if not isinstance(self.private, rsa.RSAPrivateKey):
            raise ValueError("a key that signs mail is an RSA or an Ed25519 key")
        if not LEAST_RSA_BITS <= self.private.key_size <= MOST_RSA_BITS:
            raise ValueError(f"an RSA key has {LEAST_RSA_BITS} to {MOST_RSA_BITS} bits, not {self.private.key_size}")

    @classmethod
    def generate(
        cls, domain: str, selector: str, algorithm: Algorithm = "rsa-sha256", bits: int = DEFAULT_RSA_BITS
    ) -> "SigningKey":
        """A new key; `bits` counts for RSA only. An RSA key takes tens of milliseconds."""
        if algorithm == "ed25519-sha256":
            return cls(domain, selector, Ed25519PrivateKey.generate())
        if not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
            raise ValueError(f"an RSA key has {LEAST_RSA_BITS} to {MOST_RSA_BITS} bits, not {bits}")
        return cls(domain, selector, rsa.generate_private_key(public_exponent=65537, key_size=bits))

    @classmethod
    def from_pem(cls, domain: str, selector: str, pem: bytes, *, proved: bool = False) -> "SigningKey":
        """A key from PEM, PKCS#8 or what openssl made before it. `proved`: it is one of ours, whose primes need no
        test, which takes 30 ms. Raises ValueError."""
        try:
            private = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=proved)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("this is no private key in PEM, or it has a password") from None
        return cls(domain, selector, private)  # type: ignore[arg-type]  # other kinds are refused there

    def to_pem(self) -> bytes:
        """The private key in PEM (PKCS#8), not encrypted."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def algorithm(self) -> Algorithm:
        """The value of a=."""
        return "rsa-sha256" if isinstance(self.private, rsa.RSAPrivateKey) else "ed25519-sha256"

    def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(digest, _PADDING, _PREHASHED)
        return self.private.sign(digest)

    def dns_record(self) -> DnsRecord:
        """The record that publishes the public half (RFC 6376 3.6.1, RFC 8463 4)."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, octets = "ed25519", public.public_bytes_raw()
        text = f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"
        return DnsRecord(key_name(self.selector, self.domain), text)
