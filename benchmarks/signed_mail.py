"""Messages of 4 KiB with a DKIM signature each, and the names in DNS that make them right."""

from __future__ import annotations

import random
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

from benchmarks.clients import OCTETS
from benchmarks.server import DOMAIN
from estafeta.trust.dkimsign import sign
from estafeta.trust.signingkey import SigningKey

#: Whose mail it is: a domain with SPF, DKIM and DMARC, as senders with a name have them.
SENDER = "sender.test"
_WORDS = "a of the to in is you that it he was for on are with as his they be at one have this from by hot word but"


def make_key(algorithm: str = "rsa-sha256") -> SigningKey:
    """A new key of SENDER."""
    return SigningKey.generate(SENDER, "bench", "ed25519-sha256" if algorithm == "ed25519-sha256" else "rsa-sha256")


def header(number: int, now: float) -> bytes:
    """A header as a mail program writes it."""
    return (
        f"From: Sender <news@{SENDER}>\r\nTo: <u{number % 100:02d}@{DOMAIN}>\r\nSubject: message {number}\r\n"
        f"Date: {formatdate(now)}\r\nMessage-ID: <{number}@{SENDER}>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n"
        f"List-Unsubscribe: <https://{SENDER}/leave/{number}>\r\n"
    ).encode()


def body(number: int, octets: int) -> bytes:
    """Lines of words, so many octets of them."""
    chosen = random.Random(number).choices(_WORDS.split(), k=octets // 3)
    lines = (" ".join(chosen[start : start + 14]) for start in range(0, len(chosen), 14))
    text = "\r\n".join(lines).encode()[: octets - 2].rstrip()
    return text + b"x" * (octets - 2 - len(text)) + b"\r\n"


def messages(count: int, key: SigningKey, now: float) -> Iterator[bytes]:
    """Messages of exactly OCTETS, signed."""
    room = OCTETS - len(sign(header(0, now), lambda: iter((b"",)), [key], now=now)) - len("\r\n") - 8
    for number in range(count):
        fields = header(number, now)
        text = body(number, room - len(fields))
        signature = sign(fields, lambda text=text: iter((text,)), [key], now=now)  # type: ignore[misc]
        # Fields are folded the same way for all, so that what is missing is a matter of digits in numbers.
        extra = OCTETS - len(signature) - len(fields) - len("\r\n") - len(text)
        text = body(number, len(text) + extra)
        yield sign(fields, lambda text=text: iter((text,)), [key], now=now) + fields + b"\r\n" + text  # type: ignore[misc]


def write(file: Path, count: int, key: SigningKey, now: float) -> None:
    """The messages one after the other, for `load -c`."""
    with file.open("wb") as out:
        for message in messages(count, key, now):
            assert len(message) == OCTETS, len(message)
            out.write(message)


def zone(key: SigningKey) -> dict[tuple[str, str], str]:
    """The records of SENDER, whose host is this machine."""
    record = key.dns_record()
    return {
        ("PTR", "1.0.0.127.in-addr.arpa"): f"out.{SENDER}",
        ("A", f"out.{SENDER}"): "127.0.0.1",
        ("A", SENDER): "127.0.0.1",
        ("MX", SENDER): f"out.{SENDER}",
        ("TXT", SENDER): "v=spf1 ip4:127.0.0.1 -all",
        ("TXT", record.name): record.text,
        ("TXT", f"_dmarc.{SENDER}"): "v=DMARC1; p=reject",
    }
