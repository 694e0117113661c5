"""Joining messages that come in pieces (message/partial, RFC 2046 5.2.2), where `split.join` is on (row Q9).

A piece for a mailbox here waits in the queue instead, at the next hop `join:` and a name for all pieces of one message
from one sender to one recipient (`join_hop`). `Joiner` is the agent of that hop: whenever a piece comes, or its time to
be looked at again, it looks at all that wait there.

- All are there: the whole is looked at by filters and scanners, goes into the mailbox or into quarantine, and every
  piece is done, in one commit.
- Some are missing: the piece waits on.
- `split.join_days` are over, they are too many, or more octets than a message may have: they are delivered as they
  came. So are pieces whose header says nonsense.

Pieces of other senders never mix, and a piece that comes twice counts once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from estafeta.delivery.content import StoredSource, load_sources
from estafeta.delivery.outfit import Agency, Agent
from estafeta.directory.settings_source import SettingsSource
from estafeta.journal.records import Code, Record
from estafeta.mail.partial import Piece, find_piece, is_complete, join_key, join_pieces
from estafeta.mailboxes.service import Mailboxes
from estafeta.queue.lines import NEVER
from estafeta.queue.reading import read_work
from estafeta.queue.tables import destinations
from estafeta.queue.values import Work

PREFIX = "join:"
MAX_PIECES = 200
"""Each that comes makes us look at all that wait."""
MAX_BYTES = 128 << 20
"""The whole is in memory while it is joined."""
_DAY_MS = 86_400_000
_SOON_MS = 60_000


def join_hop(beginning: bytes, sender: str, recipient: str) -> str:
    """The key of the next hop where a message for a mailbox here waits for its other pieces; "" where it is none, or
    says that there are too many. `beginning`: its header at least; `sender` "" for a null reverse-path."""
    piece = find_piece(beginning)
    if piece is None or max(piece.total, piece.number) > MAX_PIECES or piece.total == 1:
        return ""
    return PREFIX + join_key(piece, f"{sender}\n{recipient}")


@dataclass(frozen=True, slots=True)
class _Waiting:
    work: Work
    source: StoredSource
    piece: Piece


class Joiner:
    """The agent of `join:` (estafeta.delivery.outfit.Agent). `deliver` finds the mailboxes of a message's recipients,
    `deliver_whole` does so for one that was joined, if policy lets it: both are called with a work, a content as it is
    to be stored, and the hop."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        settings: SettingsSource,
        deliver: Agent,
        deliver_whole: Agent,
        now_ms: Callable[[], int],
    ) -> None:
        self._mailboxes = mailboxes
        self._settings = settings
        self._deliver = deliver
        self._deliver_whole = deliver_whole
        self._now_ms = now_ms

    def __call__(self, work: Work, content: bytes, hop: str) -> Agency:
        """Look at a piece, `content` as stored, and at those that wait with it. In a thread."""
        waiting = self._find_waiting(hop)
        if waiting is None:
            return self._deliver(work, content, hop)
        mine = {recipient.place for recipient in work.recipients}
        if not any(recipient.place in mine for one in waiting for recipient in one.work.recipients):
            return Agency(done=tuple(mine))  # joined meanwhile
        if is_complete([one.piece for one in waiting]):
            whole = join_pieces([one.source.beginning(True) for one in waiting])
            if whole is not None:
                return self._join(work, content, whole, waiting, hop)
            return self._deliver(work, content, hop)
        if self._is_over(waiting):
            return self._deliver(work, content, hop)
        return Agency(put_off=[(place, _missing(waiting)) for place in mine])

    def _find_waiting(self, hop: str) -> list[_Waiting] | None:
        """All that waits at the hop; None where it is too much, or one of them is no piece."""
        with self._mailboxes.database.read() as conn:
            row = conn.execute(select(destinations.c.destination_id).where(destinations.c.hop == hop)).first()
            works = read_work(conn, row.destination_id, NEVER, MAX_PIECES + 1) if row is not None else []
        if len(works) > MAX_PIECES or sum(work.size for work in works) > MAX_BYTES:
            return None
        found = []
        for work, source in zip(
            works, load_sources(self._mailboxes, [(work.content_id, work.skip) for work in works]), strict=True
        ):
            piece = find_piece(source.beginning(False)) if source is not None else None
            if source is None or piece is None:
                return None
            found.append(_Waiting(work, source, piece))
        return found

    def _is_over(self, waiting: Sequence[_Waiting]) -> bool:
        """Whether the first has waited long enough, or the queue would give one up."""
        wait_ms = self._settings.current.split.join_days * _DAY_MS
        expires_ms = min(recipient.expires_ms for one in waiting for recipient in one.work.recipients)
        first_ms = min(one.work.created_ms for one in waiting)
        return self._now_ms() >= min(first_ms + wait_ms, expires_ms - _SOON_MS)

    def _join(self, work: Work, content: bytes, whole: bytes, waiting: Sequence[_Waiting], hop: str) -> Agency:
        agency = self._deliver_whole(work, content[: work.skip] + whole, hop)
        if agency.put_off:
            return agency
        others = [recipient.place for one in waiting for recipient in one.work.recipients]
        own = {recipient.place for recipient in work.recipients}
        words = f"Joined with {len(waiting) - 1} other pieces."
        records = [
            Record(one.work.entry_id, Code.JOINED, one.work.recipients[0].address, size=len(whole), text=words)
            for one in waiting
        ]
        return Agency(
            made=agency.made,
            done=[*agency.done, *(place for place in others if place not in own)],
            failed=agency.failed,
            records=[*agency.records, *records],
            after=agency.after,
        )


def _missing(waiting: Sequence[_Waiting]) -> str:
    total = max(one.piece.total for one in waiting)
    here = {one.piece.number for one in waiting}
    return f"Waits for the other pieces: {len(here)} of {total or 'some'} are here."
