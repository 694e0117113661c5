"""Delivery into a mailbox that already holds a million messages, beside delivery into an empty one.

One server, two mailboxes, the same load to either in turn (50 sessions, many messages per connection), so that
nothing differs but the mailbox.
"""

from __future__ import annotations

import operator
from dataclasses import asdict

from benchmarks.bench import Bench, Section, Target, judge, median
from benchmarks.clients import Load, Plan
from benchmarks.estafeta_server import Estafeta
from benchmarks.fill import count_messages, fill_mailbox
from benchmarks.server import DOMAIN

_LARGE, _EMPTY = 0, 1
_WARM_UP = 500


def run(bench: Bench) -> Section | None:
    if not bench.available([Estafeta]):
        return None
    held = 100_000 if bench.quick else 1_000_000
    messages = 3000 if bench.quick else 10_000
    server = Estafeta(bench.new_directory(), 2)
    try:
        server.install()
        fill_mailbox(server.directory, f"u00@{DOMAIN}", held)
        bench.say(f"  filled one mailbox with {held:,} messages")
        server.start()
        loads = _alternate(bench, server, messages)
    finally:
        server.stop()
    rounds = len(loads[_LARGE])
    _verify(server, held + _WARM_UP + rounds * messages, _WARM_UP + rounds * messages)
    return _section(held, messages, loads)


def _alternate(bench: Bench, server: Estafeta, messages: int) -> dict[int, list[Load]]:
    """Loads each mailbox in turn; which of them goes first alternates too."""
    loads: dict[int, list[Load]] = {_LARGE: [], _EMPTY: []}
    for user in loads:
        _load(bench, server, user, _WARM_UP)
    for number in range(2 if bench.quick else 4):
        for user in sorted(loads, reverse=bool(number % 2)):
            loads[user].append(_load(bench, server, user, messages))
    return loads


def _load(bench: Bench, server: Estafeta, user: int, messages: int) -> Load:
    return bench.clients.load(server.smtp_port, Plan(50, messages, many=True, users=1, first=user))


def _verify(server: Estafeta, large: int, empty: int) -> None:
    for user, wanted in ((_LARGE, large), (_EMPTY, empty)):
        if (count := count_messages(server.directory, f"u{user:02d}@{DOMAIN}")) != wanted:
            raise RuntimeError(f"mailbox u{user:02d} holds {count} messages instead of {wanted}")


def _section(held: int, messages: int, loads: dict[int, list[Load]]) -> Section:
    large = median(load.rate for load in loads[_LARGE])
    empty = median(load.rate for load in loads[_EMPTY])
    names = {_LARGE: f"{held:,} messages", _EMPTY: "empty"}
    rows = [
        [names[user], f"{rate:,.0f}", f"{rate / empty:.2f}", f"{median(load.p99ms for load in loads[user]):.1f}"]
        for user, rate in ((_LARGE, large), (_EMPTY, empty))
    ]
    met = judge(large / empty, 0.9, operator.ge)
    target = Target(f"rate into {held:,} messages against empty", "at least 0.9", f"{large / empty:.2f}", met)
    return Section(
        "large_mailbox",
        "Delivery into a large mailbox (Estafeta, 50 sessions, many per connection)",
        ["mailbox", "messages/s", "× empty", "ack p99 ms"],
        rows,
        [f"Medians of {len(loads[_LARGE])} loads of {messages:,} messages of 4 KiB into each, in turn."],
        [target],
        [{"mailbox": names[user]} | asdict(load) for user in loads for load in loads[user]],
    )
