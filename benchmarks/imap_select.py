"""SELECT of mailboxes of 1,000 and 10,000 messages, and in Estafeta of 1,000,000.

Each SELECT is the first of a new session. The large mailbox is made by writing rows (`fill.py`); filling a Dovecot with
as many takes longer than all the rest.
"""

from __future__ import annotations

import operator

from benchmarks.bench import Bench, Section, Target, judge
from benchmarks.fill import fill_mailbox
from benchmarks.imap_client import ImapClient
from benchmarks.imap_servers import KINDS, EstafetaImap, ImapServer, fill, running
from benchmarks.imap_times import Times

_SMALL, _MIDDLE, _LARGE = range(3)
_ROUNDS = 10
_MOST_SECONDS, _MOST_TIMES = 0.05, 2.0


class _WithLarge(EstafetaImap):
    """Estafeta whose third user has a large mailbox from the beginning."""

    messages = 1_000_000

    def install(self) -> None:
        super().install()
        fill_mailbox(self.directory, self.address(_LARGE), self.messages)


def run(bench: Bench) -> Section:
    large = 100_000 if bench.quick else 1_000_000
    sizes = {_SMALL: 1000, _MIDDLE: 10_000, _LARGE: large}
    _WithLarge.messages = large
    times = Times()
    with running(bench, (_WithLarge, *KINDS[1:]), 3) as servers:
        for server in servers:
            for user in (_SMALL, _MIDDLE):
                fill(bench, server, user, sizes[user])
        for _ in range(bench.rounds):
            _first(servers, sizes, times)
        _again(servers, sizes, times)
    return times.section(
        "imap_select",
        "SELECT by IMAP (mailboxes of so many messages, the first command after LOGIN)",
        [f"Medians of {_ROUNDS} sessions, servers in turn; `first`: of {bench.rounds} starts of the server."],
        [],
        _targets(times, sizes),
    )


def _first(servers: list[ImapServer], sizes: dict[int, int], times: Times) -> None:
    for server in servers:
        server.make_cold(_SMALL)
        for user in _users(server):
            times.add(_first_name(sizes[user]), server, _select(server, user, sizes[user]))


def _again(servers: list[ImapServer], sizes: dict[int, int], times: Times) -> None:
    for number in range(_ROUNDS + 1):
        for server in servers:
            for user in _users(server):
                seconds = _select(server, user, sizes[user])
                if number:
                    times.add(_again_name(sizes[user]), server, seconds)


def _users(server: ImapServer) -> tuple[int, ...]:
    return (_SMALL, _MIDDLE, _LARGE) if isinstance(server, _WithLarge) else (_SMALL, _MIDDLE)


def _again_name(size: int) -> str:
    return f"SELECT of {size:,}"


def _first_name(size: int) -> str:
    return f"SELECT of {size:,}, first after a start"


def _select(server: ImapServer, user: int, size: int) -> float:
    """The seconds of SELECT in a new session. RuntimeError when the mailbox does not hold `size` messages."""
    with ImapClient(server.imap_port, server.address(user), room=1 << 20) as client:
        answer = client.ask("SELECT INBOX")
    if b"* %d EXISTS" % size not in answer.text:
        raise RuntimeError(f"{server.name}: not {size} messages: {answer.text[:300]!r}")
    return answer.seconds


def _targets(times: Times, sizes: dict[int, int]) -> list[Target]:
    small = times.median(_again_name(sizes[_SMALL]), EstafetaImap.name)
    large = times.median(_again_name(sizes[_LARGE]), EstafetaImap.name)
    first = times.median(_first_name(sizes[_LARGE]), EstafetaImap.name)
    ratio = large / small if small and large else None
    name = f"IMAP: SELECT of {sizes[_LARGE]:,} messages"
    return [
        Target(f"{name}, first after a start", *_within(first)),
        Target(name, *_within(large)),
        Target(
            f"{name} against {sizes[_SMALL]:,}",
            f"at most {_MOST_TIMES:g} times the time",
            f"{ratio:.2f} times" if ratio else "not measured",
            judge(ratio, _MOST_TIMES, operator.le),
        ),
    ]


def _within(seconds: float | None) -> tuple[str, str, bool | None]:
    measured = f"{seconds * 1e3:.1f} ms" if seconds else "not measured"
    return f"at most {_MOST_SECONDS * 1e3:g} ms", measured, judge(seconds, _MOST_SECONDS, operator.le)
