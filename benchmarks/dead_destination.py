"""What a long queue for one destination that does not answer costs a running server: hardly anything.

The retry rule is set so that one retry falls into the time that is measured; the rule as shipped tries once in fifteen
minutes at first. The same server with nothing in its queue but one message is measured for comparison.
"""

from __future__ import annotations

import operator
import time
from typing import Any

from benchmarks.bench import Bench, Section, Target, judge
from benchmarks.queue_home import QueueHome, queue_home
from benchmarks.queue_scale import Filled

_DOMAIN = "dead0.example"
_RETRY_SHARE = 0.6
_MOST_PERCENT = 1.0
_FIRST_TRY_SECONDS = 60.0


def run(bench: Bench) -> Section:
    messages, seconds = (20_000, 10.0) if bench.quick else (100_000, 60.0)
    retry = round(seconds * _RETRY_SHARE)
    settings = {"queue.retry_rules": f"* * F,4d,{retry}s", "queue.jitter_percent": "0"}
    with queue_home(bench, settings) as home:
        measured = _measure(bench, home, messages, seconds)
    return _section(messages, seconds, measured)


def _measure(bench: Bench, home: QueueHome, messages: int, seconds: float) -> dict[str, Any]:
    home.resume()
    _await_tries(home, "first.example", 1)
    idle = _percent(home, seconds / 3)
    home.pause()
    queue = Filled(home.url, home.location)
    queue.fill(messages, 1, "dead", owner=77)
    queue.database.close()
    bench.say(f"  queued {messages:,} messages for {_DOMAIN}")
    home.resume()
    _await_tries(home, _DOMAIN, 1)
    before = _tries(home, _DOMAIN)
    busy = _percent(home, seconds)
    waiting = home.ask("select count(*) from queue_recipients")[0][0]
    if waiting < messages:
        raise RuntimeError(f"of {messages} messages only {waiting} wait")
    return {"percent": busy, "idle_percent": idle, "retries": _tries(home, _DOMAIN) - before, "messages": messages}


def _percent(home: QueueHome, seconds: float) -> float:
    """The server's processor time in so many seconds, as a share of one core."""
    begun, cpu = time.monotonic(), home.server.group.cpu_seconds()
    time.sleep(seconds)
    return 100 * (home.server.group.cpu_seconds() - cpu) / (time.monotonic() - begun)


def _tries(home: QueueHome, domain: str) -> int:
    rows = home.ask(f"select failures from queue_destinations where hop = 'mx:{domain}' and holder = ''")
    return rows[0][0] if rows else 0


def _await_tries(home: QueueHome, domain: str, wanted: int) -> None:
    deadline = time.monotonic() + _FIRST_TRY_SECONDS
    while _tries(home, domain) < wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"no try to send to {domain}. {home.server.last_words()}")
        time.sleep(0.05)


def _section(messages: int, seconds: float, measured: dict[str, Any]) -> Section:
    percent, idle = measured["percent"], measured["idle_percent"]
    name = f"{messages:,} messages for a dead destination: share of a core"
    met = judge(percent, _MOST_PERCENT, operator.lt)
    return Section(
        "dead_destination",
        "A dead destination (Estafeta, running)",
        ["what", "measured"],
        [
            [f"{messages:,} messages for one destination, {measured['retries']} retry", f"{percent:.2f} % of a core"],
            ["one message in the queue, no retry", f"{idle:.2f} % of a core"],
        ],
        [f"Processor time of the whole server over {seconds:.0f} s (one message: {seconds / 3:.0f} s)."],
        [Target(name, f"under {_MOST_PERCENT:g} %", f"{percent:.2f} %", met)],
        [measured],
    )
