"""One DKIM-Signature or ARC-Message-Signature field, read and checked (RFC 6376 3.5, RFC 8617 4.1.2).

`parse_signature` raises SignatureError for what is none; the caller gives the error its word. Digests and checks never
raise.
"""

import binascii
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from estafeta.core.remember import remember_short
from estafeta.mail.address import domain_key
from estafeta.trust.canonical import BodyKey, relaxed_field
from estafeta.trust.fields import Fields
from estafeta.trust.tags import TagError, compact, parse_tags, split_list

#: Signature algorithms and the kind of key that each needs (RFC 8301 3.1, RFC 8463 3).
ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}

# RFC 6376 3.5: domain names; underscores are none, but stand in selectors that people publish.
_MAX_DOMAIN = 253
_DOMAIN = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]{1,76}")  # RFC 6376 3.5: l= has at most 76 digits
# RFC 6376 3.5 c=: whether header and body are relaxed; simple for the body when it is not named.
_FORMS = {
    "simple": (False, False),
    "relaxed": (True, False),
    "simple/simple": (False, False),
    "simple/relaxed": (False, True),
    "relaxed/simple": (True, False),
    "relaxed/relaxed": (True, True),
}
_NAMES = re.compile(r"[!-:<-~]*")


class SignatureError(ValueError):
    """A field that is no signature; says why, in words without a full stop. `refused`: it is one that we do not take.
    `permanent`: it can be read, but what it needs is not there."""

    def __init__(self, words: str, *, refused: bool = False, permanent: bool = False) -> None:
        super().__init__(words)
        self.refused = refused
        self.permanent = permanent


class Signature(NamedTuple):
    """What a field says. Names of fields in lower case, domains as A-labels in lower case, `signature` and `body_hash`
    as octets, times in seconds since 1970."""

    domain: str
    selector: str
    algorithm: str
    relaxed_header: bool
    body: BodyKey
    names: tuple[bytes, ...]
    signature: bytes
    body_hash: bytes
    signed_at: int | None
    expires_at: int | None
    tags: dict[str, str]

    @property
    def key_name(self) -> str:
        """Where its key is (RFC 6376 3.6.2.1)."""
        return key_name(self.selector, self.domain)


def parse_signature(value: bytes, required: Sequence[str] = ("v", "a", "b", "bh", "d", "h", "s")) -> Signature:
    """A signature from the value of its field. Raises SignatureError."""
    tags = read_tags(value, required)
    forms = _FORMS.get(tags.get("c", "simple"))
    if forms is None:
        raise SignatureError("nobody knows its canonical form")
    signed_at, expires_at = read_time(tags, "t"), read_time(tags, "x")
    if signed_at is not None and expires_at is not None and expires_at <= signed_at:
        raise SignatureError("it expires before it was made")  # RFC 6376 3.5 x=
    length = _number(tags["l"], "l") if "l" in tags else None
    if "q" in tags and "dns/txt" not in split_list(tags["q"]):
        raise SignatureError("its key cannot be asked for in a way that anybody knows", permanent=True)
    return Signature(
        domain=read_name(tags, "d"),
        selector=read_name(tags, "s"),
        algorithm=read_algorithm(tags),
        relaxed_header=forms[0],
        body=BodyKey(forms[1], length=length),
        names=_names(tags["h"]),
        signature=read_base64(tags, "b"),
        body_hash=read_base64(tags, "bh"),
        signed_at=signed_at,
        expires_at=expires_at,
        tags=tags,
    )


def key_name(selector: str, domain: str) -> str:
    """Where a key is (RFC 6376 3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def header_digest(fields: Fields, place: int, signature: Signature) -> bytes:
    """The SHA-256 digest of the signed fields and of the signature's own, which stands at `place` (RFC 6376 3.7)."""
    relaxed = signature.relaxed_header
    forms = fields.select(signature.names, relaxed, but=place)
    own = without_signature(fields.raw[place])
    forms.append(relaxed_field(own) if relaxed else own)
    return hashlib.sha256(b"\r\n".join(forms)).digest()


def without_signature(field: bytes) -> bytes:
    """A field with its tag b= empty: its value and the white space around that deleted (RFC 6376 3.7)."""
    name, colon, value = field.partition(b":")
    parts = value.split(b";")
    for number, part in enumerate(parts):
        tag, equals, _ = part.partition(b"=")
        if equals and tag.strip(b" \t\r\n") == b"b":
            parts[number] = tag + equals
            break
    return name + colon + b";".join(parts)


def read_tags(value: bytes, required: Sequence[str]) -> dict[str, str]:
    """The tags of a field, those required not empty. Raises SignatureError."""
    try:
        tags = parse_tags(value)
    except TagError as error:
        raise SignatureError(str(error)) from None
    if "v" in required and "v" in tags and tags["v"] != "1":
        raise SignatureError("it has another version than 1", permanent=True)
    for name in required:
        if name not in tags:
            raise SignatureError(f"it has no tag {name}=", permanent=True)
        if not tags[name] and name != "h":
            raise SignatureError(f"its tag {name}= is empty")
    return tags


def read_algorithm(tags: dict[str, str]) -> str:
    """The algorithm. Raises SignatureError for one that is unknown or was given up."""
    algorithm = tags["a"]
    if algorithm in ALGORITHMS:
        return algorithm
    if algorithm == "rsa-sha1":
        raise SignatureError("rsa-sha1 is not accepted any more", refused=True)  # RFC 8301 3.1
    raise SignatureError(f"nobody knows its algorithm: {algorithm[:20]!r}", permanent=True)


def read_name(tags: dict[str, str], tag: str) -> str:
    """A domain or selector as DNS has it. Raises SignatureError."""
    name = domain_key(compact(tags[tag]))
    if len(name) > _MAX_DOMAIN or not _is_domain(name):
        raise SignatureError(f"its tag {tag}= is no name in DNS")
    return name


@lru_cache(maxsize=4096)
def _is_domain(name: str) -> bool:
    """Most mail is signed by few."""
    return _DOMAIN.fullmatch(name) is not None


def read_base64(tags: dict[str, str], tag: str) -> bytes:
    """The octets of a tag. Raises SignatureError."""
    try:
        return binascii.a2b_base64(compact(tags[tag]), strict_mode=True)
    except ValueError:
        raise SignatureError(f"its tag {tag}= is not base64") from None


def read_time(tags: dict[str, str], tag: str) -> int | None:
    """A time in seconds, None for none. Raises SignatureError."""
    return _number(tags[tag], tag) if tag in tags else None


def _number(text: str, tag: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise SignatureError(f"its tag {tag}= is no number")
    return int(text)


@remember_short(1024, 1024)
def _names(text: str) -> tuple[bytes, ...]:
    text = compact(text).lower()
    if not _NAMES.fullmatch(text):
        raise SignatureError("its tag h= is no list of fields")
    return tuple(filter(None, text.encode("ascii").split(b":")))
