"""A search key that keeps its meaning: for searches that go on after their command (RFC 5267 4.3)."""

from collections.abc import Sequence

from estafeta.protocols.imap import searchkeys as keys
from estafeta.protocols.imap.searchkeys import SearchKey
from estafeta.protocols.imap.values import SequenceSet
from estafeta.servers.imap.searching import Scope


def fixed(key: SearchKey, scope: Scope) -> SearchKey:
    """The key with UIDs in the place of message numbers and of `$`, which mean what they did when the command came."""
    match key:
        case keys.And(parts):
            return keys.And(tuple(fixed(part, scope) for part in parts))
        case keys.Or(left, right):
            return keys.Or(fixed(left, scope), fixed(right, scope))
        case keys.Not(inner):
            return keys.Not(fixed(inner, scope))
        case keys.Saved():
            return keys.Numbers(SequenceSet(scope.saved), uid=True)
        case keys.Numbers(numbers, uid=False) if scope.uids is not None:
            return keys.Numbers(_uids(numbers, scope.uids), uid=True)
        case _:
            return key


def _uids(numbers: SequenceSet, uids: Sequence[int]) -> SequenceSet:
    """Numbers beyond the end name no message."""
    count = len(uids)
    pairs = [(low, min(high, count)) for low, high in numbers.resolve(count) if 1 <= low <= count]
    return SequenceSet(tuple((uids[low - 1], uids[high - 1]) for low, high in pairs))
