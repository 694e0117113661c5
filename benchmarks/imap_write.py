"""Changing by IMAP: flags of 10,000 messages, copying and moving them, and appending 1,000.

Each round does all of it to fresh mailboxes in a new session, and puts things back as they were outside the measured
time. Estafeta acknowledges a command when its effect is on the disk; Dovecot as it ships does so for messages that are
saved, not for flags (mail_fsync = optimized).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from benchmarks import imap_corpus
from benchmarks.bench import Bench, Section
from benchmarks.imap_client import ImapClient
from benchmarks.imap_servers import KINDS, ImapServer, fill, running, session
from benchmarks.imap_times import Times, Wanted

_WARM_UP = 20


def run(bench: Bench) -> Section:
    count = 2000 if bench.quick else 10_000
    appended = [imap_corpus.crlf(message) for message in imap_corpus.messages(count // 10)]
    times = Times()
    with running(bench, KINDS, 1) as servers:
        for server in servers:
            fill(bench, server, 0, count)
            _append_all(server, "Warm", appended[:_WARM_UP])
        for number in range(bench.rounds):
            for server in servers:
                bench.say(f"  round {number + 1}: {server.name}")
                for name, seconds in _round(server, number, count, appended):
                    times.add(name, server, seconds)
    return times.section(
        "imap_write",
        f"Changing by IMAP ({count:,} messages of 4 KiB in one command; APPEND: {count // 10:,})",
        [
            f"Medians of {bench.rounds} rounds, servers in turn.",
            "Estafeta syncs each change to the disk before its OK; Dovecot as shipped only messages, not flags.",
        ],
        [Wanted(operation, 1) for operation in times.seconds],
    )


def _round(server: ImapServer, number: int, count: int, appended: list[bytes]) -> Iterator[tuple[str, float]]:
    yield from _store(server, count)
    yield from _copy_and_move(server, number, count)
    yield f"APPEND of {len(appended):,}, one by one", _append_each(server, f"Each{number}", appended)
    yield f"APPEND of {len(appended):,} in one (MULTIAPPEND)", _append_all(server, f"All{number}", appended)


def _store(server: ImapServer, count: int) -> Iterator[tuple[str, float]]:
    with session(server) as client:
        yield "STORE +FLAGS.SILENT", client.ask(r"STORE 1:* +FLAGS.SILENT (\Flagged)").seconds
        _expect(server, client.ask("SEARCH FLAGGED").numbers("SEARCH"), count)
        answer = client.ask(r"STORE 1:* +FLAGS (\Answered)")
        _expect(server, answer.count("FETCH"), count)
        yield "STORE +FLAGS", answer.seconds
        client.ask(r"STORE 1:* -FLAGS.SILENT (\Flagged \Answered)")


def _copy_and_move(server: ImapServer, number: int, count: int) -> Iterator[tuple[str, float]]:
    copied, moved = f"Copied{number}", f"Moved{number}"
    with session(server) as client:
        client.ask(f"CREATE {copied}")
        client.ask(f"CREATE {moved}")
        yield "COPY", client.ask(f"COPY 1:* {copied}").seconds
        client.ask(f"SELECT {copied}")
        answer = client.ask(f"MOVE 1:* {moved}")
        yield "MOVE", answer.seconds
        _expect(server, _messages(client, copied), 0)
        _expect(server, _messages(client, moved), count)


def _append_each(server: ImapServer, mailbox: str, messages: list[bytes]) -> float:
    """Each is sent when the one before has been acknowledged."""
    with session(server) as client:
        client.ask(f"CREATE {mailbox}")
        begun = time.perf_counter()
        for message in messages:
            client.ask(f"APPEND {mailbox} {{}}", message)
        seconds = time.perf_counter() - begun
        _expect(server, _messages(client, mailbox), len(messages))
    return seconds


def _append_all(server: ImapServer, mailbox: str, messages: list[bytes]) -> float:
    with session(server) as client:
        client.ask(f"CREATE {mailbox}")
        answer = client.ask(f"APPEND {mailbox}" + " {}" * len(messages), *messages)
        _expect(server, _messages(client, mailbox), len(messages))
    return answer.seconds


def _messages(client: ImapClient, mailbox: str) -> int:
    text = client.ask(f"STATUS {mailbox} (MESSAGES)").text
    found = re.search(rb"MESSAGES (\d+)", text)
    return int(found[1]) if found else -1


def _expect(server: ImapServer, found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"{server.name}: {found} messages where there should be {wanted}")
