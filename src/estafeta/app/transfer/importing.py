"""`estafeta import`: an mbox or a Maildir into a user's mailboxes, while the server runs or not.

Raises EstafetaError for what stops everything; a message or folder that cannot be taken is skipped and told in the
tally. Interrupted at any moment, the same import goes on where it was: what is stored and the note that it is are one
transaction (estafeta.app.transfer.progress). Quotas do not hold an import up.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from estafeta.app.stores import Site
from estafeta.app.transfer import maildir, mbox
from estafeta.app.transfer.person import Person
from estafeta.app.transfer.progress import NamesProgress, OffsetProgress, source_id
from estafeta.app.transfer.sink import Sink, Store, Target
from estafeta.app.transfer.values import Original, Tally
from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mail.headers import find_header_end, parse_date, split_header
from estafeta.mailboxes import look
from estafeta.mailboxes.folders import CreateMailbox, check_name, create_mailbox
from estafeta.storage.commit import GroupCommit
from estafeta.storage.packs import Packs

_AT_ONCE = 500
_PIECE = 256 << 10
#: RFC 6154 attributes of mailboxes that commonly have these names.
_SPECIAL_USE = {
    "sent": "Sent",
    "sent items": "Sent",
    "sent messages": "Sent",
    "drafts": "Drafts",
    "trash": "Trash",
    "deleted items": "Trash",
    "junk": "Junk",
    "spam": "Junk",
    "archive": "Archive",
}


class Meter(Protocol):
    """Shows how far it is: `total` once it is known (more than once: it grows), `advance` with each step."""

    def total(self, steps: int) -> None:
        """There are so many more steps."""

    def advance(self, steps: int) -> None:
        """So many more are done."""


@dataclass(frozen=True, slots=True)
class Importer:
    """One import into one account."""

    site: Site
    store: Store
    person: Person
    account_id: AccountId
    tally: Tally
    meter: Meter
    again: bool

    def from_mbox(self, path: Path, mailbox: str) -> None:
        """A file into `mailbox`, or every `*.mbox` below a directory into the mailbox of that name."""
        with self.person:
            if not path.is_dir():
                files = [(path, mailbox)]
            else:
                files = [
                    (file, mbox.mailbox_name(str(file.relative_to(path))))
                    for file in sorted(path.rglob("*.mbox"))
                    if file.is_file()
                ]
        if not files:
            raise EstafetaError(Kind.NOT_FOUND, f"{path} holds no file with a name in .mbox.")
        for file, name in files:
            try:
                self._mbox_file(file, name)
            except (OSError, EstafetaError) as error:
                if len(files) == 1 or _stops_all(error):
                    raise
                self.tally.skip(_words(error), str(file.relative_to(path)))

    def from_maildir(self, path: Path) -> None:
        """A Maildir with its folders."""
        with self.person:
            folders = list(maildir.find_folders(path))
        if not folders:
            raise EstafetaError(Kind.INVALID, f"{path} is no Maildir: it has neither a directory cur nor new.")
        for folder in folders:
            if isinstance(folder, str):
                self.tally.skip("the folder's name cannot be used", repr(folder))
                continue
            try:
                self._folder(path, folder)
            except (OSError, EstafetaError) as error:
                if _stops_all(error):
                    raise
                self.tally.skip(f"folder: {_words(error)}", repr(folder.name))

    def _mbox_file(self, path: Path, name: str) -> None:
        check_name(name)
        with self.person:
            file = path.open("rb", buffering=0)
        with file:
            size = os.fstat(file.fileno()).st_size
            source = source_id(
                self.store.database, self.again, "mbox", path.resolve(), self.account_id, name, _head(file)
            )
            progress = OffsetProgress(self.store.database, source)
            if progress.offset > size:
                raise EstafetaError(
                    Kind.INVALID, f"{path} is shorter than when it was imported: add --again to import it anew."
                )
            self.meter.total(size - progress.offset)
            if 0 < size == progress.offset:
                self.tally.skip("imported already; --again imports once more", path.name)
                return
            reader = mbox.MboxReader(file, progress.offset)
            first = next(messages := reader.messages(), None)
            if first is None:
                return
            with Sink(self.store, self._target(name), progress, self.tally, self.meter.advance) as sink:
                self._take_mbox(sink, reader, path, first)
                for message in messages:
                    self._take_mbox(sink, reader, path, message)

    def _take_mbox(self, sink: Sink, reader: mbox.MboxReader, path: Path, message: mbox.MboxMessage) -> None:
        where = f"{path.name} at octet {message.offset}"
        first = next(message.pieces, b"")
        if not first:
            self.tally.skip("nothing in it", where)
            return
        marks, first = mbox.read_marks(first)
        if marks.expunged:
            self.tally.skip("deleted already in Thunderbird", where)
            return
        seconds = mbox.separator_date(message.separator)
        if seconds is None:
            seconds = _header_date(first)
        when = self.store.clock() if seconds is None else seconds
        original = Original(_with(first, message.pieces), marks.flags, marks.keywords, int(when * 1000))
        sink.add(original, where, lambda: (reader.offset, reader.offset - message.offset))

    def _folder(self, root: Path, folder: maildir.Folder) -> None:
        check_name(folder.name)
        with self.person:
            entries = maildir.list_entries(folder)
        self.meter.total(len(entries))
        target = self._target(folder.name)
        progress = NamesProgress(
            source_id(self.store.database, self.again, "maildir", root.resolve(), self.account_id, folder.name)
        )
        with Sink(self.store, target, progress, self.tally, self.meter.advance) as sink:
            before = ""
            for start in range(0, len(entries), _AT_ONCE):
                some = entries[start : start + _AT_ONCE]
                known = progress.known(self.store.database, [entry.base for entry in some])
                self.tally.known += len(known)
                self.meter.advance(len(known))
                for entry in some:
                    if entry.base == before:
                        self.tally.skip("two files of the same name", f"{folder.name} {entry.base!r}")
                    elif entry.base not in known:
                        self._take_file(sink, folder, entry)
                    before = entry.base

    def _take_file(self, sink: Sink, folder: maildir.Folder, entry: maildir.Entry) -> None:
        where = f"{folder.name} {entry.base!r}"
        try:
            with self.person:
                fd, status = maildir.open_message(entry.path)
        except FileNotFoundError:
            self.tally.skip("gone meanwhile; repeat the import", where)
            return
        except OSError as error:
            self.tally.skip(_words(error), where)
            return
        with os.fdopen(fd, "rb", buffering=0) as file:
            if status.st_size == 0:
                self.tally.skip("nothing in it", where)
                return
            date_ms = status.st_mtime_ns // 1_000_000
            try:
                sink.add(Original(_pieces(file), entry.flags, entry.keywords, date_ms), where, lambda: (entry.base, 1))
            except OSError as error:
                self.tally.skip(_words(error), where)

    def _target(self, name: str) -> Target:
        """The mailbox of that name, made where it is missing."""
        name = check_name(name)
        database = self.store.database
        found = look.find_mailbox(database, self.account_id, name)
        if found is not None:
            return Target(self.account_id, found.mailbox_id, name)
        if name == "INBOX":
            return Target(self.account_id, INBOX, name)
        use = _SPECIAL_USE.get(name.lower(), "")
        if use and any(use in box.special_use.split() for box in look.list_mailboxes(database, self.account_id)):
            use = ""
        made: MailboxId = self.store.group.run(create_mailbox, CreateMailbox(self.account_id, name, use))
        return Target(self.account_id, made, name)


@contextmanager
def open_importer(site: Site, person: Person, address: str, meter: Meter, *, again: bool = False) -> Iterator[Importer]:
    """Everything for one import. EstafetaError NOT_FOUND when there is no such user."""
    account_id = site.directory.get_user(address).account_id
    packs = Packs(site.node.data / "packs")
    group = GroupCommit(site.database, packs)
    try:
        yield Importer(site, Store(site.database, packs, group, time.time), person, account_id, Tally(), meter, again)
    finally:
        group.close()
        packs.close()


def _head(file: BinaryIO) -> str:
    """The header of the first message: the same however the file has grown since."""
    head = file.read(4096)
    end = find_header_end(head)
    return head[: end if end >= 0 else 512].hex()


def _header_date(first: bytes) -> float | None:
    """When a message came by its topmost Received field, else when it was written."""
    end = find_header_end(first)
    fields: dict[bytes, bytes] = {}
    for name, value in split_header(first[: end if end >= 0 else len(first)]):
        fields.setdefault(name.lower(), value)
    came = parse_date(fields.get(b"received", b"").rpartition(b";")[2])
    return came if came is not None else parse_date(fields.get(b"date", b""))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _stops_all(error: OSError | EstafetaError) -> bool:
    return isinstance(error, EstafetaError) and error.kind in {Kind.TEMPORARY, Kind.UNAVAILABLE, Kind.IN_USE}


def _words(error: OSError | EstafetaError) -> str:
    if isinstance(error, EstafetaError):
        return error.public.rstrip(".")
    return (error.strerror or str(error)).lower()
