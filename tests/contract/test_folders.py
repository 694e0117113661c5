"""Names of mailboxes, special uses, subscriptions, \\Recent; rights, annotations and keys that belong to mailboxes."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select
from store_kit import MESSAGE, Store, problems, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import SHARED, AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.annotations import SetAnnotations, annotations_of, set_annotations
from estafeta.mailboxes.change import PurgeAccount, purge_account
from estafeta.mailboxes.folders import (
    ClaimRecent,
    DeleteMailbox,
    RenameBelow,
    RenameMailbox,
    SetSubscribed,
    claim_recent,
    delete_mailbox,
    rename_below,
    rename_mailbox,
    set_subscribed,
)
from estafeta.mailboxes.repair import mend_counters
from estafeta.mailboxes.sharing import SetAcl, acl_of, effective, granted, set_acl
from estafeta.mailboxes.tables import BELONGINGS, acl, mailboxes, subscriptions
from estafeta.mailboxes.urlkeys import ResetUrlKeys, UrlKey, find_url_key, reset_url_keys, url_key
from estafeta.mailboxes.values import Annotation, Grant

ANN, BEN = AccountId(1), AccountId(2)
INBOX = MailboxId(1)


@pytest.fixture(autouse=True)
def _nothing_is_wrong_afterwards(store: Store):
    yield
    assert problems(store) == []


def kind_of(call, *args: Any, **how: Any) -> Kind:
    with pytest.raises(EstafetaError) as caught:
        call(*args, **how)
    return caught.value.kind


def share(store: Store, mailbox: int, identifier: str, rights: str | None, account: int = 1) -> None:
    store.group.run(set_acl, SetAcl(AccountId(account), MailboxId(mailbox), identifier, rights))


def annotate(store: Store, mailbox: int, person: int, *entries: tuple[str, bytes | None], **limits: int) -> None:
    store.group.run(set_annotations, SetAnnotations(ANN, mailbox, person, entries, **limits))


def topics(store: Store, operation, payload: Any) -> list[str]:
    """What the operation announces."""
    heard: list[str] = []
    store.database.publish = heard.extend
    store.group.run(operation, payload)
    return heard


# Special uses


def test_special_uses_are_given_once(store: Store) -> None:
    first = store.create(1, "Old", special_use="Archive  All")
    assert store.status(1, first).special_use == "Archive All"
    assert kind_of(store.create, 1, "New", special_use="archive") is Kind.IN_USE
    assert kind_of(store.create, 1, "New", special_use="x" * 81) is Kind.INVALID
    store.create(1, "Bin", special_use="Trash")
    store.create(2, "Bin", special_use="Trash")


# Renaming INBOX


def test_renaming_inbox_moves_its_messages(store: Store) -> None:
    store.create(1, "INBOX/below")
    store.deliver(MESSAGE, to(1), to(1, keywords="a"))
    before = store.status(1)
    store.group.run(rename_mailbox, RenameMailbox(ANN, INBOX, "Old/Mail"))
    old = look.find_mailbox(store.database, ANN, "Old/Mail")
    assert old is not None
    assert (old.messages, old.keywords, old.uid_validity > before.uid_validity) == (2, "a", True)
    assert store.counters(1) == (0, 0, 0, 0)
    assert store.status(1).uid_validity == before.uid_validity
    assert look.changes_since(store.database, ANN, INBOX, before.modseq).expunged == (1, 2)
    assert look.find_mailbox(store.database, ANN, "INBOX/below") is not None
    store.deliver(MESSAGE, to(1))
    store.group.run(rename_mailbox, RenameMailbox(ANN, INBOX, "INBOX/more"))
    assert look.find_mailbox(store.database, ANN, "INBOX/more").messages == 1


def test_renaming_keeps_id_uidvalidity_and_rights(store: Store) -> None:
    box = store.create(1, "A")
    share(store, box, "anyone", "lr")
    before = store.status(1, box)
    heard = topics(store, rename_mailbox, RenameMailbox(ANN, box, "none/of/these/B"))
    assert heard == [f"mailbox:1:{box}"]
    after = store.status(1, box)
    assert (after.name, after.uid_validity) == ("none/of/these/B", before.uid_validity)
    assert acl_of(store.database, ANN, box) == {"anyone": "lr"}


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("P", "Q", None),
        ("P/2026", "Q", None),
        ("P", "Q/deep", None),
        ("none", "Q", Kind.NOT_FOUND),
        ("p", "Q", Kind.NOT_FOUND),
        ("A", "Q", Kind.EXISTS),
        ("P", "A", Kind.EXISTS),
        ("P", "B", Kind.EXISTS),
        ("P", "P/more", Kind.INVALID),
        ("P", " ", Kind.INVALID),
    ],
)
def test_renaming_a_name_that_is_only_a_parent(store: Store, old: str, new: str, kind: Kind | None) -> None:
    """RFC 9051 6.3.6: what is below follows."""
    boxes = [store.create(1, name) for name in ("P/2026/May", "P/2026/June", "A", "A/x", "B/2026/May")]
    store.create(1, "Pp/2026")
    payload = RenameBelow(ANN, old, new)
    if kind is not None:
        assert kind_of(store.group.run, rename_below, payload) is kind
        assert store.status(1, boxes[0]).name == "P/2026/May"
        return
    heard = topics(store, rename_below, payload)
    assert sorted(heard) == [f"mailbox:1:{box}" for box in boxes[:2]]
    assert store.status(1, boxes[0]).name == new + "P/2026/May"[len(old) :]


def test_annotations_raise_the_modseq(store: Store) -> None:
    """RFC 7162 3.2; those of the server are no mailbox's."""
    store.deliver(MESSAGE, to(1))
    before = store.status(1).modseq
    annotate(store, INBOX, 0, ("/comment", b"x"))
    assert store.status(1).modseq > before
    assert look.changes_since(store.database, ANN, INBOX, before).changed == ()
    annotate(store, 0, 1, ("/comment", b"x"))


# Subscriptions


def test_subscriptions_are_names(store: Store) -> None:
    def say(name: str, subscribed: bool = True) -> None:
        store.group.run(set_subscribed, SetSubscribed(ANN, name, subscribed))

    store.create(1, "Work")
    store.create(1, "Quiet", subscribed=False)
    say("#user/ben@example.test/Projects")
    say("inbox")
    say("Work")
    say("never there", False)
    assert look.subscriptions(store.database, ANN) == ["#user/ben@example.test/Projects", "INBOX", "Work"]
    store.group.run(delete_mailbox, DeleteMailbox(ANN, MailboxId(2)))
    say("INBOX", False)
    assert look.subscriptions(store.database, ANN) == ["#user/ben@example.test/Projects", "Work"]
    assert topics(store, set_subscribed, SetSubscribed(ANN, "x", True)) == ["mailbox:1:0"]
    for name in ("", "a\0b", "x" * 1001):
        assert kind_of(say, name) is Kind.INVALID


# Recent


def test_recent_messages_are_claimed_once(store: Store) -> None:
    def claim() -> int:
        return int(store.group.run(claim_recent, ClaimRecent(ANN, INBOX)))

    store.deliver(MESSAGE, to(1), to(1))
    assert (claim(), claim()) == (0, 2)
    store.deliver(MESSAGE, to(1))
    assert (store.status(1).recent_uid, claim(), store.status(1).recent_uid) == (2, 2, 3)
    assert kind_of(store.group.run, claim_recent, ClaimRecent(ANN, MailboxId(9))) is Kind.NOT_FOUND


# Rights


def test_rights_are_set_found_and_inherited(store: Store) -> None:
    box = store.create(1, "Team")
    share(store, box, "ben@example.test", "rsl")
    share(store, box, "-ben@example.test", "s")
    share(store, box, "anyone", "l")
    assert acl_of(store.database, ANN, box) == {"-ben@example.test": "s", "anyone": "l", "ben@example.test": "lrs"}
    below = store.create(1, "Team/not made/Below")
    assert acl_of(store.database, ANN, below) == acl_of(store.database, ANN, box)
    share(store, below, "anyone", None)
    found = granted(store.database, ["ben@example.test", "anyone", "nobody@example.test"])
    assert found == [
        Grant(ANN, box, "Team", "-ben@example.test", "s"),
        Grant(ANN, box, "Team", "anyone", "l"),
        Grant(ANN, box, "Team", "ben@example.test", "lrs"),
        Grant(ANN, below, "Team/not made/Below", "-ben@example.test", "s"),
        Grant(ANN, below, "Team/not made/Below", "ben@example.test", "lrs"),
    ]
    assert granted(store.database, []) == []
    assert topics(store, set_acl, SetAcl(ANN, box, "anyone", "lr")) == [f"mailbox:1:{box}"]


@pytest.mark.parametrize("identifier", ["", "-", "x" * 321, "a\nb"])
def test_who_cannot_have_rights(store: Store, identifier: str) -> None:
    store.create(1, "Box")
    assert kind_of(share, store, 2, identifier, "l") is Kind.INVALID
    assert kind_of(share, store, 9, "anyone", "l") is Kind.NOT_FOUND


@pytest.mark.parametrize(
    ("entries", "identifiers", "rights"),
    [
        ({}, ["ann"], ""),
        ({"ann": "lr", "anyone": "lp"}, ["ann", "anyone"], "lpr"),
        ({"ann": "lr", "-anyone": "r"}, ["ann", "anyone"], "l"),
        ({"ben": "lr"}, ["ann"], ""),
        ({"-ann": "lr"}, ["ann"], ""),
    ],
)
def test_effective_rights(entries: dict[str, str], identifiers: list[str], rights: str) -> None:
    assert effective(entries, identifiers) == set(rights)


# Annotations and keys


def test_annotations(store: Store) -> None:
    box = store.create(1, "Box")
    annotate(store, box, 0, ("/comment", b"all"), ("/Vendor/x", b"\0\xff"))
    annotate(store, box, 2, ("/comment", b"mine"))
    annotate(store, 0, 0, ("/admin", b"mailto:x"))
    assert annotations_of(store.database, ANN, box, (0, 2)) == [
        Annotation(0, "/comment", b"all"),
        Annotation(0, "/vendor/x", b"\0\xff"),
        Annotation(2, "/comment", b"mine"),
    ]
    assert annotations_of(store.database, ANN, 0, (0, 2)) == [Annotation(0, "/admin", b"mailto:x")]
    annotate(store, box, 0, ("/comment", None), ("/vendor/x", b"2"), ("/none", None))
    assert annotations_of(store.database, ANN, box, (0,)) == [Annotation(0, "/vendor/x", b"2")]
    assert len(annotations_of(store.database, ANN, box, (0, 2))) == 2
    assert kind_of(annotate, store, 9, 0, ("/a", b"")) is Kind.NOT_FOUND
    assert kind_of(annotate, store, box, 0, ("/a", b""), ("/b", b""), max_entries=2) is Kind.LIMIT
    assert kind_of(annotate, store, box, 0, ("/a", b"123"), max_bytes=2) is Kind.TOO_BIG
    annotate(store, box, 0, ("/vendor/x", b"3"), max_entries=1)


def test_keys_of_urls(store: Store) -> None:
    box = store.create(1, "Box")

    def key(mailbox: int, person: int) -> bytes:
        return bytes(store.group.run(url_key, UrlKey(ANN, MailboxId(mailbox), person)))

    first = key(box, 1)
    assert len(first) == 32
    assert key(box, 1) == first == find_url_key(store.database, ANN, box, 1)
    assert len({first, key(INBOX, 1), key(box, 2)}) == 3
    assert find_url_key(store.database, ANN, box, 3) is None
    assert store.group.run(reset_url_keys, ResetUrlKeys(1, ANN, box)) == 1
    assert key(box, 1) != first
    assert store.group.run(reset_url_keys, ResetUrlKeys(1)) == 2
    assert find_url_key(store.database, ANN, box, 2) is not None
    assert kind_of(key, 9, 1) is Kind.NOT_FOUND


# What goes with what


def test_a_mailbox_takes_its_belongings_along(store: Store) -> None:
    box = store.create(1, "Box")
    share(store, box, "anyone", "l")
    annotate(store, box, 0, ("/comment", b""))
    store.group.run(url_key, UrlKey(ANN, box, 1))
    store.group.run(delete_mailbox, DeleteMailbox(ANN, box))
    assert left(store) == 0


def test_an_account_takes_its_belongings_along(store: Store) -> None:
    theirs = store.create(2, "Theirs")
    for account, box in ((1, store.create(1, "Box")), (2, theirs)):
        for identifier in ("ann@example.test", "-ann@example.test", "ben@example.test"):
            share(store, box, identifier, "l", account)
        store.group.run(set_annotations, SetAnnotations(AccountId(account), box, 1, (("/comment", b""),)))
        store.group.run(url_key, UrlKey(AccountId(account), box, 1))
    annotate(store, 0, 1, ("/comment", b""))
    store.group.run(purge_account, PurgeAccount(ANN, "ann@example.test"))
    assert acl_of(store.database, BEN, theirs) == {"ben@example.test": "l"}
    assert left(store) == 1
    assert look.subscriptions(store.database, ANN) == []
    assert look.subscriptions(store.database, BEN) == ["INBOX", "Theirs"]


def left(store: Store) -> int:
    with store.database.read() as conn:
        return sum(conn.execute(select(func.count()).select_from(table)).scalar_one() for table in BELONGINGS)


def test_rights_of_no_mailbox_are_found_and_mended(store: Store) -> None:
    store.create(SHARED, "News")
    with store.database.write() as tx:
        row = {"account_id": SHARED, "mailbox_id": 7, "identifier": "anyone", "rights": "l"}
        tx.conn.execute(insert(acl), row)
    store.deliver(MESSAGE, to(SHARED, 2, keywords="a"))
    with store.database.write() as tx:
        tx.conn.execute(mailboxes.update().values(keywords="lost"))
    known, orphans = problems(store)
    assert "'News' does not know all keywords" in known
    assert "mailbox 7, which is not there" in orphans
    list(mend_counters(store.database))
    assert problems(store) == []
    assert store.status(SHARED, 2).keywords == "lost a"
    with store.database.read() as conn:
        assert conn.execute(select(subscriptions.c.name)).scalars().all() == ["News"]
