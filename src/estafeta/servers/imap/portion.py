"""Some messages that are being answered together: their rows by column, and their contents where they are asked for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from estafeta.core.errors import EstafetaError
from estafeta.mail.structure import Structure, parse_structure
from estafeta.storage.packs import Location

#: The columns that say where a content is, and how large its header.
LOCATION = ("content_id", "pack_id", "offset", "length", "content_size", "header_size")


class Trouble:
    """What could not be answered. `unknown_encoding`: some part has a transfer encoding that nobody knows."""

    __slots__ = ("answered", "damaged", "missing", "unknown_encoding")

    def __init__(self) -> None:
        self.answered = 0
        self.missing = 0
        self.damaged = 0
        self.unknown_encoding = False


class Portion:
    """Rows as `look.fetch_rows` gave them, turned into columns.

    `numbers` stand in front of the answers. `contents` are whole messages, in the order of the rows; a message that is
    too large for that is alone in its portion, and `read(offset, size)` reads stretches of it.
    """

    __slots__ = ("_columns", "_structures", "contents", "numbers", "read", "trouble")

    def __init__(
        self, names: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[int], trouble: Trouble
    ) -> None:
        self._columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*rows, strict=True), strict=True))
        self._structures: list[Structure | None] | None = None
        self.numbers = numbers
        self.trouble = trouble
        self.contents: Sequence[bytes] = ()
        self.read: Callable[[int, int], Iterator[bytes]] | None = None

    def __getitem__(self, name: str) -> Sequence[Any]:
        """A column."""
        return self._columns[name]

    def __len__(self) -> int:
        return len(self.numbers)

    def structures(self) -> list[Structure | None]:
        """What is known of the parts of each message; None where that is damaged."""
        if self._structures is None:
            self._structures = list(map(_structure, self._columns["structure"]))
        return self._structures

    def locations(self) -> list[Location]:
        """Where the contents are."""
        return list(map(Location._make, zip(*(self._columns[name] for name in LOCATION[:5]), strict=True)))


def _structure(text: bytes) -> Structure | None:
    try:
        return parse_structure(text)
    except EstafetaError:
        return None
