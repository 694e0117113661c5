"""rspamd and SpamAssassin: points of others, made comparable with ours.

What they would mark as spam has the points from which we file in Junk: theirs are multiplied by our limit and divided
by their own, times the weight of the settings.
"""

import math
from collections.abc import Iterable, Sequence

from estafeta.directory.settings_model import Settings
from estafeta.policy.verdict import Verdict, passed, scored

# Symbols that are told; the heaviest come first.
_MOST_TOLD = 8
# One opinion among several: what can count for a message and against it, in multiples of policy.junk_score.
_MOST_FOR, _MOST_AGAINST = 1.0, 4.0


def score_verdict(
    name: str, points: float, threshold: float, weight_percent: int, symbols: Iterable[str], settings: Settings
) -> Sequence[Verdict]:
    """Points of ours for `points` of theirs, whose limit is `threshold`."""
    told = ", ".join(symbols)
    words = f"{name}: {points:.1f} of {threshold:.1f} points{f' ({told})' if told else ''}"
    limit = settings.policy.junk_score
    ours = points * limit / threshold * weight_percent / 100 if threshold > 0 else 0.0
    ours = round(max(-_MOST_FOR * limit, min(_MOST_AGAINST * limit, ours)), 2)
    return (scored(ours, words, name.lower()),) if math.isfinite(ours) and ours else (passed(words),)


def tell_symbols(symbols: Iterable[tuple[str, float]]) -> list[str]:
    """The heaviest that count at all, with their points."""
    return [f"{name} {points:.1f}" for name, points in symbols if points][:_MOST_TOLD]
