"""Base subjects, collations and SORT, as tables."""

from collections.abc import Iterable, Sequence
from email.header import Header
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.basesubject import base_of_text, base_subject
from estafeta.mail.collation import DEFAULT, Collation, match_collations, sort_key
from estafeta.mail.imaptext import encode_envelope
from estafeta.mail.sorting import Keys, SortBy, envelope_key
from estafeta.mail.sorting import sort_uids as sort_by_keys

SUBJECTS = [
    (b"", "", False),
    (b"hello", "hello", False),
    (b"  hello\t world  ", "hello world", False),
    (b"Re: hello", "hello", True),
    (b"RE : hello", "hello", True),
    (b"re:re: Fwd:FW: hello", "hello", True),
    (b"Re[2]: hello", "hello", True),
    (b"Re [x] : hello", "hello", True),
    (b"Reply: hello", "Reply: hello", False),
    (b"Re hello", "Re hello", False),
    (b"[list] hello", "hello", False),
    (b"[list] Re: [list] hello", "hello", True),
    (b"[a][b] [c]Re: hello", "hello", True),
    (b"[a] [b] hello", "hello", False),
    # RFC 5256 2.1: a blob stays when nothing else would be left.
    (b"[a] [b]", "[b]", False),
    (b"[a]", "[a]", False),
    (b"Re: [a]", "[a]", True),
    (b"[a] Re:", "", True),
    (b"Re:", "", True),
    (b"hello (fwd)", "hello", True),
    (b"hello (FWD) (fwd) ", "hello", True),
    (b"hello(fwd)", "hello", True),
    (b"(fwd)", "", True),
    (b"[fwd: hello]", "hello", True),
    (b"[Fwd: Re: hello (fwd)]", "hello", True),
    (b"[fwd: [fwd: hello] ]", "hello", True),
    (b"Re: [fwd: [list] hello]", "hello", True),
    (b"[fwd:]", "", True),
    (b"[fwd: hello", "[fwd: hello", False),
    (b"[fwd: a] b", "b", False),
    (b"[fwd: a][fwd: b]", "b", True),
    (b"hello]", "hello]", False),
    (b"[a[b] c", "[a[b] c", False),
    (b"=?utf-8?q?Re:_Gr=C3=BC=C3=9Fe?=", "Grüße", True),
    (b"Re:\r\n hello\r\n\tworld", "hello world", True),
    (b"Re: Re", "Re", True),
]


@pytest.mark.parametrize(("raw", "text", "is_reply"), SUBJECTS)
def test_base_subject(raw: bytes, text: str, is_reply: bool) -> None:
    assert base_subject(raw) == (text, is_reply)


def test_no_subject() -> None:
    assert base_subject(None) == ("", False)


PIECES = ["re", "Fwd", ":", "[", "]", "[a]", " ", "(fwd)", "[fwd:", "x", "\t", "é"]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_subject(subject: str) -> None:
    text, is_reply = base_of_text(subject)
    assert text in " ".join(subject.replace("\t", " ").split(" ")) or "  " in subject or "\t" in subject
    assert text == text.strip(" ")
    assert base_of_text(text) == (text, False)
    if not is_reply and subject.strip(" \t"):
        assert text


@given(st.text(max_size=40))
def test_encoded_subjects_are_as_good_as_plain_ones(text: str) -> None:
    text = "".join(c for c in text if c.isprintable())
    encoded = Header(text, "utf-8").encode().encode()
    assert base_subject(b"Re: " + encoded).text == base_of_text("Re: " + text).text


def test_hostile_subjects_are_quick() -> None:
    for piece in ("[a]", "[fwd:", "[fwd: ", "re[", "re:", "(fwd)", "[", "]", " ", "[fwd:]", "re ", "[a] "):
        base_of_text(piece * 40_000)
        base_of_text(piece * 40_000 + "]" * 40_000)
        base_of_text("[fwd:" * 20_000 + piece * 20_000 + "]" * 20_000)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("i;octet", ["i;octet"]),
        ("I;OCTET", ["i;octet"]),
        ("i;*", ["i;unicode-casemap", "i;ascii-casemap", "i;octet"]),
        ("*", ["i;unicode-casemap", "i;ascii-casemap", "i;octet"]),
        ("i;*-casemap", ["i;unicode-casemap", "i;ascii-casemap"]),
        ("*;*c*a*map", ["i;unicode-casemap", "i;ascii-casemap"]),
        ("default", ["i;unicode-casemap"]),
        ("i;basic", []),
        ("i;octet*t", []),
        ("", []),
        ("*" * 300, []),
    ],
)
def test_matching(pattern: str, expected: list[str]) -> None:
    assert match_collations(pattern) == expected


@pytest.mark.parametrize(
    ("collation", "equal", "different"),
    [
        (Collation.OCTET, [("a", "a")], [("a", "A")]),
        (Collation.ASCII_CASEMAP, [("a", "A"), ("é!z", "é!Z")], [("é", "É"), ("ſ", "S")]),
        (Collation.UNICODE_CASEMAP, [("a", "A"), ("é", "É"), ("é", "E\u0301"), ("\ufb01", "FI")], [("a", "b")]),
    ],
)
def test_keys(collation: Collation, equal: list[tuple[str, str]], different: list[tuple[str, str]]) -> None:
    for left, right in equal:
        assert sort_key(collation, left) == sort_key(collation, right)
    for left, right in different:
        assert sort_key(collation, left) != sort_key(collation, right)


@given(st.sampled_from(Collation), st.text(st.characters()))
def test_any_text_has_a_key(collation: Collation, text: str) -> None:
    key = sort_key(collation, text)
    assert sort_key(collation, key) == key


class SortRow(NamedTuple):
    uid: int
    arrived: float
    size: int
    envelope: bytes
    relevancy: float


class Criterion(NamedTuple):
    by: SortBy
    reverse: bool = False


def sort_uids(rows: Iterable[SortRow], criteria: Sequence[Criterion], collation: Collation = DEFAULT) -> list[int]:
    ordered = sorted(rows)

    def keys(by: SortBy) -> Keys:
        if by is SortBy.RELEVANCY:
            return [-row.relevancy for row in ordered]
        made = envelope_key(by, collation)
        if made is None:
            return [row.arrived if by is SortBy.ARRIVAL else row.size for row in ordered]
        found: list[Any] = [made(row.envelope) for row in ordered]
        return [row.arrived if key is None else key for key, row in zip(found, ordered, strict=True)]

    return sort_by_keys([row.uid for row in ordered], [(keys(each.by), each.reverse) for each in criteria])


def row(uid: int, arrived: int = 0, size: int = 0, relevancy: int = 0, **fields: bytes) -> SortRow:
    header = {name.rstrip("_").encode(): value for name, value in fields.items()}
    return SortRow(uid, arrived, size, encode_envelope(header), relevancy)


ROWS = [
    row(1, 50, 300, 10, subject=b"Re: beta", from_=b"zoe@a.example", to=b"Bea <b@x>", date=b"2 Jan 2026 00:00 +0000"),
    row(2, 40, 100, 90, subject=b"ALPHA", from_=b"Ann <Yan@b.example>", date=b"2 Jan 2026 01:30 +0200"),
    row(3, 30, 200, 50, subject=b"[x] beta", from_=b"=?utf-8?q?=C3=84rne?= <bob@c>", cc=b"me@d", to=b"Al: c@x;"),
    row(4, 20, 200, 50),
    row(5, 10, 200, 50, subject=b"alpha", from_=b"bob@a", to=b"carl@x", date=b"nonsense"),
]

ORDERS = [
    ("ARRIVAL", [5, 4, 3, 2, 1]),
    ("REVERSE ARRIVAL", [1, 2, 3, 4, 5]),
    ("SIZE", [2, 3, 4, 5, 1]),
    # RFC 5256 3: what is equal stays in the order of the mailbox when reversed.
    ("REVERSE SIZE", [1, 3, 4, 5, 2]),
    ("SUBJECT", [4, 2, 5, 1, 3]),
    ("REVERSE SUBJECT", [1, 3, 2, 5, 4]),
    ("SUBJECT REVERSE ARRIVAL", [4, 2, 5, 1, 3]),
    ("SUBJECT ARRIVAL", [4, 5, 2, 3, 1]),
    ("FROM", [4, 3, 5, 2, 1]),
    ("CC", [1, 2, 4, 5, 3]),
    # A group's name is what stands for it.
    ("TO", [2, 4, 3, 1, 5]),
    ("DATE", [5, 4, 3, 2, 1]),
    ("DISPLAYFROM", [4, 2, 3, 5, 1]),
    ("DISPLAYTO", [2, 4, 3, 1, 5]),
    ("RELEVANCY", [2, 3, 4, 5, 1]),
    ("REVERSE RELEVANCY SIZE", [1, 3, 4, 5, 2]),
    ("SIZE REVERSE ARRIVAL", [2, 3, 4, 5, 1]),
]


def read_criteria(text: str) -> list[Criterion]:
    words = text.split()
    return [Criterion(SortBy(word), words[at - 1] == "REVERSE") for at, word in enumerate(words) if word != "REVERSE"]


@pytest.mark.parametrize(("criteria", "expected"), ORDERS)
def test_orders(criteria: str, expected: list[int]) -> None:
    assert sort_uids(reversed(ROWS), read_criteria(criteria)) == expected


def test_a_collation_orders() -> None:
    subjects = [b"b", b"A", b"a", "Ä".encode()]
    rows = [row(number, subject=subject) for number, subject in enumerate(subjects, 1)]
    by_subject = [Criterion(SortBy.SUBJECT)]
    assert sort_uids(rows, by_subject) == [2, 3, 4, 1]
    assert sort_uids(rows, by_subject, Collation.OCTET) == [2, 3, 1, 4]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([b"", b"a@b", b"X <c>", b"G:;", b"\xff"]), st.binary(max_size=5))
    ),
    st.lists(st.builds(Criterion, st.sampled_from(SortBy), st.booleans()), max_size=3),
)
def test_any_rows(values: list[tuple[int, bytes, bytes]], criteria: list[Criterion]) -> None:
    rows = [
        row(uid, arrived, arrived, arrived, from_=address, to=address, cc=address, subject=text, date=text)
        for uid, (arrived, address, text) in enumerate(values, 1)
    ]
    assert sorted(sort_uids(rows, criteria)) == [each.uid for each in rows]
