"""Numbers that only grow: account ids, change ids, and the versions by which workers see that something changed."""

from sqlalchemy import Connection, insert, select, update

from estafeta.storage.tables import sequences


def next_value(conn: Connection, name: str) -> int:
    """Take the next number of `name`, from 1. Inside a write transaction; a rollback gives it back."""
    bump = update(sequences).where(sequences.c.name == name).values(value=sequences.c.value + 1)
    if conn.execute(bump).rowcount == 0:
        conn.execute(insert(sequences).values(name=name, value=1))
    return read_value(conn, name)


def read_value(conn: Connection, name: str) -> int:
    """The last number taken; 0 when none was."""
    query = select(sequences.c.value).where(sequences.c.name == name)
    return conn.execute(query).scalar() or 0
