"""Keys, messages and signatures for tests of DKIM and ARC."""

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from estafeta.trust import dkim
from estafeta.trust.canonical import BodyKey, hash_bodies
from estafeta.trust.dkim import DkimResult
from estafeta.trust.dkimsign import begin_digest, finish, to_base64
from estafeta.trust.fields import Fields
from estafeta.trust.signingkey import SigningKey
from zone_kit import Record, Zone, run

NOW = 1_600_000_000
HEADER = (
    b"Received: from a.example\r\n\tby b.example; Fri, 11 Sep 2020 12:00:00 +0000\r\n"
    b"From: Ana <ana@example.com>\r\nTo:  bo@example.org\r\nSubject: A  word\r\n\tor two\r\n"
    b"Date: Fri, 11 Sep 2020 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
)
BODY = b"Hello \t there \r\n\r\n  two\r\n\r\n\r\n"


@functools.cache
def rsa_key(domain: str = "example.com", selector: str = "rsa", bits: int = 2048) -> SigningKey:
    return SigningKey.generate(domain, selector, bits=bits)


@functools.cache
def ed25519_key(domain: str = "example.com", selector: str = "ed") -> SigningKey:
    """Always the same for a name, since tests are named after it."""
    seed = hashlib.sha256(f"{selector}.{domain}".encode()).digest()
    return SigningKey(domain, selector, Ed25519PrivateKey.from_private_bytes(seed))


def zone(*keys: SigningKey, more: Mapping[str, list[Record]] | None = None) -> Zone:
    """Where the public halves are published."""
    records = (key.dns_record() for key in keys)
    return Zone({**{record.name: [("TXT", record.text)] for record in records}, **(more or {})})


def public_record(public: rsa.RSAPublicKey, before: str = "v=DKIM1; ", form: PublicFormat | None = None) -> str:
    """A record of an RSA key."""
    octets = public.public_bytes(Encoding.DER, form or PublicFormat.SubjectPublicKeyInfo)
    return f"{before}p={to_base64(octets)}"


def whole(body: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter((body,))


def hand_signed(
    header: bytes = HEADER,
    body: bytes = BODY,
    *,
    key: SigningKey | None = None,
    names: str = "from:to:subject",
    tags: str = "",
    algorithm: str = "",
    form: str = "relaxed/relaxed",
    body_hash: bytes | None = None,
) -> bytes:
    """The header with a signature that says whatever the test wants: `tags` come before h=. `l=` among them counts."""
    key = key or rsa_key()
    relaxed_header, relaxed_body = (part == "relaxed" for part in form.split("/"))
    length = next((int(tag.partition("=")[2]) for tag in tags.split("; ") if tag.startswith("l=")), None)
    wanted = BodyKey(relaxed_body, length=length)
    digest = body_hash or hash_bodies([wanted], [body])[wanted].digest
    text = (
        f"DKIM-Signature: v=1; a={algorithm or key.algorithm}; c={form}; d={key.domain}; s={key.selector};"
        f"{f' {tags};' if tags else ''} h={names}; bh={to_base64(digest)}; b="
    )
    begun = begin_digest(Fields(header), names.split(":"), relaxed_header)
    return finish(text.encode(), begun, key, relaxed_header) + header


def verify(header: bytes, body: bytes = BODY, resolver: Zone | None = None, now: float = NOW) -> list[DkimResult]:
    return run(dkim.verify((header, whole(body)), resolver or zone(rsa_key(), ed25519_key()), now=now))


def words(results: list[DkimResult]) -> list[str]:
    return [str(result.word) for result in results]
