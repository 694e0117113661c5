"""Text search over one store: from the index what is in it, by a scan what is not yet (docs/internals/search.md).

Synchronous, for threads; safe for any number of them. The index and the scan search the very same texts, so the answer
does not depend on what is indexed. Raises EstafetaError when the store cannot be read; a useless index is no error.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock

from sqlalchemy import select

from estafeta.directory.settings_site import Search as Settings
from estafeta.mail.searchtext import AttachmentKind, ReadAttachment, SearchText, TextLimits
from estafeta.mailboxes.tables import mailboxes
from estafeta.search.attachments import AttachmentReader
from estafeta.search.contents import ContentTexts
from estafeta.search.index import IndexUnusableError, TextIndex, View, recipe_of
from estafeta.search.sqlite import SqliteTextIndex
from estafeta.search.terms import TextTerm, Wanted, fuzzy_words, prepare, relevancy, without_marks
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]

#: Messages scanned between two words about progress.
_PORTION = 50
#: Characters of scanned texts that one process keeps, because people search again before the indexer has come.
_KEPT_CHARACTERS = 8 << 20
#: Reading attachments may cost one search this long; what is left then has no text for this search.
_ATTACHMENT_SECONDS = 10.0
_ONE_ATTACHMENT_SECONDS = 15.0
#: More than texts: what `_Kept` counts for an entry besides its characters.
_ENTRY = 500


def limits_of(settings: Settings) -> TextLimits:
    """What the settings say of texts."""
    return TextLimits(settings.max_text_kib << 10, settings.max_attachment_mib << 20)


def open_index(database: Database, root: Path, limits: TextLimits) -> TextIndex:
    """The index of a store: files below `root`, or tables in PostgreSQL."""
    recipe = recipe_of(limits)
    if database.is_sqlite:
        return SqliteTextIndex(root, recipe)
    from estafeta.search.postgres import PostgresTextIndex  # and with it SQLAlchemy's dialect: 3 MiB

    return PostgresTextIndex(database, recipe)


def forget_account(database: Database, root: Path, account_id: int) -> None:
    """Remove the index of an account that is purged."""
    with closing(open_index(database, root, TextLimits())) as index:
        index.drop(account_id)


def forget_everything(database: Database, root: Path) -> None:
    """Remove every index, where contents are not what they were. While no indexer runs."""
    with closing(open_index(database, root, TextLimits())) as index, suppress(IndexUnusableError):
        for account_id in index.accounts():
            index.drop(account_id)


class TextSearch:
    """Search in the mailboxes of one store. `root` is where index files are; `read_attachment` is for tests."""

    def __init__(
        self,
        database: Database,
        packs: Packs,
        root: Path,
        limits: TextLimits | None = None,
        *,
        read_attachment: ReadAttachment | None = None,
        index: TextIndex | None = None,
    ) -> None:
        limits = limits or TextLimits()
        self._database = database
        self._reader = AttachmentReader(wall_seconds=_ONE_ATTACHMENT_SECONDS)
        self._read_attachment = read_attachment or self._reader
        self._contents = ContentTexts(database, packs, limits, self._read_attachment)
        self._index = index or open_index(database, root, limits)
        self._kept = _Kept(_KEPT_CHARACTERS)

    def match(
        self,
        account_id: int,
        mailbox_id: int,
        rows: Sequence[tuple[int, int]],
        term: TextTerm,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> set[int]:
        """The UIDs of `rows` (UID and content id, ascending) that match.

        `progress(done, total)` counts messages while it scans. Once `cancelled()` is true it soon returns what it has.
        """
        wanted = prepare(term)
        if not wanted.columns or wanted.everywhere:
            return {uid for uid, _ in rows} if wanted.everywhere else set()
        cancelled = cancelled or _never
        hits: set[int] = set()
        left = self._from_index(
            account_id, mailbox_id, rows, cancelled, lambda view, ids: hits.update(view.matches(wanted, ids))
        )
        for content_id, text in self._scan(left, len(rows), progress, cancelled):
            if wanted.matches(text):
                hits.add(content_id)
        return {uid for uid, content_id in rows if content_id in hits}

    def match_fuzzy(
        self,
        account_id: int,
        mailbox_id: int,
        rows: Sequence[tuple[int, int]],
        term: TextTerm,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> dict[int, int]:
        """The UIDs that hold all words of the needle, whatever their order and diacritics, with a relevancy of 1 to
        100 (RFC 6203 3). Otherwise as `match`."""
        wanted, words = prepare(term), fuzzy_words(term.needle)
        if not words or not wanted.columns:
            return dict.fromkeys(self.match(account_id, mailbox_id, rows, term, progress, cancelled), 1)
        cancelled = cancelled or _never
        scores: dict[int, int] = {}

        def weigh(content_id: int, text: SearchText) -> None:
            score = _weigh(text, wanted, words)
            if score:
                scores[content_id] = score

        def from_view(view: View, ids: Collection[int]) -> None:
            for content_id, text in view.candidates(wanted.columns, words, ids):
                weigh(content_id, text)

        left = self._from_index(account_id, mailbox_id, rows, cancelled, from_view)
        for content_id, text in self._scan(left, len(rows), progress, cancelled):
            weigh(content_id, text)
        return {uid: scores[content_id] for uid, content_id in rows if content_id in scores}

    def use(self, limits: TextLimits) -> None:
        """Take in other limits: what was indexed with the old ones is of no use any more."""
        if limits != self._contents.limits:
            self._contents.limits = limits
            self._index.use(recipe_of(limits))
            self._kept.clear()

    def close(self) -> None:
        """Let go of everything."""
        self._index.close()
        self._reader.close()

    def _from_index(
        self,
        account_id: int,
        mailbox_id: int,
        rows: Sequence[tuple[int, int]],
        cancelled: Cancelled,
        ask: Callable[[View, Collection[int]], None],
    ) -> list[int]:
        """Let `ask` get what is in the index of these; the contents that are not."""
        validity = self._validity(account_id, mailbox_id)
        try:
            with self._index.view(account_id, cancelled) as view:
                if view is None:
                    return [content_id for _, content_id in rows]
                there, left = _divide(view, mailbox_id, validity, rows)
                if there:
                    ask(view, there)
                return left
        except IndexUnusableError:
            return [content_id for _, content_id in rows]

    def _validity(self, account_id: int, mailbox_id: int) -> int:
        wanted = select(mailboxes.c.uid_validity).where(
            mailboxes.c.account_id == account_id, mailboxes.c.mailbox_id == mailbox_id
        )
        with self._database.read() as conn:
            return int(conn.execute(wanted).scalar() or 0)

    def _scan(
        self, content_ids: Sequence[int], total: int, progress: Progress | None, cancelled: Cancelled
    ) -> Iterator[tuple[int, SearchText]]:
        """The texts of contents that are not in the index."""
        ordered = sorted(set(content_ids))
        read = _Budget(_ATTACHMENT_SECONDS, self._read_attachment)
        done = total - len(ordered)
        for start in range(0, len(ordered), _PORTION):
            if cancelled():
                return
            ids = ordered[start : start + _PORTION]
            yield from self._texts(ids, read)
            done += len(ids)
            if progress is not None:
                progress(done, total)

    def _texts(self, ids: Sequence[int], read: "_Budget") -> Iterator[tuple[int, SearchText]]:
        kept = {content_id: text for content_id in ids if (text := self._kept.find(content_id)) is not None}
        yield from kept.items()
        for content_id, text in self._contents.texts([one for one in ids if one not in kept], read):
            if not read.spent:
                self._kept.add(content_id, text)
            yield content_id, text


def _divide(view: View, mailbox_id: int, validity: int, rows: Sequence[tuple[int, int]]) -> tuple[set[int], list[int]]:
    """Contents in the index and others. All up to the mark are in it; of those behind it some may be (copies)."""
    mark = view.mark(mailbox_id)
    upto = mark.uid if mark is not None and mark.uid_validity == validity else 0
    there = {content_id for uid, content_id in rows if uid <= upto}
    behind = [content_id for uid, content_id in rows if uid > upto]
    there |= view.present(behind)
    return there, [content_id for content_id in behind if content_id not in there]


class _Kept:
    """Texts that were made by a scan, the latest ones, within a limit of memory."""

    def __init__(self, characters: int) -> None:
        self._room = characters
        self._texts: OrderedDict[int, SearchText] = OrderedDict()
        self._lock = Lock()

    def find(self, content_id: int) -> SearchText | None:
        """The text if it is kept."""
        with self._lock:
            return self._texts.get(content_id)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            while self._texts:
                self._room += _weight(self._texts.popitem()[1])

    def add(self, content_id: int, text: SearchText) -> None:
        """Keep a text, and forget the oldest ones."""
        with self._lock:
            if content_id in self._texts:
                return
            self._texts[content_id] = text
            self._room -= _weight(text)
            while self._room < 0 and self._texts:
                self._room += _weight(self._texts.popitem(last=False)[1])


def _weight(text: SearchText) -> int:
    return sum(map(len, text)) + _ENTRY


def _weigh(text: SearchText, wanted: Wanted, words: Sequence[str]) -> int:
    if wanted.name:
        text = text._replace(header=wanted.lines_of(text.header))
    return relevancy(without_marks(text), wanted.columns, words)


class _Budget:
    """A `ReadAttachment` until it has cost so many seconds; from then on attachments have no text."""

    def __init__(self, seconds: float, read: ReadAttachment) -> None:
        self.spent = False
        self._left = seconds
        self._read = read

    def __call__(self, kind: AttachmentKind, octets: bytes) -> str:
        """The text of an attachment."""
        if self._left <= 0:
            self.spent = True
            return ""
        began = time.monotonic()
        text = self._read(kind, octets)
        self._left -= time.monotonic() - began
        return text


def _never() -> bool:
    return False
