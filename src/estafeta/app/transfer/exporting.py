"""`estafeta export`: a user's mailboxes as mbox files or as a Maildir++.

Each file appears whole under its name or not at all. An mbox that exists is never overwritten; a Maildir that an
earlier run left, finished or not, gets what it lacks. Memory stays bounded: rows come page by page, contents in
pieces. Line ends become LF, as other programs keep them on Unix. A damaged message is skipped and told.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Row, select

from estafeta.app.stores import Site
from estafeta.app.transfer import maildir, mbox
from estafeta.app.transfer.foldernames import encode_folder
from estafeta.app.transfer.importing import Meter
from estafeta.app.transfer.person import Person
from estafeta.app.transfer.values import Tally
from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, ContentId, PackId
from estafeta.mail.headers import find_header_end, split_header
from estafeta.mailboxes import look
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import MailboxStatus
from estafeta.storage.packs import DamagedRecordError, Location, Packs
from estafeta.storage.tables import contents

_PAGE = 500
# A line longer than this is not looked at as a whole when quoting.
_LONGEST_LINE = 1 << 20
_PART = ".part"


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as exported."""

    uid: int
    flags: int
    keywords: tuple[str, ...]
    internal_date_ms: int
    location: Location


@dataclass(frozen=True, slots=True)
class Exporter:
    """One export of one account."""

    site: Site
    packs: Packs
    person: Person
    account_id: AccountId
    tally: Tally
    meter: Meter

    def to_mbox(self, path: Path, mailbox: str) -> None:
        """One mailbox into the file `path`; without a name all of them into a directory, `Sent/2024.mbox` and so on."""
        plan = {path: self._mailbox(mailbox)} if mailbox else self._plan(path)
        with self.person:
            taken = [file for file in plan if os.path.lexists(file)]
        if taken:
            raise EstafetaError(Kind.EXISTS, f"{taken[0]} exists already: remove it, or export to another place.")
        for box in plan.values():
            self.meter.total(box.messages)
        for file, box in plan.items():
            self._mbox_file(file, box)

    def to_maildir(self, path: Path) -> None:
        """All mailboxes; INBOX is the Maildir itself, the others are folders in it."""
        with self.person:
            if path.exists() and not maildir.is_maildir(path) and (not path.is_dir() or any(path.iterdir())):
                raise EstafetaError(
                    Kind.EXISTS, f"{path} exists and is no Maildir: remove it, or export to another place."
                )
        boxes = self._mailboxes()
        for box in boxes:
            self.meter.total(box.messages)
        for box in boxes:
            folder = path if box.name == "INBOX" else path / encode_folder(box.name)
            try:
                self._folder(folder, box)
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                self.tally.skip("the mailbox's name is too long for a folder", box.name)
        os.sync()

    def _mailboxes(self) -> list[MailboxStatus]:
        boxes = look.list_mailboxes(self.site.database, self.account_id)
        if not boxes:
            raise EstafetaError(Kind.NOT_FOUND, "There is no mail: nothing was ever delivered to this user.")
        return boxes

    def _mailbox(self, name: str) -> MailboxStatus:
        box = look.find_mailbox(self.site.database, self.account_id, name)
        if box is None:
            names = ", ".join(box.name for box in look.list_mailboxes(self.site.database, self.account_id))
            raise EstafetaError(Kind.NOT_FOUND, f"There is no mailbox {name!r}; there are: {names or 'none'}.")
        return box

    def _plan(self, path: Path) -> dict[Path, MailboxStatus]:
        return {path / mbox.file_name(box.name): box for box in self._mailboxes()}

    def _mbox_file(self, path: Path, box: MailboxStatus) -> None:
        with self._whole_file(path) as file:
            for message in self._messages(box):
                self._mbox_message(file, box, message)

    def _mbox_message(self, file: BinaryIO, box: MailboxStatus, message: Stored) -> None:
        start = file.tell()
        try:
            last = b""
            for lines in whole_lines(self.packs.chunks(message.location)):
                if not last:
                    seconds = message.internal_date_ms // 1000
                    file.write(mbox.encode_head(_sender(lines), seconds, message.flags, message.keywords))
                file.write(mbox.quote_lines(lines, begins_line=last in (b"", b"\n")))
                last = lines[-1:]
            file.write(b"\n" if last == b"\n" else b"\n\n")
        except DamagedRecordError as error:
            file.seek(start)
            file.truncate()
            self._damaged(box, message, error)
        else:
            self._count(box, message)

    def _folder(self, path: Path, box: MailboxStatus) -> None:
        with self.person:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("cur", "new", "tmp"):
                (path / name).mkdir(mode=0o700, exist_ok=True)
            if box.name != "INBOX":
                (path / "maildirfolder").touch(mode=0o600)
            there = _complete(path)
            letters = Letters.read(path)
        for message in self._messages(box):
            # The same for the same message each time, so that a repeated export knows what is there.
            base = f"{message.internal_date_ms // 1000}.V{box.uid_validity}U{message.uid:010}.estafeta"
            if base in there:
                self.tally.known += 1
                self.meter.advance(1)
                continue
            with self.person:
                letters.learn(message.keywords)
            self._maildir_file(path, box, message, base, letters.letters)

    def _maildir_file(
        self, path: Path, box: MailboxStatus, message: Stored, base: str, letters: Mapping[str, str]
    ) -> None:
        temporary = path / "tmp" / base
        with self.person:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                for lines in whole_lines(self.packs.chunks(message.location)):
                    file.write(lines)
                size = file.tell()
        except DamagedRecordError as error:
            with self.person:
                temporary.unlink()
            self._damaged(box, message, error)
            return
        with self.person:
            nanoseconds = message.internal_date_ms * 1_000_000
            os.utime(temporary, ns=(nanoseconds, nanoseconds))
            info = maildir.encode_info(message.flags, message.keywords, letters)
            os.rename(temporary, path / "cur" / f"{base},S={size}{info}")
        self._count(box, message)

    def _messages(self, box: MailboxStatus) -> Iterator[Stored]:
        """The messages of a mailbox by UID, page by page: no transaction stays open while files are written."""
        after = 0
        while True:
            with self.site.database.read() as conn:
                rows = conn.execute(_page(self.account_id, box.mailbox_id, after)).all()
            yield from map(_stored, rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].uid

    @contextmanager
    def _whole_file(self, path: Path) -> Iterator[BinaryIO]:
        """A file that takes its name only when it is complete and on the disk."""
        part = path.with_name(path.name + _PART)
        with self.person:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(fd, "w+b", buffering=1 << 18) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with self.person:
                _rename_new(part, path)
        except BaseException:
            with self.person, suppress(OSError):
                part.unlink()
            raise

    def _damaged(self, box: MailboxStatus, message: Stored, error: DamagedRecordError) -> None:
        self.tally.skip("damaged in the store; see estafeta store verify", f"{box.name} UID {message.uid}")
        self.meter.advance(1)

    def _count(self, box: MailboxStatus, message: Stored) -> None:
        self.tally.done += 1
        self.tally.octets += message.location.size
        self.tally.mailboxes.add(box.name)
        self.meter.advance(1)


@dataclass(slots=True)
class Letters:
    """Keyword -> letter of one folder, written to `dovecot-keywords` when a new one is learnt. 26 have a letter."""

    path: Path
    letters: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Letters":
        """As an earlier run left them."""
        return cls(path, {word: letter for letter, word in maildir.read_keywords(path).items()})

    def learn(self, keywords: tuple[str, ...]) -> None:
        """Give new keywords letters."""
        new = [word for word in keywords if word not in self.letters and word != maildir.PASSED[1]]
        if not new or len(self.letters) >= maildir.MAX_KEYWORDS:
            return
        for word in new[: maildir.MAX_KEYWORDS - len(self.letters)]:
            self.letters[word] = chr(ord("a") + len(self.letters))
        lines = [f"{ord(letter) - ord('a')} {word}\n" for word, letter in self.letters.items()]
        temporary = self.path / "tmp" / maildir.KEYWORDS_FILE
        temporary.write_text("".join(lines), encoding="utf-8")
        os.rename(temporary, self.path / maildir.KEYWORDS_FILE)


@contextmanager
def open_exporter(site: Site, person: Person, address: str, meter: Meter) -> Iterator[Exporter]:
    """Everything for one export. EstafetaError NOT_FOUND when there is no such user."""
    account_id = site.directory.get_user(address).account_id
    packs = Packs(site.node.data / "packs")
    try:
        yield Exporter(site, packs, person, account_id, Tally(), meter)
    finally:
        packs.close()


def whole_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces with LF line ends, cut behind line ends, except in lines of more than 1 MiB."""
    rest = b""
    for piece in pieces:
        data = rest + piece
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > _LONGEST_LINE:
            cut = len(data) - 1
        if cut:
            yield data[:cut].replace(b"\r\n", b"\n")
        rest = data[cut:]
    if rest:
        yield rest


def _complete(path: Path) -> set[str]:
    """What an earlier run left, without the sizes in the names. A file cut short by a power failure is removed."""
    found = set()
    for entry in maildir.list_entries(maildir.Folder(path, "", {})):
        name, _, size = entry.base.partition(",S=")
        if size.isdecimal() and os.stat(entry.path).st_size != int(size):
            os.unlink(entry.path)
        else:
            found.add(name)
    return found


def _rename_new(part: Path, path: Path) -> None:
    """Rename without overwriting, where the file system can."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise EstafetaError(Kind.EXISTS, f"{path} exists already: remove it, or export to another place.") from None
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
        os.rename(part, path)
    else:
        part.unlink()


def _sender(head: bytes) -> bytes:
    """The envelope's sender, for the separator."""
    end = find_header_end(head)
    for name, value in split_header(head[: end if end >= 0 else len(head)][:4096]):
        if name.lower() == b"return-path":
            return value.strip(b"<> ")
    return b""


def _page(account_id: int, mailbox_id: int, after: int) -> Any:
    return (
        select(
            messages.c.uid,
            messages.c.flags,
            messages.c.keywords,
            messages.c.internal_date_ms,
            contents.c.content_id,
            contents.c.pack_id,
            contents.c.offset,
            contents.c.length,
            contents.c.size,
        )
        .join_from(messages, contents, contents.c.content_id == messages.c.content_id)
        .where(messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id, messages.c.uid > after)
        .order_by(messages.c.uid)
        .limit(_PAGE)
    )


def _stored(row: Row[Any]) -> Stored:
    location = Location(ContentId(row.content_id), PackId(row.pack_id), row.offset, row.length, row.size)
    return Stored(row.uid, row.flags, tuple(row.keywords.split()), row.internal_date_ms, location)
