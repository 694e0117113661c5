"""Delivery: what a commit leaves in mailboxes, counters, accounts and packs."""

import pytest
from sqlalchemy import func, select
from store_kit import MESSAGE, Flag, Store, arrival, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.mailboxes import look
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Delivered, Delivery
from estafeta.storage.commit import Job
from estafeta.storage.tables import contents


def test_first_message_makes_the_inbox(store: Store) -> None:
    assert store.deliver(MESSAGE, to(7)) == [Delivered(7, 1, 1, 2)]
    status = store.status(7)
    assert (status.name, status.messages, status.unseen, status.deleted) == ("INBOX", 1, 1, 0)
    assert (status.uid_next, status.modseq, status.bytes) == (2, 2, len(MESSAGE))
    assert status.uid_validity > 0
    assert look.subscriptions(store.database, 7) == ["INBOX"]
    assert store.contents(7) == [MESSAGE]
    assert look.used_bytes(store.database, 7) == len(MESSAGE)


def test_one_content_for_many_recipients(store: Store) -> None:
    outcomes = store.deliver(MESSAGE, *(to(account) for account in range(1, 51)))
    assert [(o.account_id, o.uid) for o in outcomes] == [(account, 1) for account in range(1, 51)]
    with store.database.read() as conn:
        assert conn.execute(select(contents.c.refs)).all() == [(50,)]
        assert conn.execute(select(func.count()).select_from(messages)).scalar_one() == 50
    assert len({location for account in range(1, 51) for location in store.locations(account)}) == 1


def test_uids_and_modseqs_grow_in_the_order_of_the_batch(store: Store) -> None:
    jobs = [Job(deliver, arrival(MESSAGE, to(1)), (MESSAGE,)) for _ in range(20)]
    store.group.commit(jobs)
    outcomes = [job.outcome()[0] for job in jobs]
    assert [o.uid for o in outcomes] == list(range(1, 21))
    assert [o.modseq for o in outcomes] == list(range(2, 22))
    assert [row.uid for row in store.snapshot(1).rows] == list(range(1, 21))


def test_the_same_mailbox_twice_in_one_message(store: Store) -> None:
    first, second = store.deliver(MESSAGE, to(1), to(1))
    assert (first.uid, second.uid) == (1, 2)
    assert store.counters(1) == (2, 2, 0, 2 * len(MESSAGE))


def test_flags_and_keywords_at_delivery_are_counted(store: Store) -> None:
    store.deliver(MESSAGE, to(1, flags=Flag.SEEN | Flag.DELETED, keywords="$Junk a"), to(1, flags=Flag.DRAFT))
    assert store.counters(1) == (2, 1, 1, 2 * len(MESSAGE))
    changes = look.changes_since(store.database, 1, 1, 0)
    assert [(c.uid, c.flags, c.keywords) for c in changes.changed] == [(1, 9, "$Junk a"), (2, 16, "")]


def test_a_missing_mailbox_fails_alone(store: Store) -> None:
    good, missing = store.deliver(MESSAGE, to(1), to(1, 9))
    assert isinstance(good, Delivered)
    assert isinstance(missing, EstafetaError)
    assert missing.kind is Kind.NOT_FOUND
    with pytest.raises(EstafetaError) as caught:
        store.status(1, 9)
    assert caught.value.kind is Kind.NOT_FOUND


def test_missing_mailbox_of_a_new_account(store: Store) -> None:
    [missing] = store.deliver(MESSAGE, to(3, 9))
    assert missing.kind is Kind.NOT_FOUND
    with store.database.read() as conn:
        assert conn.execute(select(contents)).all() == []


def test_quota_is_exact_within_one_batch(store: Store) -> None:
    size = len(MESSAGE)
    jobs = [Job(deliver, arrival(MESSAGE, to(1, quota=3 * size), to(2)), (MESSAGE,)) for _ in range(5)]
    store.group.commit(jobs)
    kinds = [o.kind if isinstance(o := job.outcome()[0], EstafetaError) else "ok" for job in jobs]
    assert kinds == ["ok", "ok", "ok", Kind.QUOTA, Kind.QUOTA]
    assert store.counters(1) == (3, 3, 0, 3 * size)
    assert store.counters(2)[0] == 5
    with store.database.read() as conn:
        assert sorted(conn.execute(select(contents.c.refs)).scalars()) == [1, 1, 2, 2, 2]


def test_quota_of_messages_is_exact_within_one_batch(store: Store) -> None:
    small = Delivery(AccountId(1), quota_messages=3)
    jobs = [Job(deliver, arrival(MESSAGE, small, to(2)), (MESSAGE,)) for _ in range(5)]
    store.group.commit(jobs)
    refused = [job.outcome()[0] for job in jobs][3:]
    assert [(error.kind, error.public) for error in refused] == [
        (Kind.QUOTA, "There are too many messages in the mailbox.")
    ] * 2
    assert store.counters(1)[0] == 3
    assert store.counters(2)[0] == 5


def test_quota_has_room_again_after_expunge(store: Store) -> None:
    quota = len(MESSAGE) + 1
    store.deliver(MESSAGE, to(1, quota=quota))
    [refused] = store.deliver(MESSAGE, to(1, quota=quota))
    assert refused.kind is Kind.QUOTA
    store.expunge(1, [1])
    assert store.deliver(MESSAGE, to(1, quota=quota))[0].uid == 2


@pytest.mark.parametrize("content", [b"", b"\0", b"Subject: \0\xff\xfe\r\n\r\n\0\0", bytes(range(256)) * 300, b"\r\n"])
def test_any_octets_come_back_as_they_came(store: Store, content: bytes) -> None:
    store.deliver(content, to(1))
    assert store.contents(1) == [content]
    [location] = store.locations(1)
    assert b"".join(store.packs.chunks(location)) == content
    assert store.packs.read_cached(location) in (content, None)


def test_an_empty_inbox_of_an_unknown_account(store: Store) -> None:
    assert store.snapshot(99).rows == ()
    assert look.used_bytes(store.database, 99) == 0
    assert look.list_mailboxes(store.database, 99) == []


def test_what_changed_is_announced_after_the_commit(store: Store) -> None:
    heard: list[str] = []
    store.database.publish = heard.extend
    store.deliver(MESSAGE, to(1), to(2), to(1))
    assert sorted(heard) == ["mailbox:1:1", "mailbox:2:1"]
    heard.clear()
    store.expunge(2, [1])
    assert heard == ["mailbox:2:1"]
