"""Compaction: what lives survives, readers are not disturbed, and each stop in between leaves a whole store."""

import os
from pathlib import Path

import pytest
from sqlalchemy import select, text
from store_kit import MESSAGE, Store, arrival, problems, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import PackId
from estafeta.mailboxes.deliver import deliver
from estafeta.storage import compact as compact_module
from estafeta.storage.commit import next_pack_id
from estafeta.storage.compact import CompactReport, compact
from estafeta.storage.contents import live_bytes
from estafeta.storage.packwriting import PackAppender, SoloPack
from estafeta.storage.tables import packs as packs_table

LATER = 4_000_000_000.0


def words(number: int) -> bytes:
    return MESSAGE + os.urandom(200) + b"%d\r\n" % number


@pytest.fixture
def half_dead(store: Store) -> tuple[Store, dict[int, bytes]]:
    """Three sealed packs; of their messages every fourth is left."""
    store.group.seal_bytes = 4000
    kept = {}
    for uid in range(1, 41):
        content = words(uid)
        store.deliver(content, to(1))
        if uid % 4 == 0:
            kept[uid] = content
    store.expunge(1, [uid for uid in range(1, 41) if uid % 4])
    return store, kept


def run(store: Store, **options: object) -> CompactReport:
    return compact(store.database, store.packs, **({"dead_percent": 50} | options))  # type: ignore[arg-type]


def states(store: Store) -> dict[int, str]:
    with store.database.read() as conn:
        return {row.pack_id: row.state for row in conn.execute(select(packs_table))}


def read_all(store: Store) -> dict[int, bytes]:
    return {row.uid: store.packs.read(row.location) for row in store.snapshot(1).rows}


def test_live_records_move_and_ids_stay(half_dead: tuple[Store, dict[int, bytes]]) -> None:
    store, kept = half_dead
    before = {row.uid: row.location.content_id for row in store.snapshot(1).rows}
    report = run(store)
    assert report.packs >= 2
    assert report.freed_bytes == 0
    assert report.pending_bytes > 0
    assert read_all(store) == kept
    assert {row.uid: row.location.content_id for row in store.snapshot(1).rows} == before
    assert problems(store) == []


def test_a_location_from_before_the_move_still_works(half_dead: tuple[Store, dict[int, bytes]]) -> None:
    store, kept = half_dead
    before = store.snapshot(1)
    run(store)
    store.packs.close()
    assert {row.uid: store.packs.read(row.location) for row in before.rows} == kept
    assert {row.location for row in before.rows} != {row.location for row in store.snapshot(1).rows}


def test_dead_packs_go_after_their_time(half_dead: tuple[Store, dict[int, bytes]]) -> None:
    store, kept = half_dead
    run(store)
    dead = [pack for pack, state in states(store).items() if state == "dead"]
    report = run(store, clock=lambda: LATER)
    assert report.freed_bytes > 0
    assert not [pack for pack in dead if store.packs.path(pack).exists() or pack in states(store)]
    assert read_all(store) == kept
    assert problems(store) == []


def test_what_was_moved_can_move_again(half_dead: tuple[Store, dict[int, bytes]]) -> None:
    store, kept = half_dead
    run(store)
    store.expunge(1, list(kept)[:-2])
    assert run(store).packs >= 1
    left = dict(list(kept.items())[-2:])
    assert read_all(store) == left
    run(store, clock=lambda: LATER)
    assert read_all(store) == left
    assert problems(store) == []


def test_packs_that_mostly_live_are_left_alone(store: Store) -> None:
    store.group.seal_bytes = 1000
    for number in range(10):
        store.deliver(words(number), to(1))
    store.expunge(1, [1])
    before = states(store)
    assert run(store).packs == 0
    assert states(store) == before


def test_stopping_between_portions(half_dead: tuple[Store, dict[int, bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    store, kept = half_dead
    monkeypatch.setattr(compact_module, "_PORTION_ROWS", 1)
    asked = iter([False, False, True, True, True, True])
    run(store, stopping=lambda: next(asked))
    assert read_all(store) == kept
    assert problems(store) == []
    run(store)
    assert read_all(store) == kept
    assert problems(store) == []


def test_a_message_expunged_during_the_copy(
    half_dead: tuple[Store, dict[int, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, kept = half_dead
    expunged = iter([next(iter(kept))])
    plain = PackAppender.sync

    def sync(appender: PackAppender) -> None:
        plain(appender)
        for uid in expunged:
            del kept[uid]
            store.expunge(1, [uid])

    monkeypatch.setattr(PackAppender, "sync", sync)
    run(store)
    assert read_all(store) == kept
    assert problems(store) == []


def test_the_disk_fills_during_the_copy(
    half_dead: tuple[Store, dict[int, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, kept = half_dead

    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(EstafetaError) as caught:
            run(store)
        assert caught.value.kind is Kind.TEMPORARY
    assert read_all(store) == kept
    assert problems(store) == []
    run(store)
    assert read_all(store) == kept


def test_a_damaged_pack_is_left_alone(half_dead: tuple[Store, dict[int, bytes]]) -> None:
    store, _ = half_dead
    location = store.locations(1)[0]
    os.truncate(store.packs.path(location.pack_id), location.offset)
    run(store)
    assert states(store)[location.pack_id] == "sealed"
    assert store.locations(1)[0] == location


def test_a_pack_is_dead_only_when_nothing_refers_to_it(
    half_dead: tuple[Store, dict[int, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if moving went wrong, and even if a commit that was long under way lands in a dead pack."""
    store, kept = half_dead
    with monkeypatch.context() as patch:
        patch.setattr(compact_module._Run, "_move", lambda run, pack_id, rows: None)
        assert run(store, dead_percent=70).packs == 0
    assert "dead" not in states(store).values()
    with store.database.write() as tx:
        tx.conn.execute(text("UPDATE packs SET state = 'dead'"))
    run(store, clock=lambda: LATER)
    assert read_all(store) == kept
    assert problems(store) == []


def solo(store: Store, content: bytes) -> SoloPack:
    pack = SoloPack(store.packs, next_pack_id(store.database))
    pack.write(content)
    return pack


def test_a_solo_pack_goes_with_its_content(store: Store) -> None:
    pack = solo(store, MESSAGE)
    store.group.run(deliver, arrival(MESSAGE, to(1)), (pack.finish(),))
    pack.close()
    [location] = store.locations(1)
    assert run(store).packs == 0
    store.expunge(1, [1])
    assert run(store).packs == 1
    assert store.packs.read(location) == MESSAGE
    run(store, clock=lambda: LATER)
    assert not store.packs.path(location.pack_id).exists()
    assert states(store) == {}


def test_a_solo_pack_that_nobody_took(store: Store) -> None:
    store.deliver(MESSAGE, to(1))
    pack = solo(store, MESSAGE)
    location = pack.finish()
    [refused] = store.group.run(deliver, arrival(MESSAGE, to(1, quota=1)), (location,))
    assert refused.kind is Kind.QUOTA
    pack.close()
    assert run(store).packs == 1
    run(store, clock=lambda: LATER)
    assert not store.packs.path(location.pack_id).exists()


def test_leftover_files_go_when_nobody_writes_them(store: Store) -> None:
    left, busy = solo(store, b"left"), solo(store, b"busy")
    left.close()
    other = store.packs.root / "0" / "readme.txt"
    other.write_text("not ours")
    run(store)
    assert len(list(store.packs.root.glob("*/*.pack"))) == 2, "new files are left alone"
    run(store, clock=lambda: LATER)
    [remaining] = store.packs.root.glob("*/*.pack")
    location = busy.finish()
    assert remaining == store.packs.path(location.pack_id)
    store.group.run(deliver, arrival(b"busy", to(1)), (location,))
    busy.close()
    run(store, clock=lambda: LATER)
    assert store.contents(1) == [b"busy"]
    assert other.exists()


def test_a_finished_solo_pack_is_never_unlinked_by_its_writer(store: Store) -> None:
    pack = solo(store, MESSAGE)
    location = pack.finish()
    pack.discard()
    assert store.packs.path(location.pack_id).exists()


def test_a_pack_removed_between_opening_and_locking(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.packs.path(5)
    plain = os.open

    def opened(name: Path, *args: int, **options: int) -> int:
        fd = plain(name, *args, **options)
        if name == path:
            path.unlink()
        return fd

    monkeypatch.setattr(os, "open", opened)
    assert PackAppender.open(store.packs, PackId(5), 0) is None


def test_one_at_a_time(half_dead: tuple[Store, dict[int, bytes]]) -> None:
    store, _ = half_dead

    def again() -> bool:
        with pytest.raises(EstafetaError) as caught:
            run(store)
        assert caught.value.kind is Kind.IN_USE
        return False

    run(store, stopping=again)


def test_moved_contents_are_found_by_the_index(half_dead: tuple[Store, dict[int, bytes]]) -> None:
    store, _ = half_dead
    run(store)
    if not store.database.is_sqlite:
        return
    seen: list[str] = []
    with store.database.read() as conn:
        conn.connection.driver_connection.set_trace_callback(seen.append)  # type: ignore[union-attr]
        live_bytes(conn, 1)
        conn.connection.driver_connection.set_trace_callback(None)  # type: ignore[union-attr]
        [statement] = [one for one in seen if one.startswith("SELECT")]
        plan = " ".join(row[3] for row in conn.execute(text(f"EXPLAIN QUERY PLAN {statement}")))
    assert "contents_moved" in plan
    assert "SCAN" not in plan.replace("SCAN CONSTANT", "")
