"""Searching the texts of 100,000 messages by IMAP: a rare and a common word, and a word in subjects.

Each search is a session of its own in which the mailbox was selected before the clock starts; servers take turns.
Estafeta's index is complete when the clock starts; how long that took after the last message is said on the terminal.
Dovecot as it ships has no index of texts and reads every message.
"""

from __future__ import annotations

from benchmarks import imap_corpus
from benchmarks.bench import Bench, Section
from benchmarks.imap_servers import KINDS, ImapServer, await_indexed, fill, running, session
from benchmarks.imap_times import Times, Wanted


def run(bench: Bench) -> Section:
    count = 20_000 if bench.quick else 100_000
    searches = {
        "SEARCH TEXT, rare word": (f"TEXT {imap_corpus.RARE}", imap_corpus.rare(count), 10),
        "SEARCH TEXT, common word": (f"TEXT {imap_corpus.COMMON}", imap_corpus.common(count), 10),
        "SEARCH SUBJECT": (f"SUBJECT {imap_corpus.TOPIC}", imap_corpus.topic(count), 1),
    }
    names = {name: f"{name}, {count:,} messages" for name in searches}
    times = Times()
    with running(bench, KINDS, 1) as servers:
        for server in servers:
            fill(bench, server, 0, count)
            await_indexed(bench, server, 0, count)
            _search(server, "ALL", count)
        for number in range(bench.rounds):
            for server in servers:
                bench.say(f"  round {number + 1}: {server.name}")
                for name, (key, hits, _) in searches.items():
                    times.add(names[name], server, _search(server, key, hits))
    return times.section(
        "imap_search",
        f"Searching by IMAP ({count:,} messages of 4 KiB)",
        [f"Medians of {bench.rounds} searches, a session each, servers in turn."],
        [Wanted(names[name], least) for name, (_, _, least) in searches.items()],
    )


def _search(server: ImapServer, key: str, hits: int) -> float:
    """The seconds of a search for `key`. RuntimeError when it does not find `hits` messages."""
    with session(server) as client:
        answer = client.ask(f"SEARCH {key}")
    if answer.numbers("SEARCH") != hits:
        raise RuntimeError(f"{server.name}: SEARCH {key} finds {answer.numbers('SEARCH')} instead of {hits} messages")
    return answer.seconds
