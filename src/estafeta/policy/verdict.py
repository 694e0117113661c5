"""The outcome of a check, as data, and how several make one.

A check says what it thinks; what is done is the strongest of what all said (`strongest`), and the sum of the scores
against the limits of the settings (`policy.judgement`).
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Action(IntEnum):
    """What a verdict asks for, the stronger the larger.

    PASS: go on. SCORE: points for or against. TAG: a word in the result field. QUARANTINE: taken, and held until a
    person decides. DISCARD: taken and dropped, which only filters of an operator ask for. DEFER: refused for now.
    REJECT: refused for good."""

    PASS = 0
    SCORE = 1
    TAG = 2
    QUARANTINE = 3
    DISCARD = 4
    DEFER = 5
    REJECT = 6


class Verdict(NamedTuple):
    """`reason` is for the journal, the passport and the result field, in words; `text`, `code` and `enhanced` for the
    peer; `score` in points, above 0 for what looks like spam; `check` the name of the check that said it; `account` the
    user whose mailbox alone it is about, 0 for everybody; of QUARANTINE `tag` names what held it, and `by_users` says
    whether its recipients may release it themselves."""

    action: Action
    reason: str = ""
    text: str = ""
    code: int = 250
    enhanced: str = "2.0.0"
    score: float = 0.0
    tag: str = ""
    check: str = ""
    account: int = 0
    by_users: bool = False

    def of(self, check: str) -> "Verdict":
        """As said by this check; quicker than `_replace`, since every verdict is."""
        action, reason, text, code, enhanced, score, tag, _, account, by_users = self
        return Verdict(action, reason, text, code, enhanced, score, tag, check, account, by_users)

    @property
    def accepted(self) -> bool:
        """Whether the peer may go on."""
        return self.action < Action.DEFER


def passed(reason: str = "", text: str = "Ok", enhanced: str = "2.0.0") -> Verdict:
    """Go on."""
    return Verdict(Action.PASS, reason, text, 250, enhanced)


def scored(points: float, reason: str, tag: str = "") -> Verdict:
    """Points against it, or for it when below 0."""
    return Verdict(Action.SCORE, reason, score=points, tag=tag)


def tagged(tag: str, reason: str) -> Verdict:
    """A word in the result field, no points."""
    return Verdict(Action.TAG, reason, tag=tag)


def quarantined(reason: str, holder: str = "", *, by_users: bool = False) -> Verdict:
    """Take it and hold it; `holder` names the filter that wants it so."""
    return Verdict(Action.QUARANTINE, reason, tag=holder, by_users=by_users)


def discarded(reason: str) -> Verdict:
    """Take it and drop it."""
    return Verdict(Action.DISCARD, reason)


def deferred(text: str, reason: str, code: int = 451, enhanced: str = "4.7.1") -> Verdict:
    """Refuse for now; `text` is said to the peer, on one line."""
    return Verdict(Action.DEFER, reason, text, code, enhanced)


def rejected(text: str, reason: str, code: int = 550, enhanced: str = "5.7.1") -> Verdict:
    """Refuse for good; `text` is said to the peer, on one line."""
    return Verdict(Action.REJECT, reason, text, code, enhanced)


def strongest(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The one that decides: of several equal ones the first."""
    return max(verdicts, key=lambda verdict: verdict.action, default=None)
