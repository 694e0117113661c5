"""Maildir and Maildir++: where messages and folders are, and what the names say. Reads names, not messages.

A message is `NAME` in `new`, or `NAME:2,FLAGS` in `cur`; folders are directories `.Sent.2024` beside them. Keywords are
the letters a-z, named in `dovecot-keywords`. Symbolic links are not followed: an import may run as root in a directory
that is someone else's.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from estafeta.app.transfer.foldernames import decode_folder
from estafeta.app.transfer.mbox import is_keyword
from estafeta.mailboxes.values import Flag

#: The letters of the standard flags, in the order in which they must stand.
LETTERS = {"D": Flag.DRAFT, "F": Flag.FLAGGED, "R": Flag.ANSWERED, "S": Flag.SEEN, "T": Flag.DELETED}
#: "Passed": resent, forwarded or bounced; the keyword that says so (RFC 5788 registers it).
PASSED = ("P", "$Forwarded")
KEYWORDS_FILE = "dovecot-keywords"
MAX_KEYWORDS = 26

_TIME = re.compile(r"\d{1,12}")
_KEYWORDS_BYTES = 16384


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a Maildir++: its directory, the mailbox that it is, and what its keyword letters mean."""

    path: Path
    name: str
    keywords: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A message file: `base` is the part of its name that stays while flags change."""

    path: str
    base: str
    flags: int
    keywords: tuple[str, ...]


def is_maildir(path: Path) -> bool:
    """Whether there is at least one of `cur` and `new`."""
    return any((path / name).is_dir() and not (path / name).is_symlink() for name in ("cur", "new"))


def find_folders(root: Path) -> Iterator[Folder | str]:
    """The Maildir itself as INBOX, then its folders by name; the name of a directory that cannot be used as text."""
    if is_maildir(root):
        yield Folder(root, "INBOX", read_keywords(root))
    for name in sorted(os.listdir(root)):
        path = root / name
        if name.startswith(".") and name.strip(".") and path.is_dir() and is_maildir(path):
            if path.is_symlink() or not _is_clean(name):
                yield name
            else:
                yield Folder(path, decode_folder(name), read_keywords(path))


def list_entries(folder: Folder) -> list[Entry]:
    """The messages of a folder, oldest first by the time in their names."""
    entries = []
    for place in ("new", "cur"):
        directory = folder.path / place
        with suppress(FileNotFoundError), os.scandir(directory) as found:
            entries += [
                _entry(file.path, file.name, folder.keywords) for file in found if not file.name.startswith(".")
            ]
    entries.sort(key=_age)
    return entries


def open_message(path: str) -> tuple[int, os.stat_result]:
    """Open a message file: descriptor and status. OSError, also for what is no regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise OSError(0, "not a regular file", path)
    return fd, status


def read_keywords(path: Path) -> dict[str, str]:
    """Letter -> keyword of a folder, from lines like `0 $Forwarded`; empty where there is no such file."""
    try:
        fd, _ = open_message(str(path / KEYWORDS_FILE))
        with os.fdopen(fd, "rb") as file:
            text = file.read(_KEYWORDS_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        number, _, word = line.partition(" ")
        if number.isdecimal() and int(number) < MAX_KEYWORDS and is_keyword(word.strip()):
            found[chr(ord("a") + int(number))] = word.strip()
    return found


def encode_info(flags: int, keywords: Sequence[str], letters: Mapping[str, str]) -> str:
    """The part of a name after its base, `:2,FRS`; `letters` is keyword -> letter."""
    said = [letter for letter, flag in LETTERS.items() if flags & flag]
    if PASSED[1] in keywords:
        said.append(PASSED[0])
    said.sort()
    return ":2," + "".join(said) + "".join(sorted(letters[word] for word in keywords if word in letters))


def _entry(path: str, name: str, names: Mapping[str, str]) -> Entry:
    base, _, info = name.partition(":")
    version, _, letters = info.partition(",")
    letters = letters.partition(",")[0] if version == "2" else ""
    flags = Flag.NONE
    for letter in letters:
        flags |= LETTERS.get(letter, Flag.NONE)
    words = {names[letter] for letter in letters if letter in names}
    if PASSED[0] in letters:
        words.add(PASSED[1])
    return Entry(path, base, int(flags), tuple(sorted(words)))


def _age(entry: Entry) -> tuple[int, str, str]:
    found = _TIME.match(entry.base)
    return (int(found.group()) if found else 0, entry.base, entry.path)


def _is_clean(name: str) -> bool:
    """UTF-8, and no empty level."""
    return name.isprintable() and ".." not in name and not name.endswith(".")
