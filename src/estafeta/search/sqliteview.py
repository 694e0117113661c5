"""Reading one account's index file: which contents match, and which may (docs/internals/search.md)."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from estafeta.mail.searchtext import SearchText
from estafeta.search.index import IndexUnusableError, Mark
from estafeta.search.terms import Wanted

#: Databases take a bounded number of parameters in one statement.
_AT_ONCE = 500
#: Trigrams: shorter needles are in none.
_GRAM = 3
#: A longer needle is narrowed by its beginning and then looked for in the stored texts.
_PHRASE = 64
#: A mailbox this many times smaller than its account is scanned: the index would find mostly what is elsewhere.
_SMALL = 20
#: Columns of `heads`, and all columns.
HEADS = ("subject", "sender", "recipient", "cc", "bcc")
COLUMNS = ", ".join(SearchText._fields)
#: What SQLite calls operational although it is the file that is at fault.
_DAMAGE = ("no such", "vtable", "disk I/O error")


class SqliteView:
    """See View."""

    def __init__(self, connection: sqlite3.Connection, damaged: Path, documents: int, *, has_grams: bool) -> None:
        self._connection = connection
        self._damaged = damaged
        self._documents = documents
        self._has_grams = has_grams

    def mark(self, mailbox_id: int) -> Mark | None:
        """See View."""
        rows = self._rows("SELECT uid_validity, uid FROM marks WHERE mailbox_id = ?", (mailbox_id,))
        return Mark(*rows[0]) if rows else None

    def present(self, content_ids: Collection[int]) -> set[int]:
        """See View."""
        with reported(self._damaged):
            return find_present(self._connection, content_ids)

    def matches(self, wanted: Wanted, content_ids: Collection[int]) -> set[int]:
        """See View."""
        if not wanted.columns or wanted.everywhere:
            return set(content_ids) if wanted.everywhere else set()
        phrases = self._phrases(wanted)
        if not phrases or not self._worth_it(content_ids):
            return self._scan(wanted, content_ids)
        hits = self._grams(phrases) & set(content_ids)
        if (wanted.name and wanted.needle) or len(wanted.needle) > _PHRASE:
            return self._scan(wanted, hits)
        return hits

    def candidates(
        self, columns: Sequence[str], words: Sequence[str], content_ids: Collection[int]
    ) -> Iterator[tuple[int, SearchText]]:
        """See View."""
        found = set(content_ids)
        phrases = [_phrase(columns, word) for word in words if len(word) >= _GRAM]
        if phrases and self._has_grams and self._worth_it(content_ids):
            # Words come without diacritics: where there are any, the trigrams do not tell.
            found &= self._grams(phrases) | self._marked()
        for ids, places in portions(found):
            with reported(self._damaged):
                texts = list(fetch_texts(self._connection, ids, places))
            yield from texts

    def _phrases(self, wanted: Wanted) -> list[str]:
        """What the trigrams are asked for; nothing when they cannot tell."""
        if not self._has_grams:
            return []
        phrases = [_phrase(("header",), f"\n{wanted.name}: ")] if wanted.name else []
        return [*phrases, _phrase(wanted.columns, wanted.needle)] if len(wanted.needle) >= _GRAM else phrases

    def _worth_it(self, content_ids: Collection[int]) -> bool:
        return len(content_ids) * _SMALL >= self._documents

    def _grams(self, phrases: Sequence[str]) -> set[int]:
        query = " AND ".join(phrases)
        return {rowid for (rowid,) in self._rows("SELECT rowid FROM grams WHERE grams MATCH ?", (query,))}

    def _marked(self) -> set[int]:
        return {content_id for (content_id,) in self._rows("SELECT content_id FROM heads WHERE marked", ())}

    def _scan(self, wanted: Wanted, content_ids: Collection[int]) -> set[int]:
        """Look into the stored texts of these."""
        table = "heads" if wanted.columns[0] in HEADS else "texts"
        # As octets, which is the same in UTF-8 and takes half the time.
        needle = (f"\n{wanted.name}: " if wanted.name else wanted.needle).encode()
        holds = " OR ".join(f"instr(CAST({column} AS BLOB), ?)" for column in wanted.columns)
        what = "content_id, header" if wanted.name else "content_id"
        found: set[int] = set()
        for ids, places in portions(content_ids):
            sql = f"SELECT {what} FROM {table} WHERE content_id IN ({places}) AND ({holds})"  # noqa: S608 - ours
            rows = self._rows(sql, (*ids, *[needle] * len(wanted.columns)))
            found.update(row[0] for row in rows if not wanted.name or wanted.in_header(row[1]))
        return found

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with reported(self._damaged):
            return self._connection.execute(sql, values).fetchall()


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is at fault, and not a lock, a full disk, a missing descriptor, an interruption."""
    if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):
        return any(word in str(error) for word in _DAMAGE)
    return True


def _phrase(columns: Sequence[str], text: str) -> str:
    """An FTS5 query for a phrase in any of these columns."""
    quoted = text[:_PHRASE].replace('"', '""')
    return f'{{{" ".join(columns)}}} : "{quoted}"'


def find_present(connection: sqlite3.Connection, content_ids: Collection[int]) -> set[int]:
    """Which of these have texts."""
    found: set[int] = set()
    for ids, places in portions(content_ids):
        rows = connection.execute(f"SELECT content_id FROM heads WHERE content_id IN ({places})", ids)  # noqa: S608
        found.update(content_id for (content_id,) in rows)
    return found


def fetch_texts(connection: sqlite3.Connection, ids: Sequence[int], places: str) -> Iterator[tuple[int, SearchText]]:
    """The texts of a portion."""
    sql = f"SELECT content_id, {COLUMNS} FROM heads JOIN texts USING (content_id) WHERE content_id IN ({places})"  # noqa: S608
    return ((row[0], SearchText(*row[1:])) for row in connection.execute(sql, ids).fetchall())


def portions(content_ids: Collection[int]) -> Iterator[tuple[list[int], str]]:
    """Ids in ascending portions, each with its placeholders."""
    ordered = sorted(content_ids)
    for start in range(0, len(ordered), _AT_ONCE):
        ids = ordered[start : start + _AT_ONCE]
        yield ids, ",".join("?" * len(ids))


@contextmanager
def reported(damaged: Path) -> Iterator[None]:
    """Errors of SQLite as IndexUnusableError; where the file is at fault, the indexer is told by a marker."""
    try:
        yield
    except sqlite3.Error as error:
        if is_damage(error):
            with suppress(OSError):
                damaged.touch(mode=0o600)
        raise IndexUnusableError(str(error)) from error
