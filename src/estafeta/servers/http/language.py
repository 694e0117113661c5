"""Which of our languages a browser wants (RFC 9110 12.5.4)."""

import re

LANGUAGES = ("en", "es", "ja")

_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,40})?\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")
_MOST_RANGES = 20


def choose_language(accepted: str, default: str) -> str:
    """The language for a value of Accept-Language: that with the highest quality, of equals the first; else `default`.

    Only the primary tag counts: es-MX is es. Never raises."""
    best, quality = default, 0.0
    for part in accepted.split(",", _MOST_RANGES)[:_MOST_RANGES]:
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        name, wanted = match[1].lower(), float(match[2] or 1)
        name = default if name == "*" else name
        if name in LANGUAGES and wanted > quality:
            best, quality = name, wanted
    return best
