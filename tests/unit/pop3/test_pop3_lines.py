"""Lines do not depend on how the octets were split, and a long line costs no memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols.pop3.lines import Lines, TooLong


def take_all(lines: Lines, limit: int) -> list[bytes | None]:
    taken: list[bytes | None] = []
    while (line := lines.take(limit)) is not None:
        taken.append(None if isinstance(line, TooLong) else line)
    return taken


@pytest.mark.parametrize(
    ("data", "taken"),
    [
        (b"NOOP\r\nQUIT\r\n", [b"NOOP", b"QUIT"]),
        (b"NOOP\nQUIT\r\nhalf", [b"NOOP", b"QUIT"]),
        (b"\r\n\n", [b"", b""]),
        (b"12345678\r\n", [b"12345678"]),
        (b"123456789\r\nNOOP\r\n", [None, b"NOOP"]),
    ],
)
def test_lines(data: bytes, taken: list[bytes | None]) -> None:
    lines = Lines()
    lines.feed(data)
    assert take_all(lines, 10) == taken


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"123456789", b" "]), max_size=30).map(b"".join))
def test_byte_by_byte(data: bytes) -> None:
    whole, single = Lines(), Lines()
    whole.feed(data)
    taken = []
    for octet in data:
        single.feed(bytes([octet]))
        taken += take_all(single, 10)
    assert taken == take_all(whole, 10)


def test_a_line_without_end_is_not_kept() -> None:
    lines = Lines()
    for _ in range(1000):
        lines.feed(b"x" * 1000)
        assert lines.take(255) is None
        assert len(lines) < 1255
    lines.feed(b"\r\nNOOP\r\n")
    assert isinstance(lines.take(255), TooLong)
    assert lines.take(255) == b"NOOP"
