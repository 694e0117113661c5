"""Every code as a sentence, what others said made harmless, and numbers in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.journal.exporting import Form, export
from estafeta.journal.reading import Entry
from estafeta.journal.records import Code
from estafeta.journal.words import Telling, Tone, duration, hop, printable, size, tell

CAME = 1_700_000_000_000_000


def entry(code: str, address: str = "", peer: str = "", text: str = "", size: int = 0, **detail: Any) -> Entry:
    return Entry(CAME // 1000 << 20, CAME, code, address, peer, size, text, detail)


SENTENCES = [
    (
        entry("94", "a@x.test", "mx.x.test [192.0.2.1]", "ESMTPS", 4300, tls="TLSv1.3", login="a", release_ms=1),
        "received from mx.x.test [192.0.2.1], signed in as a, by ESMTPS, encrypted with TLSv1.3, 4.2 KiB, to be sent"
        " not before T1",
    ),
    (entry("95"), "received from a program here, 0 octets"),
    (entry("9S", peer="192.0.2.1", text="too many"), "connection refused from 192.0.2.1: too many"),
    (entry("9V", "b@y.test", "[192.0.2.1]", "550 no"), "relay refused for b@y.test from [192.0.2.1]: 550 no"),
    (entry("9W", text="full"), "refused: full"),
    (
        entry("9W", peer="192.0.2.1", text="550 no", sender="a@b.test"),
        "refused from 192.0.2.1, sent by a@b.test: 550 no",
    ),
    (entry("C6", "b@y.test", hop="mx:y.test"), "queued for b@y.test, to go to the mail exchangers of y.test"),
    (entry("B8", "b@x.test", mailbox="7/1/33"), "filed for b@x.test in Box 7/1 as message 33"),
    (entry("B8", "b@x.test", mailbox="7/1/x"), "filed for b@x.test"),
    (entry("B3", "b@x.test", text="The mailbox is full."), "could not be filed for b@x.test: The mailbox is full"),
    (entry("P2", "info@x.test", text="b@y.test, mailbox 7"), "info@x.test stands for b@y.test, mailbox 7"),
    (entry("EH", "", "MAILER-DAEMON", size=10), "made here by MAILER-DAEMON, 10 octets"),
    (entry("EH", "a@x.test", text="Notice.", list="n@x.test"), "made here by the list n@x.test: Notice"),
    (
        entry("8C", "mx:y.test", "mx.y.test", "refused")._replace(message_id=-3),
        "the mail exchangers of y.test cannot be reached at mx.y.test: refused",
    ),
    (
        entry("8B", "b@y.test", "mx.y.test [198.51.100.1]", "450 later", attempt=2, seconds=0.5),
        'attempt 2 for b@y.test at mx.y.test [198.51.100.1]: it said "450 later" (in 0.5 s)',
    ),
    (
        entry("88", "b@y.test", "mx.y.test", "250 2.0.0 queued", tls="TLSv1.3", attempt=3),
        'delivered for b@y.test to mx.y.test: it said "250 2.0.0 queued" (attempt 3, encrypted with TLSv1.3)',
    ),
    (
        entry("88", "b@y.test", "mx.y.test", "250 ok", signed="x.test rsa1 ed1", sealed="x.test rsa1"),
        'delivered for b@y.test to mx.y.test: it said "250 ok", signed (DKIM) by x.test with rsa1 and ed1, sealed (ARC)'
        " by x.test with rsa1",
    ),
    (
        entry("83", "b@y.test", "mx.y.test", "550-no\r\n550 such user"),
        'given up for b@y.test at mx.y.test: it said "550-no / 550 such user"',
    ),
    (entry("83", "b@y.test", reason="too old"), "given up for b@y.test: too old"),
    (
        entry("8C", "b@y.test", "mx.y.test", "451 4.7.1 wait", next_ms=5),
        'put off for b@y.test at mx.y.test: it said "451 4.7.1 wait"; next try T5',
    ),
    (entry("8D", "b@y.test", hop="mx:y.test"), "put off for b@y.test at the mail exchangers of y.test"),
    (entry("8E", "b@y.test"), "ready to be tried again for b@y.test"),
    (entry("8K", text="SERVFAIL", hop="mx:y.test"), "could not be looked up in DNS: mx:y.test: SERVFAIL"),
    (
        entry("8T", "b@y.test", "mx.y.test"),
        "sent for b@y.test to mx.y.test, but its answer was lost: it may arrive twice",
    ),
    (entry("7D", "b@y.test", notice="18bd"), "notice of delay sent about b@y.test (message 18bd)"),
    (entry("AP", "b@y.test", notice=0x18BD), "notice of non-delivery sent about b@y.test (message 18bd)"),
    (entry("AN", text="null sender"), "no notice was sent: null sender"),
    (entry("HX", "b@y.test", who="root", text="spam"), "removed from the queue for b@y.test by root: spam"),
    (entry("HE", "b@y.test", who="root", next_ms=7), "changed for b@y.test by root; next try T7"),
    (entry("DR", "anna@x.test", mailbox="7/1/33"), "read by anna@x.test with POP3 in Box 7/1 as message 33"),
    (entry("JR", "anna@x.test"), "read by anna@x.test with IMAP"),
    (
        entry("TX", "n@x.test", text="40 members", notice="18bd"),
        "sent to the members of the list n@x.test: 40 members (message 18bd)",
    ),
    (entry("TC", "b@y.test", text="subscribe", list="n@x.test"), "command to the list n@x.test: b@y.test: subscribe"),
    (entry("ZZ", "b@y.test", "p", "what"), "ZZ b@y.test p: what"),
]


@pytest.mark.parametrize(
    ("record", "sentence"), SENTENCES, ids=[f"{one.code}-{n}" for n, (one, _) in enumerate(SENTENCES)]
)
def test_sentences(record: Entry, sentence: str) -> None:
    telling = Telling(lambda account, box: f"Box {account}/{box}", lambda ms: f"T{ms}", CAME)
    assert tell(record, telling)[1] == sentence


def test_every_code_has_a_sentence_of_its_own() -> None:
    for code in Code:
        assert not tell(entry(code, "b@y.test"))[1].startswith(code)


def test_time_in_the_queue_is_told_where_it_matters() -> None:
    late = entry("88", "b@y.test")._replace(at_us=CAME + 3 * 3_600_000_000)
    assert tell(late, Telling(came_us=CAME)) == (Tone.GOOD, "delivered for b@y.test, 3 h after it came")


@given(st.text(max_size=60), st.sampled_from(list(Code)), st.text(max_size=10))
def test_nothing_that_others_say_plays_tricks(text: str, code: str, value: str) -> None:
    detail = dict.fromkeys(("hop", "host", "tls", "reason", "list", "who", "mailbox", "notice", "login"), value)
    record = Entry(1, CAME, code, text, text, 1, text, detail)
    assert tell(record)[1].isprintable()
    for form in Form:
        lines = list(export([[record]], form))
        assert all(line.endswith("\n") for line in lines if line)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\r\nb", "a / b"),
        ("a\n", "a"),
        ("\u202eevil", "\\x202eevil"),
        ("naïve ✓", "naïve ✓"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_numbers_in_words() -> None:
    assert [duration(n) for n in (-1, 0.26, 9.99, 59, 60, 3599, 3600, 12_000, 86_400, 200_000)] == [
        "0.0 s", "0.3 s", "10.0 s", "59 s", "1 min", "60 min", "1 h", "3 h 20 min", "1 d", "2 d 7 h",
    ]  # fmt: skip
    assert [size(n) for n in (0, 1023, 1024, 5 << 20, 3 << 40)] == [
        "0 octets", "1023 octets", "1.0 KiB", "5.0 MiB", "3.0 TiB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("mx:y.test", "the mail exchangers of y.test"),
        ("host:gw.test:587", "the host gw.test:587"),
        ("host:gw.test:0", "the host gw.test"),
        ("lmtp:/run/l", "/run/l by LMTP"),
        ("list:n@x.test", "the list n@x.test"),
        ("odd", "odd"),
    ],
)
def test_next_hops(key: str, words: str) -> None:
    assert hop(key) == words
