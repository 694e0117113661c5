"""What people show by what they do with messages: moved into Junk or marked with $Junk it is spam, out of it or with
$NotJunk it is not (RFC 6154 2, RFC 9051 2.3.2, RFC 5788). In shared folders, which are nobody's, it says nothing.

Noted in the transaction of the change itself, so that none is lost and none is invented; read and learnt from later
(estafeta.policy.bayes_lessons). The last word on a message is the one that counts.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

from sqlalchemy import BigInteger, ClauseElement, ColumnElement, String, bindparam, func, insert, literal, select, text

from estafeta.core.ids import SHARED
from estafeta.mailboxes.rows import Box
from estafeta.mailboxes.selection import Selected
from estafeta.mailboxes.tables import learn_queue, messages
from estafeta.mailboxes.values import NewMessage, Ranges
from estafeta.storage.database import Transaction
from estafeta.storage.packs import Location
from estafeta.storage.prepared import Prepared

#: On the bus: there is something to learn.
TOPIC = "lessons"
#: Messages of one command that are learnt from, the newest ones: more say nothing that these do not.
MOST_NOTED = 10_000

# Account, content, lesson, time.
_Row = tuple[int, int, str, int]

_JUNK, _TRASH = "junk", "trash"
_MARK, _OTHER_MARK = "$junk", "$notjunk"
_LATEST = "ON CONFLICT (account_id, content_id) DO UPDATE SET lesson = excluded.lesson, at_ms = excluded.at_ms"


class Lesson(StrEnum):
    """What a message is, or that nothing is known of it any more."""

    SPAM = "spam"
    HAM = "ham"
    FORGET = "forget"


def note_copies(tx: Transaction, source: Box, target: Box, uids: Ranges) -> None:
    """Messages are copied or moved. Out of Junk into Trash, and within Junk, says nothing; nor does most else."""
    before, after = source.special_use.lower().split(), target.special_use.lower().split()
    if (_JUNK in before) == (_JUNK in after) or _is_below(target, source) or _is_below(source, target):
        return
    if _JUNK in after:
        account, lesson = target.account_id, Lesson.SPAM
    elif _TRASH in after:
        return
    else:
        account, lesson = source.account_id, Lesson.HAM
    if account != SHARED:
        _NOTE.run(tx, source.account_id, source.mailbox_id, uids, of=account, said=lesson.value, now=_now_ms())
        tx.announce(TOPIC)


def _is_below(box: Box, parent: Box) -> bool:
    """`Junk/2026` is Junk, too."""
    return box.account_id == parent.account_id and box.name.startswith(f"{parent.name}/")


def note_appended(tx: Transaction, box: Box, new: Sequence[NewMessage], locations: Sequence[Location]) -> None:
    """Messages are appended: into Junk, as clients do that move between servers, or with a mark."""
    in_junk = _JUNK in box.special_use.lower().split()
    if box.account_id == SHARED:
        return
    if not in_junk and not any(message.keywords for message in new):
        return
    rows = []
    for message, location in zip(new[-MOST_NOTED:], locations[-MOST_NOTED:], strict=True):
        lesson = _of_marks(message.keywords)
        if lesson is Lesson.FORGET and in_junk:
            lesson = Lesson.SPAM
        if lesson is not Lesson.FORGET:
            rows.append((box.account_id, location.content_id, lesson.value, _now_ms()))
    _add(tx, rows)


def note_marked(tx: Transaction, key: tuple[int, int, Ranges], named: Collection[str], modseq: int) -> None:
    """Keywords of messages changed with this MODSEQ; `named` are those of the command. A message has one mark, or it is
    as if it had none (RFC 9051 2.3.2)."""
    if key[0] == SHARED or {_MARK, _OTHER_MARK}.isdisjoint(word.lower() for word in named):
        return
    now = _now_ms()
    rows = {
        content_id: (key[0], content_id, _of_marks(words.split()).value, now)
        for content_id, words in _MARKED.found(tx, *key, new_modseq=modseq)
    }
    _add(tx, rows.values())


def _add(tx: Transaction, rows: Iterable[_Row]) -> None:
    if ordered := sorted(rows):
        _ADD.many(tx, ordered)
        tx.announce(TOPIC)


def _of_marks(words: Collection[str]) -> Lesson:
    lower = {word.lower() for word in words}
    if (_MARK in lower) == (_OTHER_MARK in lower):
        return Lesson.FORGET
    return Lesson.SPAM if _MARK in lower else Lesson.HAM


def _now_ms() -> int:
    return int(time.time() * 1000)


_m = messages.c


def _newest(here: ColumnElement[bool]) -> ClauseElement:
    return insert(learn_queue).from_select(
        ["account_id", "content_id", "lesson", "at_ms"],
        select(
            bindparam("of", type_=BigInteger),
            _m.content_id,
            bindparam("said", type_=String),
            bindparam("now", type_=BigInteger),
        )
        .where(here)
        .group_by(_m.content_id)
        .order_by(func.max(_m.uid).desc())
        .limit(literal(MOST_NOTED))
        .suffix_with(text(_LATEST)),
    )


_NOTE = Selected(_newest)
_MARKED = Selected(
    lambda here: (
        select(_m.content_id, _m.keywords)
        .where(here, _m.modseq == bindparam("new_modseq"))
        .order_by(_m.uid.desc())
        .limit(literal(MOST_NOTED))
    )
)
_ADD = Prepared(
    text(
        " ".join(
            (
                "INSERT INTO learn_queue (account_id, content_id, lesson, at_ms) VALUES (:of, :content, :said, :now)",
                _LATEST,
            )
        )
    ),
    "of",
    "content",
    "said",
    "now",
)
