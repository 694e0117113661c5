"""The messages that all IMAP servers hold: made in code, the same in every run, about 4 KiB each.

They are as varied as mail is, since what is measured depends on it: 400 correspondents, subjects of words with their
replies (and threads by References), trace and signature fields, one in four multipart, one in ten in base64, texts of
20,000 invented words used as unevenly as people use words. Some words are counted on: RARE, COMMON and TOPIC stand in
as many messages as the functions of the same name say, so that what a search finds can be checked.
"""

from __future__ import annotations

import base64
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from benchmarks.server import DOMAIN

OCTETS = 4096
RARE, COMMON, TOPIC = "Xylophonquartz", "Tuesdaymorning", "Jahresbilanz"
_RARE_EVERY, _COMMON_EVERY, _TOPIC_EVERY = 1000, 3, 10
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_SYLLABLES = (
    *("ka", "lo", "mi", "ter", "sa", "ren", "vo", "du", "pel", "ni", "ast", "or", "ge", "bru", "fi", "ham", "jo"),
    *("qui", "wex", "yl", "zar", "che", "un", "el", "ta", "po"),
)


def rare(count: int) -> int:
    """How many of `count` messages hold RARE in their text."""
    return count // _RARE_EVERY


def common(count: int) -> int:
    """How many hold COMMON in their text."""
    return -(-count // _COMMON_EVERY)


def topic(count: int) -> int:
    """How many hold TOPIC in their subject, and nowhere else."""
    return -(-count // _TOPIC_EVERY)


@dataclass(frozen=True, slots=True)
class _Words:
    """What messages are made of. Lines are without line ends."""

    people: list[str]
    topics: list[str]
    lines: list[str]
    signature: str


def _make_words(rng: random.Random) -> _Words:
    words = list(dict.fromkeys("".join(rng.choices(_SYLLABLES, k=rng.randint(1, 5))) for _ in range(30_000)))[:20_000]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    used = iter(rng.choices(words, weights, k=20_000 * 10))
    lines = [" ".join(itertools.islice(used, 10))[:76].rstrip() for _ in range(20_000)]
    people = [f"{first.title()} {last.title()} <{first}.{last}@{DOMAIN}>" for first, last in _pairs(rng, words, 400)]
    topics = [" ".join(rng.choices(words, k=rng.randint(2, 7))).capitalize() for _ in range(3000)]
    return _Words(people, topics, lines, base64.b64encode(rng.randbytes(192)).decode())


def _pairs(rng: random.Random, words: list[str], count: int) -> list[tuple[str, str]]:
    return [(rng.choice(words), rng.choice(words)) for _ in range(count)]


def messages(count: int) -> Iterator[bytes]:
    """`count` messages with LF line ends."""
    rng = random.Random(20261122)
    words = _make_words(rng)
    for number in range(count):
        subject, earlier = _subject(rng, words, number)
        kind, body = _body(rng, words, number)
        yield (_head(rng, words, number, subject, earlier) + kind + "\n" + body).encode()


def _subject(rng: random.Random, words: _Words, number: int) -> tuple[str, list[int]]:
    """The Subject, and the messages that this one answers: a reply is to one of a chain ten messages apart."""
    chain = number // 50 * 10 + number % 10
    place = number // 10 % 5
    subject = words.topics[chain * 7 % len(words.topics)]
    if number % _TOPIC_EVERY == 0:
        subject = f"{TOPIC} {subject}"
    earlier = [number - 10 * back for back in range(place, 0, -1)]
    if number % 11 == 0:
        subject = f"=?utf-8?b?{base64.b64encode(f'Grüße: {subject}'[:45].encode()).decode()}?="
    return ("Re: " if earlier else "") + subject, earlier


def _head(rng: random.Random, words: _Words, number: int, subject: str, earlier: list[int]) -> str:
    date = format_datetime(_BEGIN + timedelta(minutes=number * 5))
    sender, to, cc = rng.choices(words.people, k=3)
    lines = [
        f"Return-Path: <{sender.partition('<')[2]}",
        f"Received: from mx{number % 7}.{DOMAIN} (mx{number % 7}.{DOMAIN} [192.0.2.{number % 250}])",
        f"\tby mail.{DOMAIN} with ESMTPS id {number:012x}",
        f"\tfor {to.partition(' <')[2].join('<>').replace('>>', '>')}; {date}",
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={DOMAIN}; s=s{number % 5};",
        *(f"\t{words.signature[at : at + 70]}" for at in range(0, 256, 70)),
        f"Date: {date}",
        f"From: {sender}",
        f"To: {to}",
        *([f"Cc: {cc}"] if number % 3 == 0 else []),
        f"Subject: {subject}",
        f"Message-ID: {_identifier(number)}",
        *([f"In-Reply-To: {_identifier(earlier[-1])}"] if earlier else []),
        *(["References: " + "\n\t".join(map(_identifier, earlier))] if earlier else []),
        *([f"List-Id: <list{number % 12}.{DOMAIN}>", "Precedence: list"] if number % 4 == 0 else []),
        f"User-Agent: Writer/{number % 9}.{number % 4}",
        "MIME-Version: 1.0",
    ]
    return "\n".join(lines) + "\n"


def _identifier(number: int) -> str:
    return f"<{number * 7919 % 2**32:08x}.{number}@{DOMAIN}>"


def _body(rng: random.Random, words: _Words, number: int) -> tuple[str, str]:
    """The Content fields and what follows them."""
    at, room = rng.randrange(len(words.lines) - 64), OCTETS - 1350
    kind = number % 20
    if kind in (3, 12):
        return _encoded(_text(words, at, room * 3 // 4, number), 'text/plain; charset="utf-8"')
    if kind in (5, 9):
        text = _text(words, at, room // 2 - 200, number)
        html = f"<html><body><p>{text}</p></body></html>\n"
        return _multipart("alternative", number, [_plain(text), ('Content-Type: text/html; charset="utf-8"\n', html)])
    if kind in (7, 14, 18):
        data = base64.encodebytes(rng.randbytes(room // 3)).decode()
        name = f'Content-Type: application/octet-stream; name="file{number}.bin"\nContent-Transfer-Encoding: base64\n'
        name += f'Content-Disposition: attachment; filename="file{number}.bin"\n'
        return _multipart("mixed", number, [_plain(_text(words, at, room // 2 - 300, number)), (name, data)])
    return _plain(_text(words, at, room, number))


def _text(words: _Words, at: int, octets: int, number: int) -> str:
    lines = words.lines[at : at + max(octets // 68, 4)]
    if number % _COMMON_EVERY == 0:
        lines[1] = f"{lines[1][:40]} {COMMON} {lines[1][40:50]}"
    if number % _RARE_EVERY == _RARE_EVERY - 1:
        lines[-1] = f"{lines[-1][:40]} {RARE.lower()}"
    return "\n".join(lines) + "\n"


def _plain(text: str) -> tuple[str, str]:
    return 'Content-Type: text/plain; charset="us-ascii"\nContent-Transfer-Encoding: 7bit\n', text


def _encoded(text: str, kind: str) -> tuple[str, str]:
    fields = f"Content-Type: {kind}\nContent-Transfer-Encoding: base64\n"
    return fields, base64.encodebytes(text.encode()).decode()


def _multipart(kind: str, number: int, parts: list[tuple[str, str]]) -> tuple[str, str]:
    boundary = f"=_part_{number}_"
    body = "".join(f"--{boundary}\n{fields}\n{text}\n" for fields, text in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n', f"{body}--{boundary}--\n"


def crlf(message: bytes) -> bytes:
    """As it goes over the wire."""
    return message.replace(b"\n", b"\r\n")


def large_message(octets: int) -> bytes:
    """One message of about `octets` octets: a short text and one attachment in base64."""
    rng = random.Random(20261122)
    data = base64.encodebytes(rng.randbytes(octets * 56 // 77)).decode()
    fields = 'Content-Type: application/octet-stream; name="large.bin"\nContent-Transfer-Encoding: base64\n'
    kind, body = _multipart("mixed", 0, [_plain("See attachment.\n"), (fields, data)])
    head = _head(rng, _make_words(rng), 0, "A large file", [])
    return (head + kind + "\n" + body).encode()
