"""Whatever is done to a store, in whatever order, it agrees with a plain model of it after every step.

Steps: deliver, append, replace, expunge, store flags, copy, move, make and remove mailboxes, compact, and end the
writer without warning with garbage behind the end of its pack. Compared: counters, keywords, UIDs, snapshots, contents,
changes since every earlier MODSEQ, views as of every earlier moment, `store verify`.
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
from store_kit import NOW_MS, Flag, Store, problems, summary_of, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.appending import AppendMessages, append_messages
from estafeta.mailboxes.folders import DeleteMailbox, delete_mailbox
from estafeta.mailboxes.tables import account_state, mailboxes, messages, subscriptions, tombstones
from estafeta.mailboxes.values import Delivered, Expunged, NewMessage, Stored, ranges_of
from estafeta.storage.compact import compact
from estafeta.storage.tables import contents, more_refs, packs

ACCOUNTS = (1, 2)
_TABLES = (account_state, mailboxes, messages, tombstones, subscriptions, contents, more_refs, packs)

uids = st.lists(st.integers(1, 12), max_size=6)
places = st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(1, 3)), min_size=1, max_size=4)
flags = st.integers(0, 31)
keywords = st.frozensets(st.sampled_from(["a", "$Junk", "Ü", "A", "$junk"]), max_size=3)


@dataclass
class Message:
    content: bytes
    flags: int
    keywords: frozenset[str]
    modseq: int

    def change(self, mode: str, flags: int, words: frozenset[str]) -> bool:
        """What STORE does; whether anything changed."""
        before = (self.flags, self.keywords)
        if mode == "remove":
            self.flags, self.keywords = self.flags & ~flags, self.keywords - words
        elif mode == "add":
            self.flags, self.keywords = self.flags | flags, self.keywords | words
        else:
            self.flags, self.keywords = flags, words
        return (self.flags, self.keywords) != before


@dataclass
class Mailbox:
    modseq: int
    uid_next: int = 1
    messages: dict[int, Message] = field(default_factory=dict)
    gone: dict[int, int] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    """Keywords in lower case, and as they were spelled first."""
    views: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """UIDNEXT and MODSEQ after each step -> the UIDs then."""

    def spell(self, word: str) -> str:
        return self.words.setdefault(word.lower(), word)


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
            spelled = frozenset(box.spell(word) for word in sorted(keywords))
            box.messages[box.uid_next] = Message(content, flags, spelled, box.modseq)
            box.uid_next += 1

    @rule(account_id=st.sampled_from(ACCOUNTS), mailbox_id=st.integers(1, 3), uids=uids, deleted=st.booleans())
    def expunge(self, account_id: int, mailbox_id: int, uids: list[int], deleted: bool) -> None:
        account = self.model[account_id]
        account.touch()
        box = account.boxes.get(mailbox_id)
        if box is None:
            self.refused(Kind.NOT_FOUND, self.store.expunged, account_id, uids, mailbox_id, deleted)
            return
        there = sorted(set(uids) & box.messages.keys())
        if deleted:
            there = [uid for uid in there if box.messages[uid].flags & Flag.DELETED]
        if there:
            box.modseq = account.next()
        done = self.store.expunged(account_id, uids, mailbox_id, deleted)
        assert done == Expunged(box.modseq if there else 0, ranges_of(there))
        for uid in there:
            del box.messages[uid]
            box.gone[uid] = box.modseq

    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        mailbox_id=st.integers(1, 3),
        uids=uids,
        mode=st.sampled_from(["add", "remove", "replace"]),
        some=flags,
        words=keywords,
        back=st.none() | st.integers(0, 10),
    )
    def store_flags(
        self,
        account_id: int,
        mailbox_id: int,
        uids: list[int],
        mode: str,
        some: int,
        words: frozenset[str],
        back: int | None,
    ) -> None:
        account = self.model[account_id]
        account.touch()
        box = account.boxes.get(mailbox_id)
        limit = None if back is None else max(account.modseq - back, 0)
        call = (account_id, uids, mode, some, words, limit, mailbox_id)
        if box is None:
            self.refused(Kind.NOT_FOUND, self.store.store, *call)
            return
        named = {uid: box.messages[uid] for uid in sorted(set(uids) & box.messages.keys())}
        conflicts = [uid for uid, message in named.items() if limit is not None and message.modseq > limit]
        spelling = dict(box.words)
        spelled = frozenset(spelling.setdefault(word.lower(), word) for word in sorted(words))
        changed = [m for uid, m in named.items() if uid not in conflicts and m.change(mode, some, spelled)]
        if changed and mode != "remove":
            box.words = spelling
        modseq = account.next() if changed else 0
        assert self.store.store(*call) == Stored(modseq, len(changed), ranges_of(conflicts))
        for message in changed:
            message.modseq = box.modseq = modseq

    @rule(
        source=st.tuples(st.sampled_from(ACCOUNTS), st.integers(1, 3)),
        uids=uids,
        goal=st.tuples(st.sampled_from(ACCOUNTS), st.integers(1, 3)),
        move=st.booleans(),
    )
    def copy(self, source: tuple[int, int], uids: list[int], goal: tuple[int, int], move: bool) -> None:
        for account_id in {source[0], goal[0]}:
            self.model[account_id].touch()
        origin, box = (self.model[account].boxes.get(mailbox) for account, mailbox in (source, goal))
        if origin is None or box is None:
            self.refused(Kind.NOT_FOUND, lambda: self.store.copy(source, uids, goal, move=move))
            return
        named = {uid: origin.messages[uid] for uid in sorted(set(uids) & origin.messages.keys())}
        first, done = box.uid_next, self.store.copy(source, uids, goal, move=move)
        assert (done.sources, done.count) == (ranges_of(named), len(named))
        if not named:
            return
        box.modseq = self.model[goal[0]].next()
        assert (done.first_uid, done.modseq) == (first, box.modseq)
        gone_modseq = box.modseq if source[0] == goal[0] else self.model[source[0]].modseq + 1
        for uid, message in named.items():
            words = frozenset(box.spell(word) for word in sorted(message.keywords))
            box.messages[box.uid_next] = Message(message.content, message.flags, words, box.modseq)
            box.uid_next += 1
            if move:
                del origin.messages[uid]
                origin.gone[uid] = gone_modseq
        if move:
            self.model[source[0]].modseq = origin.modseq = gone_modseq

    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        mailbox_id=st.integers(1, 3),
        news=st.lists(st.tuples(flags, keywords), max_size=3),
        replaced=st.none() | st.tuples(st.sampled_from(ACCOUNTS), st.integers(1, 3), st.integers(1, 6)),
    )
    def append(
        self,
        account_id: int,
        mailbox_id: int,
        news: list[tuple[int, frozenset[str]]],
        replaced: tuple[int, int, int] | None,
    ) -> None:
        news = news or [(0, frozenset())]
        contents = [b"Subject: x\r\n\r\n" + os.urandom(20) for _ in news]
        for one in sorted({account_id, *(replaced or ())[:1]}):
            self.model[one].touch()
        box = self.model[account_id].boxes.get(mailbox_id)
        origin = self.model[replaced[0]].boxes.get(replaced[1]) if replaced else None
        wanted = AppendMessages(
            AccountId(account_id),
            MailboxId(mailbox_id),
            tuple(
                NewMessage(summary_of(content), flags, tuple(words), NOW_MS, NOW_MS)
                for content, (flags, words) in zip(contents, news, strict=True)
            ),
            replaces=replaced,
        )
        if box is None or (replaced and (origin is None or replaced[2] not in origin.messages)):
            self.refused(Kind.NOT_FOUND, self.store.group.run, append_messages, wanted, contents)
            return
        done = self.store.group.run(append_messages, wanted, contents)
        box.modseq = self.model[account_id].next()
        assert (done.first_uid, done.count, done.modseq) == (box.uid_next, len(news), box.modseq)
        for content, (flags, words) in zip(contents, news, strict=True):
            spelled = frozenset(box.spell(word) for word in sorted(words))
            box.messages[box.uid_next] = Message(content, flags, spelled, box.modseq)
            box.uid_next += 1
        if replaced and origin is not None:
            if replaced[0] != account_id:
                self.model[replaced[0]].next()
            del origin.messages[replaced[2]]
            origin.gone[replaced[2]] = origin.modseq = self.model[replaced[0]].modseq
            assert done.replaced_modseq == origin.modseq

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
        assert set(status.keywords.split()) == set(box.words.values())
        assert list(look.uids_of(self.store.database, account_id, mailbox_id)) == sorted(box.messages)
        self.compare_views(account_id, mailbox_id, box)
        rows = self.store.snapshot(account_id, mailbox_id).rows
        assert [(row.uid, row.size, row.flags) for row in rows] == [
            (uid, len(message.content), message.flags) for uid, message in sorted(box.messages.items())
        ]
        for row in rows:
            assert self.store.packs.read(row.location) == box.messages[row.uid].content
        for modseq in range(box.modseq + 2):
            self.compare_changes(account_id, mailbox_id, box, modseq)

    def compare_views(self, account_id: int, mailbox_id: int, box: Mailbox) -> None:
        """What a client that was told a UIDNEXT and a MODSEQ together saw then (RFC 7162 3.2.5)."""
        for uid_next, modseq in box.views:
            there = [uid for uid in box.messages if uid < uid_next]
            later = [uid for uid, gone in box.gone.items() if gone > modseq and uid < uid_next]
            found = look.view_as_of(self.store.database, account_id, mailbox_id, uid_next, modseq)
            assert list(found) == sorted([*there, *later]) == box.views[uid_next, modseq]
        box.views[box.uid_next, box.modseq] = sorted(box.messages)

    def compare_changes(self, account_id: int, mailbox_id: int, box: Mailbox, modseq: int) -> None:
        changes = look.changes_since(self.store.database, AccountId(account_id), MailboxId(mailbox_id), modseq)
        assert changes.modseq == box.modseq
        assert changes.status.messages == len(box.messages)
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
