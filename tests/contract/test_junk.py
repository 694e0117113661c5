"""Junk: what was judged to be junk goes into the mailbox with that use, which is made where there is none."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from store_kit import MESSAGE, Store, arrival, problems, to

from estafeta.core.ids import INBOX, JUNK, AccountId
from estafeta.directory.model import LocalTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.intake.accept import Intake
from estafeta.intake.conditions import Origin, Recipient
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.journal.records import Code
from estafeta.journal.tables import journal
from estafeta.mail.address import Address
from estafeta.mailboxes import look
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.folders import DeleteMailbox, delete_mailbox
from estafeta.mailboxes.furnish import Furnish, furnish
from estafeta.mailboxes.service import Mailboxes
from estafeta.mailboxes.tables import learn_queue
from estafeta.policy.content import Content
from estafeta.policy.judgement import Judgement, judge
from estafeta.policy.verdict import Verdict, scored
from estafeta.routing.table import build_route_table
from estafeta.storage.commit import Job

ANNA, BEN, CLARA = 1, 2, 3
FOLDERS = (("Sent", "Sent"), ("Junk", "Junk"), ("Trash", "Trash"))


def filed(store: Store, account: int) -> dict[str, int]:
    """Mailboxes that have messages, and how many."""
    boxes = look.list_mailboxes(store.database, AccountId(account))
    return {box.name: box.messages for box in boxes if box.messages}


def junk_folders(store: Store, account: int) -> list[str]:
    boxes = look.list_mailboxes(store.database, AccountId(account))
    return [box.name for box in boxes if "Junk" in box.special_use.split()]


def take_in(store: Store, content: bytes, accounts: tuple[int, ...], *verdicts: Verdict) -> None:
    """A message comes in, of which policy says this."""

    async def inspect(found: Content) -> Judgement:
        return judge([one._replace(check="test") for one in verdicts], Settings().policy)

    async def main() -> None:
        def submit(operation: Any, payload: Any, contents: Any = ()) -> "asyncio.Future[Any]":
            done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            done.set_result(store.group.run(operation, payload, contents))
            return done

        mailboxes, idents, settings = Mailboxes(store.database, store.packs, submit), Idents(), Settings()
        routes = build_route_table(settings.routing, lambda domain: True)
        planner = Planner(settings, routes, "mx.example.org", lambda address: Resolution(Status.UNKNOWN), idents)
        intake = Intake(
            mailboxes,
            store.packs,
            store.database,
            planner=planner,
            idents=idents,
            submit=submit,
            hostname="mx.example.org",
        )
        people = [Recipient(Address(f"u{one}", "example.org"), (LocalTarget(AccountId(one), 0),)) for one in accounts]
        origin = Origin("ESMTP", "client.example", "192.0.2.1", peer="192.0.2.1")
        reception = intake.open(None, people, origin, max_bytes=0, max_hops=50, inspect=inspect)
        for start in range(0, len(content), 60_000):
            if (waiting := reception.write(content[start : start + 60_000])) is not None:
                await waiting
        assert reception.receipt(await reception.finish()).failures == (None,) * len(accounts)

    asyncio.run(main())


def test_made_where_there_is_none(store: Store) -> None:
    [first] = store.deliver(MESSAGE, to(ANNA, JUNK, keywords="$Junk"))
    [second] = store.deliver(MESSAGE, to(ANNA, JUNK))
    assert first.mailbox_id == second.mailbox_id != INBOX
    assert filed(store, ANNA) == {"Junk": 2}
    assert junk_folders(store, ANNA) == ["Junk"]
    assert "Junk" in look.subscriptions(store.database, ANNA)
    assert problems(store) == []


def test_the_one_with_the_use_whatever_its_name(store: Store) -> None:
    store.create(ANNA, "Junk")
    store.create(ANNA, "Spam", special_use="Junk")
    store.deliver(MESSAGE, to(ANNA, JUNK))
    assert filed(store, ANNA) == {"Spam": 1}


def test_one_that_has_only_the_name_gets_the_use(store: Store) -> None:
    store.create(ANNA, "Junk")
    store.deliver(MESSAGE, to(ANNA, JUNK))
    assert filed(store, ANNA) == {"Junk": 1}
    assert junk_folders(store, ANNA) == ["Junk"]


def test_inbox_where_none_can_be_made(store: Store) -> None:
    store.create(ANNA, "Junk", special_use="Archive")
    store.deliver(MESSAGE, to(ANNA, JUNK))
    assert filed(store, ANNA) == {"INBOX": 1}
    assert problems(store) == []


def test_first_folders_come_after_it(store: Store) -> None:
    """Junk came before the user signed in for the first time."""
    store.deliver(MESSAGE, to(ANNA, JUNK))
    assert store.group.run(furnish, Furnish(AccountId(ANNA), FOLDERS)) is True
    store.deliver(MESSAGE, to(ANNA, JUNK))
    assert junk_folders(store, ANNA) == ["Junk"]
    assert filed(store, ANNA) == {"Junk": 2}


def test_removed_by_its_user_it_is_made_again(store: Store) -> None:

    [first] = store.deliver(MESSAGE, to(ANNA, JUNK))
    store.group.run(delete_mailbox, DeleteMailbox(AccountId(ANNA), first.mailbox_id))
    [second] = store.deliver(MESSAGE, to(ANNA, JUNK))
    assert second.mailbox_id != first.mailbox_id
    assert filed(store, ANNA) == {"Junk": 1}


def test_one_batch(store: Store) -> None:
    jobs = [Job(deliver, arrival(MESSAGE, to(ANNA, JUNK), to(BEN), to(CLARA, JUNK)), (MESSAGE,)) for _ in range(4)]
    store.group.commit(jobs)
    assert [filed(store, one) for one in (ANNA, BEN, CLARA)] == [{"Junk": 4}, {"INBOX": 4}, {"Junk": 4}]
    assert problems(store) == []


def test_two_writers_make_one(store: Store) -> None:
    other = Store.open(store.url, store.root)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda one: one.deliver(MESSAGE, to(ANNA, JUNK)), (store, other)))
    other.close()
    assert len({outcome.mailbox_id for [outcome] in done}) == 1
    assert filed(store, ANNA) == {"Junk": 2}
    assert junk_folders(store, ANNA) == ["Junk"]


@pytest.mark.parametrize("size", [100, 20_000, 400_000])
def test_points_decide(store: Store, size: int) -> None:
    content = MESSAGE + b"x" * size + b"\r\n"
    take_in(store, content, (ANNA,), scored(4.9, "nearly"))
    take_in(store, content, (ANNA,), scored(3.0, "this"), scored(2.0, "that"))
    assert filed(store, ANNA) == {"INBOX": 1, "Junk": 1}


def test_each_recipient_as_it_taught(store: Store) -> None:
    """Junk for everybody but Anna; and what is fine is junk for Clara alone."""
    bad, for_anna = scored(6.0, "bad"), scored(-3.0, "Anna's own")._replace(account=ANNA)
    take_in(store, MESSAGE, (ANNA, BEN), bad, for_anna)
    take_in(store, MESSAGE, (BEN, CLARA), scored(2.0, "hm"), scored(3.5, "Clara's own")._replace(account=CLARA))
    assert [filed(store, one) for one in (ANNA, BEN, CLARA)] == [
        {"INBOX": 1},
        {"INBOX": 1, "Junk": 1},
        {"Junk": 1},
    ]


def test_it_is_marked_and_teaches_nothing(store: Store) -> None:
    take_in(store, MESSAGE, (ANNA,), scored(6.0, "bad"))
    junk = look.find_mailbox(store.database, AccountId(ANNA), "Junk")
    assert junk is not None
    [message] = look.changes_since(store.database, AccountId(ANNA), junk.mailbox_id, 0).changed
    assert message.keywords == "$Junk"
    with store.database.read() as conn:
        assert conn.execute(select(learn_queue)).all() == []


def test_the_journal_says_why_and_for_whom(store: Store) -> None:
    take_in(store, MESSAGE, (ANNA,), scored(6.0, "bad words"), scored(-0.5, "her own")._replace(account=ANNA))
    with store.database.read() as conn:
        [row] = conn.execute(select(journal.c.text, journal.c.detail).where(journal.c.code == Code.CHECKED)).all()
    assert row.text == "junk; 6.0 of 5.0 points"
    assert '["test",6.0,"score","bad words"],["test",-0.5,"score","her own",1]' in str(row.detail).replace(", ", ",")


def test_what_many_recipients_taught_hides_no_check(store: Store) -> None:
    own = [scored(0.5, "their own")._replace(account=account) for account in range(1, 60)]
    said = judge([*own, scored(6.0, "bad words")], Settings().policy).records(1, "", "")[0].detail
    assert "bad words" in str(said)
