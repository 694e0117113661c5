"""How filters compare: patterns with * and ?, and what of a message they are compared with, made equal first."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from estafeta.directory.model import Resolution
from estafeta.mail.address import Address
from estafeta.mail.addresslist import Group, Mailbox, parse_address_list
from estafeta.policy.fields import Fields
from estafeta.policy.parts import Part

#: Addresses of From and Sender that are looked at; one is usual.
MAX_AUTHORS = 100
#: Of the name of a file so much of its beginning and of its end: 255 is what file systems take.
_NAME_END = 500
_UUENCODED = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255})\r?$", re.MULTILINE)
_MOST_UUENCODED = 100
_STARS = re.compile(r"\*+")


class Patterns:
    """Several patterns, any of which may match the whole of a text that `as_read` made.

    `*` stands for any characters, none too; the manual has "one or more", which `?*` says, and which would let a file
    through that is called just `.vbs`. `?` is one character. Takes time in proportion to text and patterns."""

    def __init__(self, patterns: Iterable[str]) -> None:
        folded = [as_read(one) for one in patterns]
        self._plain = frozenset(one for one in folded if "*" not in one and "?" not in one)
        wild = [_translate(one) for one in folded if one not in self._plain]
        self._wild = re.compile("|".join(wild), re.DOTALL) if wild else None

    def matches(self, text: str) -> bool:
        """Whether one of them is like the whole text."""
        return text in self._plain or (self._wild is not None and self._wild.match(text) is not None)

    def first(self, texts: Iterable[str]) -> str | None:
        """The first text that one of them is like."""
        return next((text for text in texts if self.matches(text)), None)


@lru_cache(maxsize=2048)
def patterns_of(patterns: tuple[str, ...]) -> Patterns:
    """The same, compiled once."""
    return Patterns(patterns)


def as_read(text: str) -> str:
    """A text as a person reads it: compatibility forms (a letter of full width) and case made equal, characters that
    are not seen left out, white space single."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    if not (folded.isascii() and folded.isprintable()):
        folded = "".join([one for one in folded if one.isspace() or unicodedata.category(one) not in ("Cc", "Cf")])
    return " ".join(folded.split())


def file_names(part: Part) -> list[str]:
    """What the file of a part may be called when it is saved: its names, also without the path in front of them, the
    quotes around them, and the dots and blanks behind them that Windows drops."""
    found: dict[str, None] = {}
    for given in filter(None, (part.name, part.other_name, *_in_text(part))):
        short = given if len(given) <= 2 * _NAME_END else given[:_NAME_END] + given[-_NAME_END:]
        name = as_read(short)
        base = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
        found |= dict.fromkeys((name, name.rstrip(". "), base, base.rstrip(". "), base.strip("'\"`").rstrip(". ")))
    return [name for name in found if name]


def _in_text(part: Part) -> list[str]:
    """Names of files that a text carries in uuencode, as before MIME: some programs still take them out."""
    if not part.media.startswith("text/") or b"begin" not in part.octets:
        return []
    return [name.decode("utf-8", "replace") for name in _UUENCODED.findall(part.octets)[:_MOST_UUENCODED]]


def originators(sender: Address | None, fields: Fields) -> list[str]:
    """Who a message is from: its reverse-path (`<>` for the null one), and the addresses in From and Sender."""
    found = {as_read(str(sender)) if sender is not None else "<>": None}
    for name in ("from", "sender"):
        for value in fields.raw(name):
            found |= dict.fromkeys(map(_written, _mailboxes(parse_address_list(value, MAX_AUTHORS))))
    return list(found)


def recipients(known: Sequence[tuple[Address, Resolution]]) -> list[str]:
    """Those to whom it goes, as the client said."""
    return [as_read(str(address)) for address, _ in known]


def domain_of(address: str) -> str:
    """What stands behind the last @."""
    return address.rpartition("@")[2]


def _mailboxes(entries: Iterable[Mailbox | Group]) -> Iterable[Mailbox]:
    for entry in entries:
        if isinstance(entry, Group):
            yield from entry.members
        else:
            yield entry


def _written(mailbox: Mailbox) -> str:
    return as_read((mailbox.local + b"@" + mailbox.domain).decode("utf-8", "replace"))


def _translate(pattern: str) -> str:
    """A regular expression for the whole text. Each `*` takes as little as it can and never gives it back (an atomic
    group), which finds a match whenever there is one and cannot run wild."""
    first, *rest = ("".join("." if one == "?" else re.escape(one) for one in piece) for piece in _pieces(pattern))
    if not rest:
        return f"(?:{first})\\Z"
    return first + "".join(f"(?>.*?{piece})" for piece in rest[:-1]) + f".*{rest[-1]}\\Z"


def _pieces(pattern: str) -> list[str]:
    return _STARS.sub("*", pattern).split("*")
