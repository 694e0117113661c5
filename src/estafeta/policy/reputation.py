"""The check by experience (policy.experience), and what learns from how messages were judged."""

from collections.abc import Sequence

from estafeta.directory.model import RemoteTarget
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_source import SettingsSource
from estafeta.policy.chain import who_is
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.experience import Row, Seen, is_correspondent, is_good, names_of, points
from estafeta.policy.experience_store import ExperienceStore
from estafeta.policy.facts import Facts
from estafeta.policy.identities import MAX_NAME, Identities, identities_of
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner
from estafeta.policy.points import points_of
from estafeta.policy.verdict import Action, Verdict, passed, scored

NAME = "reputation"
CORRESPONDENT_POINTS = -2.0
_DAY = 86_400.0
# Below this it is not worth a word.
_LEAST_POINTS = 0.1
# Recipients of one message of a user that are remembered as correspondents: a letter to a thousand is no conversation.
_MOST_WRITTEN_TO = 20


def checks(store: ExperienceStore) -> tuple[Check, ...]:
    """The row."""

    async def find(facts: Facts, settings: Settings) -> list[Row]:
        return await store.rows(names_of(identities_of(facts)))

    return (
        Check(NAME, Stage.CONTENT, "what came from this sender, domain and network before", judge, find,
              on=is_on, light=True),
    )  # fmt: skip


def is_on(settings: Settings) -> bool:
    """Whether it counts."""
    return settings.spam.reputation


def half_life(settings: Settings) -> float:
    """In seconds."""
    return settings.spam.reputation_half_life_days * _DAY


def rows_of(facts: Facts) -> list[Row]:
    """What was found, once it was."""
    found = facts.found.get(NAME)
    return found if isinstance(found, list) else []


def is_known_good(facts: Facts, settings: Settings) -> bool:
    """Whether this sender never has to wait."""
    rows, now = rows_of(facts), int(facts.now)
    return is_correspondent(rows, now) or is_good(rows, now, half_life(settings))


def judge(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Points for and against."""
    rows, now = rows_of(facts), int(facts.now)
    if not rows:
        return ()
    verdicts = []
    if is_correspondent(rows, now):
        count = points_of("correspondent", CORRESPONDENT_POINTS, settings)
        words = "users here write to this sender"
        verdicts.append(scored(count, words, "correspondent") if count else passed(words))
    found = points(rows, now, half_life(settings))
    if abs(found) >= _LEAST_POINTS:
        names = ", ".join(row.name[2:] for row in rows)
        verdicts.append(scored(found, f"experience with {names}", "reputation"))
    return verdicts


def learner(store: ExperienceStore, settings: SettingsSource) -> Learner:
    """Counts what was judged, and whom users write to."""

    def judged(facts: Facts, judgement: Judgement) -> None:
        current = settings.current
        if not current.spam.reputation:
            return
        who = who_is(facts)
        if who is Who.USERS:
            store.add(_written_to(facts), Seen(wrote=True))
        elif who is Who.STRANGERS and (seen := outcome(judgement)) is not None:
            store.add(names_of(identities_of(facts)), seen)

    return Learner(judged)


def outcome(judgement: Judgement) -> Seen | None:
    """Fine or junk, without what experience itself said, or it would feed on itself; None where nothing was judged:
    put off, held by a filter, refused for something else than its points."""
    score = sum(one.score for one in judgement.verdicts if not one.account and one.check != NAME)
    is_junk = score >= judgement.junk_score
    if judgement.action >= Action.QUARANTINE:
        return Seen(junk=1) if judgement.decisive.check == "score" and is_junk else None
    return Seen(junk=1) if is_junk else Seen(fine=1)


def _written_to(facts: Facts) -> list[str]:
    found: list[str] = []
    for address, resolution in facts.recipients[:_MOST_WRITTEN_TO]:
        if any(isinstance(target, RemoteTarget) and target.address == address for target in resolution.targets):
            found += names_of(Identities("", address.key[:MAX_NAME]))
    return found
