"""What an index of texts promises; search/sqlite.py and search/postgres.py keep it, one contract suite says so.

An index holds, per account, the texts of contents and a mark per mailbox: up to which UID everything is in it. It is
derived data (docs/internals/search.md): an index that cannot be used is no error but an empty one. Whoever reads sees
one view of it; only the indexer writes. Failures while reading are `IndexUnusableError`: the reader scans instead.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from estafeta.mail.folding import UNICODE_VERSION
from estafeta.mail.searchtext import SearchText, TextLimits
from estafeta.search.terms import Wanted

#: Raised whenever the same message gives other texts, or an index keeps them otherwise.
VERSION = 1


class IndexUnusableError(Exception):
    """The index of this account cannot be read now."""


class Mark(NamedTuple):
    """All messages of a mailbox up to this UID are in the index, under this UIDVALIDITY."""

    uid_validity: int
    uid: int


class Document(NamedTuple):
    """One content with its texts."""

    content_id: int
    text: SearchText


class View(Protocol):
    """One account's index at one moment. Methods raise IndexUnusableError."""

    def mark(self, mailbox_id: int) -> Mark | None:
        """How far a mailbox is indexed."""

    def present(self, content_ids: Collection[int]) -> set[int]:
        """Which of these are in the index."""

    def matches(self, wanted: Wanted, content_ids: Collection[int]) -> set[int]:
        """Which of these match exactly; all are in the index."""

    def candidates(
        self, columns: Sequence[str], words: Sequence[str], content_ids: Collection[int]
    ) -> Iterator[tuple[int, SearchText]]:
        """Those of these that may hold all words (without diacritics), with the texts of `columns` and the subject."""


class TextIndex(Protocol):
    """All accounts' indexes."""

    def view(self, account_id: int, cancelled: Callable[[], bool]) -> AbstractContextManager[View | None]:
        """A view for the time of a `with`; None when there is no index. `cancelled` is asked now and then."""

    def prepare(self, account_id: int) -> None:
        """For the indexer, before it writes: make the index, and anew when it is damaged or of another recipe."""

    def exists(self, account_id: int) -> bool:
        """Whether there may be an index of this account."""

    def marks(self, account_id: int) -> dict[int, Mark]:
        """All marks of an account; none without an index."""

    def missing(self, account_id: int, content_ids: Collection[int]) -> list[int]:
        """Which of these are not in the index, ascending."""

    def add(self, account_id: int, documents: Sequence[Document], marks: Mapping[int, Mark]) -> None:
        """Take in documents and marks together or not at all. Those that are there stay as they are."""

    def content_ids(self, account_id: int) -> set[int]:
        """Everything in the index."""

    def remove(self, account_id: int, content_ids: Collection[int]) -> None:
        """Forget contents."""

    def accounts(self) -> set[int]:
        """Accounts that have an index."""

    def drop(self, account_id: int) -> None:
        """Forget an account."""

    def use(self, recipe: str) -> None:
        """From now on texts are made so."""

    def close(self) -> None:
        """Let go of everything."""


def recipe_of(limits: TextLimits) -> str:
    """How texts are made; an index made otherwise is of no use."""
    return json.dumps(
        {
            "version": VERSION,
            "unicode": UNICODE_VERSION,
            "characters": limits.max_characters,
            "attachment": limits.max_attachment_octets,
            "attachments": limits.max_attachments,
        }
    )
