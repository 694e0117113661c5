"""Filters of the operator, asked of every message when it is whole: the first that keeps, discards, refuses or passes
decides, in their order; those before it that only count or mark do so besides.

What is said of a message is compared as a person reads it: encoded words decoded, forms and case of letters made equal,
invisible characters left out, since whoever sends what is filtered writes it as differently as he can.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from estafeta.core.errors import EstafetaError
from estafeta.core.once import once
from estafeta.directory.filters import Direction, Filter, FilterAction, Releaser, parse_filters
from estafeta.directory.model import RemoteTarget, Resolution
from estafeta.directory.settings_filters import Hostile
from estafeta.directory.settings_model import Settings
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.filtermatch import as_read, domain_of, file_names, originators, patterns_of, recipients
from estafeta.policy.networks import Networks
from estafeta.policy.parts import Part
from estafeta.policy.points import points_of
from estafeta.policy.verdict import Verdict, deferred, discarded, passed, quarantined, rejected, scored, tagged

PARTS = "parts"
# Larger messages are taken apart in a thread.
_INLINE_OCTETS = 8 << 10
_HOSTILE_POINTS = 4.0
# Good mail goes beyond the others: a large attachment (octets), an archive with a whole project in it (members), a
# white page (ratio).
_HOSTILE = {
    "archive-depth": "archives in archives, too deep to be looked into",
    "bomb": "an archive that unpacks to a hundred times its size",
    "depth": "messages in messages, too deep to be looked into",
    "header": "a part whose header is too large to be read whole",
    "parts": "too many parts to be looked at",
}
_REFUSED = "A filter of this site does not let this message in"
_LATER = "The filters of this site cannot be asked at the moment; try again later"
_TOO_DEAR = "This message is made so that it cannot be looked at"


def checks() -> tuple[Check, ...]:
    """The rows of the table."""
    return (
        Check(
            PARTS,
            Stage.CONTENT,
            "what cannot be looked at whole: archives in archives, thousands of parts",
            judge_parts,
            find_parts,
            Who.EVERYBODY,
            lambda settings: settings.filters.hostile is not Hostile.PASS or bool(settings.filters.rules),
            light=True,
        ),
        Check(
            "filters",
            Stage.CONTENT,
            "the filters of this site, in their order",
            judge_filters,
            find_filters,
            Who.EVERYBODY,
            lambda settings: bool(settings.filters.rules),
            _not_asked,
            light=True,
        ),
    )


class _Compiled(NamedTuple):
    """A filter, and what it asks of a message, in the order in which that is asked."""

    filter: Filter
    criteria: tuple["_Criterion", ...]


@lru_cache(maxsize=8)
def _compiled(text: str) -> tuple[_Compiled, ...]:
    """The filters of a setting. None where it cannot be read, which the setting's own check does not let happen."""
    try:
        return tuple(map(_compile, parse_filters(text)))
    except EstafetaError:
        return ()


# Parts


async def find_parts(facts: Facts, settings: Settings) -> frozenset[str] | None:
    """The limits beyond which a message goes: of strangers', and where filters ask for its parts; None of others."""
    content = facts.content
    if content is None:
        return None
    ours = facts.account is not None or facts.trusted
    asked = any(one.filter.asks_parts for one in _compiled(settings.filters.rules))
    if ours and not asked:
        return None
    if not asked and _is_plain(content):
        return frozenset()
    if content.size <= _INLINE_OCTETS:
        return frozenset(content.parts.beyond)
    return frozenset((await asyncio.to_thread(lambda: content.parts)).beyond)


def judge_parts(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """What goes beyond the limits of `policy.parts` in a way that no good mail does."""
    found, hostile = facts.found.get(PARTS), settings.filters.hostile
    if not found or not isinstance(found, frozenset):
        return ()
    reasons = [_HOSTILE[limit] for limit in sorted(found) if limit in _HOSTILE]
    if not reasons:
        return (passed(f"beyond what is looked at: {', '.join(sorted(found))}"),)
    words = "; ".join(reasons)
    match hostile:
        case Hostile.KEEP:
            return (quarantined(words, PARTS, by_users=False),)
        case Hostile.REJECT:
            return (rejected(_TOO_DEAR, words, 554, "5.7.0"),)
        case Hostile.SCORE:
            return (scored(points_of("hostile-parts", _HOSTILE_POINTS, settings), words, "hostile-parts"),)
    return (passed(words),)


def _is_plain(content: Content) -> bool:
    """One text and nothing in it: most mail."""
    kinds = content.fields.raw("content-type")
    return not kinds or (len(kinds) == 1 and kinds[0].lstrip()[:5].lower() == b"text/")


# Filters


async def find_filters(facts: Facts, settings: Settings) -> list[Verdict] | None:
    """What the filters say of a message that may have many parts, each with a name: not on the event loop."""
    content = facts.content
    if content is None or content.size <= _INLINE_OCTETS:
        return None
    return await asyncio.to_thread(_ask, facts, content, settings)


def judge_filters(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """What the filters say."""
    found, content = facts.found.get("filters"), facts.content
    if isinstance(found, list):
        return found
    return _ask(facts, content, settings) if content is not None else ()


def _not_asked(reason: str) -> Verdict:
    """Nothing gets past the filters because the machine is slow."""
    return deferred(_LATER, f"the filters were not asked: {reason}", 451, "4.3.2")


def _ask(facts: Facts, content: Content, settings: Settings) -> list[Verdict]:
    seen = _Seen(facts, content)
    said: list[Verdict] = []
    for compiled in _compiled(settings.filters.rules):
        why = _matches(compiled, seen)
        if why is None:
            continue
        one = compiled.filter
        said.append(_verdict(one, f"filter {one.name}: {why}"))
        if one.action not in (FilterAction.TAG, FilterAction.SCORE):
            break
    return said


def explain(filters: Iterable[Filter], facts: Facts) -> list[tuple[Filter, str]]:
    """Which filters are about a message, each with why, for an operator who tries them."""
    assert facts.content is not None
    seen = _Seen(facts, facts.content)
    return [(one, why) for one in filters if (why := _matches(_compile(one), seen)) is not None]


def _verdict(one: Filter, reason: str) -> Verdict:
    match one.action:
        case FilterAction.KEEP:
            return quarantined(reason, one.name, by_users=one.release is Releaser.USERS)
        case FilterAction.DISCARD:
            return discarded(reason)
        case FilterAction.REJECT:
            return rejected(one.text or _REFUSED, reason, 550, "5.7.1")
        case FilterAction.SCORE:
            return scored(one.points, reason, one.tag)
        case FilterAction.TAG:
            return tagged(one.tag, reason)
    return passed(reason)


class _Seen:
    """What filters ask of one message, each worked out once."""

    def __init__(self, facts: Facts, content: Content) -> None:
        self.facts = facts
        self.content = content
        self._texts: dict[str, list[str]] = {}

    def texts(self, field: str) -> list[str]:
        """The values of a field."""
        if field not in self._texts:
            self._texts[field] = [as_read(text) for text in self.content.fields.texts(field)]
        return self._texts[field]

    @once
    def originators(self) -> Sequence[str]:
        """Whose mail it is."""
        return originators(self.facts.sender, self.content.fields)

    @once
    def recipients(self) -> Sequence[str]:
        """Whom it is for."""
        return recipients(self.facts.recipients)

    @once
    def files(self) -> Sequence[tuple[Part, list[str]]]:
        """Its parts, and what each is called."""
        return [(part, file_names(part)) for part in self.content.parts]

    @property
    def direction(self) -> Direction:
        """Which way it goes."""
        facts = self.facts
        if facts.account is None and not facts.trusted:
            return Direction.IN
        return Direction.OUT if any(_is_elsewhere(found) for _, found in facts.recipients) else Direction.LOCAL


def _is_elsewhere(found: Resolution) -> bool:
    return not found.targets or any(isinstance(target, RemoteTarget) for target in found.targets)


def _compile(one: Filter) -> _Compiled:
    """What is dear comes last."""
    criteria = (
        (_direction, one.direction),
        (_size, one.larger or one.smaller),
        (_client, one.client),
        (_originator, one.originator),
        (_recipient, one.recipient),
        (_subject, one.subject),
        (_header, one.header),
        (_type, one.type),
        (_attachment, one.attachment),
        (_archive, one.archive),
    )
    return _Compiled(one, tuple(criterion for criterion, wanted in criteria if wanted))


def _matches(compiled: _Compiled, seen: _Seen) -> str | None:
    """Why a filter is about a message, in words; None: it is not."""
    one, criteria = compiled
    met: list[str] = []
    for criterion in criteria:
        why = criterion(one, seen)
        if why and one.any_of:
            return why
        if not why and not one.any_of:
            return None
        met.append(why)
    return None if one.any_of else ", ".join(met)


_Criterion = Callable[[Filter, _Seen], str]


def _direction(one: Filter, seen: _Seen) -> str:
    return f"direction {seen.direction}" if seen.direction in one.direction else ""


def _size(one: Filter, seen: _Seen) -> str:
    size = seen.content.size
    fits = size > one.larger and (not one.smaller or size < one.smaller)
    return f"{size} octets" if fits else ""


def _client(one: Filter, seen: _Seen) -> str:
    return f"client {seen.facts.peer}" if seen.facts.peer in _networks(one.client) else ""


def _originator(one: Filter, seen: _Seen) -> str:
    return _address("originator", one.originator, seen.originators)


def _recipient(one: Filter, seen: _Seen) -> str:
    return _address("recipient", one.recipient, seen.recipients)


def _address(word: str, patterns: tuple[str, ...], addresses: Sequence[str]) -> str:
    """A pattern with an @ is of addresses, `<>` the null reverse-path, any other one of domains."""
    of_addresses, of_domains = _kinds(patterns)
    for one in addresses:
        if patterns_of(of_addresses).matches(one) or patterns_of(of_domains).matches(domain_of(one)):
            return f"{word} {one[:100]}"
    return ""


def _subject(one: Filter, seen: _Seen) -> str:
    like = _which(one.subject, seen.texts("subject"))
    return f"subject like {like}" if like else ""


def _header(one: Filter, seen: _Seen) -> str:
    """Each of the fields must be there, with one of its patterns; one is enough where any criterion is."""
    met = []
    for name, patterns in one.header:
        like = _which(patterns, seen.texts(name))
        if like:
            met.append(f"{name} like {like}")
        elif not one.any_of:
            return ""
    return ", ".join(met)


def _type(one: Filter, seen: _Seen) -> str:
    """As the parts say, and as the whole message does: a multipart is one, too."""
    patterns = patterns_of(one.type)
    for field in seen.texts("content-type"):
        whole = field.partition(";")[0].strip()
        if patterns.matches(whole):
            return f"MIME type {whole[:100]}"
    for part, _ in seen.files:
        if patterns.matches(part.media):
            return f"MIME type {part.media[:100]} in {part.path[:100]}"
    return ""


def _attachment(one: Filter, seen: _Seen) -> str:
    patterns = patterns_of(one.attachment)
    for part, names in seen.files:
        found = patterns.first(names)
        if found is not None:
            return f"attachment {(part.name or found)[:100]!r} in {part.path[:100]}"
    return ""


def _archive(one: Filter, seen: _Seen) -> str:
    for part, _ in seen.files:
        if part.archive in one.archive:
            return f"{part.archive} archive {part.name[:100]!r} in {part.path[:100]}"
    return ""


def _which(patterns: tuple[str, ...], texts: Sequence[str]) -> str:
    """The pattern that one of the texts is like, "" for none: what a message says is for its readers alone, and the
    journal has what the operator wrote."""
    found = patterns_of(patterns).first(texts)
    if found is None:
        return ""
    return next(repr(one) for one in patterns if patterns_of((one,)).matches(found))


@lru_cache(maxsize=1024)
def _kinds(patterns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of addresses, and those of domains."""
    of_addresses = tuple(one for one in patterns if "@" in one or one == "<>")
    return of_addresses, tuple(one for one in patterns if one not in of_addresses)


@lru_cache(maxsize=256)
def _networks(networks: tuple[str, ...]) -> Networks:
    return Networks(networks)
