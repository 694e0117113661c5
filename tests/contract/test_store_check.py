"""`store verify` names what is wrong, one sentence each; `store repair` mends it, and a second has nothing to do."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from store_kit import MESSAGE, Flag, Store, problems, to

from estafeta.app.storecheck import mend
from estafeta.mailboxes import tally
from estafeta.storage.compact import compact
from estafeta.storage.packs import DamagedRecordError, Location
from estafeta.storage.verify import check_records

LONG = MESSAGE + os.urandom(400_000).hex().encode() + b"\r\n"


@pytest.fixture
def filled(store: Store) -> Store:
    """Two accounts, three mailboxes, one message that two accounts share, one expunged, one flagged."""
    store.deliver(MESSAGE, to(1), to(2))
    store.deliver(b"Subject: second\r\n\r\n" + b"x" * 500, to(1))
    store.deliver(LONG, to(2))
    archive = store.create(1, "Archive")
    store.deliver(MESSAGE + b"third", to(1, archive), to(1))
    store.expunge(1, [2])
    store.flag(1, [1], "add", Flag.SEEN | Flag.DELETED)
    return store


def sql(*statements: str) -> Callable[[Store], None]:
    def run(store: Store) -> None:
        with store.database.write() as tx:
            for statement in statements:
                assert tx.conn.execute(text(statement)).rowcount > 0, statement

    return run


def overwrite(offset: int, octets: bytes) -> Callable[[Store], None]:
    """Change octets of the record of account 2's second message, which is long."""

    def run(store: Store) -> None:
        location = store.locations(2)[1]
        with store.packs.path(location.pack_id).open("r+b") as file:
            file.seek(location.offset + (offset if offset >= 0 else location.length + offset))
            file.write(octets)

    return run


def cut(store: Store) -> None:
    location = store.locations(2)[1]
    os.truncate(store.packs.path(location.pack_id), location.offset + location.length - 1)


def remove_pack(store: Store) -> None:
    store.packs.path(store.locations(1)[0].pack_id).unlink()
    store.packs.close()


DAMAGES = [
    ("magic", overwrite(0, b"XXXX"), "there is no such record"),
    ("checksum", overwrite(4, b"\0\0\0\0"), "the checksum differs"),
    ("length", overwrite(8, b"\1\0\0\0\0\0\0\0"), "there is no such record"),
    ("frame", overwrite(200, bytes(50)), "the checksum differs"),
    ("end of frame", overwrite(-5, b"12345"), "the checksum differs"),
    ("torn", cut, "the pack is too short"),
    ("no file", remove_pack, "is missing, and with it the content of 3 messages"),
    ("refs high", sql("UPDATE contents SET refs = refs + 1"), "counts 3 messages that refer to it, but 2 do"),
    ("refs low", sql("UPDATE contents SET refs = 0"), "counts 0 messages that refer to it, but 2 do"),
    (
        "copies high",
        sql("INSERT INTO more_refs SELECT max(content_id), 7 FROM contents"),
        "counts 9 messages that refer to it, but 2 do",
    ),
    ("copies of nothing", sql("INSERT INTO more_refs VALUES (77, 1)"), "References to content 77 are counted, but"),
    ("no reader", sql("DELETE FROM messages WHERE account_id = 2"), "belongs to no message"),
    ("no content", sql("DELETE FROM contents"), "has no content"),
    ("size", sql("UPDATE messages SET size = 1 WHERE account_id = 2"), "says 1 octets, its content has"),
    ("messages", sql("UPDATE mailboxes SET messages = 9"), "says 9 for messages, but it is 2"),
    ("unseen", sql("UPDATE mailboxes SET unseen = 9"), "says 9 for unseen, but it is 1"),
    ("deleted", sql("UPDATE mailboxes SET deleted = -1"), "says -1 for deleted, but it is 1"),
    ("octets", sql("UPDATE mailboxes SET bytes = 0"), "says 0 for bytes"),
    ("quota", sql("UPDATE account_state SET bytes = 1"), "it says 1 for bytes"),
    ("account messages", sql("UPDATE account_state SET messages = 0"), "it says 0 for messages"),
    ("account state", sql("DELETE FROM account_state WHERE account_id = 1"), "its state is missing"),
    ("mailbox row", sql("DELETE FROM mailboxes WHERE mailbox_id = 2"), "messages in mailbox 2, which is not there"),
    ("inbox row", sql("DELETE FROM mailboxes WHERE mailbox_id = 1"), "messages in mailbox 1, which is not there"),
    ("uid_next", sql("UPDATE mailboxes SET uid_next = 1"), "would give out UID 1 again"),
    ("modseq", sql("UPDATE mailboxes SET modseq = 1"), "is at MODSEQ 1, but a change in it has"),
    ("account modseq", sql("UPDATE account_state SET modseq = 1"), "is at MODSEQ 1, but a mailbox has"),
    ("mailbox ids", sql("UPDATE account_state SET last_mailbox_id = 1"), "would give out mailbox 2 again"),
    ("old modseq", sql("UPDATE messages SET modseq = 0"), "has a MODSEQ older than itself"),
    ("tombstone", sql("UPDATE tombstones SET uid = 1"), "is listed as gone, but is there"),
    ("pack end", sql('UPDATE packs SET "end" = 50'), "which would be overwritten"),
    ("dead octets", sql("UPDATE packs SET dead_bytes = 99999999"), "says that 99999999 octets of it are dead"),
    ("pack row", sql("DELETE FROM packs"), "is not in the list of packs"),
    ("dead pack", sql("UPDATE packs SET state = 'dead'"), "is to be removed but holds"),
]


def repair(store: Store, tmp_path: Path) -> list[str]:
    store.group.close()
    return list(mend(store.database, store.packs, tmp_path / "damaged", lambda done, total: None))


def test_a_whole_store(filled: Store, tmp_path: Path) -> None:
    before = [filled.status(1), filled.status(1, 2), filled.status(2)]
    assert problems(filled) == []
    assert repair(filled, tmp_path) == []
    assert [filled.status(1), filled.status(1, 2), filled.status(2)] == before


@pytest.mark.parametrize(("damage", "said"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES])
def test_damage_is_named_and_mended(filled: Store, tmp_path: Path, damage: Callable[[Store], None], said: str) -> None:
    damage(filled)
    found = problems(filled)
    assert [sentence for sentence in found if said in sentence], found
    assert all(sentence.endswith(".") and "repair" in sentence for sentence in found), found
    assert repair(filled, tmp_path)
    assert problems(filled) == []
    assert repair(filled, tmp_path) == []
    filled.deliver(MESSAGE, to(1), to(2))
    assert problems(filled) == []


def test_a_damaged_message_stays_listed(filled: Store, tmp_path: Path) -> None:
    overwrite(-300, os.urandom(300))(filled)
    rows, others = filled.snapshot(2).rows, filled.contents(1)
    with pytest.raises(DamagedRecordError):
        filled.packs.read(rows[1].location)
    assert filled.packs.read(rows[0].location) == MESSAGE, "others can be read"
    [sentence] = repair(filled, tmp_path)[:1]
    assert "octets were saved" in sentence
    first, saved = filled.contents(2)
    assert first == MESSAGE
    mark, _, rest = saved.partition(b"\r\n")
    assert mark.startswith(b"X-Estafeta-Damaged:")
    assert LONG.startswith(rest[:100_000])
    assert [row.uid for row in filled.snapshot(2).rows] == [1, 2]
    assert filled.contents(1) == others
    [kept] = (tmp_path / "damaged").iterdir()
    assert kept.stat().st_size == rows[1].location.length


def test_a_lost_message_becomes_a_notice(filled: Store, tmp_path: Path) -> None:
    remove_pack(filled)
    sentences = repair(filled, tmp_path)
    assert sum("a notice is in its place" in sentence for sentence in sentences) == 3
    assert all(b"could not be read" in content for content in filled.contents(1) + filled.contents(2))


def test_references_are_counted_in_runs(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "_RUN", 2)
    monkeypatch.setattr(tally, "_BLOCK", 1)
    monkeypatch.setattr(tally, "_ROWS", 1)
    for number in range(20):
        filled.deliver(b"%d" % number, to(1), to(2), to(3))
    assert problems(filled) == []
    filled.expunge(3, [1, 2, 3])
    assert problems(filled) == []


def test_what_is_removed_meanwhile_is_no_problem(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content that goes away between reading its row and its record."""
    plain, gone = filled.packs.read, filled.locations(1)[1]

    def read(location: Location) -> bytes:
        if location != gone:
            return plain(location)
        filled.expunge(1, [3])
        filled.expunge(1, [1], mailbox=2)
        raise DamagedRecordError(location, "gone")

    monkeypatch.setattr(filled.packs, "read", read)
    assert problems(filled) == []


def test_what_moves_meanwhile_is_no_problem(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.group.seal_bytes = 1
    filled.deliver(MESSAGE, to(9))
    plain, old = filled.packs.read, filled.locations(2)[0]

    def read(location: Location) -> bytes:
        if location != old:
            return plain(location)
        compact(filled.database, filled.packs, dead_percent=-1)
        raise DamagedRecordError(location, "removed")

    monkeypatch.setattr(filled.packs, "read", read)
    assert problems(filled) == []
    assert filled.locations(2)[0] != old


def test_progress_ends_at_the_total(filled: Store) -> None:
    seen: list[tuple[int, int]] = []
    assert list(check_records(filled.database, filled.packs, lambda done, total: seen.append((done, total)))) == []
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1] > 0
