"""How much is recorded: journaling can be reduced or switched off (row O2)."""

from collections.abc import Iterable
from typing import NamedTuple

from estafeta.journal.records import Code, Record, detail, read_detail

#: What is left of a reduced journal: that a message came, and where it ended.
REDUCED = frozenset(
    {
        Code.RECEIVED_LOCAL,
        Code.RECEIVED_RELAY,
        Code.CONNECTION_REFUSED,
        Code.RELAY_REFUSED,
        Code.REJECTED,
        Code.MADE_HERE,
        Code.DELIVERED_LOCAL,
        Code.NOT_DELIVERED_LOCAL,
        Code.SENT,
        Code.UNDELIVERABLE,
        Code.MAYBE_TWICE,
        Code.NONDELIVERY,
        Code.REMOVED,
        Code.BOUNCED,
        Code.FILTERED,
        Code.LIST_REFUSED,
    }
)


class Recording(NamedTuple):
    """What of the records is kept. `level`: full, reduced or off; `subjects`: whether subjects are."""

    level: str = "full"
    subjects: bool = True

    @property
    def reading(self) -> bool:
        """Whether it is recorded who reads what."""
        return self.level == "full"

    def keep(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """Those that are written, as they are written."""
        if self.level == "off":
            return ()
        kept = tuple(records) if self.level == "full" else tuple(one for one in records if one.code in REDUCED)
        return kept if self.subjects else tuple(map(_without_subject, kept))


def _without_subject(record: Record) -> Record:
    if '"subject"' not in record.detail:
        return record
    values = read_detail(record.detail)
    values.pop("subject", None)
    return record._replace(detail=detail(**values) if values else "")
