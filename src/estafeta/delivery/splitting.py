"""Messages in pieces (row Q9): made when one is too large for its way out, each an entry of the queue.

What `split_work` gives is committed by `queue.settling.settle`, so that a crash leaves either the whole or all of its
pieces. Pieces that arrive are joined by `delivery.joining`.
"""

from collections.abc import Callable
from typing import NamedTuple

from estafeta.delivery.notice_values import Made
from estafeta.journal.records import Code, Record, detail
from estafeta.mail.partial import find_piece, split_message
from estafeta.mail.scan import MessageScanner
from estafeta.queue.values import Acceptance, EntryFlag, Lane, NewEntry, NewRecipient, Place, Waiting, Work

MAX_SPLIT_BYTES = 128 << 20
"""Larger messages go out whole: all pieces are in memory until they are committed."""


class Pieces(NamedTuple):
    """What a message became: for `Settle.notices`, `Settle.done` and `Settle.records`."""

    made: tuple[Made, ...]
    done: tuple[Place, ...]
    records: tuple[Record, ...]


def should_split(size: int, piece_bytes: int) -> bool:
    """Whether a message of so many octets goes out in pieces (`split.max_piece_bytes`, 0: never)."""
    return 0 < piece_bytes < size <= MAX_SPLIT_BYTES


def split_work(
    work: Work, hop: str, content: bytes, piece_bytes: int, *, hostname: str, new_ident: Callable[[], int], now_ms: int
) -> Pieces | None:
    """The pieces of a message for its recipients at `hop`; None where it is small enough, or a piece itself. `content`
    as stored. Takes time and memory in proportion to the size: call it in a thread."""
    content = content[work.skip :]
    if not should_split(len(content), piece_bytes) or find_piece(content) is not None:
        return None
    contents = list(split_message(content, piece_bytes, ident=f"{work.entry_id:x}", hostname=hostname))
    if len(contents) < 2:
        return None
    made = [
        _make_piece(work, hop, piece, number, len(contents), new_ident(), now_ms)
        for number, piece in enumerate(contents, 1)
    ]
    record = Record(
        work.entry_id,
        Code.SPLIT,
        work.recipients[0].address,
        size=len(content),
        text=f"Goes on in {len(contents)} pieces.",
        detail=detail(hop=hop, to=[waiting.address for waiting in work.recipients]),
    )
    return Pieces(tuple(made), tuple([waiting.place for waiting in work.recipients]), (record,))


def _make_piece(work: Work, hop: str, content: bytes, number: int, total: int, ident: int, now_ms: int) -> Made:
    scanner = MessageScanner()
    scanner.feed(content)
    summary = scanner.close()
    entry = NewEntry(
        entry_id=ident,
        sender=work.sender,
        owner=work.owner,
        recipients=tuple([_recipient(waiting, hop, number, now_ms) for waiting in work.recipients]),
        size=len(content),
        created_ms=work.created_ms,
        lane=Lane(work.lane),
        # Pieces are in 7 bits.
        flags=EntryFlag(work.flags) & ~(EntryFlag.EIGHT_BIT | EntryFlag.BINARY),
        envid=work.envid,
        ret="HDRS",
        language=work.language,
        subject=summary.subject,
    )
    record = Record(
        ident,
        Code.MADE_HERE,
        work.sender,
        size=len(content),
        text=f"Piece {number} of {total} of message {work.entry_id:x}.",
        detail=detail(parent=f"{work.entry_id:x}", hop=hop),
    )
    return Made(Acceptance(summary, entry=entry, records=(record,)), content)


def _recipient(waiting: Waiting, hop: str, number: int, now_ms: int) -> NewRecipient:
    """The first piece keeps what its sender wishes to hear; of the others only failures matter."""
    is_first = number == 1
    notify = waiting.notify if is_first or waiting.notify.upper() == "NEVER" else "FAILURE"
    return NewRecipient(
        hop=hop,
        address=waiting.address,
        due_ms=now_ms,
        expires_ms=waiting.expires_ms,
        warn_ms=waiting.warn_ms if is_first else 0,
        notify=notify,
        orcpt=waiting.orcpt,
    )
