"""Keywords of a mailbox: each has the spelling in which it came first (RFC 9051 2.3.2: they ignore case)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import bindparam, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mailboxes.rows import at
from estafeta.mailboxes.tables import mailboxes
from estafeta.storage.database import Transaction
from estafeta.storage.prepared import Query

#: A mailbox remembers at most so many different keywords, for good.
MAX_KEYWORDS = 250
_MAX_OCTETS = 100


@dataclass(slots=True)
class Vocabulary:
    """The keywords of one mailbox, from `mailboxes.keywords`, and those that are new to it."""

    text: str
    _spelling: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._spelling = {word.lower(): word for word in self.text.split()}

    def known(self, words: Iterable[str]) -> set[str]:
        """Those of these that the mailbox has, as it spells them."""
        return {self._spelling[word.lower()] for word in words if word.lower() in self._spelling}

    def unknown(self, words: Iterable[str]) -> list[str]:
        """Those of these that the mailbox does not have."""
        return sorted(word for word in words if word.lower() not in self._spelling)

    def learn(self, words: Iterable[str]) -> set[str]:
        """These as the mailbox spells them, from now on. Raises INVALID for what no keyword can be, and LIMIT."""
        wanted = sorted(words)
        for word in wanted:
            if not word.isprintable() or " " in word or not word or len(word.encode("utf-8", "replace")) > _MAX_OCTETS:
                raise EstafetaError(Kind.INVALID, f"{word[:40]!r} cannot be a keyword.")
        new = {word.lower() for word in wanted} - self._spelling.keys()
        if new and len(self._spelling) + len(new) > MAX_KEYWORDS:
            raise EstafetaError(Kind.LIMIT, f"A mailbox can have at most {MAX_KEYWORDS} different keywords.")
        return {self._add(word) for word in wanted}

    def take(self, words: Iterable[str]) -> set[str]:
        """As `learn`, without what does not fit: a message is not refused for its keywords."""
        taken: set[str] = set()
        for word in sorted(words):
            try:
                taken |= self.learn((word,))
            except EstafetaError:
                continue
        return taken

    def _add(self, word: str) -> str:
        key = word.lower()
        if key not in self._spelling:
            self._spelling[key] = word
            self.text = f"{self.text} {word}".lstrip()
        return self._spelling[key]


def join(words: Iterable[str]) -> str:
    """Keywords of one message as they are stored: the same keywords are the same text."""
    return " ".join(sorted(words))


def keep(tx: Transaction, account_id: int, mailbox_id: int, before: str, vocabulary: Vocabulary) -> None:
    """Store what a mailbox has learnt since its keywords were `before`."""
    if vocabulary.text != before:
        _KEEP.run(tx, account=account_id, mailbox=mailbox_id, words=vocabulary.text)


_KEEP = Query(
    update(mailboxes)
    .where(at(mailboxes, bindparam("account"), bindparam("mailbox")))
    .values(keywords=bindparam("words"))
)
