"""Canonical forms (RFC 6376 3.4) and hashes of bodies: whole, in pieces and by another implementation the same."""

import hashlib
import itertools

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import example, given
from hypothesis import strategies as st

from estafeta.trust.canonical import BodyHashes, BodyKey, hash_bodies, relaxed_field
from estafeta.trust.fields import Fields

# What bodies are made of, where canonical forms differ.
BITS = [b" ", b"\t", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" \r\n", b"\t \r\n", b"a", b"word", b"\0", b"\xff", b"."]
BODIES = st.lists(st.sampled_from(BITS), max_size=30).map(b"".join)


def canonical(body: bytes, relaxed: bool) -> bytes:
    """The canonical body itself: what a hash takes in, octet by octet."""
    taken = bytearray()
    key = BodyKey(relaxed)
    hashes = BodyHashes([key])
    hashes._bodies[relaxed].add(taken.extend)
    hashes.feed(body)
    hashes.digests()
    return bytes(taken)


def test_example_1_and_2_of_rfc_6376_3_4_5() -> None:
    header = Fields(b"A: X\r\nB : Y\t\r\n\tZ  \r\n")
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert header.select((b"a", b"b"), relaxed=True) == [b"a:X", b"b:Y Z"]
    assert canonical(body, True) == b" C\r\nD E\r\n"
    assert header.select((b"a", b"b"), relaxed=False) == [b"A: X", b"B : Y\t\r\n\tZ  "]
    assert canonical(body, False) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n", b"\r\n", b""),
        (b"\r\n\r\n\r\n", b"\r\n", b""),
        (b" \t", b" \t\r\n", b""),
        (b" \t\r\n", b" \t\r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a\r\n\r\n", b"a\r\n", b"a\r\n"),
        (b"a \r\n \r\n", b"a \r\n \r\n", b"a\r\n"),
        (b"\r\n\r\na", b"\r\n\r\na\r\n", b"\r\n\r\na\r\n"),
        (b"a\nb\r\n", b"a\nb\r\n", b"a\nb\r\n"),
        (b"a\r", b"a\r\r\n", b"a\r\r\n"),
        (b"a\r\n\r", b"a\r\n\r\r\n", b"a\r\n\r\r\n"),
    ],
)
def test_ends_of_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert canonical(body, False) == simple
    assert canonical(body, True) == relaxed


def test_the_hashes_of_empty_bodies_are_those_of_the_rfc() -> None:
    # RFC 6376 3.4.3, 3.4.4
    simple, relaxed = BodyKey(False), BodyKey(True)
    found = hash_bodies([simple, relaxed], [])
    assert found[simple].digest == hashlib.sha256(b"\r\n").digest()
    assert found[relaxed].digest == hashlib.sha256(b"").digest()


@given(body=BODIES, cuts=st.lists(st.integers(0, 80), max_size=8))
@example(body=b"a \r\n\r\n", cuts=[1, 2, 3, 4, 5])
def test_pieces_give_what_the_whole_gives(body: bytes, cuts: list[int]) -> None:
    keys = [BodyKey(False), BodyKey(True), BodyKey(True, length=7), BodyKey(False, length=0)]
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    assert hash_bodies(keys, pieces) == hash_bodies(keys, [body])
    assert hash_bodies(keys, [bytes((octet,)) for octet in body]) == hash_bodies(keys, [body])


@given(body=BODIES)
def test_another_implementation_makes_the_same_of_bodies(body: bytes) -> None:
    # It reads a CR or LF alone as the end of a line; a message that came by SMTP has none.
    body = body.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    assert canonical(body, False) == Simple.canonicalize_body(body)
    if body.strip(b" \t\r\n"):  # of white space alone it makes an empty line
        assert canonical(body, True) == Relaxed.canonicalize_body(body)


@given(
    value=st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"a", b":", b"\xff"]), max_size=12).map(b"".join)
)
def test_another_implementation_makes_the_same_of_fields(value: bytes) -> None:
    [(name, text)] = Relaxed.canonicalize_headers([(b"SubJect \t", value + b"\r\n")])
    assert relaxed_field(b"SubJect \t:" + value) + b"\r\n" == name + b":" + text


@given(body=BODIES, length=st.integers(0, 50))
def test_a_length_counts_octets_of_the_canonical_body(body: bytes, length: int) -> None:
    for relaxed in (False, True):
        key = BodyKey(relaxed, length=length)
        found = hash_bodies([key], [body])[key]
        form = canonical(body, relaxed)
        assert found == (hashlib.sha256(form[:length]).digest(), len(form))


def test_a_body_of_empty_lines_and_one_of_white_space_cost_no_memory() -> None:
    key = BodyKey(True)
    lines = hash_bodies([key], itertools.chain(itertools.repeat(b"\r\n" * 50_000, 20), [b"x"]))[key]
    assert lines.octets == 2 * 50_000 * 20 + 3
    spaces = hash_bodies([key], itertools.chain(itertools.repeat(b" \t" * 50_000, 20), [b"\r\nx"]))[key]
    assert spaces.octets == len(b"\r\nx\r\n")


def test_nothing_is_read_where_no_hash_is_wanted() -> None:
    pieces = iter((b"a", b"b"))
    assert hash_bodies([], pieces) == {}
    assert next(pieces) == b"a"


@given(st.lists(st.sampled_from([b"a", b"B:", b":", b" ", b"\t", b"\r\n", b"\r", b"\n", b"\r\nC: "]), max_size=30))
@example([b"B:", b"a", b"\r\n", b"\r\n", b" ", b"a", b"\r\n"])
@example([b"B:", b"\r", b"\r\n", b"\t", b" ", b"a"])
def test_fields_all_at_once_are_as_each_alone(bits: list[bytes]) -> None:
    fields = Fields(b"".join(bits))
    assert len(fields.relaxed) == len(fields.raw)
    for raw, relaxed in zip(fields.raw, fields.relaxed, strict=True):
        name, colon, _ = raw.partition(b":")
        if colon and not set(b" \t\r\n") & set(name.rstrip(b" \t")):
            assert relaxed == relaxed_field(raw)
