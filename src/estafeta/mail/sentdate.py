"""When a message says it was sent: RFC 5256 2.2, for SORT DATE, THREAD and SEARCH SENTBEFORE, SENTON, SENTSINCE.

A sent date keeps the sender's zone: `sent_date(...).date()` is the day that SEARCH compares, which disregards time
and zone (RFC 9051 6.4.4). SORT and THREAD compare moments, `sent_seconds`. None, when there is no date or none that
can be read: for SORT and THREAD the internal date stands in. Header octets never raise; a stored ENVELOPE text that
is damaged raises EstafetaError(INVALID).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from estafeta.mail.dates import parse_date, parse_zoned_date
from estafeta.mail.envelope import envelope_date

_LONGEST = 200
_DAY_ONLY = re.compile(rb"(?:[A-Za-z]{3,9}\.?,?\s*)?(\d{1,2}[\s-]+[A-Za-z]{3,9}\.?,?[\s-]+\d{2,4})(?!\d)")
_A_DAY = 86400


def sent_date(envelope: bytes) -> datetime | None:
    """The sent date of a stored ENVELOPE text."""
    value = envelope_date(envelope)
    return None if value is None else parse_sent_date(value)


def sent_seconds(envelope: bytes) -> float | None:
    """The same as seconds since 1970 in UTC."""
    value = envelope_date(envelope)
    found = None if value is None else _read(value)
    return None if found is None else found[0]


def parse_sent_date(value: bytes) -> datetime | None:
    """The sent date of a Date field's value."""
    found = _read(value)
    if found is None:
        return None
    try:
        return datetime.fromtimestamp(found[0], _zone(found[1]))
    except (OverflowError, ValueError, OSError):
        return None  # the first or last day that a year of four digits can say, seen from a zone beyond it


def _read(value: bytes) -> tuple[float, int] | None:
    """Seconds since 1970 and how many seconds the zone is ahead of UTC."""
    found = parse_zoned_date(value)
    if found is None:
        return _read_day(value)
    seconds, offset = found
    # RFC 5256 2.2: an invalid zone is UTC.
    return found if -_A_DAY < offset < _A_DAY else (seconds + offset, 0)


def _read_day(value: bytes) -> tuple[float, int] | None:
    # RFC 5256 2.2: without a valid time, 00:00:00; without a valid date there is no sent date.
    day = _DAY_ONLY.match(value[:_LONGEST].strip())
    seconds = None if day is None else parse_date(day.group(1) + b" 00:00:00 +0000")
    return None if seconds is None else (seconds, 0)


@lru_cache(maxsize=256)
def _zone(offset: int) -> timezone:
    return timezone(timedelta(seconds=offset)) if offset else UTC
