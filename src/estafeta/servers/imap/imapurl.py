"""URLs of IMAP: messages and parts of them (RFC 5092), and what URLAUTH adds (RFC 4467).

`parse_url` takes absolute URLs and those relative to the server, `/Drafts/;UID=20/;SECTION=1`. What names no message is
no URL here. Names of parameters may have any case.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import unquote

from estafeta.mail.sections import Section, SectionText

_LONGEST = 4096
_URL = re.compile(
    r"(?:imap://(?:(?P<user>[^;@/]*)(?:;auth=[^@/]*)?@)?(?P<host>[^/@]+))?"
    r"/(?P<mailbox>[^;]+?)(?:;uidvalidity=(?P<validity>[1-9]\d{0,9}))?"
    r"/;uid=(?P<uid>[1-9]\d{0,9})"
    r"(?:/;section=(?P<section>[^;/]+))?"
    r"(?:/;partial=(?P<start>\d{1,18})(?:\.(?P<count>[1-9]\d{0,17}))?)?"
    r"(?P<auth>(?:;expire=(?P<expire>[^;]+))?;urlauth=(?P<access>[^:;]+)(?::(?P<mechanism>[^:;]+):(?P<token>[0-9a-f]+))?)?",
    re.IGNORECASE,
)
_SECTION = re.compile(
    r"(?P<part>\d{1,4}(?:\.\d{1,4}){0,100})?(?(part)(?:\.(?=.)|\Z)|)"
    r"(?P<text>HEADER\.FIELDS(?:\.NOT)?(?= ?\()|HEADER|TEXT|MIME)?(?: ?\((?P<fields>[^()]*)\))?",
    re.IGNORECASE,
)
_NOT_IN_URL = re.compile(r"[^\x21-\x7e]")
# RFC 3339
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE)


class ImapUrl(NamedTuple):
    """A URL. `user` None: of whoever uses it. `start` and `octets` are PARTIAL; `expire` in seconds since 1970.

    `rump` is what URLAUTH signs: the URL up to the access. `access`, `mechanism` (in capitals) and `token` are empty
    where they are missing.
    """

    user: str | None
    mailbox: str
    uid_validity: int | None
    uid: int
    section: Section
    start: int | None
    octets: int | None
    expire: float | None
    access: str
    mechanism: str
    token: str
    rump: str


def parse_url(text: str) -> ImapUrl | None:
    """What a URL says; None when it names no message."""
    if len(text) > _LONGEST or _NOT_IN_URL.search(text):
        return None
    match = _URL.fullmatch(text)
    if match is None:
        return None
    section = parse_section(unquote(match["section"] or ""))
    expire = _parse_date(match["expire"])
    if section is None or (match["expire"] and expire is None) or ("%00" in text):
        return None
    access = match["access"] or ""
    return ImapUrl(
        user=None if match["user"] is None else unquote(match["user"]),
        mailbox=unquote(match["mailbox"]),
        uid_validity=int(match["validity"]) if match["validity"] else None,
        uid=int(match["uid"]),
        section=section,
        start=int(match["start"]) if match["start"] else None,
        octets=int(match["count"]) if match["count"] else None,
        expire=expire,
        access=unquote(access),
        mechanism=(match["mechanism"] or "").upper(),
        token=(match["token"] or "").lower(),
        rump=text[: match.end("access")] if access else "",
    )


def parse_section(text: str) -> Section | None:
    """`section-spec` of RFC 9051, as RFC 5092 has it in URLs."""
    match = _SECTION.fullmatch(text)
    if match is None:
        return None
    part = tuple(int(number) for number in (match["part"] or "").split(".") if number)
    words = (match["text"] or "").upper()
    fields = tuple(name.strip('"').encode() for name in (match["fields"] or "").split())
    wants_fields = words.startswith("HEADER.FIELDS")
    if 0 in part or wants_fields != bool(fields) or (words == "MIME" and not part):
        return None
    return Section(part, SectionText(words), fields)


def _parse_date(text: str | None) -> float | None:
    if text is None or not _DATE.fullmatch(unquote(text)):
        return None
    try:
        return datetime.fromisoformat(unquote(text).upper().replace("Z", "+00:00")).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
