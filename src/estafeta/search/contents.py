"""The texts of contents as they are in the store, for the indexer and for what is not indexed yet.

A content that is gone has no text, and so has one that is damaged (`store verify` says which). Other failures of the
store are EstafetaError.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.searchtext import NO_TEXT, ReadAttachment, SearchText, TextLimits, extract
from estafeta.mail.structure import parse_structure
from estafeta.storage.contents import PLACE, find_location, location_of
from estafeta.storage.database import Database
from estafeta.storage.packs import DamagedRecordError, Packs
from estafeta.storage.tables import contents

#: Contents asked for in one statement.
_AT_ONCE = 200


class ContentTexts:
    """Reads contents and makes their texts. Safe for any number of threads if `read_attachment` is."""

    def __init__(self, database: Database, packs: Packs, limits: TextLimits, read_attachment: ReadAttachment) -> None:
        self.limits = limits
        self._database = database
        self._packs = packs
        self._read_attachment = read_attachment

    def texts(
        self, content_ids: Sequence[int], read_attachment: ReadAttachment | None = None
    ) -> Iterator[tuple[int, SearchText]]:
        """Each of these that exists, in ascending order."""
        ordered = sorted(set(content_ids))
        for start in range(0, len(ordered), _AT_ONCE):
            for row in self._rows(ordered[start : start + _AT_ONCE]):
                yield row.content_id, self._text(row, read_attachment or self._read_attachment)

    def _rows(self, content_ids: Sequence[int]) -> Sequence[Any]:
        wanted = select(*PLACE, contents.c.structure).where(contents.c.content_id.in_(content_ids))
        with self._database.read() as conn:
            return conn.execute(wanted.order_by(contents.c.content_id)).all()

    def _text(self, row: Any, read_attachment: ReadAttachment) -> SearchText:
        try:
            root = parse_structure(row.structure).root
            return extract(self._read(row), root, self.limits, read_attachment)
        except DamagedRecordError:
            return NO_TEXT
        except EstafetaError as error:
            if error.kind is Kind.INVALID:
                return NO_TEXT
            raise

    def _read(self, row: Any) -> bytes:
        location = location_of(row)
        try:
            return self._packs.read(location)
        except DamagedRecordError:
            # Compaction may have moved it since.
            now = find_location(self._database, location.content_id)
            if now is None or now == location:
                raise
            return self._packs.read(now)
