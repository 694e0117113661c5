"""winmail.dat: files in it have their names and octets, whatever is wrong with it."""

import struct
from dataclasses import dataclass

import pytest
from archive_kit import mail_with, parts_of, zipped
from hypothesis import given
from hypothesis import strategies as st

from estafeta.policy.archive_tnef import MAX_STEPS, SIGNATURE
from estafeta.policy.archives import Format, find_format, read_members
from estafeta.policy.filtermatch import file_names
from estafeta.policy.parts import Archive


def attribute(level: int, number: int, data: bytes) -> bytes:
    """MS-OXTNEF 2.1.3.2."""
    return struct.pack("<BHHL", level, number, 6, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def text(number: int, value: str) -> bytes:
    data = value.encode("utf-16-le") + b"\0\0"
    return struct.pack("<HHLL", 0x1F, number, 1, len(data)) + padded(data)


def number(number: int, value: int) -> bytes:
    return struct.pack("<HHL", 3, number, value)


def named(value: int) -> bytes:
    name = "Keywords".encode("utf-16-le") + b"\0\0"
    return struct.pack("<HH16sLL", 3, 0x8001, b"G" * 16, 1, len(name)) + padded(name) + struct.pack("<L", value)


def several(values: list[bytes]) -> bytes:
    return struct.pack("<HHL", 0x1102, 0x1234, len(values)) + b"".join(
        struct.pack("<L", len(one)) + padded(one) for one in values
    )


def object_of(data: bytes) -> bytes:
    data = b"I" * 16 + data
    return struct.pack("<HHLL", 0x0D, 0x3701, 1, len(data)) + padded(data)


@dataclass
class File:
    title: str = ""
    name: str = ""
    data: bytes = b"MZ"
    inner: bytes = b""

    def octets(self) -> bytes:
        properties = [number(0x3705, 1), named(7), several([b"a", b"bcdef"])]
        properties += [text(0x3704, "SHORT~1.TXT"), text(0x3707, self.name)] if self.name else []
        properties += [object_of(self.inner)] if self.inner else []
        written = attribute(2, 0x9002, bytes(14)) + attribute(2, 0x8010, self.title.encode() + b"\0")
        written += attribute(2, 0x800F, self.data) if not self.inner else b""
        return written + attribute(2, 0x9005, struct.pack("<L", len(properties)) + b"".join(properties))


def winmail(*files: File) -> bytes:
    head = SIGNATURE + b"\1\0" + attribute(1, 0x9006, b"\0\0\1\0") + attribute(1, 0x9007, struct.pack("<LL", 1252, 0))
    return head + attribute(1, 0x8004, b"Hello\0") + b"".join(file.octets() for file in files)


def test_files_are_found_with_both_their_names():
    found = parts_of(mail_with("winmail.dat", winmail(File("X~1.EXE", "factura.exe"), File("a.txt", data=b"words"))))
    assert found[1].archive is Archive.OPEN
    assert [(part.name, part.octets, part.path, part.media) for part in found[2:]] == [
        ("factura.exe", b"MZ", "2/factura.exe", found[2].media),
        ("a.txt", b"words", "2/a.txt", "text/plain"),
    ]
    assert {"factura.exe", "x~1.exe"} <= set(file_names(found[2]))


def test_archives_and_messages_in_it_are_looked_into():
    inner = winmail(File("x.exe"))
    whole = winmail(File("a.zip", data=zipped(("y.exe", b"MZ"))), File("Letter", inner=inner))
    assert [part.path for part in parts_of(mail_with("winmail.dat", whole))[2:]] == [
        "2/a.zip", "2/a.zip/y.exe", "2/Letter", "2/Letter/x.exe"
    ]  # fmt: skip


def test_it_is_known_by_its_octets():
    assert find_format(winmail(), "letter.pdf") is Format.TNEF


def test_one_without_files_is_not_damaged():
    found = parts_of(mail_with("winmail.dat", winmail()))
    assert (len(found), found[1].archive) == (2, Archive.OPEN)


@pytest.mark.parametrize("name", ["naïve.exe", "履歴書.exe"])
def test_names_are_those_of_their_languages(name):
    (member,) = read_members(Format.TNEF, winmail(File("x", name)))
    assert member.name == name


def test_a_property_that_calls_itself_endless_ends():
    endless = struct.pack("<LHHL", 1, 0x1003, 0x3701, 0xFFFFFFFF) + bytes(4 * MAX_STEPS + 400)
    octets = winmail() + attribute(2, 0x9002, b"") + attribute(2, 0x9005, endless) + attribute(2, 0x8010, b"late\0")
    assert [member.name for member in read_members(Format.TNEF, octets)] == ["attachment"]


@given(st.lists(st.tuples(st.integers(6, 700), st.binary(min_size=1, max_size=8)), max_size=5), st.integers(0, 900))
def test_whatever_is_damaged_ends(damages, end):
    whole = bytearray(winmail(File("a.txt", "long name.txt"), File("b", inner=winmail(File("x.exe")))))
    for at, damage in damages:
        whole[at : at + len(damage)] = damage
    for member in read_members(Format.TNEF, bytes(whole[:end])):
        assert len(member.read(100).octets) <= 100
