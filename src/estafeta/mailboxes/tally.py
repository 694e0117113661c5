"""How often each content is referred to, counted over all messages in constant memory.

What else refers to contents (the queue) is handed in by whoever knows of it. Their ids are sorted in runs on disk, then
walked side by side with the contents themselves, in one view of the database: a server that goes on working does not
change what is seen.
"""

import heapq
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import IO, Any

from sqlalchemy import Connection, Table, select

from estafeta.mailboxes.tables import messages
from estafeta.storage.database import Database
from estafeta.storage.tables import contents, more_refs

# A run of ids that is sorted in memory: 8 octets each.
_RUN = 250_000
_BLOCK = 8192
_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Miscount:
    """A content whose `refs`, those of copies included, are not the number of messages that refer to it.

    None: there is no such content; then, without messages, only references of copies are there."""

    content_id: int
    refs: int | None
    messages: int


Source = Callable[[Connection], Iterable[int]]
"""Content ids that something besides messages refers to, one for each reference."""


def find_miscounts(database: Database, sources: Sequence[Source] = ()) -> Iterator[Miscount]:
    """All contents that messages and `sources` refer to more or less often than their row says, by id."""
    with database.read() as conn, tempfile.TemporaryFile() as file:
        referred = chain(_referred(conn), *(source(conn) for source in sources))
        runs = _write_runs(referred, file)
        counted = groupby(heapq.merge(*(_read_run(file, *run) for run in runs)))
        there = ((content_id, sum(1 for _ in same)) for content_id, same in counted)
        yield from _compare(_stored(conn), there)


def _compare(stored: Iterator[tuple[int, int | None]], counted: Iterator[tuple[int, int]]) -> Iterator[Miscount]:
    row, found = next(stored, None), next(counted, None)
    while row is not None or found is not None:
        if found is None or (row is not None and row[0] < found[0]):
            assert row is not None
            yield Miscount(row[0], row[1], 0)
            row = next(stored, None)
        elif row is None or found[0] < row[0]:
            yield Miscount(found[0], None, found[1])
            found = next(counted, None)
        else:
            if row[1] != found[1]:
                yield Miscount(row[0], row[1], found[1])
            row, found = next(stored, None), next(counted, None)


def _referred(conn: Connection) -> Iterator[int]:
    result = conn.execution_options(yield_per=_ROWS).execute(select(messages.c.content_id))
    return (row.content_id for row in result)


def _stored(conn: Connection) -> Iterator[tuple[int, int | None]]:
    """The references that each content says it has, by id; None where it is not there, but references of copies are."""
    own = ((content_id, False, refs) for content_id, refs in _by_id(conn, contents))
    more = ((content_id, True, refs) for content_id, refs in _by_id(conn, more_refs))
    for content_id, rows in groupby(heapq.merge(own, more), key=itemgetter(0)):
        found = [row[1:] for row in rows]
        yield content_id, None if found[0][0] else sum(refs for _, refs in found)


def _by_id(conn: Connection, table: Table) -> Iterator[Any]:
    ordered = select(table.c.content_id, table.c.refs).order_by(table.c.content_id)
    return iter(conn.execution_options(yield_per=_ROWS).execute(ordered))


def _write_runs(ids: Iterable[int], file: IO[bytes]) -> list[tuple[int, int]]:
    """Sorted runs, one behind the other; where each begins and how many ids it has."""
    runs: list[tuple[int, int]] = []
    run = array("q")
    for one in ids:
        run.append(one)
        if len(run) == _RUN:
            runs.append(_write_run(run, file))
            run = array("q")
    if run:
        runs.append(_write_run(run, file))
    return runs


def _write_run(run: "array[int]", file: IO[bytes]) -> tuple[int, int]:
    start = file.tell()
    file.write(array("q", sorted(run)).tobytes())
    return start, len(run)


def _read_run(file: IO[bytes], start: int, count: int) -> Iterator[int]:
    for first in range(0, count, _BLOCK):
        block = array("q")
        file.seek(start + first * block.itemsize)
        block.frombytes(file.read(min(_BLOCK, count - first) * block.itemsize))
        yield from block
