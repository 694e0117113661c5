"""Dates of header fields, RFC 5322 3.3, both ways. English names whatever the locale says."""

import math
import re
from calendar import timegm
from functools import lru_cache
from time import gmtime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_OF = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
_LONGEST = 200
"""Octets of a date that are looked at: ten times what the grammar needs."""
_MOST_SECONDS = 253402300799
"""The end of the year 9999, the last that four digits can say."""

_RFC5322 = re.compile(
    rb"(?:[A-Za-z]{3,9}\.?,?\s*)?(\d{1,2})[\s-]+([A-Za-z]{3})[A-Za-z]*\.?,?[\s-]+(\d{2,5})[\s,]+"
    rb"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2}))?(?:\.\d+)?\s*([+-]\d{2}:?\d{2}|[A-Za-z]+)?"
)
_ASCTIME = re.compile(
    rb"(?:[A-Za-z]{3,9},?\s+)?([A-Za-z]{3})[A-Za-z]*\s+(\d{1,2}),?\s+(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?"
    rb"\s+([+-]\d{4}\s+|[A-Z]{1,5}\s+)?(\d{4})(?:\s+([+-]\d{4}))?"
)
_ISO8601 = re.compile(rb"(\d{4})-(\d{2})-(\d{2})[T\s](\d{2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?")
# RFC 5322 4.3: the zones of North America have a meaning, all other letters mean "unknown", that is +0000.
_ZONES = {b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7}


def format_date(epoch_seconds: float, utc_offset_seconds: int = 0) -> bytes:
    """`Sat, 01 Aug 2026 10:20:30 +0000` for a time. Times beyond the years 1 to 9999 become the nearest there is."""
    return _format_second(int(epoch_seconds) if math.isfinite(epoch_seconds) else 0, utc_offset_seconds)


@lru_cache(maxsize=16)
def _format_second(whole: int, utc_offset_seconds: int) -> bytes:
    """Many messages come in a second."""
    t = gmtime(max(-62135510400, min(_MOST_SECONDS - 86400, whole)) + utc_offset_seconds)
    minutes = abs(utc_offset_seconds) // 60
    return b"%s, %02d %s %04d %02d:%02d:%02d %s%02d%02d" % (
        _DAYS[t.tm_wday].encode(),
        t.tm_mday,
        _MONTHS[t.tm_mon - 1].encode(),
        t.tm_year,
        t.tm_hour,
        t.tm_min,
        t.tm_sec,
        b"-" if utc_offset_seconds < 0 else b"+",
        minutes // 60,
        minutes % 60,
    )


def parse_date(value: bytes) -> float | None:
    """Seconds since 1970 of a Date field's value, or None. Takes obsolete forms, asctime(3) and ISO 8601 as well."""
    found = parse_zoned_date(value)
    return None if found is None else found[0]


def parse_zoned_date(value: bytes) -> tuple[float, int] | None:
    """The same, and how many seconds the date's own zone is ahead of UTC."""
    value = value[:_LONGEST].strip()
    found = _RFC5322.match(value)
    if found is not None:
        day, month, year, hour, minute, second, zone = found.groups()
        return _seconds(_year(year), _MONTH_OF.get(month.lower(), 0), day, hour, minute, second, zone)
    found = _ASCTIME.match(value)
    if found is not None:
        month, day, hour, minute, second, zone, year, late_zone = found.groups()
        zone = (zone or late_zone or b"").strip()
        return _seconds(int(year), _MONTH_OF.get(month.lower(), 0), day, hour, minute, second, zone)
    found = _ISO8601.match(value)
    if found is not None:
        year, month, day, hour, minute, second, zone = found.groups()
        return _seconds(int(year), int(month), day, hour, minute, second, zone)
    return None


def _year(digits: bytes) -> int:
    # RFC 5322 4.3: two digits 00-49 are 2000-2049, 50-99 and three digits are counted from 1900.
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _seconds(
    year: int, month: int, day: bytes, hour: bytes, minute: bytes, second: bytes | None, zone: bytes | None
) -> tuple[float, int] | None:
    d, h, m, s = int(day), int(hour), int(minute), int(second or 0)
    # RFC 5322 3.3: a leap second is allowed.
    if not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= d <= 31 and h <= 24 and m <= 59 and s <= 60):
        return None
    offset = _offset(zone)
    return float(timegm((year, month, d, h, m, s)) - offset), offset


def _offset(zone: bytes | None) -> int:
    if not zone:
        return 0
    if zone[:1] in b"+-":
        digits = zone[1:].replace(b":", b"")
        offset = int(digits[:2]) * 3600 + int(digits[2:4]) * 60
        return -offset if zone[:1] == b"-" else offset
    return _ZONES.get(zone.upper(), 0) * 3600
