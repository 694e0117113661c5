"""The lock of a maildrop: between sessions, between processes, and when one is killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from estafeta.core.ids import AccountId
from estafeta.servers.pop3.maildrop import MaildropLock

JANE = AccountId(7)


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [(False, False, False), (False, True, False), (True, False, False), (True, True, True)],
)
def test_exclusive_and_shared(tmp_path: Path, first: bool, second: bool, taken: bool) -> None:
    held = MaildropLock.acquire(tmp_path / "locks", JANE, shared=first)
    assert held is not None
    other = MaildropLock.acquire(tmp_path / "locks", JANE, shared=second)
    assert (other is not None) is taken
    if other is not None:
        other.release()
    held.release()
    held.release()
    again = MaildropLock.acquire(tmp_path / "locks", JANE, shared=False)
    assert again is not None
    again.release()


def test_maildrops_do_not_lock_each_other(tmp_path: Path) -> None:
    locks = [MaildropLock.acquire(tmp_path, AccountId(number), shared=False) for number in (7, 77)]
    for lock in locks:
        assert lock is not None
        lock.release()


HOLDER = """
import sys, signal
from pathlib import Path
from estafeta.servers.pop3.maildrop import MaildropLock
lock = MaildropLock.acquire(Path(sys.argv[1]), 7, shared=False)
print("held" if lock else "taken", flush=True)
signal.pause()
"""


@contextmanager
def other_process(directory: Path) -> Iterator[None]:
    """A process that holds the lock until it is killed."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(directory)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


def test_a_killed_process_gives_the_lock_back(tmp_path: Path) -> None:
    with other_process(tmp_path):
        assert MaildropLock.acquire(tmp_path, JANE, shared=False) is None
    lock = MaildropLock.acquire(tmp_path, JANE, shared=False)
    assert lock is not None
    lock.release()


@pytest.mark.parametrize(("noted", "seen"), [(b"", 0), (b"1700000000", 1700000000), (b"rubbish", 0)])
def test_the_last_sign_in(tmp_path: Path, noted: bytes, seen: int) -> None:
    (tmp_path / "pop3-7").write_bytes(noted)
    lock = MaildropLock.acquire(tmp_path, JANE, shared=False)
    assert lock is not None
    assert lock.last_sign_in() == seen
    lock.note_sign_in(1800000000)
    lock.release()
    assert (tmp_path / "pop3-7").read_bytes() == b"1800000000"
