"""What the readers of answers have in common: how one is refused, and words of others made fit to be shown."""

import math
import re

_NOT_SHOWN = re.compile(r"[^ -~]+")


class AnswerError(Exception):
    """An answer that cannot be used; the text says why, in words that follow the name of the scanner."""


def cleaned(data: bytes | str, most: int) -> str:
    """Words of a scanner on one line, in ASCII, for the log, the journal and replies."""
    text = data if isinstance(data, str) else data[: most * 2].decode("ascii", "replace")
    return _NOT_SHOWN.sub(" ", text).strip()[:most].rstrip()


def number_of(value: object, most: float) -> float | None:
    """A number of JSON, cut to -`most` to `most`; None for what is none. As Python reads it, it may be infinite or have
    a thousand digits, which no float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(max(-most, min(most, value)))
