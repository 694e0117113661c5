"""Mending packs and records, with the server stopped (docs/internals/store.md: Damage).

A damaged content is replaced by what could be read of it, or by a short notice; its octets are kept in a directory of
their own first. What a message is listed with (envelope, preview) is in SQL and stays. Every step is one commit and can
be repeated, so an interrupted repair is simply run again. Generators: they say in a sentence each what was mended.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from sqlalchemy import insert, select, update

from estafeta.mail.scan import MessageScanner
from estafeta.storage.commit import GroupCommit, Item, pack_row
from estafeta.storage.contents import live_bytes, live_end, location_of
from estafeta.storage.database import Database, Transaction
from estafeta.storage.packs import HEADER, Location, Packs, PackState, birth_pack
from estafeta.storage.packwriting import as_store_error, sync_directory
from estafeta.storage.tables import contents
from estafeta.storage.tables import packs as packs_table
from estafeta.storage.verify import (
    Progress,
    content_pages,
    find_damage,
    find_pack_problem,
    named_packs,
    record_bytes,
)

# So much of a damaged content is kept in the mailbox and in the directory of damaged records.
_KEPT_BYTES = 16 << 20
_STEP = 4096
_MARK = b"X-Estafeta-Damaged: part of this message was lost in the store\r\n"
_NOTICE = (
    b"Content-Type: text/plain; charset=us-ascii\r\nX-Estafeta-Damaged: this message was lost in the store\r\n\r\n"
    b"The content of this message was damaged on the disk of the mail server and could not be read.\r\n"
    b"What is left of it was kept; the operator of the server may be able to restore it from a backup.\r\n"
)


@dataclass(frozen=True, slots=True)
class _Replacement:
    """What takes the place of a damaged record."""

    damaged: Location
    content: bytes


def mend_records(database: Database, packs: Packs, kept: Path, progress: Progress) -> Iterator[str]:
    """Replace every content that cannot be read; its octets go to `kept`. Sizes in `messages` are mended elsewhere."""
    group = GroupCommit(database, packs)
    done, total = 0, record_bytes(database)
    try:
        for rows in content_pages(database):
            for row in rows:
                done += row.length
                location = location_of(row)
                if find_damage(database, packs, location) is not None:
                    yield _mend_record(group, packs, location, kept)
            progress(min(done, total), total)
    finally:
        group.close()
    progress(total, total)


def mend_packs(database: Database) -> Iterator[str]:
    """Rows of packs made to agree with the contents in them; dead octets are counted anew."""
    for pack_id in named_packs(database):
        with database.write() as tx:
            problem = find_pack_problem(tx.conn, pack_id)
            _mend_pack(tx, pack_id)
        if problem:
            yield f"Pack {pack_id} {problem}: corrected."


def _mend_record(group: GroupCommit, packs: Packs, location: Location, kept: Path) -> str:
    record = _read_what_is_there(packs, location)
    if record:
        _keep(kept / f"{location.content_id}.record", record)
    saved = _decompress_what_is_whole(record[HEADER.size :], location.size)
    content = _NOTICE if b"\r\n\r\n" not in saved else _MARK + saved
    group.run(_replace, _Replacement(location, content), (content,))
    what = "a notice is in its place" if content is _NOTICE else f"{len(saved)} of {location.size} octets were saved"
    return f"Content {location.content_id} was damaged: {what}."


def _replace(tx: Transaction, items: Sequence[Item]) -> list[Any]:
    """An operation of the group commit: a content is now what was just appended."""
    for item in items:
        wanted, [place] = item.payload, item.locations
        scanner = MessageScanner()
        scanner.feed(wanted.content)
        summary = scanner.close()
        content_id = wanted.damaged.content_id
        tx.conn.execute(
            update(contents)
            .where(contents.c.content_id == content_id)
            .values(
                pack_id=place.pack_id,
                offset=place.offset,
                length=place.length,
                size=place.size,
                moved=place.pack_id != birth_pack(content_id),
                header_size=summary.header_size,
                bodystructure=summary.bodystructure,
                structure=summary.structure,
            )
        )
    return [None] * len(items)


def _read_what_is_there(packs: Packs, location: Location) -> bytes:
    try:
        with packs.path(location.pack_id).open("rb") as file:
            file.seek(location.offset)
            return file.read(min(location.length, _KEPT_BYTES))
    except OSError:
        return b""


def _decompress_what_is_whole(frame: bytes, size: int) -> bytes:
    """The beginning of a content, as far as the frame can be followed."""
    decompressor, saved = zstandard.ZstdDecompressor().decompressobj(), bytearray()
    for start in range(0, len(frame), _STEP):
        try:
            saved += decompressor.decompress(frame[start : start + _STEP])
        except zstandard.ZstdError:
            break
        if decompressor.eof or len(saved) >= min(size, _KEPT_BYTES):
            break
    return bytes(saved[: min(size, _KEPT_BYTES)])


def _keep(path: Path, record: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(record)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)
    except OSError as error:
        raise as_store_error(error) from error


def _mend_pack(tx: Transaction, pack_id: int) -> None:
    live, end = live_bytes(tx.conn, pack_id), live_end(tx.conn, pack_id)
    row = tx.conn.execute(select(packs_table).where(packs_table.c.pack_id == pack_id)).first()
    if row is None:
        new = pack_row(pack_id, PackState.SEALED, end) | {"dead_bytes": end - live}
        tx.conn.execute(insert(packs_table), new)
        return
    if row.state == PackState.DEAD and not live:
        return
    end = max(end, row.end)
    state = PackState.SEALED if row.state == PackState.DEAD else row.state
    tx.conn.execute(
        update(packs_table)
        .where(packs_table.c.pack_id == pack_id)
        .values(end=end, state=state, dead_bytes=max(end - live, 0))
    )
