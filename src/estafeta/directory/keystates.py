"""A DKIM key as it is known without its private half, and the states that it goes through.

prepared ── DNS has it ──> published ── its turn ──> active ── succeeded ──> retired ── long enough ──> removed
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from estafeta.trust.signature import key_name
from estafeta.trust.signingkey import Algorithm, DnsRecord


class KeyState(StrEnum):
    """See the module. Only active keys sign."""

    PREPARED = "prepared"
    PUBLISHED = "published"
    ACTIVE = "active"
    RETIRED = "retired"
    REMOVED = "removed"


class Seen(StrEnum):
    """What DNS said of a key's record when it was asked last."""

    NEVER = "not asked"
    THERE = "published"
    MISSING = "missing"
    OTHER = "different"
    REVOKED = "revoked"
    FAILED = "no answer"


#: DNS gave an answer, and the record was not in it.
LACKING = frozenset({Seen.MISSING, Seen.OTHER, Seen.REVOKED})

#: From which states a key comes into another. PUBLISHED to PREPARED: the record has gone again.
BEFORE = {
    KeyState.PREPARED: {KeyState.PUBLISHED},
    KeyState.PUBLISHED: {KeyState.PREPARED},
    KeyState.ACTIVE: {KeyState.PREPARED, KeyState.PUBLISHED, KeyState.RETIRED},
    KeyState.RETIRED: {KeyState.ACTIVE},
    KeyState.REMOVED: {KeyState.PREPARED, KeyState.PUBLISHED, KeyState.RETIRED},
}


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key without its private half. `record` is the text to publish; `changed_seconds` since when it is in its state,
    `asked_seconds` when DNS was asked last (epoch seconds, 0: never)."""

    domain: str
    selector: str
    algorithm: Algorithm
    state: KeyState
    record: str
    created_seconds: int
    changed_seconds: int
    seen: Seen
    asked_seconds: int

    @property
    def dns_record(self) -> DnsRecord:
        """What to publish."""
        return DnsRecord(key_name(self.selector, self.domain), self.record)


def of_state(keys: Sequence[StoredKey], *states: KeyState) -> list[StoredKey]:
    """Those in one of these states."""
    return [key for key in keys if key.state in states]
