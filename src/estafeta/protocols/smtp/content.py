"""Message content on its way in: where it ends, dots unstuffed, line ends checked, size counted.

`find_end` is the one place that decides where a message that came by DATA ends. Two servers that disagree on that let
a client smuggle a message of its own into the middle of another ("SMTP smuggling"); so nothing but CR LF . CR LF ends
a message here, whatever the settings say.
"""

import re
from typing import Final

from estafeta.protocols.smtp.limits import BareLf
from estafeta.protocols.smtp.replies import BARE_IN_MESSAGE, MESSAGE_TOO_BIG, Reply

_END: Final = b"\r\n.\r\n"
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


def find_end(data: bytes, start: int, fresh: bool) -> tuple[int, int, bool]:
    """Where the content in `data[start:]` ends, where what follows it begins (-1 both if it goes on), and whether
    lines in it begin with a dot.

    RFC 5321 4.1.1.4: <CRLF>.<CRLF>, the first CRLF being the last line's own, or the DATA command's where nothing came
    before (`fresh`). Never LF . LF, LF . CRLF, CRLF . LF, CR . CR or any other kin (RFC 5321 2.3.8).
    """
    if fresh and data.startswith(b".\r\n", start):
        return start, start + 3, False
    dot = data.find(b"\r\n.", start)
    at = data.find(_END, dot) if dot >= 0 else -1
    return (at + 2, at + 5, at != dot) if at >= 0 else (-1, -1, dot >= 0)


def _settled(data: bytes, start: int, fresh: bool) -> int:
    """The end of what is content for certain, when no end was found: the rest may be the beginning of one."""
    if fresh and data[start : start + 3] in (b".", b".\r"):
        return start
    for size in (4, 3, 2, 1):
        if data.endswith(_END[:size], start):
            return len(data) - size
    return len(data)


class Content:
    """The content of one message as it comes in. `size` counts what is stored, whether kept or not.

    `refusal` is None as long as it can be accepted. It does not depend on how the input was split: the checks go on
    after one has failed, and the size comes first.
    """

    __slots__ = ("_bare", "_bare_lf", "_binary", "_carry", "_fresh", "_max_bytes", "ended", "size")

    def __init__(self, bare_lf: BareLf, max_bytes: int, *, binary: bool = False) -> None:
        self._bare_lf = bare_lf
        self._max_bytes = max_bytes
        self._binary = binary
        self._bare = False
        self._fresh = True
        self._carry = b""
        self.size = 0
        self.ended = False

    @property
    def refusal(self) -> Reply | None:
        """Why the message cannot be accepted, as it stands."""
        if self._max_bytes and self.size > self._max_bytes:
            return MESSAGE_TOO_BIG
        return BARE_IN_MESSAGE if self._bare else None

    def read_dotted(self, data: bytes, start: int) -> tuple[bytes, int]:
        """Content out of `data[start:]` as DATA sends it, and where to read on. `ended` is set when it is complete."""
        end, after, dots = find_end(data, start, self._fresh)
        if end < 0:
            end = after = _settled(data, start, self._fresh)
        else:
            self.ended = True
        if end == start:
            return b"", after
        block = data[start:end]
        if self._fresh:
            self._fresh = False
            if block.startswith(b"."):
                block = block[1:]
        if dots:
            # RFC 5321 4.5.2. A block never ends within CR LF . so the three are always seen together; and only after
            # CR LF is a dot stuffed: after a bare LF it is content.
            block = block.replace(b"\r\n.", b"\r\n")
        return self._take(block), after

    def read_octets(self, data: bytes, *, last: bool) -> bytes:
        """Content as BDAT sends it (RFC 3030 2). A CR at the end waits for the next octets: a LF may follow."""
        if self._binary:
            self.size += len(data)
            return data
        if self._carry:
            data = self._carry + data
            self._carry = b""
        if data.endswith(b"\r") and not last:
            self._carry = b"\r"
            data = data[:-1]
        return self._take(data)

    def _take(self, block: bytes) -> bytes:
        # No block begins between CR and LF nor ends there, so looking at each one alone is enough.
        if not _is_crlf_text(block):
            if self._bare_lf is BareLf.ACCEPT:
                block = _LINE_END.sub(b"\r\n", block)
            else:
                self._bare = True
        self.size += len(block)
        return block


def _is_crlf_text(block: bytes) -> bool:
    """No CR and no LF stands alone. bytes.splitlines takes CR, LF and CR LF for line ends, so if all ends are of two
    octets, that is what they are; three times as fast as counting the three."""
    lines = block.splitlines()
    ends = len(lines) if block.endswith((b"\n", b"\r")) else len(lines) - 1
    return len(block) - len(b"".join(lines)) == 2 * max(ends, 0)
