"""FETCH answers out of rows and contents: plans filled in, portion by portion. For threads.

`answers` gives octets ready to be sent, a list of pieces for each portion, and messages that are too large for that as
`Large`, for the caller to stream. A message that is damaged in the store is reported by itself (RFC 9051 7.1.2: an
untagged NO), the others are answered.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat
from typing import Any

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.values import Ranges, ranges_of
from estafeta.servers.imap.fetchplan import Plan, Segment
from estafeta.servers.imap.portion import Portion, Trouble
from estafeta.servers.imap.reading import Bookmark, open_chunks
from estafeta.servers.imap.wanted import sequences
from estafeta.storage.packs import DamagedRecordError, Location

#: Contents up to this are read whole.
WHOLE_OCTETS = 256 << 10
# Contents of so many octets are read and answered together.
_TOGETHER_OCTETS = 256 << 10
# Pieces that are this long on average are sent as they are: copying them together would cost more than it saves.
_LONG_PIECE = 1024

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """Messages to answer about: `uids` ascending, all of them in `view`, whose places are the sequence numbers; None
    where UIDs stand in front (RFC 9586). `trouble` is filled in on the way."""

    mailboxes: Mailboxes
    account_id: AccountId
    mailbox_id: MailboxId
    plan: Plan
    uids: "array[int]"
    view: "array[int] | None"
    bookmark: Bookmark
    trouble: Trouble = field(default_factory=Trouble)


@dataclass(frozen=True, slots=True)
class Large:
    """A message to stream, alone in its portion."""

    portion: Portion


def answers(work: Work) -> Iterator[list[bytes] | Large]:
    """All answers, in the order of the messages."""
    plan = work.plan
    where = work.mailboxes.database, work.account_id, work.mailbox_id
    for start in range(0, len(work.uids), plan.at_once):
        uids = work.uids[start : start + plan.at_once]
        places = uids if work.view is None else sequences(work.view, uids)
        rows = look.fetch_rows(*where, plan.columns, _ranges(uids, places))
        rows, places = _match(work.trouble, rows, uids, places)
        if not rows:
            continue
        if plan.reads_content:
            yield from _with_contents(work, rows, places)
        else:
            work.trouble.answered += len(rows)
            yield render(plan, Portion(plan.columns, rows, places, work.trouble))


def _ranges(uids: "array[int]", places: Sequence[int]) -> Ranges:
    """Neighbours in the view are one range: what is between them in the store is in the view."""
    return ((uids[0], uids[-1]),) if isinstance(places, range) else ranges_of(uids)


def _match(
    trouble: Trouble, rows: list[Row], uids: "array[int]", places: Sequence[int]
) -> tuple[list[Row], Sequence[int]]:
    """Rows and their numbers; what others expunged meanwhile has no row."""
    if len(rows) == len(uids):
        return rows, places
    place_of = dict(zip(uids, places, strict=True))
    rows = [row for row in rows if row[0] in place_of]
    trouble.missing += len(uids) - len(rows)
    return rows, [place_of[row[0]] for row in rows]


def render(plan: Plan, portion: Portion) -> list[bytes]:
    """The answers about a portion whose contents, if the plan wants any, are at hand."""
    if len(plan.segments) == 1:
        return [b"".join(_texts(plan.segments[0], portion))]
    parts: list[Iterable[bytes]] = []
    for segment in plan.segments:
        body = segment.body
        if body is None:
            parts.append(_texts(segment, portion))
            continue
        octets = body.octets(portion)
        literal = body.literal
        heads = [b"NIL" if one is None else literal % len(one) for one in octets]
        parts += [_texts(segment, portion, heads), [one or b"" for one in octets]]
    pieces = list(chain.from_iterable(zip(*parts, strict=True)))
    return pieces if sum(map(len, pieces)) > _LONG_PIECE * len(pieces) else [b"".join(pieces)]


def _texts(segment: Segment, portion: Portion, *more: Iterable[bytes]) -> Iterable[bytes]:
    columns = [values(portion) for values in segment.values]
    if not columns and not more:
        return repeat(segment.template, len(portion))
    return map(segment.template.__mod__, zip(*columns, *more, strict=False))


def _with_contents(work: Work, rows: list[Row], places: Sequence[int]) -> Iterator[list[bytes] | Large]:
    """Portions of bounded size; large messages by themselves."""
    at = work.plan.columns.index("content_size")
    # Each of several items may be the whole message.
    share = max(1, work.plan.bodies)
    most, together = WHOLE_OCTETS // share, _TOGETHER_OCTETS // share
    first, octets = 0, 0
    for index, row in enumerate(rows):
        size = row[at]
        if octets and (size > most or octets + size > together):
            yield _read(work, rows[first:index], places[first:index])
            first, octets = index, 0
        if size > most:
            yield _open(work, row, places[index])
            first = index + 1
        else:
            octets += max(1, size)
    if octets:
        yield _read(work, rows[first:], places[first:])


def _open(work: Work, row: Row, place: int) -> Large:
    portion = Portion(work.plan.columns, [row], [place], work.trouble)
    location = portion.locations()[0]
    portion.read = partial(work.bookmark.read, work.mailboxes, location)
    return Large(portion)


def _read(work: Work, rows: list[Row], places: Sequence[int]) -> list[bytes]:
    portion = Portion(work.plan.columns, rows, places, work.trouble)
    locations, reports = portion.locations(), list[bytes]()
    try:
        portion.contents = work.mailboxes.packs.read_many(locations)
    except DamagedRecordError:
        found = [_read_alone(work.mailboxes, location) for location in locations]
        reports = [
            report_damage(work, row[0], place)
            for row, place, content in zip(rows, places, found, strict=True)
            if content is None
        ]
        whole = [index for index, content in enumerate(found) if content is not None]
        if not whole:
            return reports
        portion = Portion(
            work.plan.columns, [rows[index] for index in whole], [places[index] for index in whole], work.trouble
        )
        portion.contents = [content for content in found if content is not None]
    work.trouble.answered += len(portion)
    return [*reports, *render(work.plan, portion)]


def report_damage(work: Work, uid: int, place: int) -> bytes:
    """The untagged NO about a message that cannot be read."""
    work.trouble.damaged += 1
    name = b"" if work.view is None else b"number %d, " % place
    return b"* NO [UNAVAILABLE] The message with %bUID %d is damaged in the store.\r\n" % (name, uid)


def _read_alone(mailboxes: Mailboxes, location: Location) -> bytes | None:
    try:
        return b"".join(open_chunks(mailboxes, location))
    except DamagedRecordError:
        return None
