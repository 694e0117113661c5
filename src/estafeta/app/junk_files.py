"""Messages of files for learning: single ones, mbox files, Maildirs, and directories of any of these.

Of each message so much is read as words are looked for in; one that cannot be read is told and passed over.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from estafeta.app.transfer.maildir import open_message
from estafeta.app.transfer.mbox import MboxReader
from estafeta.core.errors import EstafetaError
from estafeta.mailboxes.lessons import Lesson
from estafeta.policy.bayes_learning import SITE, Taught, fingerprint, learn
from estafeta.policy.bayes_tokens import features
from estafeta.policy.content import Content
from estafeta.policy.parts import MAX_TOTAL_OCTETS
from estafeta.storage.commit import Item
from estafeta.storage.database import Database

#: Learnt in one transaction; a server that runs waits for it a twentieth of a second.
PORTION = 10
_PIECE = 1 << 20
# Names beginning so are marks of mail programs and indexes of servers.
_HIDDEN = (".", "dovecot", "maildirsize", "courierimap", "subscriptions")

Problem = Callable[[str, str], None]


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files of these paths; in directories all that could be mail, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        for directory, names, files in os.walk(path):
            # Folders of a Maildir begin with a dot.
            names[:] = sorted(name for name in names if name not in ("tmp", ".git"))
            found += [Path(directory, name) for name in sorted(files) if not name.startswith(_HIDDEN)]
    return found


def read_messages(path: Path, problem: Problem) -> Iterator[Content]:
    """The messages of a file: one, or those of an mbox."""
    try:
        fd, _ = open_message(str(path))
        with os.fdopen(fd, "rb") as file:
            begins_mbox = file.read(5) == b"From "
            file.seek(0)
            if not begins_mbox:
                yield _content(iter(lambda: file.read(_PIECE), b""))
                return
            for message in MboxReader(file).messages():
                yield _content(message.pieces)
    except OSError as error:
        problem(str(path), error.strerror or str(error))
    except EstafetaError as error:
        problem(str(path), error.public)


def learn_messages(
    database: Database, messages: Iterable[Content], lesson: Lesson, *, account: int = SITE, day: int, pairs: bool
) -> Iterator[tuple[int, int]]:
    """Learn them for the site, or for one user and the site. Gives after each portion how many were read, and how many
    of these were new."""
    portion: list[Taught] = []
    for content in messages:
        if not content.size:
            continue
        buckets = features(content, pairs=pairs)
        portion.append(Taught(account, fingerprint(buckets), lesson, buckets, day))
        if len(portion) == PORTION:
            yield PORTION, _learn(database, portion)
            portion = []
    if portion:
        yield len(portion), _learn(database, portion)


def _learn(database: Database, portion: list[Taught]) -> int:
    with database.write() as tx:
        return sum(learn(tx, [Item(one, ()) for one in portion]))


def _content(pieces: Iterator[bytes]) -> Content:
    """As much as words are looked for in."""
    kept, size = [], 0
    with suppress(StopIteration):
        while size < MAX_TOTAL_OCTETS:
            piece = next(pieces)
            kept.append(piece)
            size += len(piece)
    return Content.of(b"".join(kept))
