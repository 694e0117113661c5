"""Packs: what is written comes back, damage is named and stays where it is, and memory does not grow with size."""

import os
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import PackId
from estafeta.storage import packs as packs_module
from estafeta.storage.packs import (
    HEADER,
    MAGIC,
    DamagedRecordError,
    Location,
    Packs,
    birth_pack,
    born_in,
    content_id,
    decode_record,
)
from estafeta.storage.packwriting import PackAppender, SoloPack, encode_header


def appended(packs: Packs, *contents: bytes, pack: int = 1) -> list[Location]:
    appender = PackAppender.open(packs, PackId(pack), 0)
    assert appender is not None
    locations = appender.append(contents)
    appender.sync()
    appender.close()
    return locations


@pytest.fixture
def packs(tmp_path: Path) -> Packs:
    return Packs(tmp_path / "packs")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=2000), max_size=8))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    packs = Packs(tmp_path_factory.mktemp("packs"))
    locations = appended(packs, *contents)
    assert [packs.read(location) for location in locations] == contents
    assert [b"".join(packs.chunks(location)) for location in locations] == contents
    packs.close()


@given(st.binary(max_size=200))
def test_decoding_garbage_is_damage_and_nothing_else(record: bytes) -> None:
    location = Location(content_id(1, 0), PackId(1), 0, len(record), 10)
    if len(record) < HEADER.size:
        return
    with pytest.raises(DamagedRecordError):
        decode_record(location, record)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_every_changed_bit_is_noticed(content: bytes, data: st.DataObject) -> None:
    import zstandard

    frame = zstandard.compress(content, 1)
    record = bytearray(encode_header(frame, len(content)) + frame)
    location = Location(content_id(1, 0), PackId(1), 0, len(record), len(content))
    assert decode_record(location, record) == content
    bit = data.draw(st.integers(0, len(record) * 8 - 1))
    record[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedRecordError):
        decode_record(location, record)


def test_the_layout_is_the_documented_one(packs: Packs) -> None:
    """docs/internals/store.md, table of a record."""
    [location] = appended(packs, b"content")
    octets = packs.path(PackId(1)).read_bytes()
    assert packs.path(PackId(1)) == packs.root / "0" / "1.pack"
    assert packs.path(PackId(12345)) == packs.root / "12" / "12345.pack"
    assert octets[:4] == MAGIC == b"EPK1"
    frame = int.from_bytes(octets[8:16], "little")
    assert location.length == 24 + frame
    assert int.from_bytes(octets[16:24], "little") == location.size == 7
    assert int.from_bytes(octets[4:8], "little") == zlib.crc32(octets[24 : 24 + frame] + octets[8:24])
    assert not any(octets[location.length :])


def test_ids_tell_where_contents_were_born() -> None:
    first, end = born_in(7)
    assert content_id(7, 0) == first
    assert content_id(7, (1 << 32) - 1) == end - 1
    assert birth_pack(content_id(7, 12345)) == 7
    assert content_id((1 << 31) - 1, (1 << 32) - 1) < 1 << 63, "fits a signed column"


@pytest.mark.parametrize("cut", [0, 1, 23, 24, 30])
def test_a_torn_record(packs: Packs, cut: int) -> None:
    first, second = appended(packs, b"first" * 100, os.urandom(500))
    os.truncate(packs.path(PackId(1)), second.offset + cut)
    assert packs.read(first) == b"first" * 100
    for read in (packs.read, lambda where: list(packs.chunks(where))):
        with pytest.raises(DamagedRecordError) as caught:
            read(second)
        assert caught.value.kind is Kind.UNAVAILABLE
        assert "1" not in caught.value.public, "nothing of the inside in what anyone may see"


def test_damage_in_the_middle_shows_for_its_record_only(packs: Packs) -> None:
    contents = [os.urandom(700_000) for _ in range(3)]
    locations = appended(packs, *contents)
    with packs.path(PackId(1)).open("r+b") as file:
        file.seek(locations[1].offset + 400_000)
        file.write(b"damage")
    assert packs.read(locations[0]) == contents[0]
    assert b"".join(packs.chunks(locations[2])) == contents[2]
    with pytest.raises(DamagedRecordError):
        packs.read(locations[1])
    with pytest.raises(DamagedRecordError):
        list(packs.chunks(locations[1]))
    try:
        cached = packs.read_cached(locations[1])
    except DamagedRecordError:
        cached = None
    assert cached is None


def test_no_such_pack(packs: Packs) -> None:
    location = Location(content_id(9, 0), PackId(9), 0, 100, 100)
    with pytest.raises(DamagedRecordError):
        packs.read(location)
    assert packs.read_cached(location) is None


def test_out_of_descriptors_is_no_damage(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    [location] = appended(packs, b"x")

    def crowded(*args: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", crowded)
        with pytest.raises(EstafetaError) as caught:
            packs.read(location)
    assert caught.value.kind is Kind.TEMPORARY
    assert packs.read(location) == b"x"


def test_files_are_closed_again(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs_module, "_OPEN_FILES", 3)
    locations = [appended(packs, b"%d" % pack, pack=pack)[0] for pack in range(1, 20)]
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        assert [packs.read(location) for location in locations] == [b"%d" % pack for pack in range(1, 20)]
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    packs.forget(PackId(19))
    packs.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert packs.read(locations[0]) == b"1"


def solo(packs: Packs, pack: int, pieces: int, piece: Callable[[], bytes]) -> Location:
    pack_file = SoloPack(packs, PackId(pack))
    for _ in range(pieces):
        pack_file.write(piece())
    location = pack_file.finish()
    pack_file.close()
    return location


@pytest.mark.parametrize(
    "piece",
    [lambda: os.urandom(1 << 16), lambda: bytes(1 << 16), lambda: b"words, more words.\r\n".ljust(64, b"-") * 1024],
    ids=["random", "zeros", "words"],
)
def test_100_mib_pass_through_little_memory(packs: Packs, piece: Callable[[], bytes]) -> None:
    """Also where they compress well: then one small piece of a frame is much content."""
    tracemalloc.start()
    location = solo(packs, 1, 1600, piece)
    size, largest = 0, 0
    for data in packs.chunks(location):
        size += len(data)
        largest = max(largest, len(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == location.size == 100 << 20
    assert largest <= 1 << 20
    assert peak < 4 << 20


def test_a_solo_pack_reads_whole_too(packs: Packs) -> None:
    location = solo(packs, 1, 10, lambda: b"0123456789" * 1000)
    assert packs.read(location) == b"0123456789" * 10000
    assert (location.offset, location.content_id) == (0, content_id(1, 0))


def test_an_unfinished_solo_pack_is_no_record(packs: Packs) -> None:
    pack = SoloPack(packs, PackId(1))
    pack.write(os.urandom(1 << 20))
    with pytest.raises(DamagedRecordError):
        packs.read(Location(content_id(1, 0), PackId(1), 0, 1000, 1000))
    pack.discard()
    pack.discard()
    assert not packs.path(PackId(1)).exists()


def test_a_solo_pack_that_somebody_holds(packs: Packs) -> None:
    first = SoloPack(packs, PackId(1))
    with pytest.raises(EstafetaError) as caught:
        SoloPack(packs, PackId(1))
    assert caught.value.kind is Kind.TEMPORARY
    first.discard()


def test_appends_after_the_end_overwrite_garbage(packs: Packs) -> None:
    first, lost = appended(packs, b"first", b"lost" * 100)
    appender = PackAppender.open(packs, PackId(1), lost.offset)
    assert appender is not None
    [second] = appender.append([b"second"])
    appender.close()
    assert second.offset == lost.offset
    assert (packs.read(first), packs.read(second)) == (b"first", b"second")
    with pytest.raises(DamagedRecordError):
        packs.read(lost)


def test_the_file_is_filled_ahead(packs: Packs) -> None:
    """So that a sync writes data only."""
    appender = PackAppender.open(packs, PackId(1), 0)
    assert appender is not None
    appender.append([b"x"])
    size = packs.path(PackId(1)).stat().st_size
    for _ in range(50):
        appender.append([os.urandom(1000)])
    assert packs.path(PackId(1)).stat().st_size == size > 4 << 20
    appender.append([os.urandom(5 << 20)])
    assert packs.path(PackId(1)).stat().st_size > size
    appender.close()


# Many at once


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.binary(max_size=300), max_size=8), min_size=1, max_size=3),
    st.lists(st.integers(0, 30), max_size=20),
)
def test_many_come_back_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, contents: list[list[bytes]], order: list[int]
) -> None:
    packs = Packs(tmp_path_factory.mktemp("packs"))
    stored = [
        pair
        for number, some in enumerate(contents, 1)
        for pair in zip(appended(packs, *some, pack=number), some, strict=True)
    ]
    chosen = [stored[index] for index in order if index < len(stored)]
    assert packs.read_many([location for location, _ in chosen]) == [content for _, content in chosen]
    packs.close()


def test_many_are_read_in_few_pieces(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [os.urandom(3000) for _ in range(2000)]
    locations = appended(packs, *contents)
    reads: list[int] = []

    def pread(fd: int, count: int, offset: int) -> bytes:
        reads.append(count)
        return real(fd, count, offset)

    real = os.pread
    monkeypatch.setattr(packs_module.os, "pread", pread)
    assert packs.read_many(locations[::-1]) == contents[::-1]
    assert len(reads) == 6
    assert max(reads) <= 1 << 20
    reads.clear()
    assert packs.read_many([locations[0], locations[1000]]) == [contents[0], contents[1000]]
    assert len(reads) == 2, "what lies between is not read"
    reads.clear()
    zeros = appended(packs, *[bytes(3 << 20)] * 3, pack=2)
    assert [len(content) for content in packs.read_many(zeros)] == [3 << 20] * 3
    assert len(reads) == 3, "little on disk may be much in memory"


@pytest.mark.parametrize("at", [0, 4, 8, 16, 24, 40])
def test_a_damaged_one_among_many(packs: Packs, at: int) -> None:
    contents = [b"%d " % number * 50 for number in range(5)]
    locations = appended(packs, *contents)
    with packs.path(1).open("r+b") as file:
        file.seek(locations[2].offset + at)
        octet = file.read(1)[0]
        file.seek(locations[2].offset + at)
        file.write(bytes([octet ^ 1]))
    with pytest.raises(DamagedRecordError) as caught:
        packs.read_many(locations)
    assert "pack 1 offset" in caught.value.private
    assert packs.read_many(locations[:2] + locations[3:]) == contents[:2] + contents[3:]


def test_many_with_streamed_ones_among_them(packs: Packs) -> None:
    """A streamed frame does not say its size; an empty content has none."""
    small = appended(packs, b"a" * 500, b"", b"b" * 500)
    solo = SoloPack(packs, PackId(2))
    solo.write(b"c" * 1000)
    large = solo.finish()
    solo.close()
    locations = [small[0], large, small[1], small[2]]
    assert packs.read_many(locations) == [b"a" * 500, b"c" * 1000, b"", b"b" * 500]
    assert packs.read_many([]) == []


def test_a_build_without_many_at_once(packs: Packs) -> None:
    class Plain:
        def decompress(self, frame: memoryview, max_output_size: int) -> bytes:
            return packs_module.zstandard.ZstdDecompressor().decompress(frame, max_output_size=max_output_size)

    frames = [memoryview(packs_module.zstandard.compress(content)) for content in (b"a", b"bc")]
    assert packs_module.decompress_many(Plain(), frames, [1, 2]) == [b"a", b"bc"]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="another size"):
        packs_module.decompress_many(Plain(), frames, [1, 3])  # type: ignore[arg-type]
