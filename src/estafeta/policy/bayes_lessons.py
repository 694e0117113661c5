"""From lessons that wait to what can be learnt: reads the queue of lessons, and the messages that they are about.

Synchronous: for a thread. A message that cannot be read any more is learnt from what is remembered of it, or not;
its lesson is done either way.
"""

import logging
from collections.abc import Iterator

from sqlalchemy import delete, func, select

from estafeta.core.errors import EstafetaError
from estafeta.mail.headers import find_header_end
from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.tables import learn_queue
from estafeta.policy.bayes_learning import Taught
from estafeta.policy.bayes_tokens import features
from estafeta.policy.content import Content
from estafeta.storage.contents import find_location
from estafeta.storage.database import Database
from estafeta.storage.packs import DamagedRecordError, Location

log = logging.getLogger("estafeta.policy")

# A header longer than this is cut: the rest would say nothing new.
_MAX_HEADER = 256 << 10


def count_waiting(database: Database) -> int:
    """How many lessons wait."""
    with database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(learn_queue)).scalar_one())


def any_waiting(database: Database) -> bool:
    """Whether there is anything to learn."""
    with database.read() as conn:
        return conn.execute(select(learn_queue.c.at_ms).limit(1)).first() is not None


def next_lessons(mailboxes: Mailboxes, most: int, *, day: int, site_most: int, pairs: bool) -> list[Taught]:
    """The oldest lessons that wait, as they are learnt. EstafetaError when the store cannot be read."""
    q = learn_queue.c
    wanted = select(q.account_id, q.content_id, q.lesson, q.at_ms).order_by(q.at_ms).limit(most)
    with mailboxes.database.read() as conn:
        rows = conn.execute(wanted).all()
    words: dict[int, list[int] | None] = {}
    found = []
    # In the order of their keys, so that two who learn the same take turns.
    for account_id, content_id, said, at_ms in sorted(map(tuple, rows)):
        lesson = Lesson(said)
        if lesson is Lesson.FORGET:
            buckets = None
        else:
            if content_id not in words:
                words[content_id] = _words_of(mailboxes, content_id, pairs)
            buckets = words[content_id]
        found.append(Taught(account_id, content_id, lesson, buckets, day, site_most, at_ms))
    return found


def drop_lessons(database: Database) -> int:
    """Nothing is to be learnt from users: what waits is forgotten. How much that was."""
    with database.write() as tx:
        return int(tx.conn.execute(delete(learn_queue)).rowcount)


def content_of(mailboxes: Mailboxes, content_id: int) -> Content | None:
    """The message of a lesson; None: it is gone, or cannot be read. EstafetaError when the store cannot be."""
    location = find_location(mailboxes.database, content_id)
    if location is None:
        return None
    try:
        return stored_content(mailboxes, location)
    except DamagedRecordError as error:
        log.warning("a lesson is lost: its message is damaged", extra={"content": content_id, "cause": str(error)})
        return None


def _words_of(mailboxes: Mailboxes, content_id: int, pairs: bool) -> list[int] | None:
    """None: it is gone, or cannot be read."""
    content = content_of(mailboxes, content_id)
    try:
        return None if content is None else features(content, pairs=pairs)
    except DamagedRecordError as error:
        log.warning("a lesson is lost: its message is damaged", extra={"content": content_id, "cause": str(error)})
    except EstafetaError:
        raise
    except Exception:  # one message must not keep all others from being learnt
        log.exception("a lesson is lost: its message could not be read", extra={"content": content_id})
    return None


def stored_content(mailboxes: Mailboxes, location: Location) -> Content:
    """A stored message as checks see it, read piece by piece however large it is."""
    head = b""
    for piece in mailboxes.pieces_now(location):
        head += piece
        if find_header_end(head) >= 0 or len(head) >= _MAX_HEADER:
            break
    end = find_header_end(head)
    if end < 0:
        return Content(head[:_MAX_HEADER], lambda: iter(()), location.size)

    def pieces() -> Iterator[bytes]:
        before = end
        for piece in mailboxes.pieces_now(location):
            # An empty piece would be the end.
            if len(piece) > before:
                yield piece[before:]
            before = max(0, before - len(piece))

    return Content.split(head, end, pieces, location.size)
