"""rspamd: the JSON that answers /checkv2. No I/O."""

import json
from typing import Any, NamedTuple

from estafeta.protocols.scanners.words import AnswerError, cleaned, number_of

PATH = "/checkv2"
PING = "/ping"
#: Answers have 2 to 20 KiB: a hundred symbols with their options.
MAX_ANSWER_OCTETS = 256 << 10

#: Where rspamd marks spam, unless it says otherwise (actions.conf: add_header).
USUAL_THRESHOLD = 6.0
#: Where it rejects.
USUAL_LIMIT = 15.0
_MARKS = ("add header", "rewrite subject")
_MOST_SYMBOLS = 200
_MOST_POINTS = 1000.0


class RspamdAnswer(NamedTuple):
    """`points` against `threshold`, from which it marks spam. `action`: what it would do, in its words. `symbols`: what
    it found, with the points of each, the heaviest first. `skipped`: it did not look."""

    points: float
    threshold: float
    action: str
    symbols: tuple[tuple[str, float], ...] = ()
    skipped: bool = False


def parse_answer(body: bytes) -> RspamdAnswer:
    """Read it. Raises AnswerError."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError("its answer is not JSON") from None
    if not isinstance(said, dict):
        raise AnswerError("its answer is not what /checkv2 gives")
    if "score" not in said and "error" in said:
        raise AnswerError(f"it says: {cleaned(str(said['error'])[:400], 100)}")
    points, action = _number(said.get("score")), said.get("action")
    if points is None or not isinstance(action, str):
        raise AnswerError("its answer has no score and action")
    action, threshold = cleaned(action[:100], 40), _threshold(said)
    # Some modules decide whatever the points are; what they decide is worth as much as if points had.
    if action in _MARKS:
        points = max(points, threshold)
    elif action == "reject":
        points = max(points, _number(said.get("required_score")) or USUAL_LIMIT)
    return RspamdAnswer(points, threshold, action, _symbols(said.get("symbols")), said.get("is_skipped") is True)


def _threshold(said: dict[str, Any]) -> float:
    listed = said.get("thresholds")
    mark = _number(listed.get("add header")) if isinstance(listed, dict) else None
    return mark if mark is not None and mark > 0 else USUAL_THRESHOLD


def _symbols(listed: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(listed, dict):
        return ()
    found = []
    for name, symbol in listed.items():
        points = _number(symbol.get("score")) if isinstance(symbol, dict) else None
        if points is not None:
            found.append((cleaned(name[:200], 60), points))
    return tuple(sorted(found, key=lambda one: -abs(one[1]))[:_MOST_SYMBOLS])


def _number(value: object) -> float | None:
    return number_of(value, _MOST_POINTS)
