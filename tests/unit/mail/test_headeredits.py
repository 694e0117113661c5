"""Editing headers: what is not touched stays octet for octet; what is written is one field, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.headeredits import HeaderEditor, encode_field, split_fields

HEADER = b"A: 1\r\nodd line\r\nB:  2\r\n\tfold\r\na: 3\n b\nC:\r\n"


@pytest.mark.parametrize(
    ("edits", "header"),
    [
        ([], HEADER),
        ([("add", b"D", b" 4")], HEADER + b"D: 4\r\n"),
        ([("insert", 0, b"D", b" 4")], b"D: 4\r\n" + HEADER),
        ([("insert", -5, b"D", b" 4"), ("insert", 0, b"E", b"5")], b"E:5\r\nD: 4\r\n" + HEADER),
        ([("insert", 2, b"D", b" 4")], b"A: 1\r\nodd line\r\nD: 4\r\nB:  2\r\n\tfold\r\na: 3\n b\nC:\r\n"),
        ([("insert", 99, b"D", b" 4")], HEADER + b"D: 4\r\n"),
        ([("change", 2, b"A", b" new")], b"A: 1\r\nodd line\r\nB:  2\r\n\tfold\r\nA: new\r\nC:\r\n"),
        ([("change", 0, b"b", b"")], b"A: 1\r\nodd line\r\na: 3\n b\nC:\r\n"),
        ([("change", 1, b"a", b""), ("change", 2, b"a", b"")], b"odd line\r\nB:  2\r\n\tfold\r\nC:\r\n"),
        ([("change", 3, b"A", b" 9")], HEADER + b"A: 9\r\n"),
        ([("change", 1, b"X", b"")], HEADER),
        ([("add", b"bad name", b"x"), ("add", b"", b"x"), ("change", 1, b"A\n", b"x")], HEADER),
        ([("insert", 0, b"\xff", b"x")], HEADER),
    ],
)
def test_edits(edits, header):
    editor = HeaderEditor(HEADER)
    for what, *values in edits:
        getattr(editor, what)(*values)
    assert editor.header() == header


def test_a_header_without_a_last_line_end_gets_one():
    editor = HeaderEditor(b"A: 1\r\nB: 2")
    editor.add(b"C", b" 3")
    assert editor.header() == b"A: 1\r\nB: 2\r\nC: 3\r\n"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (b" v", b"X: v\r\n"),
        (b" v\n\tw", b"X: v\r\n\tw\r\n"),
        (b" v\r\nFrom: forged\r\n\r\nbody", b"X: v\r\n\tFrom: forged\r\n\tbody\r\n"),
        (b"\n\n\n", b"X:\r\n"),
        (b"\rv\0w", b"X:vw\r\n"),
        (b"", b"X:\r\n"),
    ],
)
def test_a_value_is_one_field(value, field):
    assert encode_field(b"X", value) == field


@given(st.binary(max_size=200))
def test_any_value_is_one_field(value):
    field = encode_field(b"X-Name", value)
    assert [name for name, _ in split_fields(field)] == [b"X-Name"]
    assert b"\n\r\n" not in field
    assert field.endswith(b"\r\n")


@given(st.binary(max_size=300))
def test_no_edit_no_change(header):
    assert HeaderEditor(header).header() == header


def test_fields_are_split_with_their_white_space():
    assert split_fields(HEADER) == [(b"A", b" 1"), (b"B", b"  2\r\n\tfold"), (b"a", b" 3\n b"), (b"C", b"")]
