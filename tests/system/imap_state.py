"""What a server has and what a client has, in one form, so that they can be compared.

A message is its folder, its Message-ID, its system flags and a digest of its content with CR LF at the ends of lines
and without what clients add: X-TUID, by which mbsync finds its uploads where UIDPLUS is not used, and the fields that
NeoMutt gives to the messages in a Maildir.
"""

import hashlib
import imaplib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imap_site import Site, ok, quote

_LIST = re.compile(rb'\(([^)]*)\) (?:"[^"]*"|NIL) (.*)')
_ADDED = re.compile(rb"(?m)^(X-TUID|Content-Length|Lines): .*\r\n")
_MAILDIR_FLAGS = {"S": "\\Seen", "F": "\\Flagged", "R": "\\Answered", "D": "\\Draft", "T": "\\Deleted"}
_SYSTEM_FLAGS = frozenset(_MAILDIR_FLAGS.values())


class Item(NamedTuple):
    """A message in a folder, which is spelt as on the wire; `message_id` without the host that `letter` gives it."""

    folder: str
    message_id: str
    flags: frozenset[str]
    digest: str


class Status(NamedTuple):
    """Numbers of a folder that tell whether anything changed in it."""

    uidvalidity: int
    uidnext: int
    messages: int
    highestmodseq: int


def on_server(site: Site) -> list[Item]:
    """All messages, sorted; RFC822.SIZE is checked on the way."""
    with site.session() as session:
        return sorted(item for folder in folders(session) for item in _fetch(session, folder))


def folders(session: imaplib.IMAP4) -> list[str]:
    """The names of all folders that can be selected, sorted."""
    names = []
    for line in ok(session.list()):
        if isinstance(line, tuple):  # a literal
            line = line[0].rpartition(b"{")[0] + quote(line[1].decode()).encode()
        if line:
            match = _LIST.fullmatch(line)
            assert match, line
            if b"\\noselect" not in match[1].lower() and b"\\nonexistent" not in match[1].lower():
                names.append(_unquote(match[2].decode()))
    return sorted(names)


def statuses(site: Site) -> dict[str, Status]:
    """The status of each folder."""
    with site.session() as session:
        return {folder: status(session, folder) for folder in folders(session)}


def status(session: imaplib.IMAP4, folder: str) -> Status:
    line = ok(session.status(quote(folder), "(UIDVALIDITY UIDNEXT MESSAGES HIGHESTMODSEQ)"))[0].decode()
    numbers = dict(re.findall(r"([A-Z]+) (\d+)", line.rpartition("(")[2]))
    return Status(*(int(numbers[name.upper()]) for name in Status._fields))


def in_maildirs(root: Path) -> list[Item]:
    """All messages in a tree of Maildirs whose directories are named as the folders are, sorted."""
    return sorted(item for folder in maildirs(root) for item in _read(root, folder))


def maildirs(root: Path) -> list[str]:
    """The folders in a tree of Maildirs, sorted."""
    return sorted(str(path.parent.relative_to(root)) for path in root.rglob("cur"))


def files(root: Path, folder: str) -> Iterator[Path]:
    """The messages of a Maildir."""
    for name in ("new", "cur"):
        yield from (root / folder / name).iterdir()


def _fetch(session: imaplib.IMAP4, folder: str) -> Iterator[Item]:
    messages = int(ok(session.select(quote(folder), readonly=True))[0])
    if not messages:
        return
    data = ok(session.uid("FETCH", "1:*", "(FLAGS RFC822.SIZE BODY.PEEK[])"))
    for (before, content), after in zip(data[::2], data[1::2], strict=True):
        text = (before + after).decode()
        flags = re.search(r"FLAGS \(([^)]*)\)", text)
        size = re.search(r"RFC822\.SIZE (\d+)", text)
        assert flags, text
        assert size, text
        assert int(size[1]) == len(content)
        yield _item(folder, content, _SYSTEM_FLAGS & set(flags[1].split()))


def _read(root: Path, folder: str) -> Iterator[Item]:
    for path in files(root, folder):
        letters = path.name.rpartition(":2,")[2] if ":2," in path.name else ""
        content = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        yield _item(
            folder, content, frozenset(_MAILDIR_FLAGS[letter] for letter in letters if letter in _MAILDIR_FLAGS)
        )


def _item(folder: str, content: bytes, flags: frozenset[str]) -> Item:
    content = _ADDED.sub(b"", content)
    message_id = re.search(rb"(?im)^Message-ID: <(.*)@client\.test>", content)
    return Item(folder, message_id[1].decode() if message_id else "", flags, hashlib.sha256(content).hexdigest()[:16])


def _unquote(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name[1:-1]) if name.startswith('"') else name
