"""A message as checks see it: its header, its body in pieces, and its parts, read when somebody asks.

Small messages are in memory, large ones are read again from where they were put aside; both look the same from here.
Nothing here raises on what a sender can write.
"""

from collections.abc import Callable, Iterator
from threading import Lock

from estafeta.core.once import once
from estafeta.mail.headers import Group, Mailbox, find_header_end, parse_address_list
from estafeta.policy.fields import Fields
from estafeta.policy.parts import Parts, read_parts

#: Letters have one author, seldom some.
MAX_AUTHORS = 10


class Content:
    """`header`: the header section with the line end of its last field, without the empty line. `pieces`: gives the
    body after the empty line, any number of times. `size` in octets, of the whole message. `empty_line`: as it came,
    b"" where there is none."""

    def __init__(
        self, header: bytes, pieces: Callable[[], Iterator[bytes]], size: int, empty_line: bytes = b"\r\n"
    ) -> None:
        self.header = header
        self.pieces = pieces
        self.size = size
        self.empty_line = empty_line
        self._reading = Lock()

    @classmethod
    def of(cls, message: bytes) -> "Content":
        """A message that is in memory."""
        end = find_header_end(message)
        body = message[end:] if end >= 0 else b""
        return cls.split(message, end, lambda: iter((body,)), len(message))

    @classmethod
    def split(cls, head: bytes, end: int, pieces: Callable[[], Iterator[bytes]], size: int) -> "Content":
        """From a beginning and where its body begins (`find_header_end`)."""
        if end < 0:
            return cls(head, pieces, size, b"")
        header, found = head[:end], b""
        for empty in (b"\r\n", b"\n"):
            if header.endswith(b"\n" + empty) or header == empty:
                header, found = header[: -len(empty)], empty
                break
        return cls(header, pieces, size, found)

    def message(self) -> Iterator[bytes]:
        """All of it as it came, `size` octets in pieces."""
        yield self.header
        yield self.empty_line
        yield from self.pieces()

    @once
    def fields(self) -> Fields:
        """The header fields."""
        return Fields(self.header)

    @once
    def authors(self) -> tuple[Mailbox, ...]:
        """The mailboxes in From, at most `MAX_AUTHORS`. A second field is looked at, as somebody may show that one."""
        found: list[Mailbox] = []
        for value in self.fields.raw("from")[:2]:
            for one in parse_address_list(value, MAX_AUTHORS):
                found.extend(one.members if isinstance(one, Group) else (one,))
        return tuple(found[:MAX_AUTHORS])

    @property
    def parts(self) -> Parts:
        """The parts, decoded, within the limits of `policy.parts`. Several checks may want them at the same time."""
        with self._reading:
            return self._parts

    @once
    def _parts(self) -> Parts:
        return read_parts(self.header, self.pieces, size=self.size)
