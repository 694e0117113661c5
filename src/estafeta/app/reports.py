"""The message with the statistics of a day: text first, and the same with charts as HTML."""

from estafeta.journal.daily import DailyReport
from estafeta.mail.composing import boundary_for, mailbox_field, text_field, text_part
from estafeta.mail.dates import format_date


def report_message(report: DailyReport, to: str, hostname: str, ident: int, now: float) -> bytes:
    """The content of the message to `to`; `now` in epoch seconds."""
    text, html = text_part(report.text), text_part(report.html, "html")
    boundary = boundary_for(f"{ident:x}", text, html)
    header = [
        mailbox_field("From", "Estafeta", f"postmaster@{hostname}"),
        mailbox_field("To", "", to),
        text_field("Subject", report.subject),
        b"Date: " + format_date(now) + b"\r\n",
        f"Message-ID: <{ident:x}@{hostname}>\r\n".encode("ascii"),
        b"Auto-Submitted: auto-generated\r\n",
        b"MIME-Version: 1.0\r\n",
        b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n' % boundary,
    ]
    parts = [b"--%b\r\n%b\r\n" % (boundary, part.rstrip(b"\r\n") + b"\r\n") for part in (text, html)]
    return b"".join([*header, *parts, b"--%b--\r\n" % boundary])


def brake_message(user: str, reason: str, to: str, hostname: str, ident: int, now: float) -> bytes:
    """The letter to `to`: a user's mail is held since it is too much; `now` in epoch seconds."""
    body = text_part(
        f"{user} sent mail to {reason}.\n\n"
        "Such a jump is most often a stolen password. What the user sends is held from now on; nothing is lost, and\n"
        "the user was not told.\n\n"
        f"See what it is:            estafeta quarantine list --filter sending-rate --sender {user}\n"
        f"If it was stolen:          estafeta user passwd {user}\n"
        f"                           estafeta quarantine delete --filter sending-rate --sender {user}\n"
        f"Let the user go on:        estafeta rates release {user}\n"
        f"                           estafeta quarantine release --filter sending-rate --sender {user}\n"
    )
    header = [
        mailbox_field("From", "Estafeta", f"postmaster@{hostname}"),
        mailbox_field("To", "", to),
        text_field("Subject", f"Mail of {user} is held: it is too much"),
        b"Date: " + format_date(now) + b"\r\n",
        f"Message-ID: <{ident:x}@{hostname}>\r\n".encode("ascii"),
        b"Auto-Submitted: auto-generated\r\n",
        b"MIME-Version: 1.0\r\n",
    ]
    return b"".join([*header, body])
