"""The sets of an Authenticated Received Chain as they stand in a header (RFC 8617 4.1, 5.2 steps 1 and 3).

`collect_sets` raises ChainError for what is no chain, in words; nothing else. Signatures are checked in `arc`.
"""

import hashlib
import re
from dataclasses import dataclass

from estafeta.trust.canonical import relaxed_field
from estafeta.trust.fields import Fields
from estafeta.trust.signature import (
    SignatureError,
    key_name,
    read_algorithm,
    read_base64,
    read_name,
    read_tags,
    read_time,
    without_signature,
)

#: RFC 8617 4.2.1: instances are 1 to 50.
MAX_SETS = 50

RESULTS, MESSAGE, SEAL = b"arc-authentication-results", b"arc-message-signature", b"arc-seal"

_INSTANCE = re.compile(r"[1-9][0-9]?")
# RFC 8617 4.1.1: i= comes first in an ARC-Authentication-Results field.
_RESULTS = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([1-9][0-9]?)[ \t\r\n]*;(.*)", re.DOTALL)
_FOLD = re.compile(r"\s+")


class ChainError(ValueError):
    """What the fields of a chain make is none; says why, in words without a full stop."""


@dataclass(frozen=True, slots=True)
class Seal:
    """An ARC-Seal field (RFC 8617 4.1.3)."""

    cv: str
    domain: str
    selector: str
    algorithm: str
    signature: bytes

    @property
    def key_name(self) -> str:
        """Where its key is."""
        return key_name(self.selector, self.domain)


@dataclass(frozen=True, slots=True)
class RawSet:
    """The three fields of an instance: where they stand, what the seal says, and the text of the results."""

    instance: int
    results_place: int
    message_place: int
    seal_place: int
    seal: Seal
    results: str


def collect_sets(fields: Fields) -> list[RawSet]:
    """The sets of a header, oldest first. Raises ChainError; what the seals say of the chain is not looked at."""
    places = {kind: fields.places(kind) for kind in (RESULTS, MESSAGE, SEAL)}
    most = max(map(len, places.values()))
    if most > MAX_SETS:
        raise ChainError(f"there are more than {MAX_SETS} sets")
    by_instance: dict[bytes, dict[int, int]] = {}
    for kind, found in places.items():
        by_instance[kind] = {read_instance(kind, fields.raw[place]): place for place in found}
        if len(by_instance[kind]) != len(found):
            raise ChainError("an instance has two fields of a kind")
        if by_instance[kind].keys() != set(range(1, most + 1)):
            raise ChainError("a set is not complete")
    return [_read_set(fields, number, *(by_instance[kind][number] for kind in places)) for number in range(1, most + 1)]


def read_instance(kind: bytes, field: bytes) -> int:
    """The instance that a field belongs to. Raises ChainError."""
    value = field.partition(b":")[2]
    if kind == RESULTS:
        match = _RESULTS.fullmatch(value)
        instance = int(match[1]) if match else 0
    else:
        try:
            text = read_tags(value, ("i",))["i"]
        except SignatureError as error:
            raise ChainError(f"a field of the chain cannot be read: {error}") from None
        instance = int(text) if _INSTANCE.fullmatch(text) else 0
    if not 1 <= instance <= MAX_SETS:
        raise ChainError(f"a field of the chain has no instance between 1 and {MAX_SETS}")
    return instance


class SealDigests:
    """What seals sign, one set after the other (RFC 8617 5.1.1): all fields of the sets before, and their own set with
    b= empty in the seal."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, results: bytes, message: bytes, seal: bytes) -> bytes:
        """The digest for the seal of the next set, whose fields are given as they stand."""
        self._hash.update(b"%b\r\n%b\r\n" % (relaxed_field(results), relaxed_field(message)))
        own = self._hash.copy()
        own.update(relaxed_field(without_signature(seal)))
        self._hash.update(relaxed_field(seal) + b"\r\n")
        return own.digest()


def _read_set(fields: Fields, instance: int, results: int, message: int, seal: int) -> RawSet:
    match = _RESULTS.fullmatch(fields.raw[results].partition(b":")[2])
    text = match[2].decode("utf-8", "replace") if match else ""
    try:
        read = _read_seal(fields.raw[seal].partition(b":")[2])
    except SignatureError as error:
        raise ChainError(f"the seal of set {instance} is none: {error}") from None
    return RawSet(instance, results, message, seal, read, _FOLD.sub(" ", text).strip())


def _read_seal(value: bytes) -> Seal:
    tags = read_tags(value, ("i", "a", "b", "cv", "d", "s"))
    if "h" in tags:
        raise SignatureError("it has a tag h=")  # RFC 8617 4.1.3
    read_time(tags, "t")
    return Seal(tags["cv"], read_name(tags, "d"), read_name(tags, "s"), read_algorithm(tags), read_base64(tags, "b"))
