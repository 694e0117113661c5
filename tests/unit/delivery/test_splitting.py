"""Pieces of messages in the queue: what they are made of."""

import itertools

import pytest

from estafeta.delivery.splitting import split_work
from estafeta.mail.partial import join_pieces
from estafeta.queue.values import EntryFlag, Lane, Place, Waiting, Work

CONTENT = b"Return-Path: <jo@example.com>\r\n" + b"Subject: Plans\r\n\r\n" + b"A line of text.\r\n" * 2000
NOW = 1_000_000


def waiting(number: int, notify: str = "") -> Waiting:
    return Waiting(Place(7, number), f"u{number}@example.org", 0, NOW + 500, NOW + 100, notify, "", 0, 0)


def work(*recipients: Waiting, size: int = len(CONTENT), flags: EntryFlag = EntryFlag.EIGHT_BIT) -> Work:
    return Work(7, 1, "jo@example.com", 3, Lane.HIGH, flags, size, 31, 10, "e", "FULL", "es", "Plans", recipients)


def split(one: Work, piece_bytes: int = 10_000) -> list[bytes] | None:
    pieces = split_work(
        one,
        "mx:example.org",
        CONTENT,
        piece_bytes,
        hostname="mail.example.com",
        new_ident=itertools.count(100).__next__,
        now_ms=NOW,
    )
    return None if pieces is None else [made.content for made in pieces.made]


def test_entries_of_pieces() -> None:
    one = work(waiting(1, "SUCCESS"), waiting(2, "NEVER"), flags=EntryFlag.EIGHT_BIT | EntryFlag.REQUIRE_TLS)
    pieces = split_work(
        one, "mx:example.org", CONTENT, 10_000, hostname="h", new_ident=itertools.count(100).__next__, now_ms=NOW
    )
    assert pieces is not None
    assert pieces.done == (Place(7, 1), Place(7, 2))
    assert [(record.message_id, record.code) for record in pieces.records] == [(7, "8S")]
    entries = [made.acceptance.entry for made in pieces.made]
    assert all(entry is not None for entry in entries)
    assert [entry.entry_id for entry in entries if entry] == [100, 101, 102, 103]
    first, second = entries[0], entries[1]
    assert first is not None
    assert second is not None
    assert (first.lane, first.flags, first.owner, first.sender) == (
        Lane.HIGH,
        EntryFlag.REQUIRE_TLS,
        3,
        "jo@example.com",
    )
    assert first.subject == "Plans (1/4)"
    assert [(r.address, r.notify, r.warn_ms, r.due_ms, r.expires_ms) for r in first.recipients] == [
        ("u1@example.org", "SUCCESS", NOW + 100, NOW, NOW + 500),
        ("u2@example.org", "NEVER", NOW + 100, NOW, NOW + 500),
    ]
    assert [(r.notify, r.warn_ms) for r in second.recipients] == [("FAILURE", 0), ("NEVER", 0)]
    whole = join_pieces([made.content for made in pieces.made])
    assert whole is not None
    assert whole.split(b"\r\n\r\n", 1)[1] == CONTENT.split(b"\r\n\r\n", 1)[1]


@pytest.mark.parametrize("piece_bytes", [0, len(CONTENT), 1 << 40])
def test_not_split(piece_bytes: int) -> None:
    assert split(work(waiting(1)), piece_bytes) is None


def test_pieces_are_not_split_again() -> None:
    contents = split(work(waiting(1)), 20_000)
    assert contents is not None
    one = work(waiting(1))._replace(skip=0)
    assert split_work(one, "mx:x", contents[0], 5000, hostname="h", new_ident=lambda: 1, now_ms=0) is None
