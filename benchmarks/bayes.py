"""Bayes, one core: what it costs to find the words of a message of 4 KiB, to judge it by them, and to learn it.

Processor time of one process. Words are drawn from 30,000 by Zipf's law, so that a message has some common and many
rare ones; the site has learnt 2,000 messages. What is judged was not learnt. Learning is the operation of the group
commit in a database on disk, five messages in a commit, for a user and for the site.
"""

from __future__ import annotations

import asyncio
import operator
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Bench, Section, Target, judge, median

if TYPE_CHECKING:
    from estafeta.storage.database import Database

_MOST_MS = 1.0
_SIZE = 4096
_WORDS = 30_000
_LEARNT = 2000
_JUDGED = 400
_PORTION = 5
_USER = 7


@dataclass(frozen=True, slots=True)
class Run:
    """One turn: milliseconds of processor time for a message."""

    what: str
    ms: float


def run(bench: Bench) -> Section | None:
    from estafeta.storage import migrate
    from estafeta.storage.database import Database

    url = f"sqlite:///{bench.new_directory() / 'bayes.db'}"
    migrate.upgrade(url)
    database = Database(url)
    try:
        runs = _measure(bench, database)
    finally:
        database.close()
    for what in dict.fromkeys(run.what for run in runs):
        bench.say(f"  {what}: {_median(runs, what):.2f} ms")
    return _section(runs)


def _measure(bench: Bench, database: Database) -> list[Run]:
    from estafeta.mailboxes.lessons import Lesson
    from estafeta.policy.bayes import SiteWords, UserWords, deviations, probability
    from estafeta.policy.bayes_learning import Taught, learn
    from estafeta.policy.bayes_store import BayesStore, read_site
    from estafeta.policy.bayes_tokens import features
    from estafeta.policy.content import Content
    from estafeta.storage.commit import Item

    make = _maker(random.Random(4))
    number = _LEARNT // 4 if bench.quick else _LEARNT
    lessons = [
        Taught(_USER, index + 1, Lesson.SPAM if index % 2 else Lesson.HAM, features(Content.of(make())), 1)
        for index in range(number)
    ]
    runs = []
    for start in range(0, number, _PORTION):
        begun = time.process_time()
        with database.write() as tx:
            learn(tx, [Item(one, ()) for one in lessons[start : start + _PORTION]])
        runs.append(Run("learning, for a user and for the site", _since(begun, _PORTION)))
    site = read_site(database, None, 1, 1)
    if not isinstance(site, SiteWords):
        raise TypeError("the site has learnt nothing")
    messages = [make() for _ in range(_JUDGED)]
    found = [features(Content.of(one)) for one in messages]
    store = BayesStore(database)

    def judge_as_user(words: dict[int, UserWords], buckets: list[int]) -> float:
        return probability(deviations(buckets, site, words[_USER]))

    async def read_own() -> list[tuple[dict[int, UserWords], list[int]]]:
        await store.teachers([_USER], 1, 1)
        return [(await store.own([_USER], buckets), buckets) for buckets in found]

    for _ in range(1 if bench.quick else 5):
        runs.append(Run("finding the words", _cost(lambda one: features(Content.of(one)), messages)))
        runs.append(Run("judging by the site's words", _cost(lambda one: probability(deviations(one, site)), found)))
        whole = _cost(lambda one: probability(deviations(features(Content.of(one)), site)), messages)
        runs.append(Run("both", whole))
        begun = time.process_time()
        own = asyncio.run(read_own())
        runs.append(Run("reading one recipient's own words", _since(begun, len(found))))
        runs.append(Run("judging by one recipient's own words", _cost(lambda one: judge_as_user(*one), own)))
    return runs


def _maker(dice: random.Random) -> Callable[[], bytes]:
    """Makes messages of about 4 KiB."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(dice.choices(letters, k=dice.randint(3, 10))) for _ in range(_WORDS)]
    weights = [1 / (rank + 10) for rank in range(_WORDS)]

    def make() -> bytes:
        head = f"From: {dice.choice(words)}@example.org\r\nTo: u@example.net\r\nSubject: {dice.choice(words)}\r\n"
        text = " ".join(dice.choices(words, weights, k=_SIZE // 6))
        return f"{head}Message-ID: <{dice.random()}@example.org>\r\n\r\n{text}"[:_SIZE].encode()

    return make


def _cost(work: Callable[[Any], object], things: Sequence[Any]) -> float:
    """Milliseconds of processor time for each."""
    begun = time.process_time()
    for thing in things:
        work(thing)
    return _since(begun, len(things))


def _since(begun: float, count: int) -> float:
    return (time.process_time() - begun) / count * 1000


def _median(runs: list[Run], what: str) -> float:
    return median(run.ms for run in runs if run.what == what)


def _section(runs: list[Run]) -> Section:
    names = list(dict.fromkeys(run.what for run in runs))
    rows = [[what, f"{_median(runs, what):.2f}"] for what in names]
    both = _median(runs, "both")
    target = Target(
        "Bayes, words of 4 KiB found and judged", f"under {_MOST_MS:.0f} ms", f"{both:.2f} ms",
        judge(both, _MOST_MS, operator.lt),
    )  # fmt: skip
    return Section(
        "bayes",
        "Bayes (one core, messages of 4 KiB)",
        ["what", "ms for a message"],
        rows,
        ["Processor time; medians. A recipient's own words are read in a thread, for those who taught enough only."],
        [target],
        [asdict(run) for run in runs],
    )
