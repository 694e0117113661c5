"""What the readers of answers have in common: how one is refused, and words of others made fit to be shown."""

import re

_NOT_SHOWN = re.compile(r"[^ -~]+")


class AnswerError(Exception):
    """An answer that cannot be used; the text says why, in words that follow the name of the scanner."""


def cleaned(data: bytes | str, most: int) -> str:
    """Words of a scanner on one line, in ASCII, for the log, the journal and replies."""
    text = data if isinstance(data, str) else data[: most * 2].decode("ascii", "replace")
    return _NOT_SHOWN.sub(" ", text).strip()[:most].rstrip()
