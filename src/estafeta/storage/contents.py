"""Where contents are: looking up locations, and what lives in a pack. Reads of SQL; no files."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal_column, select, union_all

from estafeta.core.ids import ContentId, PackId
from estafeta.storage.database import Database
from estafeta.storage.packs import Location, born_in
from estafeta.storage.tables import contents

#: The columns of a location.
PLACE = (contents.c.content_id, contents.c.pack_id, contents.c.offset, contents.c.length, contents.c.size)
# As the index says it, so that SQLite uses the index.
_MOVED: ColumnElement[bool] = literal_column("contents.moved")


def find_location(database: Database, content_id: int) -> Location | None:
    """Where a content is now."""
    with database.read() as conn:
        row = conn.execute(select(*PLACE).where(contents.c.content_id == content_id)).first()
    return None if row is None else location_of(row)


def live_rows(conn: Connection, pack_id: int, after: int, limit: int) -> Sequence[Any]:
    """Contents in a pack, by id, beginning behind the id `after`: content_id, pack_id, offset, length, size."""
    first, end = born_in(pack_id)
    born = select(*PLACE).where(
        contents.c.content_id >= max(first, after + 1), contents.c.content_id < end, contents.c.pack_id == pack_id
    )
    came = select(*PLACE).where(_MOVED, contents.c.pack_id == pack_id, contents.c.content_id > after)
    rows = [row for found in (born, came) for row in conn.execute(found.order_by(contents.c.content_id).limit(limit))]
    return sorted(rows, key=lambda row: row.content_id)[:limit]


def live_bytes(conn: Connection, pack_id: int) -> int:
    """Octets of records in a pack that SQL names."""
    first, end = born_in(pack_id)
    born = select(func.coalesce(func.sum(contents.c.length), 0).label("octets")).where(
        contents.c.content_id >= first, contents.c.content_id < end, contents.c.pack_id == pack_id
    )
    came = select(func.coalesce(func.sum(contents.c.length), 0)).where(_MOVED, contents.c.pack_id == pack_id)
    return sum(int(row.octets) for row in conn.execute(union_all(born, came)))


def live_end(conn: Connection, pack_id: int) -> int:
    """The octet behind the last record in a pack that SQL names; 0 when there is none."""
    first, end = born_in(pack_id)
    last = func.max(contents.c.offset + contents.c.length).label("octet")
    born = select(last).where(
        contents.c.content_id >= first, contents.c.content_id < end, contents.c.pack_id == pack_id
    )
    came = select(last).where(_MOVED, contents.c.pack_id == pack_id)
    return max(int(row.octet or 0) for row in conn.execute(union_all(born, came)))


def location_of(row: Any) -> Location:
    """The location that a row of `live_rows` tells."""
    return Location(ContentId(row.content_id), PackId(row.pack_id), row.offset, row.length, row.size)
