"""Messages into the store, in batches: each batch is one commit of content, metadata and progress.

A message of up to 256 KiB is kept in memory until its batch goes; a larger one is streamed into a pack of its own, so
memory stays bounded. A message that the store refuses is skipped and told; what stops everything (a full disk, a lost
database) is raised, and the same command goes on from the last commit later.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from estafeta.app.transfer.progress import NamesProgress, OffsetProgress
from estafeta.app.transfer.values import Advance, Original, Tally
from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mail.newlines import NewlineNormaliser, normalise_newlines
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.storage.commit import GroupCommit, Item, Job, next_pack_id
from estafeta.storage.database import Database, Transaction
from estafeta.storage.packs import Location, Packs
from estafeta.storage.packwriting import SoloPack

# As in intake: what is larger has a pack of its own.
_SPOOL_BYTES = 256 << 10
_BATCH_MESSAGES = 500
_BATCH_BYTES = 8 << 20
_BATCH_SOLOS = 16

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Store:
    """What an import writes to."""

    database: Database
    packs: Packs
    group: GroupCommit
    clock: Clock


@dataclass(frozen=True, slots=True)
class Target:
    """The mailbox that messages go to; `name` is for people."""

    account_id: AccountId
    mailbox_id: MailboxId
    name: str


@dataclass(frozen=True, slots=True)
class _Entry:
    arrival: Arrival
    content: bytes | Location
    where: str
    key: Any
    step: int


class Sink:
    """Takes the messages of one source. `flush` (or leaving the `with` block in peace) stores the last batch."""

    def __init__(
        self, store: Store, target: Target, progress: OffsetProgress | NamesProgress, tally: Tally, advance: Advance
    ) -> None:
        self._store = store
        self._target = target
        self._progress = progress
        self._tally = tally
        self._advance = advance
        self._entries: list[_Entry] = []
        self._solos: list[SoloPack] = []
        self._octets = 0

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is None:
            self.flush()
        self._drop()

    def add(self, original: Original, where: str, reached: Callable[[], tuple[Any, int]]) -> None:
        """Take a message. `where` tells a person which one it is; `reached` is asked once it was read for its key in
        the progress and for how much further it brings the bar."""
        content, scanner = self._read(original.pieces)
        summary = scanner.close()
        delivery = Delivery(
            self._target.account_id, self._target.mailbox_id, original.flags, " ".join(original.keywords)
        )
        arrival = Arrival(summary, (delivery,), original.internal_date_ms, int(self._store.clock() * 1000))
        self._entries.append(_Entry(arrival, content, where, *reached()))
        self._octets += summary.size if isinstance(content, bytes) else 0
        full = len(self._entries) >= _BATCH_MESSAGES or self._octets >= _BATCH_BYTES
        if full or len(self._solos) >= _BATCH_SOLOS:
            self.flush()

    def flush(self) -> None:
        """Make durable what was taken. Raises EstafetaError for what no other message would survive either."""
        entries, self._entries, self._octets = self._entries, [], 0
        # From here on no file is removed: a commit that reports an error may be on the disk all the same. A file
        # that no row names is the compaction's to remove.
        solos, self._solos = self._solos, []
        try:
            if entries:
                self._commit(entries)
        finally:
            for solo in solos:
                solo.close()

    def _commit(self, entries: Sequence[_Entry]) -> None:
        job = Job(self._store_batch, entries, [entry.content for entry in entries])
        self._store.group.commit([job])
        if job.failure is None:
            self._count(entries)
        elif isinstance(job.failure, EstafetaError):
            raise job.failure
        elif len(entries) > 1:
            for entry in entries:
                self._commit([entry])
        else:
            self._tally.skip(f"the store refused it, {type(job.failure).__name__}", entries[0].where)

    def _count(self, entries: Sequence[_Entry]) -> None:
        self._progress.committed([entry.key for entry in entries])
        self._tally.done += len(entries)
        self._tally.octets += sum(entry.arrival.summary.size for entry in entries)
        self._tally.mailboxes.add(self._target.name)
        self._advance(sum(entry.step for entry in entries))

    def _store_batch(self, tx: Transaction, items: Sequence[Item]) -> list[None]:
        """The operation: all messages of the batch and the note that they are here, or nothing."""
        for item in items:
            entries: Sequence[_Entry] = item.payload
            outcomes = deliver(
                tx, [Item(e.arrival, (location,)) for e, location in zip(entries, item.locations, strict=True)]
            )
            for (outcome,) in outcomes:
                if isinstance(outcome, EstafetaError):
                    raise EstafetaError(Kind.TEMPORARY, f"The mailbox {self._target.name} has been removed meanwhile.")
            self._progress.write(tx, [entry.key for entry in entries])
        return [None for _ in items]

    def _read(self, pieces: Iterable[bytes]) -> tuple[bytes | Location, MessageScanner]:
        """The content with its line ends right, parsed on the way."""
        scanner = MessageScanner()
        source = iter(pieces)
        head: list[bytes] = []
        size = 0
        for piece in source:
            head.append(piece)
            size += len(piece)
            if size > _SPOOL_BYTES:
                return self._spool(scanner, head, source), scanner
        content = normalise_newlines(head[0] if len(head) == 1 else b"".join(head))
        scanner.feed(content)
        return content, scanner

    def _spool(self, scanner: MessageScanner, head: Sequence[bytes], rest: Iterator[bytes]) -> Location:
        normaliser = NewlineNormaliser()
        solo = SoloPack(self._store.packs, next_pack_id(self._store.database))
        self._solos.append(solo)

        def write(data: bytes) -> None:
            scanner.feed(data)
            solo.write(data)

        try:
            for piece in head:
                write(normaliser.feed(piece))
            for piece in rest:
                write(normaliser.feed(piece))
            write(normaliser.close())
            return solo.finish()
        except BaseException:
            self._solos.remove(solo)
            solo.discard()
            raise

    def _drop(self) -> None:
        """Forget what was not stored."""
        for solo in self._solos:
            solo.discard()
        self._solos.clear()
        self._entries.clear()
