"""STAT, LIST, UIDL, DELE and RSET (RFC 1939 5 and 7), all from the session's own view."""

from collections.abc import Awaitable, Callable
from itertools import islice

from estafeta.mailboxes.values import SnapshotRow
from estafeta.protocols.pop3 import events
from estafeta.protocols.pop3.texts import Text
from estafeta.servers.pop3.session import Pop3Session

# A listing of more lines than this is made and sent in parts, so that it holds up nobody else.
_PART_LINES = 2000

Line = Callable[[int, SnapshotRow], bytes]


def find(session: Pop3Session, number: int) -> SnapshotRow | None:
    """The message of that number; when there is none or it is marked, `-ERR` is answered."""
    maildrop = session.maildrop
    row = maildrop.find(number) if maildrop is not None else None
    if maildrop is None or row is None:
        session.machine.err(Text.NO_MESSAGE)
        return None
    if maildrop.is_deleted(number):
        session.machine.err(Text.MESSAGE_DELETED, number)
        return None
    return row


def stat(session: Pop3Session, event: events.Stat) -> None:
    """`+OK count octets`."""
    maildrop = session.maildrop
    assert maildrop is not None
    session.machine.ok(Text.PLAIN, f"{maildrop.count} {maildrop.octets}")


def list_sizes(session: Pop3Session, event: events.List) -> Awaitable[None] | None:
    """Sizes in octets: of one message, or of all."""
    if event.number is None:
        maildrop = session.maildrop
        assert maildrop is not None
        return _list_all(session, _size_line, Text.MESSAGES, maildrop.count, maildrop.octets)
    row = find(session, event.number)
    if row is not None:
        session.machine.ok(Text.PLAIN, f"{event.number} {row.size}")
    return None


def list_ids(session: Pop3Session, event: events.UniqueIds) -> Awaitable[None] | None:
    """Unique-ids: of one message, or of all."""
    maildrop = session.maildrop
    assert maildrop is not None
    if event.number is None:
        return _list_all(session, lambda number, row: b"%d %b\r\n" % (number, maildrop.unique_id(row)), Text.UNIQUE_IDS)
    row = find(session, event.number)
    if row is not None:
        session.machine.ok(Text.PLAIN, f"{event.number} {maildrop.unique_id(row).decode()}")
    return None


def dele(session: Pop3Session, event: events.Delete) -> None:
    """Mark a message; only QUIT removes."""
    if find(session, event.number) is not None and session.maildrop is not None:
        session.maildrop.delete(event.number)
        session.machine.ok(Text.DELETED, event.number)


def rset(session: Pop3Session, event: events.Reset) -> None:
    """Take the marks away."""
    maildrop = session.maildrop
    assert maildrop is not None
    maildrop.reset()
    session.machine.ok(Text.MESSAGES, maildrop.count, maildrop.octets)


def _size_line(number: int, row: SnapshotRow) -> bytes:
    return b"%d %d\r\n" % (number, row.size)


def _list_all(session: Pop3Session, line: Line, text: Text, *values: object) -> Awaitable[None] | None:
    maildrop, machine = session.maildrop, session.machine
    assert maildrop is not None
    machine.begin_content(text, *values)
    if maildrop.count > _PART_LINES:
        return _list_in_parts(session, line)
    machine.end_content(b"".join(line(number, row) for number, row in maildrop.numbered()) + b".\r\n")
    return None


async def _list_in_parts(session: Pop3Session, line: Line) -> None:
    maildrop = session.maildrop
    assert maildrop is not None
    numbered = maildrop.numbered()
    while part := b"".join(line(number, row) for number, row in islice(numbered, _PART_LINES)):
        await session.pump.send(part)
    session.machine.end_content(b".\r\n")
