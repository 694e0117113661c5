"""Maildir names: folders, flags, keywords, and what is left alone."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.app.transfer import maildir
from estafeta.app.transfer.foldernames import decode_folder, encode_folder, encode_utf7
from estafeta.mailboxes.values import Flag


def make(path: Path, *files: str) -> Path:
    for place in ("cur", "new", "tmp"):
        (path / place).mkdir(parents=True, exist_ok=True)
    for file in files:
        (path / file).write_bytes(b"Subject: x\n\n")
    return path


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (".Sent", "Sent"),
        (".Sent.2024", "Sent/2024"),
        (".Entw&APw-rfe", "Entwürfe"),
        (".Envoyés", "Envoyés"),
        (".&U,BTFw-", "台北"),
        (".R&-D", "R&D"),
        (".a&b", "a&b"),
        (".&!-", "&!-"),
    ],
)
def test_folder_names(folder: str, name: str):
    assert decode_folder(folder) == name


def test_rfc3501_example():
    assert encode_utf7("~peter") == "~peter"
    assert encode_folder("日本語") == ".&ZeVnLIqe-"
    assert encode_folder("a.b/c") == ".a&AC4-b.c"


levels = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@given(st.lists(levels, min_size=1, max_size=3).map("/".join))
def test_folder_names_come_back(name: str):
    folder = encode_folder(name)
    assert decode_folder(folder) == name
    assert folder.isascii()
    assert "/" not in folder


@given(st.text(max_size=30))
def test_any_folder_name_is_decoded(folder: str):
    decode_folder(folder)


@given(st.sets(st.sampled_from(list(Flag)[0:])), st.sets(st.sampled_from(["$Forwarded", "$Junk", "work"])))
def test_flags_come_back(flags: set[Flag], keywords: set[str]):
    bits = sum(flags)
    letters = {"$Junk": "a", "work": "b"}
    info = maildir.encode_info(bits, sorted(keywords), letters)
    entry = maildir._entry("/x", f"1.a.b{info}", {letter: word for word, letter in letters.items()})
    assert (entry.base, entry.flags, set(entry.keywords)) == ("1.a.b", bits, keywords)


@pytest.mark.parametrize(
    ("name", "base", "flags"),
    [
        ("17.x.host", "17.x.host", 0),
        ("17.x.host:2,", "17.x.host", 0),
        ("17.x.host:2,FRSTD", "17.x.host", 31),
        ("17.x.host,S=12,W=13:2,S", "17.x.host,S=12,W=13", 1),
        ("17.x.host:1,S", "17.x.host", 0),
        ("17.x.host:2,S,extra", "17.x.host", 1),
        ("odd:name:2,S", "odd", 0),
    ],
)
def test_message_names(name: str, base: str, flags: int):
    entry = maildir._entry("/x", name, {})
    assert (entry.base, entry.flags) == (base, flags)


def test_order_is_that_of_arrival(tmp_path: Path):
    make(tmp_path, "cur/100.b:2,", "new/20.a", "cur/9.z:2,S", "new/odd")
    entries = maildir.list_entries(maildir.Folder(tmp_path, "INBOX", {}))
    assert [entry.base for entry in entries] == ["odd", "9.z", "20.a", "100.b"]


def test_folders_and_what_cannot_be_one(tmp_path: Path):
    make(tmp_path)
    make(tmp_path / ".Sent.2024")
    make(tmp_path / ".bad..name")
    (tmp_path / ".Link").symlink_to(tmp_path / ".Sent.2024")
    (tmp_path / ".notes").mkdir()
    (tmp_path / "plain").mkdir()
    os.mkdir(os.fsencode(tmp_path) + b"/.\xff\xfe")
    make(Path(os.fsdecode(os.fsencode(tmp_path) + b"/.\xff\xfe")))
    found = list(maildir.find_folders(tmp_path))
    assert [folder.name for folder in found if isinstance(folder, maildir.Folder)] == ["INBOX", "Sent/2024"]
    assert len([name for name in found if isinstance(name, str)]) == 3


def test_only_regular_files_are_opened(tmp_path: Path):
    make(tmp_path, "cur/1.a:2,")
    (tmp_path / "cur" / "2.b:2,").symlink_to(tmp_path / "cur" / "1.a:2,")
    os.mkfifo(tmp_path / "cur" / "3.c:2,")
    (tmp_path / "cur" / "4.d:2,").mkdir()
    opened = []
    for entry in maildir.list_entries(maildir.Folder(tmp_path, "INBOX", {})):
        try:
            os.close(maildir.open_message(entry.path)[0])
        except OSError:
            continue
        opened.append(entry.base)
    assert opened == ["1.a"]


def test_keywords_file(tmp_path: Path):
    make(tmp_path)
    (tmp_path / maildir.KEYWORDS_FILE).write_text("0 $Junk\n1 work\n99 much\nnonsense\n3 (bad\n")
    assert maildir.read_keywords(tmp_path) == {"a": "$Junk", "b": "work"}
