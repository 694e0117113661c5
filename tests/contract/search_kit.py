"""Search over a whole store for the contract suite: what a plain scan says, messages from their parts, an indexer."""

import base64
import quopri
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.header import Header
from pathlib import Path

from store_kit import Store, summary_of

from estafeta.core.ids import INBOX
from estafeta.mail.searchtext import AttachmentKind, SearchText, TextLimits, extract
from estafeta.mail.structure import parse_structure
from estafeta.search.contents import ContentTexts
from estafeta.search.index import TextIndex
from estafeta.search.indexing import Indexing
from estafeta.search.service import TextSearch, open_index
from estafeta.search.terms import TextField, TextTerm, prepare

LIMITS = TextLimits()


def read_attachment(kind: AttachmentKind, octets: bytes) -> str:
    """Stands for the extractor: text as it is, nothing of what begins like a broken file."""
    return "" if octets.startswith(b"broken") else octets.decode("utf-8", "replace")


@dataclass
class Searched:
    """A store with an index, what fills the index, and what searches."""

    store: Store
    index: TextIndex
    indexing: Indexing
    search: TextSearch
    root: Path

    def index_all(self, account: int = 1) -> int:
        """Run the indexer until nothing waits."""
        done = 0
        while count := self.indexing.portion(account, lambda: False):
            done += count
        return done

    def rows(self, account: int = 1, mailbox: int = INBOX) -> list[tuple[int, int]]:
        return [(row.uid, row.location.content_id) for row in self.store.snapshot(account, mailbox).rows]

    def match(self, term: TextTerm, account: int = 1, mailbox: int = INBOX) -> set[int]:
        return self.search.match(account, mailbox, self.rows(account, mailbox), term)

    def fuzzy(self, needle: str, field: TextField = TextField.TEXT, account: int = 1) -> dict[int, int]:
        return self.search.match_fuzzy(account, INBOX, self.rows(account), TextTerm(field, needle))

    def scan(self, term: TextTerm, account: int = 1, mailbox: int = INBOX) -> set[int]:
        """What a plain scan of every message says."""
        rows = self.store.snapshot(account, mailbox).rows
        contents = [self.store.packs.read(row.location) for row in rows]
        return {row.uid for row, content in zip(rows, contents, strict=True) if prepare(term).matches(text_of(content))}


@contextmanager
def searched(store: Store, root: Path, index: TextIndex | None = None) -> Iterator[Searched]:
    """Search over `store`; `index` instead of the one that belongs to its database."""
    writing = index or open_index(store.database, root, LIMITS)
    contents = ContentTexts(store.database, store.packs, LIMITS, read_attachment)
    search = TextSearch(store.database, store.packs, root, LIMITS, read_attachment=read_attachment, index=index or None)
    yield Searched(store, writing, Indexing(store.database, writing, contents), search, root)
    search.close()
    writing.close()


def text_of(content: bytes) -> SearchText:
    return extract(content, parse_structure(summary_of(content).structure).root, LIMITS, read_attachment)


def header(name: str, text: str, charset: str) -> bytes:
    """A field with encoded words."""
    return f"{name}: {Header(text, charset, header_name=name).encode(linesep=chr(13) + chr(10))}\r\n".encode()


def part(text: str, charset: str, encoding: str, subtype: str = "plain") -> bytes:
    """A text part in a charset and a transfer encoding."""
    octets = text.encode(charset, "replace")
    if encoding == "base64":
        octets = base64.encodebytes(octets)
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets)
    top = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return top.encode() + octets


def attachment(name: str, octets: bytes, media: str = "application/pdf") -> bytes:
    top = (
        f'Content-Type: {media}\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return top.encode() + base64.encodebytes(octets)


def multipart(headers: bytes, parts: Sequence[bytes]) -> bytes:
    body = b"".join(b"\r\n--=_b\r\n" + one for one in parts)
    return (
        headers + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="=_b"\r\n' + body + b"\r\n--=_b--\r\n"
    )
