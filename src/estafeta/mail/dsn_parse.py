"""Reading notices of others: which recipients failed, are late, or were reached. Never raises.

Reads RFC 3464 reports, those of RFC 6533 too, as far as they can be read at all; and the letters of programs that know
no reports (qmail, old Exims and sendmails, gateways), by their habits: they come from a daemon, and say an address
beside a code. What looks like an answer of a person or of a vacation program is no report. Time grows with the size
of what is looked at, which is at most `MAX_LOOKED_AT` octets.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from estafeta.core.errors import EstafetaError
from estafeta.mail.binary import decode_part
from estafeta.mail.dsn_words import Action
from estafeta.mail.encodedwords import decode_header, unfold
from estafeta.mail.headers import find_header_end, split_header
from estafeta.mail.scan import MessageScanner
from estafeta.mail.structure import Part, parse_structure, walk

MAX_LOOKED_AT = 1 << 20
MAX_RECIPIENTS = 1000
_MAX_TEXT = 32 * 1024
"""Octets of a letter that are looked at: programs say first what happened."""

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.-])([45])[0-5]\d(?![\d.])")
_ADDRESS = re.compile(r"[^\s<>()\[\]\",;:@]{1,128}@[^\s<>()\[\]\",;:@]{1,255}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
_PARAGRAPH = re.compile(r"\n\s*\n")
_DAEMON = re.compile(r"\b(mailer[-_]?daemon|postmaster|mail[-_ ]?delivery|mail delivery (sub)?system)\b", re.IGNORECASE)
_BOUNCE = re.compile(
    r"undeliver|not (be )?deliver|returned mail|delivery (status notification|fail|problem|has failed)|failure notice"
    r"|mail (system error|delivery fail)|message (delayed|not sent)|non.?delivery|no entregad|unzustellbar",
    re.IGNORECASE,
)
_VACATION = re.compile(
    r"out of (the )?office|vacation|auto(matic)?.?(reply|response|antwort)|fuera de la oficina|abwesen|不在",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"will (keep|continue) trying|not yet been delivered|warning message only|delayed|do not need to resend"
    r"|queued for (later|delivery)",
    re.IGNORECASE,
)
_RETURNED = re.compile(
    r"^[ \t]*(-+ ?(below this line|this is a copy|original message|returned message|forwarded message|the following is)"
    r"|(received|return-path):\s)",
    re.IGNORECASE | re.MULTILINE,
)
_MESSAGE_ID = re.compile(r"^message-id:\s*(<[^<>\s]{1,250}>)", re.IGNORECASE | re.MULTILINE)


class ReportedRecipient(NamedTuple):
    """One recipient. `original` is the address that the sender wrote, where the report tells it, else "". `status` is
    X.Y.Z; `diagnostic` in words."""

    address: str
    action: Action
    status: str
    diagnostic: str = ""
    original: str = ""


@dataclass(frozen=True, slots=True)
class ParsedReport:
    """What a report says. `message_id` with angle brackets is that of the message it is about, "" if it is not told.
    `is_standard`: it was a report of RFC 3464; else it was guessed from a letter."""

    recipients: tuple[ReportedRecipient, ...]
    message_id: str = ""
    envid: str = ""
    reporting_mta: str = ""
    is_standard: bool = True


def parse_report(content: bytes) -> ParsedReport | None:
    """The report that a message is, or None for a message that is none."""
    content = content[:MAX_LOOKED_AT]
    scanner = MessageScanner()
    scanner.feed(content)
    try:
        root = parse_structure(scanner.close().structure).root
    except EstafetaError:
        return None
    parts = list(walk(root))
    for part in parts:
        if part.type == "message" and part.subtype in ("delivery-status", "global-delivery-status"):
            report = _parse_status(_decode(content, part), _returned_id(content, parts))
            if report is not None:
                return report
    return _guess(content, parts)


def _parse_status(body: bytes, message_id: str) -> ParsedReport | None:
    blocks = [dict(_fields(block)) for block in _BLANK_LINE.split(body, MAX_RECIPIENTS + 1)]
    blocks = [block for block in blocks if block]
    recipients = [found for block in blocks if (found := _recipient(block)) is not None]
    if not recipients:
        return None
    about = blocks[0]
    return ParsedReport(
        recipients=tuple(recipients[:MAX_RECIPIENTS]),
        message_id=message_id,
        envid=about.get("original-envelope-id", ""),
        reporting_mta=about.get("reporting-mta", "").rpartition(";")[2].strip(),
    )


def _fields(block: bytes) -> list[tuple[str, str]]:
    found = [(name.decode("latin-1").lower(), _text(unfold(value))) for name, value in split_header(block)]
    return found[::-1]  # the first of equals counts


def _recipient(block: dict[str, str]) -> ReportedRecipient | None:
    """RFC 3464 2.3: Final-Recipient, Action and Status are required; some leave out one or two."""
    final, original = _address(block.get("final-recipient", "")), _address(block.get("original-recipient", ""))
    if not final and not original:
        return None
    diagnostic = block.get("diagnostic-code", "")
    diagnostic = diagnostic.partition(";")[2].strip() or diagnostic
    status = _find_status(block.get("status", "")) or _find_status(diagnostic)
    word = re.match(r"[a-z]*", block.get("action", "").strip().lower())
    try:
        action = Action(word.group() if word else "")
    except ValueError:
        action = _action_for(status)
    return ReportedRecipient(final or original, action, status or _status_for(action), diagnostic[:1000], original)


def _address(value: str) -> str:
    """`rfc822; <user@example.org>` and its like; xtext is undone where somebody left it."""
    kind, semicolon, rest = value.partition(";")
    text = (rest if semicolon else kind).strip().strip("<>").strip()
    if text[:2] == "+<" or "+40" in text:
        text = _XTEXT.sub(lambda found: chr(int(found.group(1), 16)), text)
    found = _ADDRESS.search(text)
    return found.group() if found is not None else text.partition(" ")[0][:320]


def _find_status(text: str) -> str:
    found = _STATUS.search(text)
    if found is not None:
        return found.group()
    code = _CODE.search(text)
    return f"{code.group(1)}.0.0" if code is not None else ""


def _action_for(status: str) -> Action:
    return {"2": Action.DELIVERED, "4": Action.DELAYED}.get(status[:1], Action.FAILED)


def _status_for(action: Action) -> str:
    return {Action.FAILED: "5.0.0", Action.DELAYED: "4.0.0"}.get(action, "2.0.0")


def _returned_id(content: bytes, parts: list[Part]) -> str:
    """Message-ID of the message or header that came back."""
    for part in parts:
        if part.subtype in ("rfc822-headers", "global-headers"):
            block = _decode(content, part)
        elif part.message is not None:
            block = content[part.message.header_offset : part.message.body_offset]
        else:
            continue
        for name, value in split_header(block):
            if name.lower() == b"message-id":
                return _text(value)[:998]
    return ""


def _guess(content: bytes, parts: list[Part]) -> ParsedReport | None:
    end = find_header_end(content)
    header: dict[str, str] = {}
    for name, value in split_header(content[: end if end >= 0 else len(content)]):
        header.setdefault(name.decode("latin-1").lower(), decode_header(value))
    text = _first_text(content, parts)
    subject = header.get("subject", "")
    if _VACATION.search(subject[:300]):
        return None
    if not _is_letter_of_daemon(header, subject, text):
        return None
    cut = _RETURNED.search(text)
    said, rest = (text[: cut.start()], text[cut.start() :]) if cut is not None else (text, "")
    recipients = _guess_recipients(header, said)
    if not recipients:
        return None
    found = _MESSAGE_ID.search(rest)
    message_id = found.group(1) if found is not None else _returned_id(content, parts)
    return ParsedReport(tuple(recipients[:MAX_RECIPIENTS]), message_id, is_standard=False)


def _is_letter_of_daemon(header: dict[str, str], subject: str, text: str) -> bool:
    if "x-failed-recipients" in header or "This is the qmail-send program" in text[:2000]:
        return True
    daemon = _DAEMON.search(header.get("from", "")[:500]) is not None or header.get("return-path", "").strip() == "<>"
    return daemon and _BOUNCE.search(subject[:300] + "\n" + text[:2000]) is not None


def _first_text(content: bytes, parts: list[Part]) -> str:
    for part in parts:
        if part.type == "text" and part.subtype == "plain":
            return _text(_decode(content, part)[:_MAX_TEXT]).replace("\r\n", "\n")
    return ""


def _guess_recipients(header: dict[str, str], said: str) -> list[ReportedRecipient]:
    """Addresses that the header names, or those that stand in a paragraph with a code or first in one."""
    overall = Action.DELAYED if _DELAYED.search(said) else Action.FAILED
    named = _ADDRESS.findall(header.get("x-failed-recipients", "")[:_MAX_TEXT])
    if named:
        status = _find_status(said)
        return [_guessed(address, status, said, overall) for address in dict.fromkeys(named)]
    found: dict[str, ReportedRecipient] = {}
    paragraphs = _PARAGRAPH.split(said)
    for paragraph, following in zip(paragraphs, [*paragraphs[1:], ""], strict=True):
        at = _ADDRESS.search(paragraph)
        if at is None:
            continue
        status = _find_status(paragraph) or _find_status(following)
        heads = re.match(r"[\s<*]*", paragraph[: at.start()])
        if status or (heads is not None and heads.end() == at.start()):
            address = at.group().rstrip(".")
            found.setdefault(address.lower(), _guessed(address, status, paragraph, overall))
    return list(found.values())


def _guessed(address: str, status: str, said: str, overall: Action) -> ReportedRecipient:
    action = Action.DELAYED if status[:1] == "4" and overall is Action.DELAYED else overall
    return ReportedRecipient(address, action, status or _status_for(action), " ".join(said.split())[:1000])


def _decode(content: bytes, part: Part) -> bytes:
    try:
        return decode_part(content, part)
    except EstafetaError:
        return content[part.body_offset : part.body_offset + part.body_size]


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")
