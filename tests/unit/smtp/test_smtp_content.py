"""Where a message ends, and what is stored of it: the smuggling family, dots, line ends, chunk borders."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols.smtp import BareLf, replies
from estafeta.protocols.smtp.content import Content, find_end

END = b"\r\n.\r\n"

# What smugglers have sent to servers that took it for the end of a message. After each the body goes on.
SMUGGLED = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r",
    b"\r.\r\n",
    b"\r.\n",
    b"\n.\r",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\r\n. \r\n",
    b"\r\n .\r\n",
    b"\r\n..\r\n",
    b"\n\n.\n\n",
    b"\r\n\n.\r\n",
    b"\n\r\n.\n\r\n",
]


def receive(data: bytes, sizes: list[int], bare_lf: BareLf, max_bytes: int = 0) -> tuple[Content, bytes, bytes]:
    """Content of `data` fed in pieces, and what was left over behind its end."""
    content, stored, buffer = Content(bare_lf, max_bytes), b"", b""
    at = 0
    while not content.ended:
        size = sizes[at % len(sizes)]
        at += 1
        if not data:
            break
        buffer, data = buffer + data[:size], data[size:]
        while buffer:
            block, used = content.read_dotted(buffer, 0)
            stored, buffer = stored + block, buffer[used:]
            if not used or content.ended:
                break
    return content, stored, buffer + data


@pytest.mark.parametrize("bare_lf", list(BareLf))
@pytest.mark.parametrize("fake", SMUGGLED)
@pytest.mark.parametrize("before", [b"Subject: x\r\n\r\nhello", b""])
def test_nothing_but_crlf_dot_crlf_ends_a_message(fake: bytes, before: bytes, bare_lf: BareLf) -> None:
    evil = b"MAIL FROM:<evil@evil.test>\r\nRCPT TO:<jane@mx.test>\r\nDATA\r\nFrom: boss"
    data = before + fake + evil
    assert find_end(data, 0, True)[:2] == (-1, -1)
    for sizes in ([len(data) + 5], [1], [2], [3], [7]):
        content, stored, rest = receive(data + END + b"QUIT\r\n", sizes, bare_lf)
        assert content.ended
        assert rest == b"QUIT\r\n"
        assert b"RCPT TO:<jane@mx.test>\r\n" in stored
        bare = data.replace(b"\r\n", b"")
        if b"\r" in bare or b"\n" in bare:
            assert content.refusal == (replies.BARE_IN_MESSAGE if bare_lf is BareLf.REJECT else None)
        if bare_lf is BareLf.ACCEPT:
            alone = stored.replace(b"\r\n", b"")
            assert b"\r" not in alone
            assert b"\n" not in alone


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".x\r\n.\r\n", b"x\r\n"),
        (b"a\r\n..\r\n...\r\n.\r\n", b"a\r\n.\r\n..\r\n"),
        (b"a\r\n.b\r\n.\r\n", b"a\r\nb\r\n"),
        (b".\r.\r\n\r\n.\r\n", b"\r.\r\n\r\n"),
    ],
)
def test_dots(sent: bytes, stored: bytes) -> None:
    for sizes in ([100], [1], [2], [3]):
        assert receive(sent + b"NOOP\r\n", sizes, BareLf.REJECT)[1:] == (stored, b"NOOP\r\n")


LINE = st.binary(max_size=12).map(lambda line: line.replace(b"\r", b".").replace(b"\n", b"."))


@given(st.lists(LINE), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_what_a_client_stuffs_is_what_is_stored(lines: list[bytes], sizes: list[int]) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    content, stored, rest = receive(stuffed + b".\r\nREST", sizes, BareLf.REJECT)
    assert (stored, rest) == (message, b"REST")
    assert content.refusal is None
    assert content.size == len(message)


TEXT = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"a", b"\r\n.", b"\r\n.\r"])).map(b"".join)


@given(TEXT, st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from(BareLf), st.integers(0, 12))
def test_the_same_however_it_is_split(text: bytes, sizes: list[int], bare_lf: BareLf, limit: int) -> None:
    data = text + END
    whole, stored, rest = receive(data, [len(data)], bare_lf, limit)
    split, again, left = receive(data, sizes, bare_lf, limit)
    assert (whole.refusal, whole.size, whole.ended, stored, rest) == (
        split.refusal,
        split.size,
        split.ended,
        again,
        left,
    )


@given(TEXT, st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from(BareLf))
def test_octets_the_same_however_they_are_chunked(text: bytes, sizes: list[int], bare_lf: BareLf) -> None:
    whole = Content(bare_lf, 0)
    stored = whole.read_octets(text, last=True)
    split, again, at = Content(bare_lf, 0), b"", 0
    dice = random.Random(sum(sizes))
    while at < len(text):
        size = dice.choice(sizes)
        again += split.read_octets(text[at : at + size], last=False)
        at += size
    again += split.read_octets(b"", last=True)
    assert (stored, whole.refusal, whole.size) == (again, split.refusal, split.size)
    if bare_lf is BareLf.REJECT:
        lone = text.replace(b"\r\n", b"")
        assert (whole.refusal is not None) == (b"\r" in lone or b"\n" in lone)
        assert stored == text


def test_a_big_message_is_passed_on_as_it_comes() -> None:
    content, block = Content(BareLf.REJECT, 0), b"x" * 78 + b"\r\n"
    piece, held = block * 3000, b""
    for _ in range(20):
        stored, used = content.read_dotted(held + piece, 0)
        held = (held + piece)[used:]
        assert len(held) <= 4
        assert len(stored) >= len(piece) - 4
    stored, used = content.read_dotted(held + b".\r\n", 0)
    assert content.ended
    assert content.size == 20 * len(piece)
