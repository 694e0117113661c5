"""Reading by IMAP: one client asks for everything about a mailbox of 10,000 messages in one command.

Each command is sent in a session of its own, in which the mailbox was selected before the clock starts; servers take
turns. Warm is the median of rounds after one that is thrown away. Cold: Estafeta was started anew, and Dovecot's caches
of messages (dovecot.index.cache) were removed, before each session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import imap_corpus
from benchmarks.bench import Bench, Section
from benchmarks.imap_client import Answer
from benchmarks.imap_servers import KINDS, ImapServer, await_indexed, fill, fill_large, running, session
from benchmarks.imap_times import Times, Wanted

_MANY, _LARGE = 0, 1
_LARGE_OCTETS = 50 * 2**20
_LIST = "FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
_LIST_NAME = "FETCH ENVELOPE, BODYSTRUCTURE ..."
_LARGE_NAME = "FETCH BODY.PEEK[] of one of 50 MiB"


@dataclass(frozen=True, slots=True)
class _Read:
    """`plausible` looks at the answer for a mailbox of so many messages."""

    name: str
    command: str
    times: float | None
    plausible: Callable[[Answer, int], bool]


def _lists(answer: Answer, count: int) -> bool:
    return answer.count("FETCH") == count and len(answer.text) > 500 * count


def _bodies(answer: Answer, count: int) -> bool:
    return answer.count("FETCH") == count and 0.98 < len(answer.text) / (imap_corpus.OCTETS * count) < 1.06


def _flags(answer: Answer, count: int) -> bool:
    return answer.count("FETCH") == count


def _all_sorted(what: str) -> Callable[[Answer, int], bool]:
    return lambda answer, count: answer.numbers(what) == count


def _found(expected: Callable[[int], int]) -> Callable[[Answer, int], bool]:
    return lambda answer, count: answer.numbers("SEARCH") == expected(count)


_READS = (
    _Read(f"{_LIST_NAME}, warm", _LIST, 1.5, _lists),
    _Read("FETCH BODY.PEEK[]", "FETCH 1:* BODY.PEEK[]", 1, _bodies),
    _Read("FETCH FLAGS", "FETCH 1:* FLAGS", 0.5, _flags),
    _Read("SEARCH TEXT, rare word", f"SEARCH TEXT {imap_corpus.RARE}", 10, _found(imap_corpus.rare)),
    _Read("SEARCH TEXT, common word", f"SEARCH TEXT {imap_corpus.COMMON}", 10, _found(imap_corpus.common)),
    _Read("SEARCH BODY, rare word", f"SEARCH BODY {imap_corpus.RARE}", None, _found(imap_corpus.rare)),
    _Read("SEARCH BODY, common word", f"SEARCH BODY {imap_corpus.COMMON}", None, _found(imap_corpus.common)),
    _Read("SEARCH SUBJECT", f"SEARCH SUBJECT {imap_corpus.TOPIC}", 1, _found(imap_corpus.topic)),
    _Read("SORT (SUBJECT)", "SORT (SUBJECT) UTF-8 ALL", None, _all_sorted("SORT")),
    _Read("THREAD REFERENCES", "THREAD REFERENCES UTF-8 ALL", None, _all_sorted("THREAD")),
)
_UNCHANGED = "UID FETCH FLAGS, CHANGEDSINCE: nothing changed"
_COLD = f"{_LIST_NAME}, cold"


def run(bench: Bench) -> Section:
    count = 2000 if bench.quick else 10_000
    rounds = 1 if bench.quick else 5
    times = Times()
    with running(bench, KINDS, 2) as servers:
        for server in servers:
            fill(bench, server, _MANY, count)
            fill_large(bench, server, _LARGE, _LARGE_OCTETS)
            await_indexed(bench, server, _MANY, count)
        _measure(bench, servers, count, rounds, times)
    wanted = [Wanted(_COLD, 1.5), *(Wanted(read.name, read.times) for read in _READS), Wanted(_LARGE_NAME, 1)]
    return times.section(
        "imap_read",
        f"Reading by IMAP ({count:,} messages of 4 KiB, one client, one command for all of them)",
        [
            f"Medians of {rounds} sessions after one to warm up, of {bench.rounds} for the cold; servers in turn.",
            f"`{_LIST_NAME}` is `{_LIST}`.",
            "Cold: Estafeta started anew, Dovecot without its dovecot.index.cache.",
        ],
        wanted,
    )


def _measure(bench: Bench, servers: list[ImapServer], count: int, rounds: int, times: Times) -> None:
    for number in range(bench.rounds):
        bench.say(f"  cold, round {number + 1}")
        for server in servers:
            server.make_cold(_MANY)
            times.add(_COLD, server, _ask(server, _COLD, _LIST, _lists, count))
    for number in range(rounds + 1):
        bench.say(f"  warm, round {number}")
        for server in servers:
            for name, seconds in _warm(server, count):
                if number:
                    times.add(name, server, seconds)


def _warm(server: ImapServer, count: int) -> Iterator[tuple[str, float]]:
    for read in _READS:
        yield read.name, _ask(server, read.name, read.command, read.plausible, count)
    yield _UNCHANGED, _unchanged(server)
    yield _LARGE_NAME, _large(server)


def _ask(
    server: ImapServer, name: str, command: str, plausible: Callable[[Answer, int], bool], count: int, user: int = _MANY
) -> float:
    """The seconds of `command` in a new session. RuntimeError when the answer is not what it has to be."""
    with session(server, user) as client:
        answer = client.ask(command)
    if not plausible(answer, count):
        raise RuntimeError(f"{server.name}: {name}: {len(answer.text)} octets: {answer.text[:300]!r}")
    return answer.seconds


def _unchanged(server: ImapServer) -> float:
    with session(server, _MANY) as client:
        modseq = client.ask("SELECT INBOX (CONDSTORE)").code("HIGHESTMODSEQ")
        answer = client.ask(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})")
    if answer.count("FETCH"):
        raise RuntimeError(f"{server.name}: something changed: {answer.text[:300]!r}")
    return answer.seconds


def _large(server: ImapServer) -> float:
    def whole(answer: Answer, octets: int) -> bool:
        return 0.98 < len(answer.text) / octets < 1.02

    return _ask(server, _LARGE_NAME, "FETCH 1 BODY.PEEK[]", whole, _LARGE_OCTETS, _LARGE)
