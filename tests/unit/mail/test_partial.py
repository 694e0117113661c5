"""Messages in pieces: cut and joined they are what they were, whatever the order, and nonsense is no piece."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.downgrade import to_seven_bit
from estafeta.mail.headers import find_header_end, split_header
from estafeta.mail.partial import MIN_PIECE_BYTES, Piece, is_complete, join_key, join_pieces, parse_piece, split_message

HEADER = (
    b"Received: from a by b; date\r\nFrom: ana@example.org\r\nSubject: Audio\r\n mail\r\nMessage-ID: <1@x>\r\n"
    b"To: bob@example.com\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=us-ascii\r\nX-Other: y\r\n\r\n"
)


def message(size: int) -> bytes:
    return HEADER + b"".join(b"line %d\r\n" % n for n in range(size // 9))


def split(content: bytes, size: int = 8000) -> list[bytes]:
    return list(split_message(content, size, ident="18f", hostname="mail.example.com"))


def header(content: bytes) -> bytes:
    return content[: find_header_end(content)]


def test_rfc_2046_5_2_2_1() -> None:
    pieces = split(message(20_000))
    assert [parse_piece(header(piece)) for piece in pieces] == [
        Piece("18f@mail.example.com", n, 4) for n in range(1, 5)
    ]
    assert all(len(piece) <= 8000 for piece in pieces)
    assert len({value for p in pieces for name, value in split_header(header(p)) if name == b"Message-ID"}) == 4
    assert [dict(split_header(header(piece)))[b"Subject"] for piece in pieces][:2] == [
        b"Audio mail (1/4)",
        b"Audio mail (2/4)",
    ]
    assert all(b"X-Other: y\r\n" in header(piece) and piece.endswith(b"\r\n") for piece in pieces)
    inner = pieces[0][find_header_end(pieces[0]) :]
    assert inner.startswith(
        b"Subject: Audio\r\n mail\r\nMessage-ID: <1@x>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n"
        b" charset=us-ascii\r\n\r\nline 0\r\n"
    )


def test_joined_in_any_order_with_duplicates_and_new_trace_fields() -> None:
    content = message(50_000)
    pieces = [b"Received: by here; %d\r\n" % n + piece for n, piece in enumerate(split(content))]
    pieces += pieces[1:3]
    random.Random(1).shuffle(pieces)
    whole = join_pieces(pieces)
    assert whole is not None
    assert whole[find_header_end(whole) :] == content[find_header_end(content) :]
    fields = split_header(header(whole))
    assert fields[0] == (b"Received", b"by here; 0")
    assert sorted(fields[1:]) == sorted(split_header(HEADER))


@pytest.mark.parametrize("missing", [0, 1, -1])
def test_not_complete(missing: int) -> None:
    pieces = split(message(50_000))
    del pieces[missing]
    assert join_pieces(pieces) is None


def test_pieces_of_two_messages_are_not_joined() -> None:
    one, other = split(message(20_000)), list(split_message(message(20_000), 8000, ident="2", hostname="x"))
    assert join_pieces([one[0], other[1], one[2]]) is None
    assert join_pieces([]) is None
    assert join_pieces([message(100)]) is None


def test_small_ones_stay_whole() -> None:
    content = message(5000)
    assert split(content) == [content]


def test_8_bit_messages_become_7_bit_pieces() -> None:
    content = HEADER + "año tras año\r\n".encode() * 2000
    pieces = split(content)
    assert len(pieces) > 1
    assert all(piece.isascii() for piece in pieces)
    whole = join_pieces(pieces)
    assert whole is not None
    body = to_seven_bit(content)
    assert whole[find_header_end(whole) :] == body[find_header_end(body) :]


@pytest.mark.parametrize(
    ("content_type", "piece"),
    [
        ('message/partial; id="a@b"; number=1; total=3', Piece("a@b", 1, 3)),
        ("Message/Partial; NUMBER=2; ID=x", Piece("x", 2, 0)),
        ("message/partial; id=x; number=4; total=3", None),
        ("message/partial; id=x; number=0; total=3", None),
        ("message/partial; id=x; number=-1", None),
        ("message/partial; id=x; number=99999; total=99999", None),
        ("message/partial; id=x; number=\u0661", None),
        ("message/partial; number=1; total=1", None),
        ("text/plain; name=partial", None),
        ("", None),
    ],
)
def test_parse_piece(content_type: str, piece: Piece | None) -> None:
    assert parse_piece(f"Subject: x\r\nContent-Type: {content_type}\r\n\r\n".encode()) == piece


@pytest.mark.parametrize(
    ("pieces", "complete"),
    [
        ([(1, 2), (2, 2)], True),
        ([(2, 2), (1, 0), (1, 0)], True),
        ([(1, 0), (2, 0)], False),
        ([(1, 2), (2, 3)], False),
        ([(1, 2)], False),
        ([], False),
    ],
)
def test_is_complete(pieces: list[tuple[int, int]], complete: bool) -> None:
    assert is_complete([Piece("x", number, total) for number, total in pieces]) is complete


def test_keys_keep_senders_apart() -> None:
    piece = Piece("x", 1, 2)
    assert join_key(piece, "Ana@x") == join_key(piece._replace(number=2), "ana@X")
    assert join_key(piece, "ana@x") != join_key(piece, "eve@x")


@given(
    st.lists(
        st.binary(max_size=3000).map(lambda b: b.translate(None, b"\r\n\0" + bytes(range(128, 256)))), max_size=12
    ),
    st.integers(1, 20_000),
)
def test_join_of_split_is_the_whole(lines: list[bytes], size: int) -> None:
    content = HEADER + b"".join(line + b"\r\n" for line in lines)
    pieces = split(content, size)
    if len(content) <= size:
        assert pieces == [content]
        return
    whole = join_pieces(pieces[::-1])
    assert whole is not None
    assert whole[find_header_end(whole) :] == content[find_header_end(content) :]
    assert max(map(len, pieces)) <= max(size, MIN_PIECE_BYTES) + 3500


@given(st.binary(max_size=300), st.integers(0, 500))
def test_split_never_raises(content: bytes, size: int) -> None:
    assert split(content, size)


@given(
    st.lists(st.binary(max_size=100).map(lambda b: b"Content-Type: message/partial; id=a; number=1; total=1\r\n" + b))
)
def test_join_never_raises(contents: list[bytes]) -> None:
    join_pieces(contents)
