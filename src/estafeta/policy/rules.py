"""The table of rules for messages of strangers: their names, their points, and the one check that asks them.

Points are such that no rule, and no two that often come together, make junk: policy.junk_score is 5. What was measured
of them: docs/reference/benchmarks.md. `spam.points_rules` gives others.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from estafeta.directory.settings_model import Settings
from estafeta.mail.headers import decode_header, unfold
from estafeta.policy import contentrules, headerrules
from estafeta.policy.checks import Check, Stage
from estafeta.policy.facts import Facts
from estafeta.policy.headerrules import Case
from estafeta.policy.phrases import Words
from estafeta.policy.points import changed_points
from estafeta.policy.reading import known_reading, reading_of
from estafeta.policy.verdict import Verdict, scored

NAME = "rules"
#: Characters of plain text, and of HTML, that phrases are sought in: what a reader sees first.
MAX_WORDS = 20_000
#: Octets of a subject that are read.
MAX_SUBJECT = 2000


class Rule(NamedTuple):
    """`finds`: what was found, in words, "" for nothing."""

    name: str
    points: float
    finds: Callable[[Case], str]

    @property
    def words(self) -> str:
        """What it is about, for `estafeta policy rules`."""
        return " ".join((self.finds.__doc__ or "").split())


RULES = (
    Rule("no-from", 1.5, headerrules.no_author),
    Rule("no-date", 0.8, headerrules.no_date),
    Rule("odd-date", 1.0, headerrules.odd_date),
    Rule("no-message-id", 0.8, headerrules.no_message_id),
    Rule("odd-message-id", 0.5, headerrules.odd_message_id),
    Rule("twice", 1.5, headerrules.twice),
    Rule("no-to", 0.6, headerrules.no_recipients),
    Rule("no-subject", 0.5, headerrules.no_subject),
    Rule("subject-capitals", 1.5, headerrules.shouting),
    Rule("mixed-letters", 2.0, headerrules.mixed_letters),
    Rule("raw-header", 0.6, headerrules.raw_octets),
    Rule("from-shows-other", 2.5, headerrules.shows_other_address),
    Rule("freemail-unproven", 1.5, headerrules.unproven_freemail),
    Rule("answers-to-freemail", 1.2, headerrules.answers_to_freemail),
    Rule("no-mime-version", 0.5, headerrules.no_mime_version),
    Rule("link-elsewhere", 2.0, contentrules.link_elsewhere),
    Rule("link-to-address", 2.0, contentrules.link_to_address),
    Rule("link-with-user", 2.0, contentrules.link_with_user),
    Rule("link-looks-alike", 2.5, contentrules.link_looks_alike),
    Rule("only-html", 0.6, contentrules.only_html),
    Rule("only-pictures", 1.2, contentrules.only_pictures),
    Rule("hidden-text", 1.0, contentrules.hidden_text),
    Rule("form", 0.5, contentrules.asks_for_input),
    Rule("program", 2.5, contentrules.brings_program),
    Rule("hidden-program", 3.5, contentrules.hides_program),
    Rule("locked-archive", 1.2, contentrules.locked_archive),
    Rule("page-attached", 0.8, contentrules.brings_page),
    Rule("beyond-limits", 1.0, contentrules.beyond_limits),
    Rule("advance-fee", 1.5, contentrules.advance_fee),
    Rule("much-advance-fee", 2.0, contentrules.much_advance_fee),
    Rule("hard-selling", 1.2, contentrules.hard_selling),
    Rule("much-hard-selling", 1.3, contentrules.much_hard_selling),
)


def checks() -> tuple[Check, ...]:
    """The row."""
    return (
        Check(NAME, Stage.CONTENT, "rules for header and content; `estafeta policy rules` has them", judge, _find,
              on=lambda settings: settings.spam.rules, light=True),
    )  # fmt: skip


async def _find(facts: Facts, settings: Settings) -> None:
    """The message is read where that does not hold up the others."""
    await reading_of(facts)


def judge(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """What every rule finds."""
    reading = known_reading(facts)
    if facts.content is None or reading is None:
        return ()
    fields = facts.content.fields
    subject = decode_header(unfold(b" ".join(fields.raw("subject")[:1])[:MAX_SUBJECT]))
    words = Words(f"{subject} {reading.plain[:MAX_WORDS]} {reading.seen[:MAX_WORDS]}")
    case = Case(facts, fields, reading, subject, words)
    verdicts = []
    for name, points, finds in _asked(settings.spam.points_rules):
        if found := finds(case):
            verdicts.append(scored(points, found, name))
    return verdicts


@lru_cache(maxsize=16)
def _asked(lines: tuple[str, ...]) -> tuple[Rule, ...]:
    """Those that count on a site with these `spam.points_rules`, with its points."""
    asked = (rule._replace(points=changed_points(lines).get(rule.name, rule.points)) for rule in RULES)
    return tuple(rule for rule in asked if rule.points)
