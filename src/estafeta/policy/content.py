"""A message as checks see it: its header, its body in pieces, and its parts, read when somebody asks.

Small messages are in memory, large ones are read again from where they were spooled; both look the same from here.
Nothing here raises on what a sender can write.
"""

from collections.abc import Callable, Iterator
from functools import cached_property

from estafeta.mail.scan import MessageSummary
from estafeta.policy.fields import Fields
from estafeta.policy.parts import Part, read_parts


class Content:
    """`header`: the header section with the line end of its last field, without the blank line. `pieces`: gives the
    body after the blank line, any number of times. `size` in octets, of the whole message."""

    def __init__(
        self, header: bytes, pieces: Callable[[], Iterator[bytes]], size: int, summary: MessageSummary | None = None
    ) -> None:
        self.header = header
        self.pieces = pieces
        self.size = size
        self.summary = summary

    @classmethod
    def of(cls, message: bytes, summary: MessageSummary | None = None) -> "Content":
        """A message that is in memory."""
        end = _header_end(message)
        body = memoryview(message)[end + 2 if message[end : end + 2] == b"\r\n" else end :]
        return cls(message[:end], lambda: iter((bytes(body),)), len(message), summary)

    @cached_property
    def fields(self) -> Fields:
        """The header fields."""
        return Fields(self.header)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts, decoded, within the limits of `policy.parts`."""
        return read_parts(self.header, self.pieces())


def _header_end(message: bytes) -> int:
    """Where the blank line begins; the length where there is none."""
    if message.startswith(b"\r\n"):
        return 0
    found = message.find(b"\r\n\r\n")
    return len(message) if found < 0 else found + 2
