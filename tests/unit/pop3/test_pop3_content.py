"""Dot-stuffing and TOP: pieces of any size give what the whole gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols.pop3 import Head, Stuffer, encode_content

# Contents out of what matters: dots, line ends, halves of line ends.
CONTENTS = st.lists(
    st.sampled_from([b".", b"..", b"\r\n", b"\r", b"\n", b"a", b"\r\n.", b"\r\n\r\n", b"long line"]), max_size=40
).map(b"".join)
CUTS = st.lists(st.integers(1, 5), max_size=60)


def pieces_of(content: bytes, cuts: list[int]) -> list[bytes]:
    pieces, start = [], 0
    for cut in cuts:
        pieces.append(content[start : start + cut])
        start += cut
    return [*pieces, content[start:]]


def unstuff(data: bytes) -> bytes:
    """What a client makes of it (RFC 1939 3)."""
    assert data.endswith(b"\r\n.\r\n") or data == b".\r\n"
    lines = data[:-3].split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


def simple_top(content: bytes, count: int) -> bytes:
    """TOP by the definition: lines up to the first empty one, then `count` more."""
    lines = content.split(b"\r\n")
    kept: list[bytes] = []
    body = None
    for number, line in enumerate(lines):
        if body == count:
            break
        last = number == len(lines) - 1
        kept.append(line if last else line + b"\r\n")
        if body is not None:
            body += 1
        elif not line and not last:
            body = 0
    return b"".join(kept)


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\n", b"a\r\n..\r\n.\r\n"),
        (b"a\r\n..b\r\n.c", b"a\r\n...b\r\n..c\r\n.\r\n"),
        (b"a\n.b\r\n", b"a\n.b\r\n.\r\n"),
        (b"a\r", b"a\r\r\n.\r\n"),
    ],
)
def test_whole(content: bytes, sent: bytes) -> None:
    assert encode_content(content) == sent


@given(CONTENTS)
def test_a_client_gets_the_content_back(content: bytes) -> None:
    ended = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    assert unstuff(encode_content(content)) == ended


@given(CONTENTS, CUTS)
def test_pieces_are_stuffed_as_the_whole(content: bytes, cuts: list[int]) -> None:
    stuffer = Stuffer()
    stuffed = b"".join(stuffer.feed(piece) for piece in pieces_of(content, cuts))
    assert stuffed + stuffer.finish() == encode_content(content)


@given(CONTENTS, CUTS, st.integers(0, 6))
def test_top_of_pieces(content: bytes, cuts: list[int], lines: int) -> None:
    head = Head(lines)
    assert b"".join(head.feed(piece) for piece in pieces_of(content, cuts)) == simple_top(content, lines)


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (0, b"A: 1\r\n\r\n"),
        (1, b"A: 1\r\n\r\none\r\n"),
        (2, b"A: 1\r\n\r\none\r\ntwo\r\n"),
        (9, b"A: 1\r\n\r\none\r\ntwo\r\n"),
    ],
)
def test_top(lines: int, kept: bytes) -> None:
    assert Head(lines).feed(b"A: 1\r\n\r\none\r\ntwo\r\n") == kept


def test_top_says_when_it_has_enough() -> None:
    head = Head(1)
    head.feed(b"A: 1\r\n\r")
    assert not head.done
    head.feed(b"\none\r\nrest")
    assert head.done
    assert head.feed(b"more") == b""
