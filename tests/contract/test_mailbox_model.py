"""Whatever is done to a store, in whatever order, it agrees with a plain model of it after every step.

Steps: deliver, expunge, flags, make and remove mailboxes, compact, and end the writer without warning with garbage
behind the end of its pack. Compared: counters, snapshots, contents, changes since every earlier MODSEQ, `store verify`.
"""

import os
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete
from store_kit import Flag, Store, problems, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.change import DeleteMailbox, delete_mailbox
from estafeta.mailboxes.tables import account_state, mailboxes, messages, tombstones
from estafeta.mailboxes.values import Delivered
from estafeta.storage.compact import compact
from estafeta.storage.tables import contents, packs

ACCOUNTS = (1, 2)
_TABLES = (account_state, mailboxes, messages, tombstones, contents, packs)

uids = st.lists(st.integers(1, 12), max_size=6)
places = st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(1, 3)), min_size=1, max_size=4)
flags = st.integers(0, 31)
keywords = st.frozensets(st.sampled_from(["a", "$Junk", "Ü"]))


@dataclass
class Message:
    content: bytes
    flags: int
    keywords: frozenset[str]
    modseq: int


@dataclass
class Mailbox:
    modseq: int
    uid_next: int = 1
    messages: dict[int, Message] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)


@dataclass
class Account:
    """`modseq` 0: nothing ever came."""

    modseq: int = 0
    last: int = 1
    boxes: dict[int, Mailbox] = field(default_factory=dict)

    def touch(self) -> None:
        """The account is made when it is used for the first time."""
        if not self.modseq:
            self.modseq = 1
            self.boxes[1] = Mailbox(modseq=1)

    def next(self) -> int:
        self.modseq += 1
        return self.modseq


class StoreMachine(RuleBasedStateMachine):
    def __init__(self, url: str, root: Path) -> None:
        super().__init__()
        self.store = Store.open(url, root, seal_bytes=3000)
        with self.store.database.write() as tx:
            for table in _TABLES:
                tx.conn.execute(delete(table))
        self.model = {account: Account() for account in ACCOUNTS}

    def teardown(self) -> None:
        self.store.close()

    @rule(places=places, flags=flags, keywords=keywords, size=st.integers(0, 800))
    def deliver(self, places: list[tuple[int, int]], flags: int, keywords: frozenset[str], size: int) -> None:
        content = b"Subject: x\r\n\r\n" + os.urandom(size)
        words = " ".join(sorted(keywords))
        outcomes = self.store.deliver(content, *(to(a, m, flags=flags, keywords=words) for a, m in places))
        for account_id, _ in sorted(places):
            self.model[account_id].touch()
        for (account_id, mailbox_id), outcome in zip(places, outcomes, strict=True):
            account = self.model[account_id]
            box = account.boxes.get(mailbox_id)
            if box is None:
                assert isinstance(outcome, EstafetaError)
                continue
            box.modseq = account.next()
            assert outcome == Delivered(AccountId(account_id), MailboxId(mailbox_id), box.uid_next, box.modseq)
            box.messages[box.uid_next] = Message(content, flags, keywords, box.modseq)
            box.uid_next += 1

    @rule(account_id=st.sampled_from(ACCOUNTS), mailbox_id=st.integers(1, 3), uids=uids)
    def expunge(self, account_id: int, mailbox_id: int, uids: list[int]) -> None:
        account = self.model[account_id]
        account.touch()
        box = account.boxes.get(mailbox_id)
        if box is None:
            self.refused(Kind.NOT_FOUND, self.store.expunge, account_id, uids, mailbox_id)
            return
        there = sorted(set(uids) & box.messages.keys())
        assert self.store.expunge(account_id, uids, mailbox_id) == len(there)
        if there:
            box.modseq = account.next()
        for uid in there:
            del box.messages[uid]
            box.gone[uid] = box.modseq

    @rule(account_id=st.sampled_from(ACCOUNTS), uids=uids, add=flags, remove=flags, more=keywords, less=keywords)
    def flag(
        self, account_id: int, uids: list[int], add: int, remove: int, more: frozenset[str], less: frozenset[str]
    ) -> None:
        account = self.model[account_id]
        account.touch()
        box, changed = account.boxes[1], []
        for uid in set(uids) & box.messages.keys():
            message = box.messages[uid]
            new = ((message.flags | add) & ~remove, (message.keywords | more) - less)
            if new != (message.flags, message.keywords):
                message.flags, message.keywords = new
                changed.append(message)
        modseq = self.store.flag(account_id, uids, add=add, remove=remove, add_keywords=more, remove_keywords=less)
        assert modseq == (account.next() if changed else 0)
        for message in changed:
            message.modseq = box.modseq = modseq

    @rule(account_id=st.sampled_from(ACCOUNTS))
    def create(self, account_id: int) -> None:
        account = self.model[account_id]
        account.touch()
        account.last += 1
        assert self.store.create(account_id, f"Box {account.last}") == account.last
        account.boxes[account.last] = Mailbox(modseq=account.next())

    @precondition(lambda self: any(len(account.boxes) > 1 for account in self.model.values()))
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        candidates = [(a, m) for a, account in self.model.items() for m in account.boxes if m > 1]
        account_id, mailbox_id = data.draw(st.sampled_from(candidates))
        wanted = DeleteMailbox(AccountId(account_id), MailboxId(mailbox_id))
        gone = self.model[account_id].boxes.pop(mailbox_id)
        assert self.store.group.run(delete_mailbox, wanted) == len(gone.messages)

    @rule(percent=st.sampled_from([0, 30, 60]), grace=st.sampled_from([0, 3600]))
    def compact(self, percent: int, grace: int) -> None:
        compact(self.store.database, self.store.packs, dead_percent=percent, grace_seconds=grace)

    @rule(garbage=st.binary(max_size=100))
    def crash(self, garbage: bytes) -> None:
        appender = self.store.group._appender
        if appender is not None:
            with self.store.packs.path(appender.pack_id).open("r+b") as file:
                file.seek(appender.end)
                file.write(garbage)
        url, root = self.store.url, self.store.root
        self.store.close()
        self.store = Store.open(url, root, seal_bytes=3000)

    def refused(self, kind: Kind, call, *args) -> None:
        with pytest.raises(EstafetaError) as caught:
            call(*args)
        assert caught.value.kind is kind

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert problems(self.store) == []

    @invariant()
    def mailboxes_agree(self) -> None:
        for account_id, account in self.model.items():
            found = {status.mailbox_id: status for status in look.list_mailboxes(self.store.database, account_id)}
            assert found.keys() == account.boxes.keys()
            for mailbox_id, box in account.boxes.items():
                self.compare(account_id, mailbox_id, box, found[mailbox_id])

    def compare(self, account_id: int, mailbox_id: int, box: Mailbox, status: look.MailboxStatus) -> None:
        held = box.messages.values()
        assert (status.messages, status.unseen, status.deleted, status.bytes) == (
            len(held),
            sum(not message.flags & Flag.SEEN for message in held),
            sum(bool(message.flags & Flag.DELETED) for message in held),
            sum(len(message.content) for message in held),
        )
        assert (status.uid_next, status.modseq) == (box.uid_next, box.modseq)
        rows = self.store.snapshot(account_id, mailbox_id).rows
        assert [(row.uid, row.size, row.flags) for row in rows] == [
            (uid, len(message.content), message.flags) for uid, message in sorted(box.messages.items())
        ]
        for row in rows:
            assert self.store.packs.read(row.location) == box.messages[row.uid].content
        for modseq in range(box.modseq + 2):
            self.compare_changes(account_id, mailbox_id, box, modseq)

    def compare_changes(self, account_id: int, mailbox_id: int, box: Mailbox, modseq: int) -> None:
        changes = look.changes_since(self.store.database, AccountId(account_id), MailboxId(mailbox_id), modseq)
        assert changes.modseq == box.modseq
        assert [(c.uid, c.modseq, c.flags, frozenset(c.keywords.split())) for c in changes.changed] == [
            (uid, message.modseq, message.flags, message.keywords)
            for uid, message in sorted(box.messages.items())
            if message.modseq > modseq
        ]
        assert list(changes.expunged) == sorted(uid for uid, gone in box.gone.items() if gone > modseq)


def test_the_store_agrees_with_a_model(database_url: str, tmp_path: Path) -> None:
    numbers = count()
    run_state_machine_as_test(
        lambda: StoreMachine(database_url, tmp_path / f"packs-{next(numbers)}"),
        settings=settings(
            max_examples=25 if database_url.startswith("sqlite") else 10,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
