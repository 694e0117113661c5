"""What LIST, STATUS and first sign-ins read and change, on both databases."""

from typing import Any

import pytest
from store_kit import MESSAGE, Flag, Store, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import SHARED, AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.annotations import SetAnnotations, set_annotations
from estafeta.mailboxes.folders import CreateMailbox, SetSubscribed, create_mailbox, delete_mailbox, set_subscribed
from estafeta.mailboxes.folders import DeleteMailbox as Delete
from estafeta.mailboxes.furnish import Furnish, furnish, is_furnished
from estafeta.mailboxes.overview import annotations_in, overview
from estafeta.mailboxes.sharing import SetAcl, set_acl
from estafeta.mailboxes.specialuse import SetSpecialUse, set_special_use
from estafeta.protocols.imap.values import StatusItem
from estafeta.servers.imap.status import status_list

ANN, BEN = AccountId(1), AccountId(2)
FOLDERS = (("Drafts", "Drafts"), ("Sent", "Sent"), ("Trash", "Trash"), ("Templates", ""), ("a//b", ""))


def make(store: Store, owner: AccountId, name: str, special_use: str = "", **rights: str) -> MailboxId:
    made = store.group.run(create_mailbox, CreateMailbox(owner, name, special_use, subscribed=False))
    for identifier, letters in rights.items():
        store.group.run(set_acl, SetAcl(owner, made, identifier, letters))
    return MailboxId(made)


def names_and_uses(store: Store) -> dict[str, str]:
    return {one.name: one.special_use for one in look.list_mailboxes(store.database, ANN)}


def test_overview_has_what_a_person_may_see(store: Store) -> None:
    make(store, ANN, "Own", anyone="l")
    make(store, BEN, "His", anyone="lr", **{"-ann@x": "r", "other@x": "lrs"})
    make(store, BEN, "Hidden")
    news = make(store, SHARED, "News")
    store.group.run(set_subscribed, SetSubscribed(ANN, "#shared/News", True))
    seen = overview(store.database, ANN, ("ann@x", "anyone"))
    assert [one.name for one in seen.own] == ["INBOX", "Own"]
    assert seen.own[1] == look.status(store.database, ANN, MailboxId(2))
    assert [(one.name, entries) for one, entries in seen.others] == [("His", {"anyone": "lr", "-ann@x": "r"})]
    assert seen.others[0][0] == look.find_mailbox(store.database, BEN, "His")
    assert seen.shared == []
    assert seen.subscriptions == {"INBOX", "#shared/News"}
    assert [one.mailbox_id for one in overview(store.database, ANN, (), all_shared=True).shared] == [news]
    assert overview(store.database, ANN, ()).others == []
    assert len(overview(store.database, ANN, [*map(str, range(2000)), "anyone"]).others) == 1


def test_annotations_of_many_mailboxes(store: Store) -> None:
    first, second = make(store, ANN, "a"), make(store, BEN, "b")
    for owner, mailbox, person, entries in (
        (ANN, first, 0, (("/x", b"1"), ("/y", b"\0\xff"))),
        (ANN, first, 1, (("/x", b"2"),)),
        (ANN, first, 2, (("/x", b"3"),)),
        (BEN, second, 0, (("/z", b"4"),)),
        (ANN, 1, 0, (("/other", b""),)),
    ):
        store.group.run(set_annotations, SetAnnotations(owner, mailbox, person, entries))
    assert annotations_in(store.database, [(ANN, first), (BEN, second)], (0, 1)) == {
        (ANN, first): [(0, "/x", b"1"), (0, "/y", b"\0\xff"), (1, "/x", b"2")],
        (BEN, second): [(0, "/z", b"4")],
    }


def test_first_folders_come_once(store: Store) -> None:
    assert not is_furnished(store.database, ANN)
    assert store.group.run(furnish, Furnish(ANN, FOLDERS)) is True
    assert is_furnished(store.database, ANN)
    uses = {"INBOX": "", "Drafts": "Drafts", "Sent": "Sent", "Trash": "Trash", "Templates": ""}
    assert names_and_uses(store) == uses
    assert sorted(look.subscriptions(store.database, ANN)) == sorted(uses)
    store.group.run(delete_mailbox, Delete(ANN, MailboxId(2)))
    assert store.group.run(furnish, Furnish(ANN, FOLDERS)) is False
    assert "Drafts" not in names_and_uses(store)


def test_first_folders_beside_those_of_an_import(store: Store) -> None:
    make(store, ANN, "Sent")
    make(store, ANN, "Trash", "Junk")
    make(store, ANN, "Entwürfe", "Drafts")
    store.group.run(furnish, Furnish(ANN, FOLDERS))
    assert names_and_uses(store) == {
        "INBOX": "",
        "Sent": "Sent",
        "Trash": "Junk",
        "Entwürfe": "Drafts",
        "Templates": "",
    }
    assert "Sent" in look.subscriptions(store.database, ANN)


def test_no_folders_still_make_an_inbox(store: Store) -> None:
    store.group.run(furnish, Furnish(ANN, ()))
    assert names_and_uses(store) == {"INBOX": ""}


def test_special_uses_belong_to_one_mailbox(store: Store) -> None:
    first, second = make(store, ANN, "a", "Sent"), make(store, ANN, "b")
    with pytest.raises(EstafetaError) as caught:
        store.group.run(set_special_use, SetSpecialUse(ANN, second, "Trash sent"))
    assert caught.value.kind is Kind.IN_USE
    store.group.run(set_special_use, SetSpecialUse(ANN, first, "Sent Archive"))
    store.group.run(set_special_use, SetSpecialUse(ANN, first, ""))
    store.group.run(set_special_use, SetSpecialUse(ANN, second, "Sent"))
    assert names_and_uses(store) == {"INBOX": "", "a": "", "b": "Sent"}
    with pytest.raises(EstafetaError):
        store.group.run(set_special_use, SetSpecialUse(ANN, MailboxId(99), "Sent"))


def test_status_counts_what_is_not_in_the_row(store: Store) -> None:
    def counted() -> Any:
        return status_list(
            store.database,
            look.status(store.database, ANN, MailboxId(1)),
            (StatusItem.RECENT, StatusItem.DELETED_STORAGE),
            0,
        )

    store.deliver(MESSAGE, to(1))
    assert counted() == b"(RECENT 1 DELETED-STORAGE 0)"
    store.deliver(MESSAGE, to(1, flags=int(Flag.DELETED)))
    store.deliver(MESSAGE, to(1, flags=int(Flag.DELETED | Flag.SEEN)))
    assert counted() == b"(RECENT 3 DELETED-STORAGE %d)" % (2 * len(MESSAGE))
