"""The report on one message that failed DMARC (RFC 9991, before it RFC 7489 7.3, in the format of RFC 6591 and 5965):
pure.

Three parts: words for people, the fields of the report, and the header of the message without its recipients, our own
results in front of it as in the example of RFC 9991. Nothing of the body, which RFC 6591 3.1 lets a reporter leave out.
"""

from collections.abc import Sequence
from typing import NamedTuple

from estafeta import __version__
from estafeta.mail.dates import format_date
from estafeta.policy.dmarc_redaction import Redaction
from estafeta.trust.dmarcrecord import ReportUri

# Of one value, which keeps every line under 998 octets (RFC 5322 2.1.1).
_MAX_VALUE = 255
_MAX_SPF = 2000
_MAX_WORD = 900


class DkimFailure(NamedTuple):
    """The signature that is told (RFC 6591 3.2: d=, i=, s=)."""

    domain: str
    identity: str
    selector: str


class Failure(NamedTuple):
    """What is kept of a message until its report is sent. `arrived` in epoch seconds; `domain` that of the author;
    `dmarc`, `results` our Authentication-Results field with its CRLF, on DMARC alone and on all; `delivery` a word of
    RFC 6591 3.2.2; `failed`: methods of Identity-Alignment; `header` as it came, its beginning; `recipients`: their
    domains."""

    policy_domain: str
    ruf: tuple[ReportUri, ...]
    domain: str
    source_ip: str
    arrived: float
    sender: str
    spf_domain: str
    dmarc: bytes
    results: bytes
    delivery: str
    failed: tuple[str, ...]
    dkim: DkimFailure | None
    header: bytes
    recipients: tuple[str, ...]


class Letterhead(NamedTuple):
    """Of the message that carries the report: `hostname` ours, `sender` the address in From, `unique` a word that no
    stranger can guess, `now` in epoch seconds."""

    hostname: str
    sender: str
    receivers: Sequence[str]
    unique: str
    now: float


def encode_failure(failure: Failure, spf_record: str | None, letter: Letterhead) -> bytes:
    """The message. `spf_record`: what `failure.spf_domain` publishes, "" for nothing, None where DNS could not say."""
    redaction = Redaction(failure.recipients)
    boundary = f"=_dmarc_{letter.unique}"
    lines = [
        f"From: {letter.sender}",
        # Each on a line of its own: five of them may be longer than a line can be (RFC 5322 2.1.1).
        "To: " + ",\r\n ".join(letter.receivers),
        f"Date: {format_date(letter.now).decode('ascii')}",
        f"Message-ID: <dmarc.{letter.unique}@{letter.hostname}>",
        f"Subject: DMARC failure report for {failure.domain}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=feedback-report;",
        f' boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is a report from {letter.hostname} on one message in the name of",
        f"{failure.domain} that failed DMARC. It came from {failure.source_ip}.",
        "Its header is attached, without its recipients.",
        "",
        f"--{boundary}",
        "Content-Type: message/feedback-report",
        "",
        *_fields(failure, spf_record, redaction),
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        "",
    ]
    head = "\r\n".join([*lines, ""]).encode("ascii", "replace")
    return head + redaction.header(failure.results + failure.header) + f"\r\n--{boundary}--\r\n".encode("ascii")


def _fields(failure: Failure, spf_record: str | None, redaction: Redaction) -> list[str]:
    """RFC 5965 3.1 and 3.2, RFC 6591 3.1 and 3.2, RFC 9991 4. Left out: the canonical forms of what was signed, which
    hold what the redaction takes away; Original-Rcpt-To; Reporting-MTA, which Authentication-Results says."""
    # RFC 6591 3.1: of a single method.
    results = failure.dmarc.decode("ascii", "replace").rstrip("\r\n").split("\r\n")

    def value(text: str) -> str:
        return redaction.text(text)[:_MAX_VALUE]

    lines = [
        "Feedback-Type: auth-failure",
        f"User-Agent: Estafeta/{__version__}",
        "Version: 1",
        "Auth-Failure: dmarc",
        *("\t" + redaction.text(line.strip()) if at else redaction.text(line) for at, line in enumerate(results)),
        f"Original-Mail-From: <{value(failure.sender)}>",
        f"Source-IP: {failure.source_ip}",
        f"Arrival-Date: {format_date(failure.arrived).decode('ascii')}",
        f"Reported-Domain: {value(failure.domain)}",
        f"Delivery-Result: {failure.delivery}",
        # RFC 9991 4: methods that failed for a domain of the author; in RFC 7489 7.3.1 those that did not: none, ever.
        f"Identity-Alignment: {', '.join(failure.failed) or 'none'}",
    ]
    if failure.dkim is not None:
        # RFC 6376 3.5: without i= it is the whole domain.
        lines += [
            f"DKIM-Domain: {value(failure.dkim.domain)}",
            f"DKIM-Identity: {value(failure.dkim.identity or '@' + failure.dkim.domain)}",
            f"DKIM-Selector: {value(failure.dkim.selector)}",
        ]
    if failure.spf_domain and spf_record is not None:
        lines += [f"SPF-DNS: txt : {value(failure.spf_domain)} :", *_quoted(redaction.text(spf_record)[:_MAX_SPF])]
    return lines


def _quoted(text: str) -> list[str]:
    """A quoted string on lines of its own, folded where there is a space. What would have to be escaped is in no
    record that means something."""
    words = [word[:_MAX_WORD] for word in text.replace("\\", "?").replace('"', "?").split(" ")]
    lines = [f'\t"{words[0]}']
    for word in words[1:]:
        if len(lines[-1]) + len(word) > 76:
            lines.append(f"\t{word}")
        else:
            lines[-1] += f" {word}"
    lines[-1] += '"'
    return lines
