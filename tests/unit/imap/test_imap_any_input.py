"""Whatever comes, the machine answers, and neither how it was split nor compression changes the answer."""

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from imap_transcript import Answerer, begin, run

from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.server import State
from estafeta.protocols.imap.table import COMMANDS, UID_COMMANDS

SMALL = Limits(
    early_line_octets=70,
    line_octets=90,
    exchange_octets=64,
    early_literal_octets=10,
    literal_octets=20,
    command_octets=150,
    nesting=3,
    set_pairs=3,
    search_keys=6,
    append_octets=25,
    bad_commands=8,
    discard_octets=200,
)
WORDS = st.sampled_from(
    [
        *COMMANDS,
        *(b"UID " + name for name in UID_COMMANDS),
        b"a", b"INBOX", b'"x y"', b'"\\""', b"{3+}\r\nabc", b"{0+}\r\n", b"{4}\r\n", b"{30+}\r\n", b"~{2+}\r\n\0\0",
        b"()", b"(", b")",
        b"1:5", b"*", b"$", b"FLAGS", b"(\\Seen)", b"\\", b"BODY[HEADER.FIELDS (A)]<0.5>", b"RETURN", b"NOT", b"OR",
        b"CATENATE (", b"TEXT",
        b"URL x", b"UTF8 (", b"DONE", b"NIL", b"9999999999", b"&AOk-", b"&", b"\xc3\xa9", b"\xff", b"\0", b"[", b"]",
        b"\r\n", b"\n",
        b"\r\na ", b"\r\nb ", b"\r\n", b"PLAIN", b"=", b"AGphbmUAcHc=", b"1-Feb-2026",
        b'" 1-Feb-2026 08:09:10 +0000"', b"ALL",
    ]
)  # fmt: skip
INPUTS = st.one_of(
    st.lists(WORDS, max_size=30).map(b" ".join),
    st.lists(WORDS, max_size=30).map(lambda words: b"a " + b" ".join(words) + b"\r\n"),
    st.lists(WORDS, max_size=30).map(b"".join),
    st.binary(max_size=200),
)


def said(data: list[bytes], state: State, enabled: list[str]) -> bytes:
    machine, answerer = begin(state, enabled, SMALL), Answerer()
    return b"".join([run(machine, answerer, piece) for piece in data])


@settings(max_examples=400, deadline=None)
@given(
    INPUTS,
    st.sampled_from([State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED]),
    st.sampled_from([[], ["UTF8=ACCEPT", "UIDONLY", "QRESYNC"]]),
    st.lists(st.integers(0, 300), max_size=5),
)
def test_any_input(data: bytes, state: State, enabled: list[str], cuts: list[int]) -> None:
    # What is negotiated with a nonce, and what is thrown away because of when it came, differs as it must.
    data = data.replace(b"STARTTLS", b"NOOP").replace(b"SCRAM", b"NOOP").replace(b"COMPRESS", b"NOOP")
    whole = said([data], state, enabled)
    assert whole == b"" or whole.endswith(b"\r\n")
    assert said([data[at : at + 1] for at in range(len(data))], state, enabled) == whole
    ends = sorted(cuts)
    pieces = [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]
    assert said(pieces, state, enabled) == whole


@settings(max_examples=100, deadline=None)
@given(INPUTS, st.lists(st.integers(0, 300), max_size=5))
def test_compression_changes_nothing(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"STARTTLS", b"NOOP").replace(b"SCRAM", b"NOOP").replace(b"COMPRESS", b"NOOP")
    plain = said([data], State.SELECTED, [])
    machine, answerer = begin(State.SELECTED, [], SMALL), Answerer()
    assert run(machine, answerer, b"z COMPRESS DEFLATE\r\n") == b"z OK Done.\r\n"
    deflater, inflater = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)
    sent = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
    ends = sorted(cuts)
    pieces = [sent[start:end] for start, end in zip([0, *ends], [*ends, len(sent)], strict=True)]
    assert inflater.decompress(b"".join([run(machine, answerer, piece) for piece in pieces])) == plain
