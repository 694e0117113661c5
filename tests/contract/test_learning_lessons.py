"""From a message that is moved to its words: what waits is learnt in the background, by whom ever."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from bayes_kit import ANNA, BEN, DAY, SITE, counts, remembered, totals
from sqlalchemy import delete
from store_kit import Store, to

from estafeta.app import lessons
from estafeta.app.lessons import PORTION, Lessons
from estafeta.core.ids import INBOX
from estafeta.directory.settings_model import Settings
from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.service import Mailboxes
from estafeta.policy import bayes_lessons
from estafeta.policy.bayes_lessons import any_waiting, count_waiting, stored_content
from estafeta.policy.bayes_tokens import features
from estafeta.policy.content import Content
from estafeta.storage.commit import Job
from estafeta.storage.packs import Location
from estafeta.storage.tables import leases

JUNK = b"From: Shop <shop@example.com>\r\nSubject: pills\r\n\r\nbuy cheap pills online now\r\n"
FAST = Settings.model_validate({"bayes": {"messages_per_minute": 100_000}})


class Source:
    """Settings as they are."""

    def __init__(self, settings: Settings = FAST) -> None:
        self.current = settings


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    def run(store: Store) -> None:
        asyncio.run(test(store))

    run.__name__ = test.__name__
    return run


def learner(
    store: Store,
    holder: str = "one",
    settings: Settings = FAST,
    taught: Callable[[Content, Lesson], None] = lambda content, lesson: None,
) -> Lessons:
    def submit(operation: Any, payload: Any, contents: Sequence[bytes | Location]) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        job = Job(operation, payload, contents)
        store.group.commit([job])
        if job.failure is None:
            future.set_result(job.result)
        else:
            future.set_exception(job.failure)
        return future

    mailboxes = Mailboxes(store.database, store.packs, submit)
    source: Any = Source(settings)
    return Lessons(mailboxes, submit, source, holder, lambda: DAY * 86_400.0, taught)


def move_to_junk(store: Store, *contents: bytes, account: int = ANNA) -> int:
    """Returns the mailbox."""
    junk = store.create(account, "Junk", special_use="Junk")
    for content in contents:
        store.deliver(content, to(account))
    store.copy((account, INBOX), range(1, len(contents) + 1), (account, junk), move=True)
    return junk


def numbered(count: int) -> list[bytes]:
    return [JUNK + b"number%d\r\n" % number for number in range(count)]


@in_loop
async def test_moved_into_junk_and_out_again(store: Store) -> None:
    work = learner(store)
    junk = move_to_junk(store, JUNK)
    work.heard("lessons")
    await work.finished()
    assert totals(store) == totals(store, ANNA) == (0, 1)
    assert set(counts(store)) == set(features(Content.of(JUNK)))
    store.copy((ANNA, junk), [1], (ANNA, INBOX), move=True)
    work.heard("lessons")
    await work.finished()
    assert totals(store) == totals(store, ANNA) == (1, 0)
    assert not any_waiting(store.database)


@in_loop
async def test_who_learns_of_senders_is_told_of_each_change_once(store: Store) -> None:
    told: list[tuple[bytes, Lesson]] = []
    work = learner(store, taught=lambda content, lesson: told.append((content.fields.raw("from")[0], lesson)))
    junk = move_to_junk(store, JUNK)
    work.begin()
    await work.finished()
    store.copy((ANNA, junk), [1], (ANNA, INBOX), move=True)
    work.begin()
    await work.finished()
    work.begin()
    await work.finished()
    assert told == [(b"Shop <shop@example.com>", Lesson.SPAM), (b"Shop <shop@example.com>", Lesson.HAM)]


@in_loop
async def test_many_are_learnt_in_portions(store: Store) -> None:
    work = learner(store)
    move_to_junk(store, *numbered(2 * PORTION + 3))
    work.begin()
    await work.finished()
    assert totals(store) == (0, 2 * PORTION + 3)
    assert count_waiting(store.database) == 0


@in_loop
async def test_two_workers_learn_each_message_once(store: Store) -> None:
    """Even where the lease let both of them."""
    move_to_junk(store, *numbered(2 * PORTION))
    first, second = learner(store, "one"), learner(store, "two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "claim", lambda *_: True)
        first.begin()
        second.begin()
        await first.finished()
        await second.finished()
    assert totals(store) == (0, 2 * PORTION)


@in_loop
async def test_one_worker_at_a_time(store: Store) -> None:
    first, second = learner(store, "one"), learner(store, "two")
    move_to_junk(store, *numbered(3))
    first.begin()
    await first.finished()
    store.copy((ANNA, 2), [1], (ANNA, INBOX), move=True)
    second.begin()
    await second.finished()
    assert count_waiting(store.database) == 1  # the first one has the lease
    with store.database.write() as tx:
        tx.conn.execute(delete(leases))
    second.tick()
    await second.finished()
    assert totals(store) == (1, 2)


@in_loop
async def test_a_message_that_is_gone_is_passed_over(store: Store) -> None:
    junk = move_to_junk(store, *numbered(3))
    store.expunge(ANNA, [2], junk)
    work = learner(store)
    work.begin()
    await work.finished()
    assert totals(store) == (0, 2)
    assert not any_waiting(store.database)


@in_loop
async def test_a_message_that_cannot_be_read_keeps_no_other_from_being_learnt(store: Store) -> None:
    move_to_junk(store, *numbered(3))
    path = store.packs.path(store.locations(ANNA, 2)[1].pack_id)
    location = store.locations(ANNA, 2)[1]
    octets = bytearray(path.read_bytes())
    octets[location.offset + location.length - 3] ^= 0xFF
    path.write_bytes(octets)
    work = learner(store)
    work.begin()
    await work.finished()
    assert totals(store) == (0, 2)
    assert not any_waiting(store.database)


@in_loop
async def test_a_fault_in_one_message_keeps_no_other_from_being_learnt(store: Store) -> None:
    move_to_junk(store, *numbered(3))
    read = features

    def faulty(content: Content, *, pairs: bool) -> list[int]:
        if b"number1" in b"".join(content.pieces()):
            raise ZeroDivisionError
        return read(content, pairs=pairs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bayes_lessons, "features", faulty)
        work = learner(store)
        work.begin()
        await work.finished()
    assert totals(store) == (0, 2)
    assert not any_waiting(store.database)


@in_loop
async def test_nothing_from_users(store: Store) -> None:
    move_to_junk(store, JUNK)
    work = learner(store, settings=Settings.model_validate({"bayes": {"learn_from_users": False}}))
    work.begin()
    await work.finished()
    assert totals(store) == totals(store, ANNA) == (0, 0)
    assert not any_waiting(store.database)


@in_loop
async def test_a_user_alone(store: Store) -> None:
    settings = Settings.model_validate({"bayes": {"site_lessons_per_user": 2, "messages_per_minute": 100_000}})
    move_to_junk(store, *numbered(5))
    move_to_junk(store, JUNK, account=BEN)
    work = learner(store, settings=settings)
    work.begin()
    await work.finished()
    assert (totals(store), totals(store, ANNA), totals(store, BEN)) == ((0, 3), (0, 5), (0, 1))


@in_loop
async def test_stopping_leaves_the_rest_for_the_next(store: Store) -> None:
    slow = Settings.model_validate({"bayes": {"messages_per_minute": 60}})
    move_to_junk(store, *numbered(2 * PORTION))
    work = learner(store, settings=slow)
    learnt = asyncio.Event()
    store.database.publish = lambda topics: learnt.set()
    work.begin()
    await learnt.wait()
    await work.stop()
    assert count_waiting(store.database) == PORTION
    work.begin()
    await work.finished()
    assert count_waiting(store.database) == PORTION


@in_loop
async def test_a_store_that_cannot_be_written_keeps_the_lesson(store: Store) -> None:
    move_to_junk(store, JUNK)
    work = learner(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "any_waiting", lambda database: 1 / 0)
        work.begin()
        await work.finished()
    assert any_waiting(store.database)
    work.begin()
    await work.finished()
    assert totals(store) == (0, 1)


@pytest.mark.parametrize(
    "message",
    [
        JUNK,
        b"",
        b"\r\n",
        b"no header end",
        b"Subject: x\r\n\r\n",
        b"Subject: " + b"x" * 300_000 + b"\r\n\r\nbody\r\n",
        b"X: y\r\n" * 60_000,
        b"Subject: large\r\n\r\n" + b"".join(b"word%d\r\n" % number for number in range(100_000)),
    ],
)
def test_a_stored_message_has_the_words_that_it_had(store: Store, message: bytes) -> None:
    store.deliver(message, to(ANNA))
    mailboxes = Mailboxes(store.database, store.packs, lambda *_: None)  # type: ignore[arg-type,return-value]
    [location] = store.locations(ANNA)
    found = stored_content(mailboxes, location)
    assert found.size == len(message)
    if len(message) < 200_000:
        assert found.header == Content.of(message).header
    assert b"".join(found.pieces()) in (b"".join(Content.of(message).pieces()), b"")
    # Behind a header that has no end nothing is looked at.
    if b"\r\n\r\n" in message[:100]:
        assert features(found) == features(Content.of(message))


def test_what_is_remembered_is_by_content(store: Store) -> None:
    move_to_junk(store, JUNK)
    [location] = store.locations(ANNA, 2)
    asyncio.run(_once(store))
    assert remembered(store) == [(ANNA, location.content_id, True)]
    assert SITE not in {row[0] for row in remembered(store)}


async def _once(store: Store) -> None:
    work = learner(store)
    work.begin()
    await work.finished()
