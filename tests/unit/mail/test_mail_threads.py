"""THREAD and THREADID: small mailboxes and what RFC 5256 says of them, and what holds for any."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.mail.imaptext import encode_envelope
from estafeta.mail.linking import link_messages
from estafeta.mail.scan import MessageScanner
from estafeta.mail.sentdate import sent_seconds
from estafeta.mail.structure import encode_structure
from estafeta.mail.threadid import message_ids, thread_id
from estafeta.mail.threads import Algorithm, Node, ThreadRow, encode_thread, thread_subject
from estafeta.mail.threads import thread as make_threads


class Row(NamedTuple):
    uid: int
    arrived: float
    envelope: bytes
    message_id: str
    references: list[str]


def thread(unordered: Iterable[Row], algorithm: Algorithm) -> list[Node]:
    rows = list(unordered)
    envelopes = {row.uid: row.envelope for row in rows}
    sent = [sent_seconds(row.envelope) for row in rows]
    told = [
        ThreadRow(row.uid, row.arrived if at is None else at, row.message_id, row.references)
        for row, at in zip(rows, sent, strict=True)
    ]
    return make_threads(told, algorithm, lambda uids: [thread_subject(envelopes[uid]) for uid in uids])


def rows(*lines: str) -> list[Row]:
    """`DAY ID REFERENCE,REFERENCE SUBJECT`, - for none; UIDs count from 1."""
    found = []
    for uid, line in enumerate(lines, 1):
        day, own, references, subject = (*line.split(" ", 3), "")[:4]
        fields = {b"subject": subject.encode()}
        if day != "-":
            fields[b"date"] = b"%s Jan 2026 00:00:00 +0000" % day.encode()
        ids = [f"<{each}>" for each in references.split(",") if each != "-"]
        found.append(Row(uid, 0.0, encode_envelope(fields), "" if own == "-" else f"<{own}>", ids))
    return found


def told(found: list[Node]) -> str:
    return encode_thread(found, lambda uid: uid).decode()


REFERENCES = [
    ("nothing", [], ""),
    ("one", ["1 a - x"], "(1)"),
    ("a chain", ["1 a -", "2 b a", "3 c a,b"], "(1 2 3)"),
    ("answers before what they answer", ["3 c a,b", "2 b a", "1 a -"], "(3 2 1)"),
    ("two answers", ["1 a -", "3 b a", "2 c a", "4 d a,b"], "(1 (3)(2 4))"),
    ("the parent is missing", ["1 b a", "2 c a"], "((1)(2))"),
    ("the parent is missing, one answer", ["1 b a"], "(1)"),
    ("the parents are missing", ["1 c a,b", "2 d a,b", "3 e a"], "((1)(2)(3))"),
    ("a missing one in between", ["1 a -", "2 c a,b", "3 d a,b"], "(1 (2)(3))"),
    ("references cut short", ["1 a -", "2 b a", "3 c b"], "(1 2 3)"),
    ("the last reference wins", ["1 a -", "2 b -", "3 d a,c", "4 c b"], "(1)(2 4 3)"),
    ("a loop", ["1 a b", "2 b a"], "(2 1)"),
    ("itself", ["1 a a"], "(1)"),
    ("a loop of three", ["1 a c", "2 b a", "3 c b"], "(3 1 2)"),
    ("one id twice", ["1 a -", "2 a -", "3 b a"], "(1 3)(2)"),
    ("no id", ["1 - -", "2 - -"], "(1)(2)"),
    ("quoted ids", ['1 "a"@x -', "2 b a@x"], "(1 2)"),
    ("threads by date", ["3 a -", "1 b -", "2 c a"], "(2)(1 3)"),
    ("dates that are equal", ["1 a -", "1 b -", "1 c -"], "(1)(2)(3)"),
    ("no date is the internal one", ["1 a -", "- b -"], "(2)(1)"),
    ("an answer without references", ["1 a - x", "2 b - Re: x"], "(1 2)"),
    ("an answer that came first", ["2 b - Re: x", "3 a - x", "4 c - fwd: X"], "(2 (1)(3))"),
    ("answers without a question", ["1 b - Re: x", "2 c - Re: x"], "((1)(2))"),
    ("one subject twice", ["1 a - x", "2 b - X", "3 c - x"], "((1)(2)(3))"),
    ("a question twice, with an answer", ["1 r - Re: x", "2 a - x", "3 b - x"], "((2 1)(3))"),
    ("a question twice, with answers", ["1 r - Re: x", "1 a - x", "1 b - x", "2 c a"], "((2 (1)(4))(3))"),
    ("no subject", ["1 a - Re:", "2 b - Re:"], "(1)(2)"),
    ("a missing parent gathers", ["1 b a Re: x", "2 c a Re: x", "3 d - x"], "((1)(2)(3))"),
    ("two missing parents", ["1 b a x", "2 c a x", "3 d e x", "4 f e x"], "((1)(2)(3)(4))"),
    ("a missing parent after", ["1 d - x", "2 b a x", "3 c a x"], "((1)(2)(3))"),
    ("the first child's subject counts", ["2 b a y", "1 c a x", "3 d - Re: x"], "((2)(1)(3))"),
    ("answers join by date", ["1 a - x", "4 b a x", "3 c - Re: x", "2 d - Re: x"], "(1 (4)(3)(2))"),
]


@pytest.mark.parametrize(("lines", "expected"), [case[1:] for case in REFERENCES], ids=[c[0] for c in REFERENCES])
def test_references(lines: list[str], expected: str) -> None:
    assert told(thread(rows(*lines), Algorithm.REFERENCES)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        # The latest message decides, and subjects do not.
        (["1 a - x", "2 b - x", "3 c a x"], "(2)(1 3)"),
        (["5 b a", "2 c a", "3 d -"], "(3)((2)(1))"),
        (["2 a -", "1 b a", "1 c -"], "(3)(1 2)"),
    ],
)
def test_refs(lines: list[str], expected: str) -> None:
    assert told(thread(rows(*lines), Algorithm.REFS)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        (["1 a - x", "2 b - Re: X", "3 c b [l] x (fwd)"], "(1 (2)(3))"),
        (["3 a - x", "2 b - y", "1 c - x"], "(3 1)(2)"),
        (["1 a - x", "2 b a y"], "(1)(2)"),
    ],
)
def test_ordered_subject(lines: list[str], expected: str) -> None:
    assert told(thread(rows(*lines), Algorithm.ORDEREDSUBJECT)) == expected


def test_numbers_are_what_the_caller_says() -> None:
    found = thread(rows("1 a -", "2 b a"), Algorithm.REFERENCES)
    assert encode_thread(found, lambda uid: uid + 70) == b"(71 72)"


@pytest.mark.parametrize("step", [1, -1])
def test_deep_threads(step: int) -> None:
    envelope = encode_envelope({})
    deep = [Row(uid, uid, envelope, f"<{uid * step}>", [f"<{uid * step - 1}>"]) for uid in range(1, 30_001)]
    text = encode_thread(thread(deep, Algorithm.REFERENCES), lambda uid: uid)
    assert text.count(b"(") == 1
    assert text.count(b" ") == len(deep) - 1


def test_ids_made_to_loop_are_quick() -> None:
    size = 5000
    chain = [(f"<{number}>", [f"<{number - 1}>"]) for number in range(size)]
    # Each closes the chain to a ring, so each looks from one end to the other.
    rings = [(f"<r{number}>", [f"<{size - 1}>", "<-1>"]) for number in range(size * 4)]
    links = link_messages(chain + rings)
    assert links[1:size] == list(range(size - 1))


Links = list[tuple[str, list[str]]]
ids = st.sampled_from(["<a>", "<b>", "<c>", "<d>", "<e>", "<f>", ""])
mailboxes = st.lists(st.tuples(ids, st.lists(ids.filter(bool), max_size=4)), max_size=8)


@given(mailboxes)
def test_links_are_those_of_the_plain_algorithm(messages: Links) -> None:
    """RFC 5256 3, REFERENCES (1), read out of the standard without a thought of speed."""
    parents: dict[str | int, str | int] = {}
    names: dict[str, str | int] = {}
    for number, (own, _) in enumerate(messages):
        if own:
            names.setdefault(own, number)

    def ancestors(each: str | int | None) -> list[str | int]:
        out = []
        while each is not None:
            out.append(each)
            each = parents.get(each)
        return out

    for number, (_, references) in enumerate(messages):
        chain = [names.get(each, each) for each in references]
        for parent, child in pairwise(chain):
            if child not in parents and child not in ancestors(parent):
                parents[child] = parent
        parents.pop(number, None)
        if chain and number not in ancestors(chain[-1]):
            parents[number] = chain[-1]
    expected = []
    for number in range(len(messages)):
        above = ancestors(number)[1:]
        there = [each for each in above if isinstance(each, int)]
        expected.append(there[0] if there else above[-1] if above else None)
    links = link_messages(messages)
    absent: dict[int, str | int] = {}
    for link, parent in zip(links, expected, strict=True):
        if isinstance(parent, str):
            assert link is not None
            assert link >= len(messages)
            assert absent.setdefault(link, parent) == parent
        else:
            assert link == parent
    assert len(set(absent.values())) == len(absent)


lines = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3", "-"]),
        st.sampled_from(["a", "b", "c", "d", "-"]),
        st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=3).map(lambda ids: ",".join(ids) or "-"),
        st.sampled_from(["", "x", "Re: x", "y", "Re: y", "Fwd: [l] Y"]),
    ).map(" ".join),
    max_size=12,
)


_LIST = re.compile(r"\((?:\d+(?: \d+)*(?: L{2,})?|L{2,})\)")


def is_thread_data(text: str) -> bool:
    """RFC 5256 5: `*thread-list`. A list nested in another is never alone, and none is empty."""
    reduced = _LIST.sub("L", text)
    while reduced != text:
        text, reduced = reduced, _LIST.sub("L", reduced)
    return not text.strip("L")


@given(lines, st.sampled_from(Algorithm))
def test_any_mailbox(lines: list[str], algorithm: Algorithm) -> None:
    found = thread(rows(*lines), algorithm)
    text = told(found)
    assert sorted(map(int, re.findall(r"\d+", text))) == list(range(1, len(lines) + 1))
    assert is_thread_data(text)
    todo = list(found)
    while todo:
        node = todo.pop()
        dates = [child.sent for child in node.children]
        assert dates == sorted(dates)
        assert node.row is not None or len(node.children) > 1
        assert all(child.row is not None for child in node.children)
        todo += node.children


@given(lines)
def test_threads_do_not_depend_on_the_order_of_rows(lines: list[str]) -> None:
    mailbox = rows(*lines)
    assert told(thread(reversed(mailbox), Algorithm.REFERENCES)) == told(thread(mailbox, Algorithm.REFERENCES))


PART = b'{"h":[0,0],"b":[0,0],"t":"text","s":"plain"}'


def structure(message_id: str, *references: str) -> bytes:
    return encode_structure(message_id, references, PART)


def test_thread_ids() -> None:
    first = thread_id(structure("<a@x>"), 1)
    assert re.fullmatch(r"T[a-z2-7]{26}", first)
    assert thread_id(structure("<b@x>", "<a@x>"), 2) == first
    assert thread_id(structure("<c@x>", "<a@x>", "<b@x>"), 3) == first
    assert thread_id(structure("", "<a@x>"), 4) == first
    assert thread_id(structure("<b@x>"), 5) != first
    # Without any id, or with something that is none, the content is alone.
    assert thread_id(structure(""), 6) != thread_id(structure(""), 7)
    assert thread_id(structure("none"), 6) == thread_id(structure(""), 6)


@given(st.text(), st.lists(st.text(), max_size=3))
def test_ids_are_read_back(message_id: str, references: list[str]) -> None:
    text = structure(message_id, *references)
    assert message_ids(text) == (message_id, references)
    plain = structure("<own>", *references) if references else structure("<own>")
    chained = references[0] if references and references[0] else "<own>"
    assert thread_id(plain, 1) == thread_id(structure("<x>", chained), 1)


def test_ids_of_a_scanned_message() -> None:
    scanner = MessageScanner()
    scanner.feed(b"Message-ID: <c@x>\r\nReferences: <a@x> <b@x>\r\nIn-Reply-To: <b@x>\r\n\r\n")
    assert message_ids(scanner.close().structure) == ("<c@x>", ["<a@x>", "<b@x>"])


@given(st.binary())
def test_damaged_structures(text: bytes) -> None:
    with pytest.raises(EstafetaError):
        message_ids(text)
