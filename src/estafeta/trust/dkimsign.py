"""DKIM-Signature fields made (RFC 6376 5), one for each key, over one hash of the body and one of the header.

Raises ValueError, in words, for a header that cannot be signed: one without From or beyond the limits of `fields`.
"""

import binascii
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from estafeta.trust.canonical import BodyKey, hash_bodies, relaxed_field
from estafeta.trust.fields import Fields
from estafeta.trust.signingkey import SigningKey

#: RFC 6376 5.4.1 and what readers and programs act on. Fields that are changed on the way (Received, Return-Path,
#: Authentication-Results) are not there.
SIGNED = (
    *("From", "Subject", "Date", "To", "Cc", "Reply-To", "Message-ID", "In-Reply-To", "References", "Sender"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner"),
    *("List-Help", "List-Archive"),
)
#: RFC 6376 8.15: mentioned once more than they are there, so that nobody can add one, even where there is none. All
#: others are mentioned once more only where they are there: a mailing list may add its List-* fields.
OVERSIGNED = frozenset(
    {
        *("from", "subject", "date", "to", "cc", "reply-to", "message-id"),
        *("mime-version", "content-type", "content-transfer-encoding"),
    }
)
_LINE = 76


class Form(NamedTuple):
    """The canonical forms (RFC 6376 3.4): relaxed, or simple where False."""

    relaxed_header: bool = True
    relaxed_body: bool = True

    def __str__(self) -> str:
        """The value of c=."""
        words = ("simple", "relaxed")
        return f"{words[self.relaxed_header]}/{words[self.relaxed_body]}"


def sign(
    header: bytes | Fields,
    pieces: Callable[[], Iterator[bytes]],
    keys: Sequence[SigningKey],
    *,
    now: float,
    headers: Iterable[str] = SIGNED,
    canonicalization: Form = Form(),  # noqa: B008 - a value
    expire_seconds: int | None = None,
) -> bytes:
    """DKIM-Signature fields of all keys, folded, each with its CRLF: to be put in front of the header.

    `header` without its empty line, `pieces` gives the body. `headers`: the names that are signed, From always.
    `expire_seconds`: from `now`, for x=. Raises ValueError."""
    fields = _readable(header)
    body = BodyKey(canonicalization.relaxed_body)
    body_hash = hash_bodies([body], pieces())[body].digest
    names = names_to_sign(fields, headers)
    # The fields before the signature's own are the same for all keys.
    begun = begin_digest(fields, names, canonicalization.relaxed_header)
    times = f"t={int(now)};"
    if expire_seconds is not None:
        times += f" x={int(now) + expire_seconds};"
    rest = f"\r\n\t{times}\r\n\th={fold_names(names)};\r\n\tbh={to_base64(body_hash)};\r\n\tb="
    made = []
    for key in keys:
        text = f"DKIM-Signature: v=1; a={key.algorithm}; c={canonicalization};\r\n\td={key.domain}; s={key.selector};"
        made.append(finish(f"{text}{rest}".encode(), begun, key, canonicalization.relaxed_header))
    return b"".join(made)


def names_to_sign(fields: Fields, headers: Iterable[str]) -> list[str]:
    """What h= says: each name as often as it is there, and once more as `OVERSIGNED` says."""
    names = []
    for name in dict.fromkeys(("From", *headers)):
        low = name.lower()
        count = len(fields.places(low.encode("ascii")))
        names += [name] * (count + 1 if count or low in OVERSIGNED else 0)
    return names


def begin_digest(fields: Fields, names: Iterable[str], relaxed: bool) -> "hashlib._Hash":
    """A hash that has taken in the named fields."""
    forms = fields.select((name.lower().encode("ascii") for name in names), relaxed)
    forms.append(b"")
    return hashlib.sha256(b"\r\n".join(forms))


def finish(field: bytes, begun: "hashlib._Hash", key: SigningKey, relaxed: bool) -> bytes:
    """A field that ends in `b=`, signed, with its CRLF."""
    digest = begun.copy()
    digest.update(relaxed_field(field) if relaxed else field)
    return field + fold_signature(key.sign(digest.digest())) + b"\r\n"


def fold_names(names: Iterable[str]) -> str:
    """Names between colons, folded."""
    lines, line = [], "h="
    for name in names:
        if len(line) + len(name) > _LINE:
            lines.append(line)
            line = " "
        line += f"{name}:"
    lines.append(line)
    return "\r\n\t".join(lines)[2:].removesuffix(":")


def fold_signature(octets: bytes) -> bytes:
    """The value of b=, folded."""
    text = binascii.b2a_base64(octets, newline=False)
    return b"\r\n\t ".join(text[start : start + _LINE - 4] for start in range(0, len(text), _LINE - 4))


def to_base64(octets: bytes) -> str:
    """Base64 without a line end."""
    return binascii.b2a_base64(octets, newline=False).decode("ascii")


def _readable(header: bytes | Fields) -> Fields:
    fields = header if isinstance(header, Fields) else Fields(header)
    if fields.excess:
        raise ValueError(fields.excess)
    if not fields.places(b"from"):
        raise ValueError("a message without From cannot be signed")
    return fields
