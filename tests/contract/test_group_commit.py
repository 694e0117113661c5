"""Group commit: who fails and who does not, when several write at once, when a writer dies, and when the disk does."""

import errno
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from store_kit import MESSAGE, Flag, Store, arrival, problems, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.mailboxes.change import Expunge, expunge
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.storing import StoreFlags, store_flags
from estafeta.storage.commit import GroupCommit, Job, next_pack_id
from estafeta.storage.database import ConflictError, DiskFullError
from estafeta.storage.packwriting import PackAppender, SoloPack
from estafeta.storage.steps import Step
from estafeta.storage.tables import packs as packs_table
from estafeta.storage.tables import sequences


def delivery(account: int, content: bytes = MESSAGE) -> Job:
    return Job(deliver, arrival(content, to(account)), (content,))


def pack_states(store: Store) -> dict[int, tuple[str, int]]:
    with store.database.read() as conn:
        return {row.pack_id: (row.state, row.end) for row in conn.execute(select(packs_table))}


# Batches


def test_a_batch_of_many_operations(store: Store) -> None:
    store.deliver(MESSAGE, to(1), to(1), to(2))
    jobs = [
        delivery(1, b"new"),
        Job(expunge, Expunge(AccountId(1), 1, ((1, 1),))),
        Job(store_flags, StoreFlags(AccountId(2), 1, ((1, 1),), "add", Flag.SEEN)),
        delivery(2, b"other"),
        Job(expunge, Expunge(AccountId(2), 77, ((1, 1),))),
    ]
    store.group.commit(jobs)
    assert [job.failure is None for job in jobs] == [True, True, True, True, False]
    assert jobs[4].failure.kind is Kind.NOT_FOUND
    assert store.contents(1) == [MESSAGE, b"new"]
    assert store.contents(2) == [MESSAGE, b"other"]
    assert store.counters(2)[:2] == (2, 1)


def test_one_failing_operation_fails_alone(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def broken(tx, items):
        tx.conn.execute(insert(sequences), {"name": "half", "value": 1})
        raise RuntimeError("a bug")

    jobs = [delivery(1), Job(broken, None), delivery(2), Job(broken, None, (b"lost",))]
    store.group.commit(jobs)
    assert [type(job.failure) for job in jobs] == [type(None), RuntimeError, type(None), RuntimeError]
    assert (store.contents(1), store.contents(2)) == ([MESSAGE], [MESSAGE])
    with store.database.read() as conn:
        assert conn.execute(select(sequences).where(sequences.c.name == "half")).first() is None
    assert "an operation failed" in caplog.text
    assert problems(store) == []


def test_a_conflict_is_tried_again(store: Store) -> None:
    tries = []

    def unlucky(tx, items):
        tries.append(1)
        if len(tries) < 4:
            raise ConflictError("deadlock")
        return ["done"]

    jobs = [Job(unlucky, None), delivery(1)]
    store.group.commit(jobs)
    assert (jobs[0].outcome(), len(tries)) == ("done", 4)
    assert store.counters(1)[0] == 1


def test_endless_conflict_is_a_temporary_failure(store: Store) -> None:
    def unlucky(tx, items):
        raise ConflictError("deadlock")

    with pytest.raises(ConflictError):
        store.group.run(unlucky, None)
    store.deliver(MESSAGE, to(1))


def test_steps_come_in_their_order(database_url: str, tmp_path: Path) -> None:
    seen: list[Step] = []
    store = Store.open(database_url, tmp_path / "packs", reached=seen.append)
    store.deliver(MESSAGE, to(1))
    assert seen == list(Step)[:-1]
    store.close()


# Packs


def test_packs_are_sealed_and_followed_by_new_ones(store: Store) -> None:
    store.group.seal_bytes = 1000
    for _ in range(30):
        store.deliver(MESSAGE, to(1))
    states = pack_states(store)
    assert len(states) > 2
    assert [state for state, _ in states.values()].count("open") == 1
    assert store.contents(1) == [MESSAGE] * 30
    assert problems(store) == []


def test_a_pack_is_taken_over_after_its_owner_let_go(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    store.group.close()
    other = GroupCommit(store.database, store.packs)
    other.run(deliver, arrival(MESSAGE, to(1)), (MESSAGE,))
    other.close()
    assert len(pack_states(store)) == 1
    assert store.contents(1) == [MESSAGE] * 2


def test_two_writers_use_two_packs(store: Store) -> None:
    other = GroupCommit(store.database, store.packs)
    store.deliver(MESSAGE, to(1))
    other.run(deliver, arrival(MESSAGE, to(1)), (MESSAGE,))
    assert len(pack_states(store)) == 2
    other.close()


def test_a_full_pack_whose_owner_died_before_sealing_it(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    store.group.close()
    store.group.seal_bytes = 10
    store.deliver(MESSAGE, to(1))
    assert [state for state, _ in pack_states(store).values()] == ["sealed", "open"]


def test_a_failing_operation_leaves_garbage_that_the_next_overwrites_or_skips(store: Store) -> None:
    def broken(tx, items):
        raise RuntimeError("a bug")

    store.deliver(MESSAGE, to(1))
    store.group.commit([Job(broken, None, (b"garbage" * 100,))])
    store.deliver(b"after", to(1))
    assert store.contents(1) == [MESSAGE, b"after"]
    assert problems(store) == []


# A writer that dies


def _write_and_die(url: str, root: Path, step: str) -> None:
    count = 0

    def reached(now: Step) -> None:
        nonlocal count
        count += now is Step.CONTENT_WRITTEN
        if count == 3 and now == step:
            os.kill(os.getpid(), signal.SIGKILL)

    store = Store.open(url, root, reached=reached)
    for number in range(5):
        store.deliver(b"%d" % number * 1000, to(1))


@pytest.mark.parametrize("step", list(Step)[:-1])
def test_a_writer_killed_at_each_step(store: Store, step: Step) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=_write_and_die, args=(store.url, store.packs.root, step)
    )
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    expected = [b"0" * 1000, b"1" * 1000] + [b"2" * 1000] * (step is Step.SQL_COMMITTED)
    assert store.contents(1) == expected
    assert problems(store) == []
    store.deliver(MESSAGE, to(1))
    assert store.contents(1) == [*expected, MESSAGE]
    assert len(pack_states(store)) == 1, "the pack was taken over"
    assert problems(store) == []


@pytest.mark.parametrize("tail", [b"EPK1" + b"\xff" * 40, b"\0" * 5000, os.urandom(1000)])
def test_garbage_behind_the_end_of_a_pack(store: Store, tail: bytes) -> None:
    store.deliver(MESSAGE, to(1))
    store.group.close()
    [(pack_id, (_, end))] = pack_states(store).items()
    with store.packs.path(pack_id).open("r+b") as file:
        file.seek(end)
        file.write(tail)
    store.deliver(b"after", to(1))
    assert store.contents(1) == [MESSAGE, b"after"]
    assert problems(store) == []


def test_a_pack_whose_file_was_never_made(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    store.group.close()
    store.expunge(1, [1])
    for pack_id in pack_states(store):
        store.packs.path(pack_id).unlink()
    store.packs.close()
    store.deliver(b"after", to(1))
    assert store.contents(1) == [b"after"]


# A disk that fails


def fail_with(number: int):
    def fail(*args: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EIO, EstafetaError)])
def test_the_disk_is_full_when_content_is_written(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[EstafetaError]
) -> None:
    store.deliver(MESSAGE, to(1))
    jobs = [delivery(1), Job(expunge, Expunge(AccountId(1), 1, ((1, 1),))), delivery(2)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail_with(number))
        store.group.commit(jobs)
    assert [type(job.failure) for job in jobs] == [kind, type(None), kind]
    assert jobs[0].failure.kind is Kind.TEMPORARY
    assert store.contents(1) == [], "what makes room is done"
    store.deliver(b"again", to(1))
    assert store.contents(1) == [b"again"]
    assert problems(store) == []


def test_a_write_that_stops_half_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.deliver(MESSAGE, to(1))
    plain, calls = os.pwrite, []

    def short(fd: int, data: bytes, offset: int) -> int:
        calls.append(offset)
        if len(calls) % 2:
            return plain(fd, bytes(data)[: len(data) // 2], offset)
        return plain(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", short)
    store.deliver(b"content" * 100, to(1))
    assert store.contents(1) == [MESSAGE, b"content" * 100]


def test_a_failed_sync_seals_the_pack(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.deliver(MESSAGE, to(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail_with(errno.EIO))
        with pytest.raises(EstafetaError) as caught:
            store.deliver(b"lost", to(1))
    assert caught.value.kind is Kind.TEMPORARY
    [(first, (state, _))] = pack_states(store).items()
    assert state == "sealed"
    store.deliver(b"again", to(1))
    assert store.contents(1) == [MESSAGE, b"again"]
    assert store.locations(1)[1].pack_id != first
    assert problems(store) == []


def test_no_directory_to_write_to(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.packs.root.write_bytes(b"a file where the packs should be")
    with pytest.raises(EstafetaError) as caught:
        store.deliver(MESSAGE, to(1))
    assert caught.value.kind is Kind.TEMPORARY
    store.packs.root.unlink()
    store.deliver(MESSAGE, to(1))


def test_the_disk_is_full_when_a_large_content_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = SoloPack(store.packs, next_pack_id(store.database))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail_with(errno.ENOSPC))
        with pytest.raises(DiskFullError):
            pack.write(os.urandom(10_000_000))
    pack.discard()
    assert list(store.packs.root.glob("*/*.pack")) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lost_database_connection_comes_back(store: Store) -> None:
    store.deliver(MESSAGE, to(1))

    def cut(tx, items):
        with store.database.read() as conn:
            conn.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND datname = current_database()"
                )
            )
        return [None] * len(items)

    jobs = [Job(cut, None), delivery(1)]
    store.group.commit(jobs)
    assert all(isinstance(job.failure, EstafetaError) for job in jobs), [job.failure for job in jobs]
    assert all(job.failure.kind is Kind.TEMPORARY for job in jobs)
    store.deliver(b"again", to(1))
    assert store.contents(1) == [MESSAGE, b"again"]
    with store.database.write() as tx:
        tx.conn.execute(text("SELECT 1"))


# Several at once


def _write_many(url: str, root: Path, mine: int) -> None:
    store = Store.open(url, root)
    for number in range(15):
        store.deliver(b"%d/%d" % (mine, number) * 50, to(1), to(number % 3 + 1), to(mine + 10))
        if number % 4 == 3:
            store.expunge(1, range(number))
            store.flag(2, range(50), "add", Flag.SEEN)
    store.close()


def test_several_processes_write_at_once(store: Store) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write_many, args=(store.url, store.packs.root, n)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert problems(store) == []
    for mine in range(4):
        assert store.contents(mine + 10) == [b"%d/%d" % (mine, number) * 50 for number in range(15)]
    uids = [row.uid for row in store.snapshot(2).rows]
    assert uids == list(range(1, 21))


def test_several_threads_write_at_once(store: Store) -> None:
    """Each thread with a writer of its own, on one database object."""

    def work(mine: int) -> None:
        group = GroupCommit(store.database, store.packs)
        for _ in range(20):
            group.run(deliver, arrival(MESSAGE, to(1), to(mine)), (MESSAGE,))
        group.close()

    threads = [threading.Thread(target=work, args=(mine,)) for mine in (2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.uid for row in store.snapshot(1).rows] == list(range(1, 61))
    assert problems(store) == []


def test_a_number_is_given_out_once(store: Store) -> None:
    got: list[int] = []

    def work() -> None:
        got.extend(next_pack_id(store.database) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 61))


def test_a_held_pack_is_not_opened_twice(store: Store) -> None:
    first = PackAppender.open(store.packs, next_pack_id(store.database), 0)
    assert first is not None
    assert PackAppender.open(store.packs, first.pack_id, 0) is None
    first.close()
    again = PackAppender.open(store.packs, first.pack_id, 0)
    assert again is not None
    again.close()
