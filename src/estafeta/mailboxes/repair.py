"""Mending mailboxes and accounts, with the server stopped: what `estafeta.mailboxes.verify` finds.

Messages that refer to nothing go, with a tombstone; references and counters are counted anew. Each step is one commit
and can be repeated, so an interrupted repair is simply run again. Generators: they say in a sentence each what was
mended.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, select, update

from estafeta.core.ids import INBOX, SHARED
from estafeta.mailboxes.keywords import Vocabulary
from estafeta.mailboxes.rows import new_mailbox
from estafeta.mailboxes.tables import BELONGINGS, account_state, mailboxes, messages, tombstones
from estafeta.mailboxes.tally import Miscount, Source, find_miscounts
from estafeta.mailboxes.verify import Count, accounts, count_mailboxes, counter_problems, risen, unfounded
from estafeta.storage.database import Database, Transaction
from estafeta.storage.tables import contents, more_refs

_AT_ONCE = 500


def mend_messages(database: Database) -> Iterator[str]:
    """Messages without content go; sizes and MODSEQs become what they must be. After damaged records were replaced."""
    for account_id in accounts(database):
        while True:
            with database.write() as tx:
                rows = tx.conn.execute(unfounded(account_id).limit(_AT_ONCE)).all()
                if rows:
                    _mend_messages(tx, account_id, rows)
            if not rows:
                break
            for row in rows:
                if row.content_size is None:
                    yield f"Account {account_id}: UID {row.uid} in mailbox {row.mailbox_id} had no content: removed."
        with database.write() as tx:
            rows = tx.conn.execute(risen(account_id)).all()
            _forget_tombstones(tx, account_id, rows)
        if rows:
            yield f"Account {account_id}: {len(rows)} messages were listed as gone: corrected."


def mend_references(database: Database, sources: Sequence[Source] = ()) -> Iterator[str]:
    """Contents count who refers to them (messages and `sources`), and go when nobody does. After `mend_messages`."""
    some: list[Miscount] = []
    for one in find_miscounts(database, sources):
        if one.refs is None and one.messages:
            continue
        some.append(one)
        if len(some) == _AT_ONCE:
            yield _mend_references(database, some)
            some.clear()
    if some:
        yield _mend_references(database, some)


def mend_counters(database: Database) -> Iterator[str]:
    """Counters, UIDNEXT and MODSEQ of every mailbox and account. After `mend_messages`."""
    for account_id in accounts(database):
        with database.write() as tx:
            problems = list(counter_problems(tx.conn, account_id))
            if problems:
                _recount(tx, account_id)
        for _, sentence in problems:
            yield f"Account {account_id}: {sentence}: corrected."


def _mend_messages(tx: Transaction, account_id: int, rows: Sequence[Any]) -> None:
    modseq = _state(tx, account_id).modseq + 1
    one = and_(
        messages.c.account_id == account_id,
        messages.c.mailbox_id == bindparam("m"),
        messages.c.uid == bindparam("u"),
    )
    gone = [{"m": row.mailbox_id, "u": row.uid} for row in rows if row.content_size is None]
    kept = [{"m": r.mailbox_id, "u": r.uid, "s": r.content_size} for r in rows if r.content_size is not None]
    if gone:
        tx.conn.execute(delete(messages).where(one), gone)
        stones = [{"mailbox_id": row["m"], "uid": row["u"]} for row in gone]
        key = {"account_id": account_id, "modseq": modseq}
        tx.conn.execute(insert(tombstones), [key | stone for stone in stones])
    if kept:
        tx.conn.execute(update(messages).where(one).values(size=bindparam("s"), modseq=modseq), kept)
    tx.conn.execute(update(account_state).where(account_state.c.account_id == account_id).values(modseq=modseq))


def _forget_tombstones(tx: Transaction, account_id: int, rows: Sequence[Any]) -> None:
    t = tombstones.c
    one = and_(
        t.account_id == account_id,
        t.mailbox_id == bindparam("m"),
        t.modseq == bindparam("q"),
        t.uid == bindparam("u"),
    )
    if rows:
        tx.conn.execute(
            delete(tombstones).where(one), [{"m": row.mailbox_id, "q": row.modseq, "u": row.uid} for row in rows]
        )


def _mend_references(database: Database, miscounts: Sequence[Miscount]) -> str:
    """Afterwards each content counts all its references itself."""
    one, copies = (table.c.content_id == bindparam("c") for table in (contents, more_refs))
    dead = [{"c": wrong.content_id} for wrong in miscounts if not wrong.messages]
    living = [{"c": wrong.content_id, "n": wrong.messages} for wrong in miscounts if wrong.messages]
    with database.write() as tx:
        tx.conn.execute(delete(more_refs).where(copies), [{"c": wrong.content_id} for wrong in miscounts])
        if dead:
            tx.conn.execute(delete(contents).where(one), dead)
        if living:
            tx.conn.execute(update(contents).where(one).values(refs=bindparam("n")), living)
    return f"{len(living)} contents counted their messages wrongly, {len(dead)} belonged to none: corrected."


def _recount(tx: Transaction, account_id: int) -> None:
    counts = count_mailboxes(tx.conn, account_id)
    state = _state(tx, account_id)
    modseq, last_mailbox_id = state.modseq, state.last_mailbox_id
    there = select(mailboxes).where(mailboxes.c.account_id == account_id)
    boxes = {row.mailbox_id: row for row in tx.conn.execute(there)}
    needed = set() if account_id == SHARED else {INBOX}
    for mailbox_id in sorted((counts.keys() | needed) - boxes.keys()):
        name = "INBOX" if mailbox_id == INBOX else f"Recovered {mailbox_id} {int(time.time())}"
        tx.conn.execute(insert(mailboxes), new_mailbox(account_id, mailbox_id, name, modseq=modseq))
    for row in tx.conn.execute(there).all():
        count = counts.get(row.mailbox_id, Count())
        figures = asdict(count)
        unknown = Vocabulary(row.keywords).unknown(figures.pop("keywords"))
        figures["keywords"] = " ".join([*row.keywords.split(), *unknown])
        figures["modseq"] = max(row.modseq, count.modseq)
        figures["uid_next"] = max(row.uid_next, figures.pop("uid") + 1)
        modseq = max(modseq, figures["modseq"])
        last_mailbox_id = max(last_mailbox_id, row.mailbox_id)
        tx.conn.execute(
            update(mailboxes)
            .where(mailboxes.c.account_id == account_id, mailboxes.c.mailbox_id == row.mailbox_id)
            .values(figures)
        )
    _drop_orphans(tx, account_id)
    tx.conn.execute(
        update(account_state)
        .where(account_state.c.account_id == account_id)
        .values(
            modseq=modseq,
            last_mailbox_id=last_mailbox_id,
            messages=sum(count.messages for count in counts.values()),
            bytes=sum(count.bytes for count in counts.values()),
        )
    )


def _drop_orphans(tx: Transaction, account_id: int) -> None:
    """Rights, annotations and keys of mailboxes that are not there go. Annotations of the account itself stay."""
    there = select(mailboxes.c.mailbox_id).where(mailboxes.c.account_id == account_id)
    for table in BELONGINGS:
        orphaned = and_(table.c.account_id == account_id, table.c.mailbox_id != 0, table.c.mailbox_id.not_in(there))
        tx.conn.execute(delete(table).where(orphaned))


def _state(tx: Transaction, account_id: int) -> Any:
    """The row of an account's state; made where it is missing."""
    find = select(account_state).where(account_state.c.account_id == account_id)
    row = tx.conn.execute(find).first()
    if row is None:
        new = {"account_id": account_id, "modseq": 1, "bytes": 0, "messages": 0, "last_mailbox_id": INBOX}
        tx.conn.execute(insert(account_state), new)
        row = tx.conn.execute(find).one()
    return row
