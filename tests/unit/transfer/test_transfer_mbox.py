"""The mbox reader: what is a message, whatever the file looks like and however it is cut; and writing one."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.app.transfer import mbox
from estafeta.core.errors import EstafetaError
from estafeta.mailboxes.values import Flag

SEPARATOR = b"From a@x.test Sat Jan  3 01:05:34 1998\n"


class Trickle(io.BytesIO):
    """A file that gives a few octets at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most = most

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.most if size is None or size < 0 else min(size, self.most))


def read(data: bytes, most: int = 1 << 20, offset: int = 0) -> list[bytes]:
    reader = mbox.MboxReader(Trickle(data, most), offset)
    return [b"".join(message.pieces) for message in reader.messages()]


CASES = {
    "empty file": (b"", []),
    "only empty lines": (b"\n\n\n", []),
    "one": (SEPARATOR + b"Subject: 1\n\nbody\n\n", [b"Subject: 1\n\nbody\n"]),
    "two": (SEPARATOR + b"A: 1\n\nx\n\n" + SEPARATOR + b"A: 2\n\ny\n\n", [b"A: 1\n\nx\n", b"A: 2\n\ny\n"]),
    "empty lines first": (b"\n\r\n" + SEPARATOR + b"A: 1\n\nx\n\n", [b"A: 1\n\nx\n"]),
    "no last line end": (SEPARATOR + b"A: 1\n\nx", [b"A: 1\n\nx"]),
    "header only": (SEPARATOR + b"A: 1\n\n\n" + SEPARATOR + b"A: 2\n\n\n", [b"A: 1\n\n", b"A: 2\n\n"]),
    "nothing in it": (SEPARATOR + b"\n" + SEPARATOR + b"A: 2\n\nx\n\n", [b"", b"A: 2\n\nx\n"]),
    "CRLF": (
        b"From a Sat Jan  3 01:05:34 1998\r\nA: 1\r\n\r\nx\r\n\r\nFrom b Sat Jan  3 01:05:34 1998\r\nA: 2\r\n\r\ny\r\n",
        [b"A: 1\r\n\r\nx\r\n", b"A: 2\r\n\r\ny\r\n"],
    ),
    "quoted": (SEPARATOR + b"A: 1\n\n>From me\n>>From you\n> From\n\n", [b"A: 1\n\nFrom me\n>From you\n> From\n"]),
    "quoted at once": (SEPARATOR + b">From me\n\n", [b"From me\n"]),
    "From in the text": (
        SEPARATOR + b"A: 1\n\nhi\n\nFrom here on\nFrom me\n\n",
        [b"A: 1\n\nhi\n\nFrom here on\nFrom me\n"],
    ),
    "dated line in a paragraph": (
        SEPARATOR + b"A: 1\n\nhi\nFrom a Sat Jan  3 01:05:34 1998\nno field\n\n",
        [b"A: 1\n\nhi\nFrom a Sat Jan  3 01:05:34 1998\nno field\n"],
    ),
    "no empty line between": (
        SEPARATOR + b"A: 1\n\nx\n" + SEPARATOR + b"B: 2\n\ny\n",
        [b"A: 1\n\nx\n", b"B: 2\n\ny\n"],
    ),
    "Thunderbird, no date": (
        b"From \nA: 1\n\nx\n\nFrom \r\nA: 2\n\ny\n\nFrom - \nA: 3\n",
        [b"A: 1\n\nx\n", b"A: 2\n\ny\n", b"A: 3\n"],
    ),
    "Thunderbird": (b"From - Tue Apr 27 19:42:16 2010\nA: 1\n\nx\n", [b"A: 1\n\nx\n"]),
    "Gmail": (b"From 1791@xxx Mon Jan 01 00:00:00 +0000 2018\nA: 1\n\nx\n", [b"A: 1\n\nx\n"]),
}


@pytest.mark.parametrize("most", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", CASES)
def test_reading(name: str, most: int):
    data, expected = CASES[name]
    assert read(data, most) == expected


@pytest.mark.parametrize("data", [b"Subject: no mbox\n\nx\n", b"\x00\x01\x02", b"From: a@x.test\n\n", b"\nPK\x03\x04"])
def test_what_is_no_mbox_is_refused(data: bytes):
    with pytest.raises(EstafetaError, match="no mbox"):
        read(data)


def test_a_large_message_comes_in_bounded_pieces():
    line = b"x" * 70 + b"\n>From y\n"
    body = line * 40_000
    long_line = b"z" * 3_000_000 + b"\n"
    data = SEPARATOR + b"A: 1\n\n" + body + long_line + b"\n" + SEPARATOR + b"A: 2\n\n\n"
    sizes, contents = [], []
    for message in mbox.MboxReader(io.BytesIO(data)).messages():
        pieces = list(message.pieces)
        sizes += map(len, pieces)
        contents.append(b"".join(pieces))
    assert contents == [b"A: 1\n\n" + body.replace(b">From", b"From") + long_line, b"A: 2\n\n"]
    assert max(sizes) < 3 << 20


def test_going_on_from_an_offset():
    data = b"".join(SEPARATOR + b"A: %d\n\nx\n\n" % number for number in range(5))
    reader = mbox.MboxReader(io.BytesIO(data))
    offsets = [reader.offset for message in reader.messages() if b"".join(message.pieces)]
    assert offsets[-1] == len(data)
    for number, offset in enumerate(offsets):
        assert len(read(data, offset=offset)) == 4 - number


def test_pieces_that_nobody_reads_are_passed():
    data = SEPARATOR + b"A: 1\n\nx\n\n" + SEPARATOR + b"A: 2\n\n\n"
    assert len([message.offset for message in mbox.MboxReader(io.BytesIO(data)).messages()]) == 2


lines = st.sampled_from(
    [b"", b"From ", b">From x", b"From a Sat Jan  3 01:05:34 1998", b"A: b", b".", b"text", b">>From "]
)
texts = st.lists(lines | st.binary(max_size=8).map(lambda b: re.sub(rb"[\r\n]", b"", b)), max_size=8)


@given(st.lists(texts, max_size=4), st.integers(1, 40))
def test_what_is_written_is_read_again(bodies: list[list[bytes]], most: int):
    contents = [b"Subject: s\n\n" + b"".join(line + b"\n" for line in body) for body in bodies]
    head = mbox.encode_head(b"a@x.test", 883789534, Flag.SEEN, ["$Forwarded"])
    written = b"".join(head + mbox.quote_lines(content) + b"\n" for content in contents)
    back = [mbox.read_marks(raw) for raw in read(written, most)]
    assert [content for _, content in back] == contents
    assert all(marks == mbox.Marks(Flag.SEEN, ("$Forwarded",)) for marks, _ in back)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_octets_behind_a_separator_are_read_the_same_however_cut(data: bytes, most: int):
    assert read(SEPARATOR + data, most) == read(SEPARATOR + data)


@pytest.mark.parametrize(
    ("separator", "seconds"),
    [
        (b"From a@x.test Sat Jan  3 01:05:34 1998", 883789534),
        (b"From a Jan Feb@x.test Sat Jan  3 01:05:34 1998", 883789534),
        (b"From - Sat Jan 03 01:05:34 1998", 883789534),
        (b"From 1791@xxx Mon Jan 01 00:00:00 +0000 2018", 1514764800),
        (b"From MAILER-DAEMON Sat, 3 Jan 1998 02:05:34 +0100", 883789534),
        (b"From ", None),
        (b"From x", None),
    ],
)
def test_separator_dates(separator: bytes, seconds: float | None):
    assert mbox.separator_date(separator) == seconds


@pytest.mark.parametrize(
    ("header", "flags", "keywords", "expunged"),
    [
        (b"Subject: x\n", 0, (), False),
        (b"Subject: x\nStatus: RO\n", Flag.SEEN, (), False),
        (b"Subject: x\nStatus: O\nX-Status: AF\n", Flag.ANSWERED | Flag.FLAGGED, (), False),
        (b"Subject: x\nX-Status: TD\nX-Keywords: b a (bad\n", Flag.DRAFT | Flag.DELETED, ("a", "b"), False),
        (b"X-Mozilla-Status: 0007\nSubject: x\n", Flag.SEEN | Flag.ANSWERED | Flag.FLAGGED, (), False),
        (b"X-Mozilla-Status: 0009\nX-Mozilla-Status2: 00000000\n", Flag.SEEN, (), True),
        (b"X-Mozilla-Status: zz\n", 0, (), False),
    ],
)
def test_marks(header: bytes, flags: int, keywords: tuple[str, ...], expunged: bool):
    piece = header + b"\nbody\n"
    assert mbox.read_marks(piece) == (mbox.Marks(int(flags), keywords, expunged), piece)


@given(st.text(min_size=1, max_size=30).filter(lambda name: not set(name) & set("/\0") or "/" in name.strip("/")))
def test_file_names_come_back(name: str):
    file = mbox.file_name(name)
    assert mbox.mailbox_name(file) == name
    assert not any(level.startswith(".") for level in file.split("/"))
