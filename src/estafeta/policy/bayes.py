"""How likely a message is spam, from how often its words came in spam and in good mail before. Pure.

For each word, with `b` and `g` the shares of spam and of good messages that had it, `n` how many messages had it:

    p(w) = b / (b + g)                      Graham, "A Plan for Spam", 2002
    f(w) = (s x + n p(w)) / (s + n)         Robinson, "A Statistical Approach to the Spam Problem",
                                            Linux Journal 107, 2003: s = 0.45, x = 0.5

Words with |f(w) - 0.5| < 0.1 say nothing. Of the others the 150 most telling are combined by Fisher's method, where
C(t, 2n) is the probability that chi-square with 2n degrees of freedom is above t:

    H = C(-2 sum ln f(w), 2n)    S = C(-2 sum ln(1 - f(w)), 2n)    I = (1 + H - S) / 2

A user's own words are added to the site's in the second formula: x is then what the site thinks of the word, and counts
as much as `SITE_MESSAGES` messages of the user's own. So the more a user teaches, the more it is the user who decides.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from math import exp, log
from typing import NamedTuple

from estafeta.policy.bayes_tokens import BUCKETS

STRENGTH = 0.45
UNKNOWN = 0.5
LEAST_DEVIATION = 0.1
MOST_TELLING = 150
SITE_MESSAGES = 2.0

# No word is certain: the logarithm of 0 is none.
_MOST_DEVIATION = 0.4999


class Totals(NamedTuple):
    """Messages that were learnt as good and as spam."""

    ham: int = 0
    spam: int = 0

    def enough(self, least_ham: int, least_spam: int) -> bool:
        """Whether something can be said."""
        return self.ham >= max(1, least_ham) and self.spam >= max(1, least_spam)


class SiteWords:
    """What the site knows: for each bucket f(w) - 0.5, 0 where that says nothing. 4 MiB. `version`: of the counts that
    it was made from."""

    def __init__(self, totals: Totals, rows: Iterable[tuple[int, int, int]] = (), version: int = 0) -> None:
        self.totals = totals
        #: Those that the deviations of words which did not change since are from.
        self.begun = totals
        self.version = version
        self.deviations = array("f", bytes(4 * BUCKETS))
        self.put(rows)

    def put(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Take in counts: bucket, messages with it that were good, that were spam."""
        deviations = self.deviations
        hams, spams = max(1, self.totals.ham), max(1, self.totals.spam)
        for bucket, ham, spam in rows:
            deviations[bucket] = deviation(ham, spam, hams, spams)


class UserWords(NamedTuple):
    """What one user taught of the words of a message: bucket -> good messages with it, spam."""

    totals: Totals
    counts: Mapping[int, tuple[int, int]]


def deviation(ham: int, spam: int, hams: int, spams: int, x: float = UNKNOWN, s: float = STRENGTH) -> float:
    """f(w) - 0.5 of a word that `ham` of `hams` good messages and `spam` of `spams` bad ones had; 0 for a weak one."""
    number = ham + spam
    found = x - 0.5
    if number:
        bad, good = spam / spams, ham / hams
        found = (s * x + number * bad / (bad + good)) / (s + number) - 0.5
    if -LEAST_DEVIATION < found < LEAST_DEVIATION:
        return 0.0
    return max(-_MOST_DEVIATION, min(_MOST_DEVIATION, found))


def deviations(buckets: Sequence[int], site: SiteWords | None, user: UserWords | None = None) -> list[float]:
    """f(w) - 0.5 of each word, in their order."""
    found = list(map(site.deviations.__getitem__, buckets)) if site is not None else [0.0] * len(buckets)
    if user is None:
        return found
    counts = user.counts
    hams, spams = max(1, user.totals.ham), max(1, user.totals.spam)
    strength = STRENGTH if site is None else SITE_MESSAGES
    for index, bucket in enumerate(buckets):
        counted = counts.get(bucket)
        if counted is not None:
            found[index] = deviation(*counted, hams, spams, 0.5 + found[index], strength)
    return found


def telling(found: Iterable[float]) -> list[float]:
    """Those that say most."""
    said = list(filter(None, found))
    if len(said) > MOST_TELLING:
        said.sort(key=abs, reverse=True)
        del said[MOST_TELLING:]
    return said


def probability(found: Iterable[float]) -> float:
    """I of the formula, for deviations of words; 0.5 where none says anything."""
    said = telling(found)
    if not said:
        return 0.5
    good = _chi_square_above(-sum(map(log, [0.5 + one for one in said])), len(said))
    bad = _chi_square_above(-sum(map(log, [0.5 - one for one in said])), len(said))
    return (1.0 + good - bad) / 2.0


def points(chance: float, ham_points: float, spam_points: float) -> float:
    """Points for a probability: 0 for one half, little around it, up to these at 0 and 1."""
    sure = (2.0 * chance - 1.0) ** 3
    return round(sure * (spam_points if sure > 0 else -ham_points), 2)


def _chi_square_above(half: float, pairs: int) -> float:
    """C(2 half, 2 pairs): for an even number of degrees of freedom a finite sum (Abramowitz and Stegun, 26.4.21)."""
    term = total = exp(-half)
    for number in range(1, pairs):
        term *= half / number
        total += term
    return min(1.0, total)
