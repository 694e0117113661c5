"""Text made comparable: `fold` for i;unicode-casemap (RFC 5051), `strip_marks` to leave diacritics out as well.

Two texts are equal under the collation when their folded forms are equal, and one is a substring of the other when its
folded form is. Never raises. Folding twice changes nothing; the empty text stays empty.

Departure from RFC 5051 2: letters are mapped to upper case in full and after the decomposition as well, so that
`ß` equals `ss` and the ligature `ﬁ` equals `fi`; whatever is equal under RFC 5051 is equal here.
"""

import re
import unicodedata
from collections.abc import Iterator

_PIECE = 64 * 1024
"""Characters folded in one go: other threads of Python wait for so long, under a millisecond."""
_BECOME_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"
"""Characters that are marks only once they are decomposed."""
_ASCII = re.compile(r"[\x00-\x7f]")
UNICODE_VERSION = unicodedata.unidata_version
"""Stored folded text is comparable only with text folded under the same version."""


def fold(text: str) -> str:
    """The form of `text` that is compared. Can be stored anywhere: it has no NUL and no lone surrogate."""
    if text.isascii():
        text = text.upper()
        return text.replace("\0", " ") if "\0" in text else text
    if len(text) <= _PIECE:
        return _fold(text)
    return "".join(map(_fold, _pieces(text)))


def strip_marks(folded: str) -> str:
    """Folded text without its diacritics (combining marks), as fuzzy search compares it (RFC 6203)."""
    if folded.isascii():
        return folded
    stripped = _MARKS.sub("", folded)
    return stripped if _BEYOND.search(stripped) is None else _RARE_MARKS.sub("", stripped)


def _pieces(text: str) -> Iterator[str]:
    """Parts that can be folded apart: they begin with an ASCII character, which combines with nothing before it."""
    start = 0
    while start < len(text):
        ascii_letter = _ASCII.search(text, start + _PIECE)
        end = ascii_letter.start() if ascii_letter is not None else len(text)
        yield text[start:end]
        start = end


def _fold(text: str) -> str:
    # RFC 5051 2: titlecase, then the decomposition, compatibility mappings included, until nothing changes.
    decomposed = _cut_runs(unicodedata.normalize("NFKD", _cut_runs(text)))
    folded = unicodedata.normalize("NFKD", decomposed.upper())
    return _clean(folded.replace("\u1e9e", "SS"))  # the capital of ß, which upper() leaves alone


def _cut_runs(text: str) -> str:
    """At most 30 marks on a letter (Unicode Annex 15, 13, Stream-Safe Text): no language has more, and putting them in
    their order costs the square of their number."""
    return (_LONG_RUN if _BEYOND.search(text) is None else _LONG_MIXED_RUN).sub(r"\1", text)


def _clean(text: str) -> str:
    """Without what neither UTF-8 nor a database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", " ") if "\0" in text else text


def _marks(first: int, end: int) -> str:
    """Those with a canonical combining class."""
    return "".join(filter(unicodedata.combining, map(chr, range(first, end))))


# Apart, because only a class within the Basic Multilingual Plane is looked up at once.
_COMMON, _RARE = _marks(0x300, 0x10000), _marks(0x10000, 0x1F000)
_MARKS, _RARE_MARKS = re.compile(f"[{_COMMON}]+"), re.compile(f"[{_RARE}]+")
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_TO_BE = f"[{_COMMON}{_BECOME_MARKS}]"
_ANY = f"(?:{_TO_BE}|(?=[\U00010000-\U0001f000])[{_RARE}])"
_LONG_RUN = re.compile(f"({_TO_BE}{{30}}){_TO_BE}+")
_LONG_MIXED_RUN = re.compile(f"({_ANY}{{30}}){_ANY}+")
