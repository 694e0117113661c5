"""Maildirs, as the references keep them: made, filled, and watched until mail has arrived."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.server import Server

STALL_SECONDS = 60


class MaildirServer(Server):
    """A server whose mailboxes are the Maildirs `maildirs`, in the order of the users."""

    maildirs: list[Path]

    def await_delivered(self, messages: int, acknowledged: float) -> float:
        return max(acknowledged, await_count(self.maildirs, messages // self.users))

    def verify(self, messages: int) -> None:
        """Nothing more: the files were counted."""


def make(path: Path, uid: int = -1) -> None:
    """An empty Maildir, owned by `uid` where one is given."""
    for directory in (path, path / "tmp", path / "new", path / "cur"):
        directory.mkdir(parents=True, exist_ok=True)
        if uid >= 0:
            os.chown(directory, uid, uid)


def await_count(paths: list[Path], each: int) -> float:
    """Waits until each Maildir holds `each` new messages and returns the monotonic time then.

    One directory is watched at a time, so that watching costs next to nothing: all have to fill anyway.
    RuntimeError when none arrives for a minute, or when there are more than sent.
    """
    for path in paths:
        last, since = -1, time.monotonic()
        while (count := len(os.listdir(path / "new"))) < each:
            if count != last:
                last, since = count, time.monotonic()
            if time.monotonic() - since > STALL_SECONDS:
                raise RuntimeError(f"{path} holds {count} of {each} messages and no more come")
            time.sleep(0.01)
        if count > each:
            raise RuntimeError(f"{path} holds {count} messages, {each} were sent")
    return time.monotonic()


def fill(path: Path, messages: Iterable[bytes], uid: int, where: str = "new") -> None:
    """Puts messages (LF line ends, as Maildirs have) into an existing Maildir, without haste about the disk; in `cur`
    every second one is seen.

    Names are such as Dovecot gives, with both sizes, from the same times in every run. They have to be uneven: in names
    that follow a pattern its hash of them finds most alike, and a session takes four times as long.
    """
    rng = random.Random(20261122)
    for number, content in enumerate(messages):
        seconds = 1_700_000_000 + number
        name = f"{seconds}.M{rng.randrange(10**6)}P{rng.randrange(300, 32768)}.mail"
        wire = len(content) + content.count(b"\n")
        name += f",S={len(content)},W={wire}"
        flags = (":2,S" if number % 2 else ":2,") if where == "cur" else ""
        file = path / where / (name + flags)
        file.write_bytes(content)
        os.chown(file, uid, uid)
        os.utime(file, (seconds, seconds))
