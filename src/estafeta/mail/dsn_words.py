"""The shape of a language for notices: every sentence that is needed, and how dates and spans of time are said.

A language is one `Words` (`dsn_english`, `dsn_spanish`, `dsn_japanese`). Sentences have places in braces; which ones is
said at the field. A test holds all languages to the same fields, reasons and places.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from time import gmtime
from typing import NamedTuple

from estafeta.mail.dsn_reasons import Reason

_SECONDS = {"minutes": 60, "hours": 3600, "days": 86400}


class NoticeKind(StrEnum):
    """What a notice is about."""

    FAILURE = "failure"
    DELAY = "delay"
    SUCCESS = "success"


class Action(StrEnum):
    """What became of a recipient, in the words of RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Advice(NamedTuple):
    """What happened, and what the sender can do about it. Places: {address}, {domain}."""

    what: str
    to_do: str


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    tag: str
    """Content-Language (RFC 5646)."""
    from_name: str
    """The name in the From field."""
    wraps: bool
    """Words and sentences have spaces between them, so that lines can be cut there."""
    subjects: Mapping[NoticeKind, str]
    """{subject}: what the message is called."""
    no_subject: str
    """What a message without subject is called."""
    openings: Mapping[NoticeKind, str]
    """{subject}, {date} of its arrival here, {hostname}: the first paragraph."""
    label_to_do: str
    """{text}: the advice."""
    server_said: str
    """{mta}: what stands before a quoted reply."""
    we_say: str
    """What stands before a reason of our own."""
    given_up: str
    """{span}: after so long no more attempts are made."""
    retry_until: str
    """{date}: until when attempts are made."""
    done: Mapping[Action, str]
    """{mta}: what became of a recipient of a message that arrived."""
    reasons: Mapping[Reason, Advice]
    more: str
    """{count} recipients that stand only in the report."""
    returned_whole: str
    returned_header: str
    help: str
    """{contact}, {ident}: whom to ask."""
    months: tuple[str, ...]
    """January first; "" where they are said by their number."""
    date: str
    """{year} {month} {number} {day} {time}."""
    spans: Mapping[str, tuple[str, str]]
    """Words for one and for several "minutes", "hours", "days": {count}."""

    def say_date(self, epoch_seconds: float) -> str:
        """A time, in UTC."""
        t = gmtime(max(0, min(253402300799, int(epoch_seconds))))
        clock = f"{t.tm_hour:02}:{t.tm_min:02}"
        return self.date.format(
            year=t.tm_year, month=self.months[t.tm_mon - 1], number=t.tm_mon, day=t.tm_mday, time=clock
        )

    def say_span(self, seconds: float) -> str:
        """A span of time in its largest unit, rounded."""
        unit = "days" if seconds >= 1.5 * 86400 else "hours" if seconds >= 1.5 * 3600 else "minutes"
        count = max(1, round(seconds / _SECONDS[unit]))
        return self.spans[unit][count > 1].format(count=count)
