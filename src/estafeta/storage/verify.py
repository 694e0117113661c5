"""Checking packs and records: is everything that SQL names on disk, whole, and counted (docs/internals/store.md)?

Safe on a live server and in constant memory: rows are read in short transactions, one page or one pack at a time; what
looks damaged is looked up once more, so that a content which was moved or removed meanwhile is no false alarm. Each
problem is one sentence that says what to do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from estafeta.storage.contents import PLACE, find_location, live_bytes, live_end, location_of
from estafeta.storage.database import Database
from estafeta.storage.packs import DamagedRecordError, Location, Packs, PackState
from estafeta.storage.tables import contents
from estafeta.storage.tables import packs as packs_table

#: Called with octets checked so far and octets to check.
Progress = Callable[[int, int], None]

_PAGE = 500
# Larger contents are read in pieces.
_WHOLE_BYTES = 1 << 20


class ProblemKind(StrEnum):
    """What kind of thing is wrong."""

    RECORD = "record"
    PACK = "pack"
    REFERENCE = "reference"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in one sentence."""

    kind: ProblemKind
    sentence: str


def check_records(database: Database, packs: Packs, progress: Progress) -> Iterator[Problem]:
    """Read every record that SQL names: magic, checksum, length, decompression, size."""
    done, total = 0, record_bytes(database)
    progress(0, total)
    missing: dict[int, int] = {}
    for rows in content_pages(database):
        for row in rows:
            error = find_damage(database, packs, location_of(row))
            if error is not None and not packs.path(row.pack_id).exists():
                missing[row.pack_id] = missing.get(row.pack_id, 0) + 1
            elif error is not None:
                yield _damaged(row, error)
            done += row.length
        progress(min(done, total), total)
    progress(total, total)
    for pack_id, count in sorted(missing.items()):
        yield Problem(
            ProblemKind.RECORD,
            f"Pack {pack_id} is missing, and with it the content of {count} messages: put the file back from a backup"
            f" as {packs.path(pack_id)}, or run 'estafeta store repair' to have a notice in their place.",
        )


def check_packs(database: Database, packs: Packs) -> Iterator[Problem]:
    """The rows of packs against the contents in them. Each pack is read in one transaction."""
    for pack_id in named_packs(database):
        with database.read() as conn:
            sentence = find_pack_problem(conn, pack_id)
        if sentence:
            yield Problem(ProblemKind.PACK, f"Pack {pack_id} {sentence}: run 'estafeta store repair'.")


def named_packs(database: Database) -> list[int]:
    """The packs that SQL names: by their own rows, or as the place of a content."""
    with database.read() as conn:
        known = set(conn.execute(select(packs_table.c.pack_id)).scalars())
        return sorted(known | set(conn.execute(select(contents.c.pack_id).distinct()).scalars()))


def find_damage(database: Database, packs: Packs, location: Location) -> DamagedRecordError | None:
    """Why this content cannot be read; None when it can, or is gone meanwhile."""
    while True:
        try:
            _read(packs, location)
        except DamagedRecordError as error:
            now = find_location(database, location.content_id)
            if now == location:
                return error
            if now is None:
                return None
            location = now
        else:
            return None


def content_pages(database: Database) -> Iterator[list[Any]]:
    """All contents in the order of their ids, a page at a time: the columns of a location."""
    last = -1
    while True:
        page = select(*PLACE).where(contents.c.content_id > last).order_by(contents.c.content_id).limit(_PAGE)
        with database.read() as conn:
            rows = list(conn.execute(page))
        if not rows:
            return
        yield rows
        last = rows[-1].content_id


def record_bytes(database: Database) -> int:
    """About how many octets of records there are; costs nothing."""
    living = select(func.coalesce(func.sum(packs_table.c.end - packs_table.c.dead_bytes), 0))
    with database.read() as conn:
        return int(conn.execute(living.where(packs_table.c.state != PackState.DEAD)).scalar_one())


def _read(packs: Packs, location: Location) -> None:
    if location.size <= _WHOLE_BYTES and location.length <= _WHOLE_BYTES:
        packs.read(location)
        return
    for _ in packs.chunks(location):
        pass


def _damaged(row: Any, error: DamagedRecordError) -> Problem:
    return Problem(
        ProblemKind.RECORD,
        f"Content {row.content_id} (pack {row.pack_id}, offset {row.offset}) is damaged, {error.cause}: stop the server"
        " and run 'estafeta store repair', which keeps what can be read.",
    )


def find_pack_problem(conn: Connection, pack_id: int) -> str:
    """What is wrong with a pack, as the end of a sentence; empty when nothing is."""
    row = conn.execute(select(packs_table).where(packs_table.c.pack_id == pack_id)).first()
    live = live_bytes(conn, pack_id)
    if row is None:
        return f"is not in the list of packs but holds {live} octets of messages" if live else ""
    end = live_end(conn, pack_id)
    if end > row.end:
        return f"should end at {row.end} but has a message up to {end}, which would be overwritten"
    if row.state == PackState.DEAD and live:
        return f"is to be removed but holds {live} octets of messages"
    # Records of operations that failed are dead and not counted: only too many is wrong.
    if not 0 <= row.dead_bytes <= row.end - live and row.state != PackState.DEAD:
        return f"says that {row.dead_bytes} octets of it are dead, but {row.end - live} are"
    return ""
