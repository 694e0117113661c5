"""What all verdicts on a message come to: taken or not, where it is filed, what is written about it.

Points for everybody and those of one user's own lists and learning are added for that user alone: the same message may
be junk for one and not for the other.
"""

from collections.abc import Sequence
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_policy import Policy
from estafeta.journal.records import Code, Record, detail
from estafeta.policy.verdict import Action, Verdict, passed, rejected, strongest

# Reasons that the journal keeps of one message; a chain has some twenty checks.
_MOST_TOLD = 40
_FINE = passed()
_TOO_MUCH = "This looks like spam to us; if it is not, write to postmaster here and tell the time of this refusal"


class RefusedError(EstafetaError):
    """Policy does not take the message; `verdict` has the words and the code, `records` are what the journal says."""

    def __init__(self, verdict: Verdict, records: tuple[Record, ...] = ()) -> None:
        kind = Kind.TEMPORARY if verdict.action is Action.DEFER else Kind.PERMISSION
        super().__init__(kind, verdict.text, verdict.reason)
        self.verdict = verdict
        self.records = records


class Judgement(NamedTuple):
    """`decisive` is the strongest verdict; `score` the points of all that are for everybody; `front` the fields that
    are written in front of the message; `junk_score` where junk begins; `header`: the header section without fields
    that falsely claim to be ours, and how many octets it takes the place of."""

    verdicts: tuple[Verdict, ...] = ()
    decisive: Verdict = _FINE
    score: float = 0.0
    junk_score: float = 5.0
    front: bytes = b""
    header: tuple[bytes, int] | None = None

    def cleaned(self, block: bytes) -> bytes:
        """The beginning of the message without forged fields."""
        if self.header is None:
            return block
        header, size = self.header
        return header + block[size:]

    @property
    def action(self) -> Action:
        """What is done with the message."""
        return self.decisive.action

    def score_for(self, account_id: int) -> float:
        """The points as they count for one mailbox."""
        return self.score + sum(verdict.score for verdict in self.verdicts if verdict.account == account_id != 0)

    def is_junk_for(self, account_id: int) -> bool:
        """Whether it is filed in Junk there."""
        return self.score_for(account_id) >= self.junk_score

    def records(self, ident: int, sender: str, peer: str) -> tuple[Record, ...]:
        """What the journal says of the checks: one record, with each reason and its points, and whose mailbox it is
        about where that is one only."""
        told = [
            [verdict.check, round(verdict.score, 2), _WORDS[verdict.action], verdict.reason[:300]]
            + ([verdict.account] if verdict.account else [])
            # What is about one mailbox comes last: there may be many of these, and not all is told.
            for verdict in sorted(self.verdicts, key=lambda one: one.account != 0)
            if verdict.reason
        ]
        if not told:
            return ()
        words = f"{self.outcome}; {self.score:.1f} of {self.junk_score:.1f} points"
        return (Record(ident, Code.CHECKED, sender, peer, text=words, detail=detail(checks=told[:_MOST_TOLD])),)

    @property
    def outcome(self) -> str:
        """In a word: what became of it."""
        if self.action >= Action.QUARANTINE:
            return _OUTCOMES[self.action]
        return "junk" if self.score >= self.junk_score else "fine"


_WORDS = {action: action.name.lower() for action in Action}
_OUTCOMES = {
    Action.QUARANTINE: "held",
    Action.DISCARD: "dropped",
    Action.DEFER: "put off",
    Action.REJECT: "refused",
}


def _least(verdicts: Sequence[Verdict], score: float) -> float:
    """The points for the recipient who thinks best of it: what one of them wants is not refused to all."""
    own: dict[int, float] = {}
    for verdict in verdicts:
        if verdict.account:
            own[verdict.account] = own.get(verdict.account, 0.0) + verdict.score
    return score + min(0.0, *own.values()) if own else score


def judge(verdicts: Sequence[Verdict], policy: Policy) -> Judgement:
    """What they come to."""
    if not verdicts:
        return Judgement(junk_score=policy.junk_score)
    shared = [verdict for verdict in verdicts if not verdict.account]
    decisive = strongest(shared) or _FINE
    score = round(sum(verdict.score for verdict in shared), 2)
    if decisive.action < Action.QUARANTINE and 0 < policy.reject_score <= _least(verdicts, score):
        decisive = rejected(_TOO_MUCH, f"{score:.1f} points, refused from {policy.reject_score:.1f}")._replace(
            check="score"
        )
    return Judgement(tuple(verdicts), decisive, score, policy.junk_score)
