"""What an import has done already, kept in the transaction that stores the messages.

It lies in the table of sequences, so nothing else is needed to go on: for an mbox one row that holds the octet to go on
from, for a Maildir one row for each message. Names are short digests of what the source is called and which account
and mailbox it goes to. Rows stay when an import is complete: the same command later brings only what is new.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.sequences import next_value, read_value
from estafeta.storage.database import Database, Transaction
from estafeta.storage.tables import sequences


class Progress(Protocol):
    """Notes, in the import's own transaction, the keys of the messages that it stores."""

    def write(self, tx: Transaction, keys: Sequence[Any]) -> None:
        """Note them. EstafetaError IN_USE when another import of the same source was quicker."""


class OffsetProgress:
    """For a source that is read from front to back: keys are the offsets behind each message."""

    def __init__(self, database: Database, source: str) -> None:
        self._name = f"import:{source}"
        with database.read() as conn:
            self.offset = read_value(conn, self._name)

    def write(self, tx: Transaction, keys: Sequence[int]) -> None:
        """Move the offset on, if it is where we left it."""
        with_name = sequences.c.name == self._name
        if read_value(tx.conn, self._name) != self.offset:
            raise _busy()
        new = max(keys)
        if not tx.conn.execute(update(sequences).where(with_name).values(value=new)).rowcount:
            tx.conn.execute(insert(sequences), {"name": self._name, "value": new})

    def committed(self, keys: Sequence[int]) -> None:
        """The transaction is durable."""
        self.offset = max([self.offset, *keys])


class NamesProgress:
    """For a source whose messages have names that stay: keys are those names."""

    def __init__(self, source: str) -> None:
        self._source = source

    def known(self, database: Database, keys: Sequence[str]) -> set[str]:
        """Those of the names (some hundred at a time) that are done already."""
        rows = {self._row(key): key for key in keys}
        with database.read() as conn:
            return {rows[row] for row in _present(conn, list(rows))}

    def write(self, tx: Transaction, keys: Sequence[str]) -> None:
        """Note the names."""
        rows = [self._row(key) for key in keys]
        if _present(tx.conn, rows):
            raise _busy()
        tx.conn.execute(insert(sequences), [{"name": row, "value": 1} for row in rows])

    def committed(self, keys: Sequence[str]) -> None:
        """The transaction is durable; the rows say all."""

    def _row(self, key: str) -> str:
        return f"i:{self._source}:{digest(key)}"


def source_id(database: Database, again: bool, *parts: object) -> str:
    """A name for a source: what it is and where it goes. `again` begins it anew, for this run and those after it."""
    name = "import-again:" + digest(*parts)
    if again:
        with database.write() as tx:
            generation = next_value(tx.conn, name)
    else:
        with database.read() as conn:
            generation = read_value(conn, name)
    return digest(generation, *parts)


def digest(*parts: object) -> str:
    """16 characters that stand for the parts."""
    text = "\0".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _present(conn: Connection, names: Sequence[str]) -> list[str]:
    return list(conn.execute(select(sequences.c.name).where(sequences.c.name.in_(names))).scalars())


def _busy() -> EstafetaError:
    return EstafetaError(
        Kind.IN_USE, "Another import of the same mail is under way: let it finish, then repeat this one if need be."
    )
