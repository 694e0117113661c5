"""clamd: INSTREAM and PING (clamd(8), COMMANDS). No I/O.

Commands are sent in the form that ends with NUL (`z`), whose answers do as well. A message goes in pieces with their
lengths in front; a length of 0 ends it.
"""

from enum import StrEnum
from typing import NamedTuple

from estafeta.protocols.scanners.words import AnswerError, cleaned

INSTREAM = b"zINSTREAM\0"
PING = b"zPING\0"
END = b"\0\0\0\0"

#: Names of viruses have some 60 characters.
MAX_ANSWER_OCTETS = 8192
#: The longest name that is told on.
_LONGEST_NAME = 100
_TOO_LARGE = b"size limit exceeded"


class ClamWord(StrEnum):
    """What clamd said. TOO_LARGE: it stopped reading, see StreamMaxLength."""

    CLEAN = "clean"
    FOUND = "found"
    TOO_LARGE = "too large"


class ClamAnswer(NamedTuple):
    """`name`: that of the virus."""

    word: ClamWord
    name: str = ""


def encode_piece(data: bytes) -> bytes:
    """A piece of the message with its length."""
    return len(data).to_bytes(4, "big") + data


def parse_line(data: bytes, *, ended: bool) -> bytes | None:
    """An answer without its end; None while it is not whole. `ended`: no more will come. Raises AnswerError."""
    line, found, _ = data.partition(b"\0")
    if found:
        return line.strip()
    if len(data) > MAX_ANSWER_OCTETS:
        raise AnswerError("its answer has no end")
    if not ended:
        return None
    # Errors may come with a line end instead.
    if not data.strip():
        raise AnswerError("it closed the connection without an answer")
    return data.strip()


def parse_answer(data: bytes, *, ended: bool) -> ClamAnswer | None:
    """The answer to INSTREAM: `stream: OK`, `stream: NAME FOUND`, or `... ERROR`. As `parse_line`."""
    line = parse_line(data, ended=ended)
    if line is None:
        return None
    if _TOO_LARGE in line:
        return ClamAnswer(ClamWord.TOO_LARGE)
    said = line.removeprefix(b"stream: ")
    if said == b"OK":
        return ClamAnswer(ClamWord.CLEAN)
    if said.endswith(b" FOUND"):
        return ClamAnswer(ClamWord.FOUND, cleaned(said.removesuffix(b" FOUND"), _LONGEST_NAME) or "unnamed")
    raise AnswerError(f"it answered {cleaned(line, 100)!r}")  # backslashes are shown as two
