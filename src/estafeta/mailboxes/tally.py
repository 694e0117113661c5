"""How often each content is referred to, counted over all messages in constant memory.

The content ids of all messages are sorted in runs on disk, then walked side by side with the contents themselves, in
one view of the database: a server that goes on working does not change what is seen.
"""

import heapq
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import IO

from sqlalchemy import Connection, select

from estafeta.mailboxes.tables import messages
from estafeta.storage.database import Database
from estafeta.storage.tables import contents

# A run of ids that is sorted in memory: 8 octets each.
_RUN = 250_000
_BLOCK = 8192
_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Miscount:
    """A content whose `refs` (None: there is no such content) are not the number of messages that refer to it."""

    content_id: int
    refs: int | None
    messages: int


def find_miscounts(database: Database) -> Iterator[Miscount]:
    """All contents that are referred to more or less often than their row says, by id."""
    with database.read() as conn, tempfile.TemporaryFile() as file:
        runs = _write_runs(_referred(conn), file)
        counted = groupby(heapq.merge(*(_read_run(file, *run) for run in runs)))
        there = ((content_id, sum(1 for _ in same)) for content_id, same in counted)
        yield from _compare(_contents(conn), there)


def _compare(stored: Iterator[tuple[int, int]], counted: Iterator[tuple[int, int]]) -> Iterator[Miscount]:
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


def _contents(conn: Connection) -> Iterator[tuple[int, int]]:
    ordered = select(contents.c.content_id, contents.c.refs).order_by(contents.c.content_id)
    return ((row.content_id, row.refs) for row in conn.execution_options(yield_per=_ROWS).execute(ordered))


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
