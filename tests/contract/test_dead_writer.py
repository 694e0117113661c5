"""A writer that dies at the very moment when SQLite has its commit on disk, and has not told anybody yet.

Those who live see the database as it was before, and the commit comes back when the last of them has gone and SQLite
recovers: so nobody may have written over its contents meanwhile (docs/internals/store.md).
"""

from pathlib import Path

import pytest
from store_kit import MESSAGE, NOW_MS, Store, problems, summary_of, to

from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.values import Arrival
from estafeta.storage.steps import Step

# The two copies of the header of SQLite's index of the log (sqlite.org/walformat.html 2.1).
_HEADER_OCTETS = 96


class DeadError(BaseException):
    """Stands for SIGKILL."""


def die(step: Step) -> None:
    if step is Step.CONTENT_SYNCED:
        raise DeadError


def test_a_commit_that_comes_back_has_its_contents(sqlite_url: str, tmp_path: Path):
    shared = Path(sqlite_url.removeprefix("sqlite:///") + "-shm")
    root = tmp_path / "packs"
    living = Store.open(sqlite_url, root)
    dying = Store.open(sqlite_url, root)
    dying.deliver(MESSAGE, to(1))
    assert living.status(1).messages == 1
    with shared.open("r+b") as file:
        before = file.read(_HEADER_OCTETS)
        dying.deliver(MESSAGE.replace(b"Words", b"Never told to anybody"), to(1))
        file.seek(0)
        file.write(before)
    assert living.status(1).messages == 1
    dying.group.close()
    next_one = Store.open(sqlite_url, root, reached=die)
    content = MESSAGE * 3
    with pytest.raises(DeadError):
        next_one.group.run(deliver, Arrival(summary_of(content), (to(1),), NOW_MS, NOW_MS), (content,))
    next_one.group.close()
    # All die at once. What SQLite keeps beside the log is made anew from it.
    files = {suffix: Path(f"{shared}".removesuffix("-shm") + suffix) for suffix in ("", "-wal")}
    copy = tmp_path / "data" / "after.db"
    for suffix, path in files.items():
        Path(f"{copy}{suffix}").write_bytes(path.read_bytes())
    after = Store.open(f"sqlite:///{copy}", root)
    try:
        assert problems(after) == []
    finally:
        for store in (living, dying, next_one, after):
            store.close()
