"""Reading by POP3: one client fetches a mailbox of 10,000 messages of 4 KiB with RETR, one after the other.

The mailbox is read several times, without deleting, in clear text over loopback. The first session finds it as
delivery left it (Dovecot then makes its index and marks messages as seen, which renames files); the later ones are
warm, and their median is what is compared. Dovecot's Maildir holds messages with trace fields as long as those
that Estafeta adds at delivery.
"""

from __future__ import annotations

import operator
import random
from contextlib import ExitStack
from dataclasses import asdict

from benchmarks import maildir
from benchmarks.bench import Bench, Section, Target, judge, median, times
from benchmarks.clients import OCTETS, Fetch, Plan
from benchmarks.dovecot import UID, DovecotPop3
from benchmarks.estafeta_server import Estafeta
from benchmarks.server import DOMAIN, PASSWORD, Server

_ROUNDS = 5


def run(bench: Bench) -> Section:
    messages = 2000 if bench.quick else 10_000
    kinds: list[type[Server]] = bench.available([Estafeta, DovecotPop3])
    results = _measure(bench, kinds, messages)
    reference = _warm(results[DovecotPop3.name]) if DovecotPop3.name in results else None
    return Section(
        "pop3",
        f"Reading by POP3 ({messages:,} messages of 4 KiB, one client, RETR one after the other)",
        ["server", "messages/s", "× Dovecot", "first session", "RETR p50 ms", "RETR p99 ms", "MiB"],
        [_row(name, fetches, reference) for name, fetches in results.items()],
        [
            f"Medians of {_ROUNDS} warm sessions, servers in turn; `first session` is the rate of the one before them.",
        ],
        [_target(results, reference)],
        [{"server": name} | asdict(fetch) for name, fetches in results.items() for fetch in fetches],
    )


def _measure(bench: Bench, kinds: list[type[Server]], messages: int) -> dict[str, list[Fetch]]:
    """All servers are up, and read in turn, so that what else the machine does falls on all alike."""
    results: dict[str, list[Fetch]] = {kind.name: [] for kind in kinds}
    with ExitStack() as stack:
        servers = [stack.enter_context(bench.running(kind, 1)) for kind in kinds]
        for server in servers:
            _fill(bench, server, messages)
        for number in range(1 + _ROUNDS):
            for server in servers:
                (fetch,) = bench.clients.fetch(server.pop3_port, f"u00@{DOMAIN}", PASSWORD, 1)
                if fetch.messages != messages:
                    raise RuntimeError(f"{server.name} gave {fetch.messages} of {messages} messages")
                results[server.name].append(fetch)
                bench.say(f"  session {number + 1}: {server.name} {fetch.rate:,.0f}/s")
    return results


def _fill(bench: Bench, server: Server, messages: int) -> None:
    if isinstance(server, DovecotPop3):
        maildir.fill(server.maildirs[0], _contents(messages), UID)
    else:
        bench.clients.load(server.smtp_port, Plan(50, messages, many=True, users=1))


def _contents(count: int) -> list[bytes]:
    """Messages like those that `load` sends, with the trace fields that delivery would have added."""
    rng = random.Random(20261122)
    letters = "abcdefghijklmnopqrstuvwxyz     "
    lines = ["".join(rng.choices(letters, k=72)) for _ in range(500)]
    return [_message(rng, lines, number) for number in range(count)]


def _message(rng: random.Random, lines: list[str], number: int) -> bytes:
    head = (
        f"Return-Path: <sender@{DOMAIN}>\nDelivered-To: u00@{DOMAIN}\n"
        f"Received: from load.{DOMAIN} (localhost [127.0.0.1])\n\tby mail.{DOMAIN} with ESMTP id {number:012d}\n"
        f"\tfor <u00@{DOMAIN}>; Sun, 22 Nov 2026 12:00:00 +0000\n"
    )
    fields = (
        f"From: Sender <sender@{DOMAIN}>\nTo: <u00@{DOMAIN}>\nSubject: message {number}\n"
        f"Date: Sun, 22 Nov 2026 12:00:00 +0000\nMessage-ID: <{number}@load.{DOMAIN}>\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=us-ascii\n\n"
    )
    wanted = OCTETS - len(fields) - fields.count("\n")  # octets with CRLF line ends
    text = "\n".join(rng.choices(lines, k=wanted // 74 + 1))
    return (head + fields + text[: wanted - wanted // 74 - 2] + "\n").encode()


def _warm(fetches: list[Fetch]) -> float:
    return median(fetch.rate for fetch in fetches[1:])


def _row(name: str, fetches: list[Fetch], reference: float | None) -> list[str]:
    return [
        name,
        f"{_warm(fetches):,.0f}",
        times(_warm(fetches), reference),
        f"{fetches[0].rate:,.0f}",
        f"{median(fetch.p50ms for fetch in fetches[1:]):.3f}",
        f"{median(fetch.p99ms for fetch in fetches[1:]):.3f}",
        f"{fetches[0].octets / 2**20:.1f}",
    ]


def _target(results: dict[str, list[Fetch]], reference: float | None) -> Target:
    ours = _warm(results[Estafeta.name]) if Estafeta.name in results else None
    ratio = ours / reference if ours and reference else None
    measured = f"{ratio:.2f} times" if ratio else "not measured"
    return Target(f"POP3: rate against {DovecotPop3.name}", "at least 1 time", measured, judge(ratio, 1, operator.ge))
