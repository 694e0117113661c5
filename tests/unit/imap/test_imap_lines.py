"""Input: lines and octets, split anywhere."""

from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols.imap.lines import Input, LongLine

PIECES = st.lists(st.sampled_from([b"abc", b"\r", b"\n", b"\r\n", b"x" * 30, b" {5+}", b""]), max_size=25)


def lines_of(pieces: list[bytes], limit: int) -> list[bytes | LongLine]:
    source = Input()
    found = []
    for piece in pieces:
        source.feed(piece)
        while (line := source.take_line(limit)) is not None:
            found.append(line)
    return found


@given(PIECES, st.integers(2, 60))
def test_splitting_changes_nothing(pieces: list[bytes], limit: int) -> None:
    data = b"".join(pieces)
    whole = lines_of([data], limit)
    assert lines_of(pieces, limit) == whole
    assert lines_of([data[at : at + 1] for at in range(len(data))], limit) == whole
    expected = data.split(b"\n")[:-1]
    for line, raw in zip(whole, expected, strict=True):
        stripped = raw.removesuffix(b"\r")
        if len(raw) + 1 <= limit:
            assert line == stripped
        else:
            assert isinstance(line, LongLine)
            assert raw.startswith(line.head[: len(raw)])
            assert line.tail == stripped[-64:]


def test_octets_and_lines_take_turns() -> None:
    source = Input()
    source.feed(b"one\r\nabc")
    assert source.take_line(100) == b"one"
    assert source.take(2) == b"ab"
    assert source.take_line(100) is None
    source.feed(b"d\nrest")
    assert source.take_line(100) == b"cd"
    assert len(source) == 4
    assert source.drain() == b"rest"
    assert len(source) == 0
    assert source.take(5) == b""


def test_a_line_without_end_is_not_kept() -> None:
    source = Input()
    for _ in range(1000):
        source.feed(b"x" * 1000)
        assert source.take_line(100) is None
    assert len(source) < 200
    source.feed(b"{3+}\r\n")
    line = source.take_line(100)
    assert isinstance(line, LongLine)
    assert line.tail.endswith(b"{3+}")
    assert line.head == b"x" * 64
