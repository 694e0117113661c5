"""Filling a mailbox of Estafeta far faster than mail can be delivered, for measurements on large ones.

Writes rows straight into the metadata of a home whose server is not running: real in number, key and size, so that
trees and counters are as deep and large as after that many deliveries; their content is one record, shared. This is
the one place in the benchmarks that knows the schema.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

_INBOX = 1
_SIZE = 4096
# Content ids below those of pack 1, the server's first: as if these had come before.
_PACK, _FIRST_CONTENT = 0, 0
_ENVELOPE = b"\0" * 300

_ADD_CONTENTS = """
with recursive n(i) as (select 1 union all select i + 1 from n where i < :count)
insert into contents (content_id, pack_id, "offset", length, size, refs, moved, header_size,
                      envelope, bodystructure, structure, preview)
select :first + i, :pack, 0, :size, :size, 1, 0, 300, :envelope, :structure, :structure, :preview from n
"""
_ADD_MESSAGES = """
with recursive n(i) as (select 1 union all select i + 1 from n where i < :count)
insert into messages (account_id, mailbox_id, uid, content_id, modseq, created_modseq, flags, keywords,
                      internal_date_ms, save_date_ms, size)
select :account, :mailbox, i, :first + i, 1 + i, 1 + i, 0, '', :now, :now, :size from n
"""


def fill_mailbox(home: Path, address: str, count: int) -> None:
    """Makes the INBOX of `address`, to which nothing was delivered yet, hold `count` messages."""
    now = int(time.time())
    values = {"count": count, "first": _FIRST_CONTENT, "pack": _PACK, "size": _SIZE}
    values |= {"mailbox": _INBOX, "now": now * 1000, "bytes": count * _SIZE, "seconds": now}
    with _open(home) as db:
        values["account"] = _account(db, address)
        blobs = {"envelope": _ENVELOPE, "structure": b"\0" * 60, "preview": "lorem ipsum dolor sit amet " * 4}
        db.execute(_ADD_CONTENTS, values | blobs)
        db.execute(_ADD_MESSAGES, values)
        db.execute(
            "insert into account_state (account_id, modseq, bytes, messages, last_mailbox_id)"
            " values (:account, 1 + :count, :bytes, :count, :mailbox)",
            values,
        )
        db.execute(
            "insert into mailboxes (account_id, mailbox_id, name, special_use, uid_validity, uid_next,"
            " modseq, messages, unseen, deleted, bytes) values"
            " (:account, :mailbox, 'INBOX', '', :seconds, 1 + :count, 1 + :count, :count, :count, 0, :bytes)",
            values,
        )
    db.execute("pragma wal_checkpoint(truncate)")
    db.close()


def count_messages(home: Path, address: str) -> int:
    """The messages in the INBOX of `address`, counted one by one."""
    with _open(home) as db:
        query = "select count(*) from messages where account_id = ? and mailbox_id = ?"
        (count,) = db.execute(query, (_account(db, address), _INBOX)).fetchone()
    db.close()
    return int(count)


def count_indexed(home: Path, address: str) -> int:
    """Up to which UID the INBOX of `address` is in the index of texts; 0 when there is none yet."""
    with closing(_open(home)) as db:
        account = _account(db, address)
    files = list((home / "data" / "search").glob(f"*/{account}.sqlite"))
    if not files:
        return 0
    try:
        with closing(sqlite3.connect(files[0])) as index:
            row = index.execute("select uid from marks where mailbox_id = ?", (_INBOX,)).fetchone()
    except sqlite3.OperationalError:  # it is just being made
        return 0
    return int(row[0]) if row else 0


def _open(home: Path) -> sqlite3.Connection:
    (path,) = [path for path in (home / "data").glob("*") if path.is_file() and _is_sqlite(path)]
    return sqlite3.connect(path)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(15) == b"SQLite format 3"


def _account(db: sqlite3.Connection, address: str) -> int:
    (account,) = db.execute("select account_id from addresses where address_key = ?", (address,)).fetchone()
    return int(account)
