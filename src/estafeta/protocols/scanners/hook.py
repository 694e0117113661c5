"""The web hook: the JSON of its answer. No I/O. docs/guides/scanners.md has the whole of it, with the question's."""

import json
from typing import Any, NamedTuple

from estafeta.protocols.scanners.words import AnswerError, cleaned, number_of

#: One verdict in words.
MAX_ANSWER_OCTETS = 64 << 10
ACTIONS = ("pass", "score", "tag", "quarantine", "discard", "defer", "reject")
#: Points that one answer may give or take.
MOST_POINTS = 100.0
_LONGEST_REASON = 300
_LONGEST_TEXT = 400
_LONGEST_TAG = 40


class HookAnswer(NamedTuple):
    """`reason` for the journal, `text` for the sender of what is refused; `score` in our points."""

    action: str
    score: float = 0.0
    reason: str = ""
    text: str = ""
    tag: str = ""


def parse_answer(body: bytes) -> HookAnswer:
    """Read it; what it says beyond this is left for later versions. Raises AnswerError."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError("its answer is not JSON") from None
    if not isinstance(said, dict):
        raise AnswerError("its answer is not an object")
    action = said.get("action")
    if action not in ACTIONS:
        raise AnswerError(f"its answer has no action of {', '.join(ACTIONS)}")
    tag = cleaned(_text(said, "tag"), _LONGEST_TAG).replace(" ", "-")
    text, reason = cleaned(_text(said, "text"), _LONGEST_TEXT), _line(_text(said, "reason"))
    return HookAnswer(action, _points(said.get("score", 0)), reason, text, tag)


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name) or ""
    if not isinstance(value, str):
        raise AnswerError(f"{name!r} of its answer is no text")
    return value


def _points(value: object) -> float:
    if value is None:
        return 0.0
    points = number_of(value, MOST_POINTS)
    if points is None:
        raise AnswerError("'score' of its answer is no number")
    return round(points, 2)


def _line(text: str) -> str:
    shown = "".join(one if one.isprintable() else " " for one in text[: _LONGEST_REASON * 2])
    return " ".join(shown.split())[:_LONGEST_REASON]
