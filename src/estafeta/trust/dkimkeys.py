"""Public keys of signers: their records (RFC 6376 3.6.1, RFC 8463 4) and signatures checked with them.

In: the octets of a TXT record. Out: a `DkimKey`, or KeyRecordError with why there is none, in words; nothing else is
raised. Keys are remembered by the text of their record in a `KeyCache` that the caller owns.

Left out: g= of RFC 4871, which RFC 6376 took away, and h=sha1 (RFC 8301 3.1).
"""

import binascii
from collections import OrderedDict
from dataclasses import dataclass
from typing import cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from estafeta.trust.tags import TagError, compact, parse_tags, split_list

#: RFC 8301 3.2: shorter keys are never valid.
LEAST_RSA_BITS = 1024
#: RFC 8301 3.2 asks for keys up to 4096 bits; larger ones cost more than a message is worth.
MOST_RSA_BITS = 4096
#: 65537 is what everybody uses. A huge exponent makes checking a signature a hundred times as dear.
MOST_EXPONENT_BITS = 64
#: An RSA key of 4096 bits makes 750 octets; notes may stand beside it.
MAX_RECORD_OCTETS = 4096
#: About 4 MiB; most mail is signed by few.
DEFAULT_CACHE_ENTRIES = 2_000

_PADDING, _PREHASHED = PKCS1v15(), Prehashed(SHA256())


class KeyRecordError(ValueError):
    """A record that gives no usable key. `refused`: it is one, but our limits do not allow it."""

    def __init__(self, words: str, *, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A public key. `algorithm` is "rsa" or "ed25519". `testing` (t=y): the signer asks not to be judged by it.
    `exact` (t=s): i= must name the domain of d= itself."""

    algorithm: str
    bits: int
    public: RSAPublicKey | Ed25519PublicKey
    testing: bool = False
    exact: bool = False

    def verify(self, signature: bytes, digest: bytes) -> bool:
        """Whether this is the signature of a SHA-256 digest (RFC 6376 3.3.1, RFC 8463 3)."""
        try:
            # By the word: to ask an object of OpenSSL for its class takes a sixth of the check itself.
            if self.algorithm == "rsa":
                cast("RSAPublicKey", self.public).verify(signature, digest, _PADDING, _PREHASHED)
            else:
                cast("Ed25519PublicKey", self.public).verify(signature, digest)
        except InvalidSignature:
            return False
        return True


def parse_key(record: bytes) -> DkimKey:
    """The key in a record. Raises KeyRecordError."""
    if len(record) > MAX_RECORD_OCTETS:
        raise KeyRecordError("the key record is longer than 4 KiB", refused=True)
    try:
        tags = parse_tags(record)
    except TagError as error:
        raise KeyRecordError(f"the key record cannot be read: {error}") from None
    # RFC 6376 3.6.1: v= is optional, but first where it stands.
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise KeyRecordError("the key record has another version than DKIM1")
    if "p" not in tags:
        raise KeyRecordError("the key record has no key")
    if "h" in tags and "sha256" not in split_list(tags["h"]):
        raise KeyRecordError("the key is not for SHA-256")
    if not {"*", "email"} & set(split_list(tags.get("s", "*"))):
        raise KeyRecordError("the key is not for mail")
    algorithm = tags.get("k", "rsa")
    public, bits = _public(algorithm, _octets(compact(tags["p"])))
    flags = split_list(tags.get("t", ""))
    return DkimKey(algorithm, bits, public, "y" in flags, "s" in flags)


class KeyCache:
    """Keys by the text of their record, the least recently used forgotten. For one thread."""

    def __init__(self, max_entries: int = DEFAULT_CACHE_ENTRIES) -> None:
        self._max = max_entries
        self._known: OrderedDict[bytes, DkimKey] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def parse(self, record: bytes) -> DkimKey:
        """`parse_key`, remembered. Raises KeyRecordError."""
        key = self._known.get(record)
        if key is not None:
            self._known.move_to_end(record)
            return key
        key = parse_key(record)
        self._known[record] = key
        if len(self._known) > self._max:
            self._known.popitem(last=False)
        return key


def _octets(text: str) -> bytes:
    if not text:
        raise KeyRecordError("the key is revoked")  # RFC 6376 3.6.1: an empty p=
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise KeyRecordError("the key is not base64") from None


def _public(algorithm: str, octets: bytes) -> tuple[RSAPublicKey | Ed25519PublicKey, int]:
    if algorithm == "rsa":
        return _rsa(octets)
    if algorithm != "ed25519":
        raise KeyRecordError(f"the key is of a kind that nobody knows: {algorithm[:20]!r}")
    try:
        return Ed25519PublicKey.from_public_bytes(octets), 256
    except ValueError:
        raise KeyRecordError("the key is no Ed25519 key") from None


def _rsa(octets: bytes) -> tuple[RSAPublicKey, int]:
    """RFC 6376 3.6.1 with its erratum 3017: a SubjectPublicKeyInfo; some publish the RSAPublicKey in it."""
    try:
        public = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRecordError("the key is no RSA key") from None
    if not isinstance(public, RSAPublicKey):
        raise KeyRecordError("the key is no RSA key")
    bits = public.key_size
    if not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
        raise KeyRecordError(f"a key of {bits} bits is not accepted", refused=True)
    if public.public_numbers().e.bit_length() > MOST_EXPONENT_BITS:
        raise KeyRecordError("the key has a huge exponent", refused=True)
    return public, bits
