"""How the result of SEARCH and SORT is said: `SEARCH`, `SORT`, `ESEARCH` (RFC 4731, 5182, 5267, 6203, 7162, 9394)."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from estafeta.mail.imaptext import quote
from estafeta.mailboxes.values import Ranges, ranges_of
from estafeta.protocols.imap.commands import SearchReturn
from estafeta.protocols.imap.encode import encode_ranges
from estafeta.protocols.imap.values import Partial
from estafeta.servers.imap.searching import Found


def plain(word: bytes, numbers: Sequence[int], modseq: int) -> bytes:
    """`SEARCH 2 84 882` or `SORT ...`, with the highest MODSEQ where one was asked for (RFC 7162 3.1.5)."""
    tail = b" (MODSEQ %d)" % modseq if modseq else b""
    return word + b"".join([b" %d" % number for number in numbers]) + tail


def sequence_numbers(uids: "array[int]", found: Iterable[int]) -> list[int]:
    """The sequence numbers of UIDs that are in the view, in the order given."""
    return [bisect_left(uids, uid) + 1 for uid in found]


def esearch(
    tag: bytes, numbers: Sequence[int], found: Found, returning: SearchReturn, *, uid: bool, mailbox: bytes = b""
) -> bytes:
    """An ESEARCH response. `numbers` are those of `found.uids`, in the same order: ascending, or as sorted. `mailbox`:
    RFC 7377's part of the correlator."""
    head = b"ESEARCH (TAG %b%b)%b" % (quote(tag), mailbox, b" UID" if uid else b"")
    options = options_of(returning)
    parts = [head]
    if numbers and "MIN" in options:
        # RFC 5267 3.1: the first and the last in the order of the result.
        parts.append(b"MIN %d" % numbers[0])
    if numbers and "MAX" in options:
        parts.append(b"MAX %d" % numbers[-1])
    if numbers and "ALL" in options:
        parts.append(b"ALL " + in_order(numbers))
    if "COUNT" in options:
        parts.append(b"COUNT %d" % len(numbers))
    if returning.partial is not None:
        part = take_partial(numbers, returning.partial)
        what = in_order(part) if part else b"NIL"
        parts.append(b"PARTIAL (%d:%d %b)" % (returning.partial.first, returning.partial.last, what))
    if "RELEVANCY" in options and numbers:
        scores = [b"%d" % found.relevancy.get(one, 100) for one in found.uids]
        parts.append(b"RELEVANCY (%b)" % b" ".join(scores))
    told = told_uids(found.uids, returning)
    if found.modseqs and told:
        parts.append(b"MODSEQ %d" % max(found.modseqs[one] for one in told))
    return b" ".join(parts)


def options_of(returning: SearchReturn) -> frozenset[str]:
    """What to return. RFC 4731 3.1: `RETURN ()` is ALL; RFC 5182 2.1: SAVE alone returns nothing."""
    if not returning.options and returning.partial is None:
        return frozenset({"ALL"})
    return returning.options


def returns_nothing(returning: SearchReturn) -> bool:
    """Whether no ESEARCH response is owed (RFC 5182 2.1)."""
    return bool(returning.options) and returning.options <= {"SAVE"} and returning.partial is None


def told_uids(uids: Sequence[int], returning: SearchReturn) -> list[int]:
    """The UIDs that the answer tells of, which are those that SAVE keeps (RFC 5182 2.4, RFC 9394 3.4)."""
    options = options_of(returning)
    if options & {"ALL", "COUNT"} or not (options & {"MIN", "MAX"} or returning.partial):
        return list(uids)
    told: list[int] = []
    if uids and "MIN" in options:
        told.append(uids[0])
    if uids and "MAX" in options:
        told.append(uids[-1])
    if returning.partial is not None:
        told += take_partial(uids, returning.partial)
    return told


def saved(uids: Sequence[int], returning: SearchReturn) -> Ranges:
    """What `$` means after SAVE."""
    return ranges_of(told_uids(uids, returning))


def take_partial(numbers: Sequence[int], partial: Partial) -> Sequence[int]:
    """RFC 9394 3.1: counted from 1 at the beginning, or from -1 at the end."""
    first, last = partial
    if first > 0:
        return numbers[first - 1 : last]
    # -1 is the last one: from `last` (further away) to `first`.
    near, far = max(first, last), min(first, last)
    count = len(numbers)
    return numbers[max(0, count + far) : max(0, count + near + 1)]


def in_order(numbers: Sequence[int]) -> bytes:
    """A set that keeps the order of a sorted result (RFC 5267 3.2): runs that grow by one become ranges."""
    if len(numbers) < 2 or all(one < two for one, two in pairwise(numbers)):
        return encode_ranges(ranges_of(numbers))
    parts: list[bytes] = []
    first = last = numbers[0]
    for number in (*numbers[1:], 0):
        if number == last + 1:
            last = number
            continue
        parts.append(b"%d" % first if first == last else b"%d:%d" % (first, last))
        first = last = number
    return b",".join(parts)
