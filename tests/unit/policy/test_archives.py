"""What is in archives is found however it is written and sent, and what cannot be read costs no more than what can."""

import base64
import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib

import pytest
from archive_kit import mail_with, parts_of, tarred, zipped
from hypothesis import given
from hypothesis import strategies as st

from estafeta.policy import parts as limits
from estafeta.policy.archive_members import MAX_STREAMS
from estafeta.policy.archives import Format, find_format, read_members
from estafeta.policy.filtermatch import file_names
from estafeta.policy.parts import Archive
from estafeta.policy.transfer import MAX_STRETCHES, Base64Decoder

_ENTRY, _LOCAL, _END = "<4s6H3L5H2L", "<4s5H3L2H", "<4s4H2LH"


def zip_of(*names: bytes, packed: bytes, method: int = 8, local_name: bytes = b"a", size: int | None = None) -> bytes:
    """A zip whose directory has these names, all of the one file in it."""
    size = len(packed) if size is None else size
    local = struct.pack(_LOCAL, b"PK\3\4", 20, 0, method, 0, 0, 0, size, 0, len(local_name), 0) + local_name + packed
    entries = b"".join(
        struct.pack(_ENTRY, b"PK\1\2", 20, 20, 0, method, 0, 0, 0, size, 0, len(name), 0, 0, 0, 0, 0, 0) + name
        for name in names
    )
    return local + entries + struct.pack(_END, b"PK\5\6", 0, 0, len(names), len(names), len(entries), len(local), 0)


def block(name: bytes, size: bytes = b"0", kind: bytes = b"0", magic: bytes = b"ustar\x0000") -> bytes:
    """A header of a tar, with its sum."""
    head = bytearray(512)
    for at, value in ((0, name), (124, size), (148, b" " * 8), (156, kind), (257, magic)):
        head[at : at + len(value)] = value
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def names_in(octets: bytes, name: str = "a") -> list[str]:
    return [part.name for part in parts_of(mail_with(name, octets))[2:]]


# Zip


def test_two_zips_behind_each_other_are_read_both():
    assert names_in(zipped(("x.exe", b"MZ")) + zipped(("letter.txt", b"words"))) == ["letter.txt", "x.exe"]


def test_a_zip_in_a_zip_that_is_stored_is_read_once():
    inner = zipped(("x.exe", b"MZ"))
    assert names_in(zipped(("b.zip", inner), method=zipfile.ZIP_STORED)) == ["b.zip", "x.exe"]


def test_a_file_has_the_name_of_its_directory_and_the_one_in_front_of_it():
    (part,) = parts_of(mail_with("a.zip", zip_of(b"x.exe", packed=b"MZ", method=0, local_name=b"a.txt")))[2:]
    assert {"x.exe", "a.txt"} <= set(file_names(part))


def test_sizes_of_64_bits_hide_nothing():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("a.txt", "x.exe"):
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(b"MZ")
    torn = out.getvalue()[: out.getvalue().index(b"PK\1\2")]
    assert names_in(torn) == names_in(out.getvalue()) == ["a.txt", "x.exe"]
    wide = struct.pack("<2H2Q", 1, 16, 2, 2)
    entry = struct.pack(
        _ENTRY, b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, (1 << 32) - 1, (1 << 32) - 1, 1, len(wide), 0, 0, 0, 0, 0
    )
    local = struct.pack(_LOCAL, b"PK\3\4", 45, 0, 0, 0, 0, 0, 2, 2, 1, 0) + b"aMZ"
    whole = local + entry + b"a" + wide
    whole += struct.pack(_END, b"PK\5\6", 0, 0, 1, 1, len(whole) - len(local), len(local), 0)
    assert [(member.packed, member.read(9).octets) for member in read_members(Format.ZIP, whole)] == [(2, b"MZ")]


def test_a_zip_packed_in_an_unknown_way_is_one_that_nobody_could_look_into():
    archive, member = parts_of(mail_with("a.zip", zip_of(b"a", packed=b"?", method=14)))[1:]
    assert archive.archive is Archive.UNSUPPORTED
    assert (member.octets, member.complete) == (b"", False)


def test_what_is_read_and_comes_to_nothing_counts_as_well():
    nothing = b"\0\0\0\xff\xff" * (limits.MAX_TOTAL_OCTETS // 20)
    found = parts_of(mail_with("a.zip", zip_of(*[b"a"] * 50, packed=nothing)))
    assert found.beyond == ("octets",)


def test_folders_count_among_the_members():
    found = parts_of(mail_with("a.zip", zip_of(*[b"d/"] * limits.MAX_MEMBERS, b"x.exe", packed=b"")))
    assert (len(found), found.beyond) == (2, ("members",))


def test_of_a_small_message_not_much_is_unpacked():
    packed = zlib.compress(b"\0" * limits.FREE_OCTETS)[2:-4]
    message = mail_with("a.zip", zip_of(*[b"a"] * 90, packed=packed))
    found = parts_of(message)
    room = limits.SMALL_TOTAL_OCTETS + 2 * limits.MAX_RATIO * len(message)
    assert found.beyond == ("octets",)
    assert sum(len(part.octets) for part in found) <= room < 90 * limits.FREE_OCTETS


# One file in a stream


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_streams_behind_each_other_are_one_file(pack):
    tar = tarred(("x.exe", b"MZ"))
    assert names_in(pack(b"") + pack(tar[:700]) + pack(tar[700:]), "a.tgz") == ["a.tar", "x.exe"]


def test_there_are_only_so_many_streams():
    (member,) = read_members(Format.GZIP, gzip.compress(b"x", mtime=0) * (MAX_STREAMS + 1))
    assert member.read(1000)[:2] == (b"x" * MAX_STREAMS, False)


def test_what_follows_a_stream_and_is_none_is_left():
    (member,) = read_members(Format.GZIP, gzip.compress(b"x", mtime=0) + b"\0\0rest")
    assert member.read(1000)[:2] == (b"x", True)


# Tar


def test_a_tar_of_the_old_form_has_no_magic():
    old = block(b"x.exe", b"2", magic=b"") + b"MZ".ljust(512, b"\0") + bytes(1024)
    assert names_in(old) == ["x.exe"]
    assert find_format(old.replace(b"x.exe", b"y.exe")) is None


def test_a_long_name_belongs_to_what_follows_it():
    long = block(b"././@LongLink", b"6", b"L") + b"a.txt\0".ljust(512, b"\0")
    assert names_in(long + block(b"folder", kind=b"5") + block(b"x.exe")) == ["x.exe"]


@pytest.mark.parametrize("kind", [b"\0", b"7", b"S", b"z"])
def test_what_kind_nobody_knows_is_a_file(kind):
    assert names_in(block(b"a.txt") + block(b"x.exe", kind=kind)) == ["a.txt", "x.exe"]


def test_a_size_in_base_256_hides_nothing():
    size = b"\x80" + (2).to_bytes(11)
    assert names_in(block(b"a.txt", size) + b"MZ".ljust(512, b"\0") + block(b"x.exe")) == ["a.txt", "x.exe"]


def test_records_of_pax_are_read_by_their_lengths():
    records = b"30 comment=12 path=harmless\n\n\n" + b"14 path=x.exe\n"
    assert len(records) == 44
    more = block(b"more", b"%o" % len(records), b"x") + records.ljust(512, b"\0")
    assert names_in(more + block(b"a.txt")) == ["x.exe"]
    wrong = block(b"more", b"%o" % 4096, b"x") + b"1" * 4096
    assert names_in(wrong + block(b"a.txt")) == ["a.txt"]


def test_a_size_of_pax_holds():
    record = b"10 size=2\n"
    more = block(b"more", b"%o" % len(record), b"x") + record.ljust(512, b"\0")
    assert names_in(more + block(b"a.txt") + b"MZ".ljust(512, b"\0") + block(b"x.exe")) == ["a.txt", "x.exe"]


@given(st.lists(st.tuples(st.integers(0, 1535), st.binary(min_size=1, max_size=12)), max_size=4))
def test_damaged_tars_end(damages):
    whole = bytearray(tarred(("y" * 120, b"x"), ("b", b"y"), form=tarfile.PAX_FORMAT))
    for at, damage in damages:
        whole[at : at + len(damage)] = damage
    for member in read_members(Format.TAR, bytes(whole)):
        member.read(100)


# Encodings


def encoded(encoding: bytes, body: bytes) -> bytes:
    return b"Content-Type: application/zip\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "encoding",
    [
        b"base64",
        b'"base64"',
        b"x-base64",
        b"7bit\r\nContent-Transfer-Encoding: base64",
        b"=?utf-8?q?base64?=",
        b"base32",
    ],
)
def test_an_archive_in_base64_is_one_whatever_its_header_says(encoding):
    body = base64.encodebytes(zipped(("x.exe", b"MZ"))).replace(b"\n", b"\r\n")
    assert [part.name for part in parts_of(encoded(encoding, body))] == ["", "x.exe"]


def test_base64_goes_on_behind_its_padding():
    whole = zipped(("x.exe", b"MZ"))
    for cut in (1, 10, 11, 12):
        body = base64.b64encode(whole[:cut]) + b"\r\n=\r\n" + base64.b64encode(whole[cut:])
        assert [part.name for part in parts_of(encoded(b"base64", body))] == ["", "x.exe"]


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 30))
def test_stretches_of_base64_read_the_same_however_they_are_cut(stretches, size):
    sent = b"\r\n".join(base64.b64encode(one) for one in stretches)
    whole, torn = Base64Decoder(), Base64Decoder()
    found = whole.feed(sent) + whole.close()
    pieces = [torn.feed(sent[at : at + size]) for at in range(0, len(sent), size)]
    assert b"".join([*pieces, torn.close()]) == found == b"".join(stretches)


def test_there_are_only_so_many_stretches_of_base64():
    decoder = Base64Decoder()
    assert decoder.feed(b"QUJD=" * (MAX_STRETCHES + 5)) + decoder.close() == b"ABC" * (MAX_STRETCHES + 1)


# Messages


def test_messages_that_come_as_files_are_opened_as_far_as_their_parts_count(monkeypatch):
    scanned = []
    scan = limits._scan
    monkeypatch.setattr(limits, "_scan", lambda header, pieces: scanned.append(1) or scan(header, pieces))
    letter = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nhi\r\n" * 200
    found = parts_of(mail_with("a.zip", zipped(*[(f"{n}.eml", letter) for n in range(50)])))
    assert found.beyond == ("parts",)
    assert len(scanned) <= 1 + limits.MAX_PARTS // 200


def test_to_find_the_parts_of_files_counts_as_work():
    letter = b"Subject: x\r\n\r\n" + random.Random(1).randbytes(limits.MAX_PART_OCTETS - 20)
    found = parts_of(mail_with("a.zip", zipped(*[(f"{n}.eml", letter) for n in range(6)])))
    assert "octets" in found.beyond
