"""The maildrop of a session (RFC 1939 4): a steady view of INBOX, what is marked as deleted, and the lock.

The lock is flock(2) on `<directory>/pop3-<account id>`: it holds between all processes of a machine and is gone with
the process that held it. Where sessions may share a mailbox the lock is taken shared, so that sessions that began under
the other setting still exclude each other. The file holds the time of the last sign-in (decimal epoch seconds), is
a few octets long and stays; losing it costs nothing.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX, AccountId
from estafeta.journal.records import Code
from estafeta.mailboxes.noting import MOST_NOTED, NoteRead
from estafeta.mailboxes.values import Snapshot, SnapshotRow, ranges_of

_TIME_OCTETS = 20
_SIZE = attrgetter("size")


class MaildropLock:
    """A held lock; `release` gives it back."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def acquire(cls, directory: Path, account_id: AccountId, *, shared: bool) -> "MaildropLock | None":
        """Take the lock; None when another session has it. EstafetaError TEMPORARY when the file cannot be made."""
        try:
            fd = _open(directory / f"pop3-{account_id}")
        except OSError as error:
            raise EstafetaError(
                Kind.TEMPORARY, "The mailbox cannot be locked now; try again later.", str(error)
            ) from error
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return None
        return cls(fd)

    def last_sign_in(self) -> int:
        """Epoch seconds of the sign-in noted last, 0 when none is known."""
        noted = os.pread(self._fd, _TIME_OCTETS, 0)
        return int(noted) if noted.isdigit() else 0

    def note_sign_in(self, now: int) -> None:
        """Note a sign-in. A disk that is full does not keep anyone from reading mail."""
        with contextlib.suppress(OSError):
            os.pwrite(self._fd, b"%d" % now, 0)

    def release(self) -> None:
        """Give the lock back; once is enough, twice does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Maildrop:
    """Messages numbered from 1 (RFC 1939 5). Numbers never change within a session, whatever arrives or goes."""

    __slots__ = ("_deleted", "_read", "_rows", "_total", "_validity", "account_id", "lock", "octets", "reader")

    def __init__(self, account_id: AccountId, snapshot: Snapshot, lock: MaildropLock, reader: str = "") -> None:
        self.account_id = account_id
        self.reader = reader
        """Who reads, for the journal; empty where it does not ask."""
        self._read: set[int] = set()
        self.lock = lock
        self._validity = snapshot.uid_validity
        self._rows = snapshot.rows
        self._deleted: set[int] = set()
        self._total = sum(map(_SIZE, snapshot.rows))
        self.octets = self._total
        """Of the messages that are not marked as deleted; each is as long as RETR sends it, before stuffing."""

    @property
    def count(self) -> int:
        """Messages that are not marked as deleted."""
        return len(self._rows) - len(self._deleted)

    def find(self, number: int) -> SnapshotRow | None:
        """Message `number`, marked or not."""
        return self._rows[number - 1] if 0 < number <= len(self._rows) else None

    def is_deleted(self, number: int) -> bool:
        """Whether message `number` is marked as deleted."""
        return number in self._deleted

    def delete(self, number: int) -> None:
        """Mark a message that exists and is not marked."""
        self._deleted.add(number)
        self.octets -= self._rows[number - 1].size

    def reset(self) -> None:
        """Take all marks away."""
        self._deleted.clear()
        self.octets = self._total

    def note_read(self, row: SnapshotRow) -> None:
        """A message was sent to its reader."""
        if self.reader and len(self._read) < MOST_NOTED:
            self._read.add(row.uid)

    def reading(self) -> NoteRead | None:
        """What was read, for the journal."""
        if not self._read:
            return None
        return NoteRead(self.account_id, INBOX, ranges_of(self._read), Code.READ_POP, self.reader)

    def deleted_uids(self) -> list[int]:
        """What QUIT removes."""
        return [self._rows[number - 1].uid for number in sorted(self._deleted)]

    def numbered(self) -> Iterator[tuple[int, SnapshotRow]]:
        """Number and message of all that are not marked as deleted."""
        for number, row in enumerate(self._rows, 1):
            if number not in self._deleted:
                yield number, row

    def unique_id(self, row: SnapshotRow) -> bytes:
        """RFC 1939 7 (UIDL): 1 to 70 characters, never used again for another message of this mailbox."""
        return b"%d.%d" % (self._validity, row.uid)


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)
