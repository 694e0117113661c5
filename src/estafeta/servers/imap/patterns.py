"""Patterns of LIST (RFC 9051 6.3.9): `*` stands for anything, `%` for anything without the hierarchy delimiter.

Matching keeps the set of positions that the pattern may have reached as the bits of one number and moves all of them on
with each character of the name, so that no pattern costs more than its length times that of the name.
"""

from collections.abc import Sequence

_DELIMITER = "/"
_INBOX = "INBOX"
# No name is longer (1,000 octets, and the prefix of a namespace): a pattern with more letters matches nothing.
_MAX_LETTERS = 1500


class Pattern:
    """One pattern, together with the reference before it."""

    __slots__ = ("_accept", "_any", "_end", "_letters", "_level", "_plain", "_start", "_wild", "text")

    def __init__(self, text: str) -> None:
        self.text = collapse(text)
        self._letters: dict[str, int] = {}
        self._any = self._level = 0
        self._end = len(self.text)
        for at, character in enumerate(self.text):
            if character == "*":
                self._any |= 1 << at
            elif character == "%":
                self._level |= 1 << at
            else:
                self._letters[character] = self._letters.get(character, 0) | 1 << at
        self._wild = self._any | self._level
        self._accept = 0 if self._end - self._wild.bit_count() > _MAX_LETTERS else 1 << self._end
        self._start = self._skip(1)
        # What most clients send: letters, then perhaps one wildcard.
        self._plain = (self._wild & ~(1 << self._end - 1)) == 0 if self._end else True

    @property
    def may_be_implied(self) -> bool:
        """Whether names that are there only as parents of others are asked for: not by a `*` at the end, which finds
        those others (RFC 3501 6.3.8)."""
        return not self.text.endswith("*")

    def may_begin(self, prefix: str) -> bool:
        """Whether it could match a name that begins so."""
        if not self._accept:
            return False
        for letter, own in zip(prefix, self.text, strict=False):
            if own in "*%":
                return True
            if own != letter:
                return False
        return True

    def matches(self, name: str) -> bool:
        """Whether the pattern matches the whole name. INBOX as the first level matches in any case (RFC 9051 5.1)."""
        if not self._accept:
            return False
        fixed = 0
        if name.startswith(_INBOX) and name[5:6] in ("", _DELIMITER):
            fixed = len(_INBOX)
        elif self._plain:
            return self._matches_plainly(name)
        states = self._start
        for at, character in enumerate(name):
            here = self._letters.get(character, 0)
            if at < fixed:
                here |= self._letters.get(character.lower(), 0)
            stay = self._any if character == _DELIMITER else self._wild
            states = self._skip((states & here) << 1 | states & stay)
            if not states:
                return False
        return bool(states & self._accept)

    def _matches_plainly(self, name: str) -> bool:
        if not self._wild:
            return name == self.text
        if not name.startswith(self.text[:-1]):
            return False
        return bool(self._any) or _DELIMITER not in name[self._end - 1 :]

    def _skip(self, states: int) -> int:
        """A wildcard may stand for nothing; no two stand side by side."""
        return states | (states & self._wild) << 1


def collapse(text: str) -> str:
    """The same pattern without wildcards side by side: a run of them is `*` if one of them is."""
    found: list[str] = []
    for character in text:
        if character in "*%" and found and found[-1] in "*%":
            if character == "*":
                found[-1] = "*"
        else:
            found.append(character)
    return "".join(found)


def patterns_of(reference: str, patterns: Sequence[str]) -> list[Pattern]:
    """The patterns of a LIST. A reference is what every name begins with, except where a pattern names a namespace
    (RFC 9051 6.3.9 leaves that to the server)."""
    return [Pattern(text if text.startswith("#") else reference + text) for text in patterns]
