"""The outline of a message says of its header what the scanner of whole messages says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.outline import OutlineScanner
from estafeta.mail.scan import MessageScanner, MessageSummary

MESSAGES = {
    "plain": b"Received: a\r\nReceived: b\r\nSubject: Hello\r\nMessage-ID: <1@x.test>\r\n\r\nWords\r\nSubject: no\r\n",
    "folded": b"Subject: one\r\n two\r\n\tthree\r\nmessage-id:\r\n <2@x.test>\r\n\r\n",
    "encoded": b"subject: =?utf-8?q?caf=C3=A9?=\r\nReceived: x\r\n\r\nbody",
    "bare line feeds": b"SUBJECT: x\nMessage-Id: <3@x.test>\n\nReceived: not a field\n",
    "no header": b"\r\nSubject: body\r\n",
    "no body": b"Subject: only\r\n\r\n",
    "empty": b"",
    "utf-8": "Subject: señor\r\n\r\n".encode(),
}


def _scan(scanner: MessageScanner | OutlineScanner, content: bytes, piece: int) -> MessageSummary:
    for start in range(0, len(content), piece):
        scanner.feed(content[start : start + piece])
    return scanner.close()


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_it_agrees_with_the_scanner(name: str, piece: int) -> None:
    content = MESSAGES[name]
    whole, outline = _scan(MessageScanner(), content, 10_000), _scan(OutlineScanner(), content, piece)
    for field in ("size", "header_size", "subject", "message_id", "received_count"):
        assert getattr(outline, field) == getattr(whole, field), field
    assert (outline.envelope, outline.bodystructure, outline.structure, outline.preview) == (b"", b"", b"", "")


@given(st.binary(max_size=400), st.integers(1, 50))
def test_no_octets_make_it_raise_and_pieces_do_not_matter(content: bytes, piece: int) -> None:
    assert _scan(OutlineScanner(), content, piece) == _scan(OutlineScanner(), content, 1000)
