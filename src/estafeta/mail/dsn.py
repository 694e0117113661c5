"""Composing delivery status notifications: what a person reads first, then what programs read. Never raises.

Implements RFC 3464 (message/delivery-status), RFC 3461 6 (what stands in it), RFC 6522 (multipart/report), RFC 6533
(the forms for addresses in UTF-8), RFC 3834 5 (Auto-Submitted). All parts are ASCII, transfer-encoded where that is
needed, but for a message that is returned whole as it was: then `is_ascii` is to be asked of the result.
"""

import re
from dataclasses import dataclass

from estafeta.mail.composing import (
    base64_lines,
    boundary_for,
    mailbox_field,
    quoted_printable,
    text_field,
    text_part,
)
from estafeta.mail.dates import format_date
from estafeta.mail.dsn_reasons import Reason
from estafeta.mail.dsn_text import Letter, RecipientStatus, clean, find_words, subject_of, write_text
from estafeta.mail.dsn_words import Action, NoticeKind
from estafeta.mail.encodedwords import decode_header
from estafeta.mail.headers import find_header_end, split_header

__all__ = ["Action", "NoticeKind", "Original", "Reason", "RecipientStatus", "Report", "compose_report"]

MAX_RETURNED_HEADER = 64 * 1024
"""Octets of a header that go back; what comes after is left out."""
_MAX_REFERENCES = 20
_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,250}>")


@dataclass(frozen=True, slots=True)
class Original:
    """The message that a notice is about. `content` is all of it or its beginning with the whole header; `whole`: it
    goes back as it is. `envid` decoded, `arrived` in epoch seconds, `ident` its name here."""

    ident: str
    arrived: float
    content: bytes
    whole: bool = False
    envid: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A notice to be made. `to` is the address in its To field, `contact` whom people can ask; `sent_by` the address in
    From. `now` in epoch seconds; `message_id` without angle brackets."""

    kind: NoticeKind
    hostname: str
    to: str
    sent_by: str
    contact: str
    language: str
    message_id: str
    now: float
    recipients: tuple[RecipientStatus, ...]


def compose_report(report: Report, original: Original) -> bytes:
    """The notice, with CRLF line ends."""
    words = find_words(report.language)
    header = _header_of(original.content)
    subject = original.subject or _field(header, b"subject")
    letter = Letter(
        report.kind, report.hostname, subject, original.arrived, report.contact, original.ident, original.whole
    )
    is_utf8 = not all((status.address + status.orcpt).isascii() for status in report.recipients)
    parts = [
        text_part(write_text(letter, report.recipients, words)),
        _status_part(report, original, is_utf8),
        _returned_part(original, header),
    ]
    boundary = boundary_for(report.message_id.partition("@")[0], *parts)
    head = [
        text_field("Subject", subject_of(letter, words)),
        mailbox_field("From", words.from_name, report.sent_by),
        mailbox_field("To", "", report.to),
        b"Date: " + format_date(report.now) + b"\r\n",
        f"Message-ID: <{report.message_id}>\r\n".encode("ascii", "replace"),
        _thread_fields(header),
        # RFC 3834 5: what is made because of a message, so that nobody answers it automatically.
        b"Auto-Submitted: auto-replied\r\n",
        f"Content-Language: {words.tag}\r\n".encode("ascii"),
        b"MIME-Version: 1.0\r\n",
        b'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="' + boundary + b'"\r\n',
    ]
    if original.whole and not original.content.isascii():
        head.append(b"Content-Transfer-Encoding: 8bit\r\n")
    delimiter = b"--" + boundary
    return b"".join([*head, b"\r\n", *[delimiter + b"\r\n" + part + b"\r\n" for part in parts], delimiter, b"--\r\n"])


def _status_part(report: Report, original: Original, is_utf8: bool) -> bytes:
    """RFC 3464 2.1: a block for the message, then one for each recipient."""
    lines = [_line("Reporting-MTA", f"dns; {report.hostname}")]
    if original.envid:
        lines.insert(0, _line("Original-Envelope-Id", original.envid))
    lines.append("Arrival-Date: " + format_date(original.arrived).decode("ascii"))
    blocks = [lines, *[_recipient_lines(status, original.ident) for status in report.recipients]]
    body = "\r\n\r\n".join("\r\n".join(lines) for lines in blocks) + "\r\n"
    if is_utf8:
        # RFC 6533 3: addresses in UTF-8; any transfer encoding may be used.
        head = b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        return head + quoted_printable(body.encode("utf-8", "replace"))
    return b"Content-Type: message/delivery-status\r\n\r\n" + body.encode("ascii", "replace")


def _recipient_lines(status: RecipientStatus, ident: str) -> list[str]:
    """RFC 3464 2.3."""
    lines = []
    if status.orcpt:
        kind, _, address = status.orcpt.partition(";")
        lines.append(_line("Original-Recipient", f"{kind}; {address}"))
    address_type = "rfc822" if status.address.isascii() else "utf-8"
    lines += [
        _line("Final-Recipient", f"{address_type}; {status.address}"),
        f"Action: {status.action}",
        _line("Status", status.status),
    ]
    if status.mta:
        lines.append(_line("Remote-MTA", f"dns; {status.mta}"))
    if status.reply and status.code:
        lines.append(_line("Diagnostic-Code", "smtp; " + _reply_words(status)))
    elif status.reply:
        lines.append(_line("Diagnostic-Code", "x-estafeta; " + status.reply))
    if status.last_attempt:
        lines.append("Last-Attempt-Date: " + format_date(status.last_attempt).decode("ascii"))
    lines.append(_line("Final-Log-ID", ident))
    if status.action is Action.DELAYED and status.retry_until:
        lines.append("Will-Retry-Until: " + format_date(status.retry_until).decode("ascii"))
    return lines


def _reply_words(status: RecipientStatus) -> str:
    text = status.reply.removeprefix(status.status).strip()
    return f"{status.code} {status.status} {text}"


def _line(name: str, value: str) -> str:
    """A field in one line, or folded: RFC 5322 2.1.1 asks for lines under 998 octets."""
    value = clean(value, 900)
    lines, line = [], f"{name}:"
    for word in value.split(" "):
        if len(line) + len(word) > 76 and line != f"{name}:":
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line])


def _returned_part(original: Original, header: bytes) -> bytes:
    """The message (message/rfc822), or its header (RFC 6522 4). RFC 6533 4: message/global where it has UTF-8."""
    if not original.whole:
        if header.isascii():
            return b"Content-Type: text/rfc822-headers\r\n\r\n" + header
        head = b"Content-Type: message/global-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        return head + quoted_printable(_as_utf8(header))
    content = original.content
    if header.isascii():
        encoding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
        return b"Content-Type: message/rfc822\r\n" + encoding + b"\r\n" + content
    # RFC 6532 3.7: it may be encoded, and then servers without SMTPUTF8 pass it on.
    return b"Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64_lines(content)


def _as_utf8(header: bytes) -> bytes:
    try:
        header.decode("utf-8")
    except UnicodeDecodeError:
        return header.decode("latin-1").encode("utf-8")
    return header


def _header_of(content: bytes) -> bytes:
    """The header without its empty line, in whole lines, cut where it is too long."""
    end = find_header_end(content[: MAX_RETURNED_HEADER + 2])
    header = content[:end] if end >= 0 else content[:MAX_RETURNED_HEADER]
    header = header.rstrip(b"\r\n")
    if end < 0 and len(content) >= MAX_RETURNED_HEADER:
        header = header[: header.rfind(b"\n") + 1].rstrip(b"\r\n")
    return header + b"\r\n" if header else b""


def _field(header: bytes, wanted: bytes) -> str:
    return next((decode_header(value) for name, value in split_header(header) if name.lower() == wanted), "")


def _thread_fields(header: bytes) -> bytes:
    """In-Reply-To and References (RFC 5322 3.6.4), so that the notice stands beside the message it is about."""
    ids = {b"message-id": b"", b"references": b""}
    for name, value in split_header(header):
        if name.lower() in ids and not ids[name.lower()]:
            ids[name.lower()] = value
    own = _MESSAGE_ID.search(ids[b"message-id"])
    if own is None or not own.group().isascii():
        return b""
    before = [each for each in _MESSAGE_ID.findall(ids[b"references"]) if each.isascii() and each != own.group()]
    before = before[:1] + before[1:][1 - _MAX_REFERENCES :]
    references = b"\r\n ".join([*before, own.group()])
    return b"In-Reply-To: " + own.group() + b"\r\nReferences: " + references + b"\r\n"
