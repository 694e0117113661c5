"""MTA-STS (RFC 8461): the TXT record that announces a policy, and the policy.

Parsing is lenient where the RFC is (unknown fields are left out) and strict elsewhere: a policy that cannot be read is
as none. Fetching it is `delivery.tlspolicy`'s.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from estafeta.trust.certnames import name_matches

#: RFC 8461 3.2: about a year.
MAX_AGE_SECONDS = 31_557_600
#: RFC 8461 3.3: what is longer need not be read.
MAX_POLICY_BYTES = 64 << 10

_ID = re.compile(r"[A-Za-z0-9]{1,32}")
# RFC 8461 3.1: WSP around fields; the record begins with the version, exactly.
_TXT_VERSION = re.compile(rb"v=STSv1[ \t]*(;|\Z)")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*=[ \t]*([!-:<>-~]+)")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_MX = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_MAX_MX = 1000


class Mode(StrEnum):
    """RFC 8461 5."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


class StsPolicy(NamedTuple):
    """A policy; `mx` are the patterns of hosts, lower case, `lines` its fields as reports quote them."""

    mode: Mode
    max_age_seconds: int
    mx: tuple[str, ...]
    lines: tuple[str, ...]

    def allows(self, host: str) -> bool:
        """Whether mail may go to this MX host (RFC 8461 4.1)."""
        return any(name_matches(pattern, host) for pattern in self.mx)


def parse_announcement(records: Iterable[bytes]) -> str | None:
    """The id that the TXT records of `_mta-sts.DOMAIN` announce, None for none.

    RFC 8461 3.1: other records are left out; where several announce, nothing does."""
    found = [record for record in records if _TXT_VERSION.match(record)]
    if len(found) != 1:
        return None
    for field in found[0].decode("ascii", "replace").split(";")[1:]:
        match = _FIELD.fullmatch(field.strip(" \t"))
        if match is not None and match[1] == "id":
            return match[2] if _ID.fullmatch(match[2]) else None
    return None


def parse_policy(content: bytes) -> StsPolicy:
    """The policy in a document. Raises ValueError with what is wrong, in words without a full stop.

    RFC 8461 3.2: lines end in LF or CRLF; the first of a field that comes once counts; unknown ones are left out."""
    fields: dict[str, str] = {}
    patterns: dict[str, None] = {}
    lines: list[str] = []
    for line in _lines(content):
        key, value = _field(line)
        if key == "mx":
            patterns[_pattern(value)] = None
        elif key not in ("version", "mode", "max_age") or key in fields:
            continue
        else:
            fields[key] = value
        lines.append(f"{key}: {value}")
    if fields.get("version") != "STSv1":
        raise ValueError("the policy does not say version: STSv1")
    if fields.get("mode") not in list(Mode):
        raise ValueError("the policy has no mode: enforce, testing or none")
    mode = Mode(fields["mode"])
    if len(patterns) > _MAX_MX or (not patterns and mode is not Mode.NONE):
        raise ValueError("the policy names no mx hosts" if not patterns else "the policy names too many mx hosts")
    return StsPolicy(mode, _max_age(fields.get("max_age", "")), tuple(patterns), tuple(lines))


def _lines(content: bytes) -> list[str]:
    if len(content) > MAX_POLICY_BYTES:
        raise ValueError("the policy is longer than 64 KiB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the policy is not UTF-8 text") from None
    return [line.strip(" \t\r") for line in text.split("\n") if line.strip(" \t\r")]


def _field(line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon or not _KEY.fullmatch(key.rstrip(" \t")):
        raise ValueError(f"the policy has a line that is no field: {line[:60]!r}")
    return key.rstrip(" \t"), value.strip(" \t")


def _pattern(value: str) -> str:
    pattern = value.lower().removesuffix(".")
    if not _MX.fullmatch(pattern) or len(pattern) > 255:
        raise ValueError(f"the policy has an mx that is no host name: {value[:60]!r}")
    return pattern


def _max_age(value: str) -> int:
    # RFC 8461 3.2: 1*10(DIGIT), and more than a year means a year.
    if not value.isascii() or not value.isdigit() or len(value) > 10:
        raise ValueError("the policy has no max_age in seconds")
    return min(int(value), MAX_AGE_SECONDS)
