"""Replies as octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols.smtp import Reply, encode_reply, replies


@pytest.mark.parametrize(
    ("reply", "sent"),
    [
        (Reply(250, "2.1.0", "OK"), b"250 2.1.0 OK\r\n"),
        (Reply(250, "", "OK"), b"250 OK\r\n"),
        (Reply(354, "3.0.0", "Go"), b"354 Go\r\n"),
        (Reply(550, "5.1.1", "a\nb\nc"), b"550-5.1.1 a\r\n550-5.1.1 b\r\n550 5.1.1 c\r\n"),
        (Reply(550, "5.1.1", "a\r\nQUIT\r"), b"550-5.1.1 a\r\n550 5.1.1 QUIT\r\n"),
        (Reply(550, "5.1.1", "a\rb\0c\x1b[31m"), b"550 5.1.1 a?b?c?[31m\r\n"),
        (Reply(550, "5.1.1", "naïve 用户"), b"550 5.1.1 na?ve ??\r\n"),
        (Reply(550, "5.1.1", ""), b"550 5.1.1 \r\n"),
    ],
)
def test_encoding(reply: Reply, sent: bytes) -> None:
    assert encode_reply(reply) == sent


def test_utf8_only_where_the_session_speaks_it() -> None:
    assert encode_reply(Reply(550, "5.1.1", "用户"), utf8=True) == "550 5.1.1 用户\r\n".encode()


def test_no_enhanced_code_in_greetings_and_replies_to_ehlo() -> None:
    assert encode_reply(Reply(250, "2.0.0", "a\nb"), plain=True) == b"250-a\r\n250 b\r\n"


@given(st.text(), st.sampled_from(["", "5.1.1"]), st.booleans(), st.booleans())
def test_every_text_becomes_lines_of_at_most_512_octets(text: str, enhanced: str, utf8: bool, plain: bool) -> None:
    check_lines(text, enhanced, utf8, plain)
    check_lines(text * 50, enhanced, utf8, plain)


def check_lines(text: str, enhanced: str, utf8: bool, plain: bool) -> None:
    sent = encode_reply(Reply(550, enhanced, text), utf8=utf8, plain=plain)
    assert sent.endswith(b"\r\n")
    lines = sent[:-2].split(b"\r\n")
    head = b"" if plain or not enhanced else b"5.1.1 "
    assert all(line.startswith(b"550-" + head) for line in lines[:-1])
    assert lines[-1].startswith(b"550 " + head)
    assert all(len(line) + 2 <= 512 and b"\r" not in line and b"\n" not in line for line in lines)
    assert sent.isascii() or utf8
    sent.decode()


def test_all_texts_of_the_machine_fit_their_codes() -> None:
    named = [value for value in vars(replies).values() if isinstance(value, Reply)]
    assert len(named) > 40
    for reply in named:
        assert reply.text.isascii()
        assert reply.code == 354 or reply.enhanced[0] == str(reply.code)[0] or reply.code == 220
        assert all(len(line) < 120 for line in reply.text.split("\n"))
