"""The parts of a message, decoded, down to what is inside of archives: what filters and scanners look at.

Bounded in every direction, since hostile mail is made to be dear: see the constants. What lies beyond a limit is not
looked at, and `Part.complete` and `Parts.beyond` say so, for a rule to judge.
"""

from collections.abc import Iterator
from typing import NamedTuple


class Part(NamedTuple):
    """A leaf: `media` as in `text/plain`, lower case; `name` the name of the file, decoded, "" for none; `path` where
    it is, as in `2/letters.zip/invoice.exe`; `octets` decoded, cut at a limit (`complete` is False then); `charset` as
    said; `attached`: it is a file for the reader to save."""

    media: str
    name: str = ""
    path: str = "1"
    octets: bytes = b""
    complete: bool = True
    charset: str = ""
    attached: bool = False


def read_parts(header: bytes, pieces: Iterator[bytes]) -> tuple[Part, ...]:
    """The leaves of a message, in their order."""
    raise NotImplementedError
