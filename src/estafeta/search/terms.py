"""What is searched for, and whether a text matches: the plain truth that every index must agree with.

Implements the text keys of SEARCH (RFC 9051 6.4.4) and of fuzzy search (RFC 6203).
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from estafeta.mail.folding import strip_marks
from estafeta.mail.searchtext import SearchText, normalise

_WORD = re.compile(r"\w+")
#: Words of one fuzzy needle that are looked at; people type fewer.
_MAX_WORDS = 16
_MAX_RELEVANCY = 100
_NOT_IN_NAMES = set(": \t\r\n")


class TextField(StrEnum):
    """Where to search. TEXT is header and body."""

    SUBJECT = "subject"
    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    HEADER = "header"
    BODY = "body"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class TextTerm:
    """One text key. `name` is the field's for HEADER; an empty needle there asks only whether the field is present.

    An empty needle elsewhere is in every message, as the empty string is a substring of all.
    """

    field: TextField
    needle: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A term made ready: `columns` of SearchText of which one must hold `needle`; for HEADER, in a line of `name`."""

    columns: tuple[str, ...]
    needle: str
    name: str = ""

    def matches(self, text: SearchText) -> bool:
        """Whether it is in this message."""
        if self.name:
            return self.in_header(text.header)
        return any(self.needle in getattr(text, column) for column in self.columns)

    @property
    def everywhere(self) -> bool:
        """Whether every message has it: the empty string is a substring of all."""
        return bool(self.columns) and not self.needle and not self.name

    def in_header(self, header: str) -> bool:
        """Whether a field called `name` holds the needle."""
        return any(self.needle in value for value in self._values(header))

    def lines_of(self, header: str) -> str:
        """The values of all fields called `name`."""
        return "\n".join(self._values(header))

    def _values(self, header: str) -> Iterator[str]:
        opening = f"\n{self.name}: "
        at = header.find(opening)
        while at >= 0:
            end = header.find("\n", at + 1)
            yield header[at + len(opening) : end]
            at = header.find(opening, end)


_COLUMNS = {
    TextField.SUBJECT: ("subject",),
    TextField.FROM: ("sender",),
    TextField.TO: ("recipient",),
    TextField.CC: ("cc",),
    TextField.BCC: ("bcc",),
    TextField.HEADER: ("header",),
    TextField.BODY: ("body",),
    TextField.TEXT: ("header", "body"),
}


#: Fields that have a column: the same text as in the header.
_FIELDS = {
    normalise(field): field for field in (TextField.SUBJECT, TextField.FROM, TextField.TO, TextField.CC, TextField.BCC)
}


def prepare(term: TextTerm) -> Wanted:
    """The term as it is compared."""
    if term.field is not TextField.HEADER:
        return Wanted(_COLUMNS[term.field], normalise(term.needle))
    name = normalise(term.name).strip()
    needle = normalise(term.needle)
    if needle and name in _FIELDS:
        return Wanted(_COLUMNS[_FIELDS[name]], needle)
    # RFC 5322 2.2: what has a colon or a space in it is no field's name, and no field has it.
    possible = bool(name) and not set(name) & _NOT_IN_NAMES
    return Wanted(_COLUMNS[term.field] if possible else (), needle, name if possible else "")


def fuzzy_words(needle: str) -> list[str]:
    """The words of a fuzzy needle, without diacritics, each once; the whole needle where it has no words."""
    stripped = strip_marks(normalise(needle))
    words = list(dict.fromkeys(_WORD.findall(stripped))) or [stripped.strip()]
    return [word for word in words if word][:_MAX_WORDS]


def without_marks(text: SearchText) -> SearchText:
    """A message's texts as fuzzy search compares them."""
    return SearchText(*map(strip_marks, text))


def has_marks(text: SearchText) -> bool:
    """Whether fuzzy search sees another text."""
    return any(strip_marks(one) != one for one in text)


def relevancy(text: SearchText, columns: Sequence[str], words: Sequence[str]) -> int:
    """RFC 6203 3: 1 to 100 when all words are there, in any order, else 0. `text` is without diacritics.

    More occurrences count more, each word for itself; whole words and words of the subject count more than others.
    """
    total = 0.0
    for word in words:
        score = max(_score(getattr(text, column), word) for column in columns)
        if not score:
            return 0
        total += min(1.0, score + (0.3 if word in text.subject else 0.0))
    return max(1, round(_MAX_RELEVANCY * total / max(1, len(words))))


def _score(text: str, word: str) -> float:
    count = text.count(word)
    if not count:
        return 0.0
    at = text.find(word)
    whole = not (text[at - 1 : at].isalnum() or text[at + len(word) : at + len(word) + 1].isalnum())
    return min(1.0, 0.2 + 0.1 * math.log2(count) + (0.2 if whole else 0.0))
