"""What is held in quarantine and what is decided about it, on both databases."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from queue_kit import MESSAGE, NOW_MS, Lane, Place, Queue, ident, remote, to_queue
from sqlalchemy import delete, insert, select
from store_kit import Store, problems, summary_of

from estafeta.app.quarantine import delete_expired
from estafeta.cli.common import time_in_words
from estafeta.core.errors import EstafetaError, Kind
from estafeta.journal.records import Code
from estafeta.journal.tables import journal
from estafeta.queue.accepting import accept
from estafeta.queue.choosing import Choice as QueueChoice
from estafeta.queue.choosing import count, find_places
from estafeta.queue.operating import Action, Change, change
from estafeta.queue.quarantine import TRIED_MS, Decided, Decision, Told, decide, tell
from estafeta.queue.quarantinelook import Choice, HeldMessage, count_held, find_held, find_one
from estafeta.queue.tables import entries, quarantine, quarantine_told, recipients
from estafeta.queue.values import Acceptance, Hold
from estafeta.queue.verify import check_queue, mend_queue
from estafeta.routing.values import HERE
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction

DAY = 86_400_000


@pytest.fixture
def queue(store: Store) -> Iterator[Queue]:
    made = filled(store)
    yield made
    assert problems(store) == []


def filled(store: Store) -> Queue:
    """Three held messages: to two people, to one, from nobody to one."""
    made = Queue(store)
    made.accept(
        held(0, "ana@here.test", "Bo@here.test", rule="scripts", sender="x@evil.test", by_users=True),
        held(1, "ana@here.test", rule="pictures", sender="y@evil.test", days=1),
        held(2, "cy@here.test", rule="scripts", sender=""),
    )
    return made


def held(number: int, *addresses: str, rule: str, sender: str, days: int = 30, by_users: bool = False) -> Any:
    here = [remote(address, HERE.key) for address in addresses]
    hold = Hold(rule, f"filter {rule}: why", "X <x@evil.test>", "Win \x1b[31m", NOW_MS + days * DAY, by_users)
    return to_queue(number, *here, sender=sender, lane=Lane.QUARANTINE, hold=hold)


def look(queue: Queue, choice: Choice) -> list[HeldMessage]:
    with queue.store.database.read() as conn:
        return list(find_held(conn, choice))


def settle_about(queue: Queue, decision: Decision, *places: Place, now: int = NOW_MS) -> int:
    done: int = queue.store.group.run(decide, Decided(decision, places, now, "root"))
    return done


def rows_of(queue: Queue, table: Any) -> int:
    with queue.store.database.read() as conn:
        return len(conn.execute(select(table)).all())


EVERYTHING = Choice(everything=True)


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        (EVERYTHING, [0, 1, 2]),
        (Choice(entry_ids=(ident(1),)), [1]),
        (Choice(sender="*@EVIL.test"), [0, 1]),
        (Choice(sender="<>"), [2]),
        (Choice(recipient="bo@*"), [0]),
        (Choice(recipient="ana@here.test", rule="pict*"), [1]),
        (Choice(rule="scripts"), [0, 2]),
        (Choice(before_ms=NOW_MS), []),
        (Choice(after_ms=NOW_MS), [0, 1, 2]),
        (Choice(expired_ms=NOW_MS + 2 * DAY), [1]),
    ],
)
def test_what_is_held_is_found_by_what_is_known_of_it(queue: Queue, choice: Choice, numbers: list[int]) -> None:
    assert [one.entry_id for one in look(queue, choice)] == [ident(number) for number in numbers]


def test_a_choice_by_recipient_means_that_recipient_alone(queue: Queue) -> None:
    [found] = look(queue, Choice(recipient="bo@here.test"))
    assert [one.address for one in found.recipients] == ["Bo@here.test"]
    with queue.store.database.read() as conn:
        assert count_held(conn, EVERYTHING) == (3, 4)
        assert find_one(conn, ident(9)) is None
    with pytest.raises(EstafetaError) as caught:
        look(queue, Choice())
    assert caught.value.kind is Kind.INVALID


def test_nothing_that_is_held_is_due(queue: Queue) -> None:
    assert queue.claim(now=NOW_MS + 100 * DAY) == []


def test_released_it_is_due_for_ourselves_whatever_time_has_passed(queue: Queue) -> None:
    later = NOW_MS + 20 * DAY
    queue.topics.clear()
    assert settle_about(queue, Decision.RELEASE, Place(ident(0), 0), Place(ident(0), 1), now=later) == 2
    assert "queue" in queue.topics
    [destination] = queue.claim(now=later)
    assert destination.hop == HERE.key
    [work] = queue.work(destination.destination_id, now=later)
    assert [one.address for one in work.recipients] == ["ana@here.test", "Bo@here.test"]
    assert {one.expires_ms for one in work.recipients} == {later + TRIED_MS}
    assert work.lane == Lane.NORMAL
    assert [one.entry_id for one in look(queue, EVERYTHING)] == [ident(1), ident(2)]


def test_what_was_to_wait_for_its_time_does_so_after_its_release(queue: Queue) -> None:
    entry = held(3, "ana@here.test", rule="scripts", sender="x@evil.test")
    due = NOW_MS + 3 * DAY
    queue.accept(entry._replace(recipients=tuple(one._replace(due_ms=due) for one in entry.recipients)))
    settle_about(queue, Decision.RELEASE, Place(ident(3), 0))
    assert queue.claim() == []
    assert queue.claim(now=due) != []


@pytest.mark.parametrize("decision", list(Decision))
def test_each_is_decided_about_once(queue: Queue, decision: Decision) -> None:
    first, second = Place(ident(0), 0), Place(ident(0), 1)
    assert settle_about(queue, decision, first) == 1
    for again in Decision:
        assert settle_about(queue, again, first) == 0
    assert [[one.number for one in found.recipients] for found in look(queue, Choice(entry_ids=(ident(0),)))] == [[1]]
    assert settle_about(queue, Decision.DELETE, second) == 1
    assert look(queue, Choice(entry_ids=(ident(0),))) == []
    with queue.store.database.read() as conn:
        left = conn.execute(select(entries.c.entry_id).where(entries.c.entry_id == ident(0))).all()
    assert len(left) == (1 if decision is Decision.RELEASE else 0)


def test_the_journal_says_who_decided_what(queue: Queue) -> None:
    settle_about(queue, Decision.RELEASE, Place(ident(0), 0))
    settle_about(queue, Decision.DELETE, Place(ident(0), 1))
    settle_about(queue, Decision.EXPIRE, Place(ident(2), 0))
    with queue.store.database.read() as conn:
        query = select(journal.c.code, journal.c.address, journal.c.text, journal.c.detail).order_by(journal.c.at_us)
        told = [tuple(row) for row in conn.execute(query)]
    who = '{"who":"root"}'
    assert told[-3:] == [
        (Code.RELEASED, "ana@here.test", "out of quarantine", who),
        (Code.REMOVED, "Bo@here.test", "in quarantine", who),
        (Code.REMOVED, "cy@here.test", "in quarantine, and nobody decided in time", who),
    ]


def test_what_nobody_decided_about_in_time_is_deleted(queue: Queue) -> None:
    database, now = queue.store.database, NOW_MS / 1000
    assert delete_expired(database, lambda: now, lambda: False) == 0
    assert delete_expired(database, lambda: now + 2 * DAY / 1000, lambda: True) == 0
    assert delete_expired(database, lambda: now + 2 * DAY / 1000, lambda: False) == 1
    assert [one.entry_id for one in look(queue, EVERYTHING)] == [ident(0), ident(2)]
    assert delete_expired(database, lambda: now + 31 * DAY / 1000, lambda: False) == 3
    assert look(queue, EVERYTHING) == []
    assert rows_of(queue, entries) == 0


@pytest.mark.parametrize("decision", list(Decision))
def test_what_breaks_off_in_the_middle_leaves_it_held(queue: Queue, decision: Decision) -> None:
    """A crash is a transaction that never ends."""

    def break_off(tx: Transaction, items: Sequence[Item]) -> list[int]:
        decide(tx, items)
        raise EstafetaError(Kind.TEMPORARY, "The machine stopped.")

    before = look(queue, EVERYTHING)
    with pytest.raises(EstafetaError, match="stopped"):
        queue.store.group.run(break_off, Decided(decision, (Place(ident(0), 0),), NOW_MS))
    assert look(queue, EVERYTHING) == before
    assert queue.claim(now=NOW_MS + DAY) == []


def test_a_message_and_its_reason_come_together_or_not_at_all(queue: Queue) -> None:
    def break_off(tx: Transaction, items: Sequence[Item]) -> list[Any]:
        accept(tx, items)
        raise EstafetaError(Kind.TEMPORARY, "The machine stopped.")

    entry = held(5, "ana@here.test", rule="scripts", sender="x@evil.test")
    with pytest.raises(EstafetaError, match="stopped"):
        queue.store.group.run(break_off, (Acceptance(summary_of(MESSAGE), entry=entry),), (MESSAGE,))
    assert len(look(queue, EVERYTHING)) == 3
    assert rows_of(queue, entries) == 3


@pytest.mark.parametrize("action", list(Action))
def test_commands_of_the_queue_leave_it_alone(queue: Queue, action: Action) -> None:
    with queue.store.database.read() as conn:
        assert count(conn, QueueChoice(everything=True)) == (0, 0)
        assert list(find_places(conn, QueueChoice(everything=True))) == []
    places = (Place(ident(0), 0), Place(ident(2), 0))
    hops = ("mx:elsewhere.test",) * 2 if action is Action.REROUTE else ()
    assert queue.store.group.run(change, Change(action, places, NOW_MS, "root", NOW_MS, hops)) == 0
    assert queue.claim() == []
    assert len(look(queue, EVERYTHING)) == 3


def test_each_is_told_once_in_one_commit_with_the_letter(queue: Queue) -> None:
    letter = Acceptance(summary_of(MESSAGE), entry=to_queue(7, remote("ana@elsewhere.test")))
    places = (Place(ident(0), 0), Place(ident(1), 0))

    def send() -> bool:
        return bool(queue.store.group.run(tell, Told(letter, places), (MESSAGE,)))

    assert send()
    assert [[one.told for one in found.recipients] for found in look(queue, EVERYTHING)] == [
        [True, False],
        [True],
        [False],
    ]
    assert not send()
    assert rows_of(queue, entries) == 4
    settle_about(queue, Decision.DELETE, *places, Place(ident(0), 1))
    assert rows_of(queue, quarantine_told) == 0


def test_the_check_of_the_store_finds_and_mends_what_does_not_belong_together(store: Store) -> None:
    queue = filled(store)
    database = queue.store.database
    with database.write() as tx:
        tx.conn.execute(delete(quarantine).where(quarantine.c.entry_id == ident(0)))
        tx.conn.execute(delete(recipients).where(recipients.c.entry_id == ident(1)))
        tx.conn.execute(insert(quarantine_told), {"entry_id": ident(8), "number": 0})
    assert len(list(check_queue(database))) >= 3
    list(mend_queue(database))
    assert list(check_queue(database)) == []
    found = look(queue, EVERYTHING)
    assert [(one.entry_id, one.rule) for one in found] == [(ident(0), "unknown"), (ident(2), "scripts")]
    assert time_in_words(found[0].expires_ms // 1000) > time_in_words(NOW_MS // 1000)
