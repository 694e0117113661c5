"""Checking mailboxes and accounts: do counters, UIDs, MODSEQs and references agree with the messages that are there?

Each account is read in one view of the database, so a server that goes on working gives no false alarms. Memory does
not grow with accounts or messages. Each problem is one sentence that says what to do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select

from estafeta.core.ids import INBOX, SHARED
from estafeta.mailboxes.keywords import Vocabulary
from estafeta.mailboxes.tables import BELONGINGS, account_state, mailboxes, messages, tombstones
from estafeta.mailboxes.tally import Source, find_miscounts
from estafeta.mailboxes.values import Flag
from estafeta.storage.database import Database
from estafeta.storage.tables import contents
from estafeta.storage.verify import Problem, ProblemKind

# Problems with single messages are listed one by one up to this many for each account.
_LISTED = 100
_REPAIR = "run 'estafeta store repair'"


@dataclass(frozen=True, slots=True)
class Count:
    """What the messages of one mailbox add up to. `uid`, `modseq`: the highest that was given out, as far as seen;
    `keywords`: those that messages have."""

    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    bytes: int = 0
    uid: int = 0
    modseq: int = 0
    keywords: frozenset[str] = frozenset()


def check_references(database: Database, sources: Sequence[Source] = ()) -> Iterator[Problem]:
    """Contents against the messages that refer to them, and what else does (`sources`). One view of the database, for
    as long as it takes."""
    for one in find_miscounts(database, sources):
        if one.refs is None and one.messages:
            continue  # check_accounts names the messages
        if one.refs is None:
            sentence = f"References to content {one.content_id} are counted, but it is not there"
        elif not one.messages:
            sentence = f"Content {one.content_id} belongs to no message"
        else:
            sentence = f"Content {one.content_id} counts {one.refs} messages that refer to it, but {one.messages} do"
        yield Problem(ProblemKind.REFERENCE, f"{sentence}: {_REPAIR}.")


def check_accounts(database: Database) -> Iterator[Problem]:
    """Every account: counters, UIDNEXT, MODSEQ, tombstones, and messages without content."""
    for account_id in accounts(database):
        with database.read() as conn:
            sentences = [*counter_problems(conn, account_id), *_message_problems(conn, account_id)]
        for kind, sentence in sentences:
            yield Problem(kind, f"Account {account_id}: {sentence}: {_REPAIR}.")


def accounts(database: Database) -> Iterator[int]:
    """The accounts that have rows in any table, in the order of their ids."""
    last = -1
    while True:
        with database.read() as conn:
            found = [
                conn.execute(select(func.min(table.c.account_id)).where(table.c.account_id > last)).scalar_one()
                for table in (account_state, mailboxes, messages, tombstones, *BELONGINGS)
            ]
        ids = [one for one in found if one is not None]
        if not ids:
            return
        last = min(ids)
        yield last


def count_mailboxes(conn: Connection, account_id: int) -> dict[int, Count]:
    """What the mailboxes of an account hold, counted anew."""
    counts = {}
    for mailbox_id, *figures in conn.execute(_counted(account_id)):
        number, unseen, deleted, octets, uid, modseq = map(int, figures)
        counts[mailbox_id] = Count(number, unseen, deleted, octets, uid, modseq)
    gone = select(tombstones.c.mailbox_id, func.max(tombstones.c.uid), func.max(tombstones.c.modseq))
    for mailbox_id, uid, modseq in conn.execute(
        gone.where(tombstones.c.account_id == account_id).group_by(tombstones.c.mailbox_id)
    ):
        old = counts.get(mailbox_id, Count())
        counts[mailbox_id] = replace(old, uid=max(old.uid, uid), modseq=max(old.modseq, modseq))
    for mailbox_id, keywords in conn.execute(_keywords(account_id)):
        old = counts[mailbox_id]
        counts[mailbox_id] = replace(old, keywords=old.keywords.union(keywords.split()))
    return counts


def _keywords(account_id: int) -> Any:
    m = messages.c
    return select(m.mailbox_id, m.keywords).where(m.account_id == account_id, m.keywords != "").distinct()


def _counted(account_id: int) -> Any:
    m = messages.c
    return (
        select(
            m.mailbox_id,
            func.count(),
            func.sum(case((m.flags.op("&")(int(Flag.SEEN)) == 0, 1), else_=0)),
            func.sum(case((m.flags.op("&")(int(Flag.DELETED)) != 0, 1), else_=0)),
            func.sum(m.size),
            func.max(m.uid),
            func.max(m.modseq),
        )
        .where(m.account_id == account_id)
        .group_by(m.mailbox_id)
    )


def counter_problems(conn: Connection, account_id: int) -> Iterator[tuple[ProblemKind, str]]:
    """What the rows of an account and its mailboxes say, against what is there."""
    counts = count_mailboxes(conn, account_id)
    boxes = {row.mailbox_id: row for row in conn.execute(select(mailboxes).where(_of(mailboxes, account_id)))}
    state = conn.execute(select(account_state).where(_of(account_state, account_id))).first()
    for mailbox_id in sorted(counts.keys() - boxes.keys()):
        yield ProblemKind.COUNTER, f"there are messages in mailbox {mailbox_id}, which is not there"
    for mailbox_id, box in sorted(boxes.items()):
        for sentence in _mailbox_problems(box, counts.get(mailbox_id, Count())):
            yield ProblemKind.COUNTER, f"mailbox {box.name!r} {sentence}"
    for mailbox_id in _orphans(conn, account_id):
        yield ProblemKind.COUNTER, f"there are rights, annotations or keys for mailbox {mailbox_id}, which is not there"
    if INBOX not in boxes and account_id != SHARED:
        yield ProblemKind.COUNTER, "it has no INBOX"
    if state is None:
        yield ProblemKind.COUNTER, "its state is missing"
        return
    for sentence in _account_problems(state, list(boxes.values()), list(counts.values())):
        yield ProblemKind.COUNTER, sentence


def _orphans(conn: Connection, account_id: int) -> list[int]:
    """Mailboxes that are not there, but have what belongs to one. 0 is the account itself."""
    there = select(mailboxes.c.mailbox_id).where(_of(mailboxes, account_id))
    found: set[int] = set()
    for table in BELONGINGS:
        column = table.c.mailbox_id
        wanted = select(column).where(_of(table, account_id), column != 0, column.not_in(there)).distinct()
        found.update(conn.execute(wanted).scalars())
    return sorted(found)


def _mailbox_problems(box: Any, count: Count) -> Iterator[str]:
    for name in ("messages", "unseen", "deleted", "bytes"):
        if getattr(box, name) != getattr(count, name):
            yield f"says {getattr(box, name)} for {name}, but it is {getattr(count, name)}"
    if box.uid_next <= count.uid:
        yield f"would give out UID {box.uid_next} again, UID {count.uid} has been used"
    if box.modseq < count.modseq:
        yield f"is at MODSEQ {box.modseq}, but a change in it has {count.modseq}"
    if Vocabulary(box.keywords).unknown(count.keywords):
        yield "does not know all keywords of its messages"


def _account_problems(state: Any, boxes: list[Any], counts: list[Count]) -> Iterator[str]:
    for name in ("messages", "bytes"):
        total = sum(getattr(count, name) for count in counts)
        if getattr(state, name) != total:
            yield f"it says {getattr(state, name)} for {name}, but it is {total}"
    highest = max((box.modseq for box in boxes), default=0)
    if state.modseq < highest:
        yield f"it is at MODSEQ {state.modseq}, but a mailbox has {highest}"
    last = max((box.mailbox_id for box in boxes), default=0)
    if state.last_mailbox_id < last:
        yield f"it would give out mailbox {state.last_mailbox_id + 1} again"


def _message_problems(conn: Connection, account_id: int) -> Iterator[tuple[ProblemKind, str]]:
    for row in conn.execute(unfounded(account_id).limit(_LISTED)):
        where = f"the message with UID {row.uid} in mailbox {row.mailbox_id}"
        if row.content_size is None:
            yield ProblemKind.REFERENCE, f"{where} has no content"
        elif row.content_size != row.size:
            yield ProblemKind.COUNTER, f"{where} says {row.size} octets, its content has {row.content_size}"
        else:
            yield ProblemKind.COUNTER, f"{where} has a MODSEQ older than itself"
    for row in conn.execute(risen(account_id).limit(_LISTED)):
        yield ProblemKind.REFERENCE, f"UID {row.uid} in mailbox {row.mailbox_id} is listed as gone, but is there"


def unfounded(account_id: int) -> Any:
    """Messages of an account whose content is missing or of another size, or whose MODSEQ cannot be."""
    m = messages.c
    return (
        select(m.mailbox_id, m.uid, m.content_id, m.size, contents.c.size.label("content_size"))
        .join_from(messages, contents, contents.c.content_id == m.content_id, isouter=True)
        .where(
            m.account_id == account_id,
            or_(contents.c.content_id.is_(None), contents.c.size != m.size, m.modseq < m.created_modseq),
        )
        .order_by(m.mailbox_id, m.uid)
    )


def risen(account_id: int) -> Any:
    """Tombstones of messages that are there."""
    same = and_(
        messages.c.account_id == tombstones.c.account_id,
        messages.c.mailbox_id == tombstones.c.mailbox_id,
        messages.c.uid == tombstones.c.uid,
    )
    return (
        select(tombstones.c.mailbox_id, tombstones.c.uid, tombstones.c.modseq)
        .join_from(tombstones, messages, same)
        .where(tombstones.c.account_id == account_id)
    )


def _of(table: Any, account_id: int) -> Any:
    return table.c.account_id == account_id
