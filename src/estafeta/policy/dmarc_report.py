"""The aggregate report (RFC 7489 7.2.1 and appendix C), and the message that carries it.

The document is of the first schema, whose elements every reader knows: RFC 9990 keeps them and adds others.
"""

import gzip
import hashlib
import ipaddress
import re
from base64 import encodebytes
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from estafeta.policy.dmarc_values import DmarcFacts, Tally
from estafeta.trust.dmarcrecord import DmarcRecord, Policy
from estafeta.trust.tlsrpt import start_of

_DAY_SECONDS = 86_400
# XML 1.0 2.2 `Char`; the rest cannot be written at all.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_DKIM_RESULTS = frozenset(["none", "pass", "fail", "policy", "neutral", "temperror", "permerror"])
_SPF_RESULTS = frozenset(["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"])
# RFC 7489 appendix C has no word for the test mode of RFC 9989.
_OVERRIDES = frozenset(["forwarded", "sampled_out", "trusted_forwarder", "mailing_list", "local_policy", "other"])


class AggregateReport(NamedTuple):
    """A report on one policy domain and one day (UTC): who makes it, its id, and the document."""

    domain: str
    report_id: str
    submitter: str
    begin_seconds: int
    document: bytes

    @property
    def file_name(self) -> str:
        """RFC 7489 7.2.1.1."""
        end = self.begin_seconds + _DAY_SECONDS - 1
        unique = re.sub(r"[^A-Za-z0-9]", "", self.report_id.partition("@")[0])
        return f"{self.submitter}!{self.domain}!{self.begin_seconds}!{end}!{unique}.xml.gz"


def make_report(
    domain: str, day: int, record: DmarcRecord, tallies: Iterable[Tally], *, submitter: str, contact: str
) -> AggregateReport:
    """The report on `domain` for one day. `submitter` is our host name, `contact` an address for questions."""
    begin = int(start_of(day).timestamp())
    # The same when it is made again, so that a receiver knows it (RFC 7489 7.2.1.1).
    digest = hashlib.blake2b(f"{domain}\n{submitter}".encode(), digest_size=8).hexdigest()
    report_id = f"{day}.{digest}@{submitter}"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<feedback>",
        _element("version", "1.0"),
        "<report_metadata>",
        _element("org_name", submitter),
        _element("email", contact),
        _element("report_id", report_id),
        f"<date_range>{_element('begin', begin)}{_element('end', begin + _DAY_SECONDS - 1)}</date_range>",
        "</report_metadata>",
        *_published(domain, record),
    ]
    for tally in tallies:
        lines += _record(tally)
    lines += ["</feedback>", ""]
    return AggregateReport(domain, report_id, submitter, begin, "\n".join(lines).encode("utf-8"))


def _published(domain: str, record: DmarcRecord) -> list[str]:
    """RFC 7489 appendix C PolicyPublishedType."""
    return [
        "<policy_published>",
        _element("domain", domain),
        _element("adkim", "s" if record.strict_dkim else "r"),
        _element("aspf", "s" if record.strict_spf else "r"),
        _element("p", record.p),
        _element("sp", record.p if record.sp is None else record.sp),
        _element("pct", record.percent),
        _element("fo", ":".join(sorted(record.fo))),
        "</policy_published>",
    ]


def _record(tally: Tally) -> list[str]:
    facts = tally.facts
    return [
        "<record>",
        "<row>",
        _element("source_ip", _address(facts.source_ip)),
        _element("count", tally.messages),
        "<policy_evaluated>",
        _element("disposition", facts.disposition if facts.disposition in list(Policy) else Policy.NONE),
        _element("dkim", "pass" if facts.dkim else "fail"),
        _element("spf", "pass" if facts.spf else "fail"),
        *_reason(facts),
        "</policy_evaluated>",
        "</row>",
        "<identifiers>",
        _element("envelope_from", facts.envelope_from),
        _element("header_from", facts.header_from),
        "</identifiers>",
        "<auth_results>",
        *(_signature(*one) for one in facts.signatures),
        "<spf>",
        _element("domain", facts.spf_domain),
        _element("scope", "helo" if facts.spf_scope == "helo" else "mfrom"),
        _element("result", _word(facts.spf_result, _SPF_RESULTS)),
        "</spf>",
        "</auth_results>",
        "</record>",
    ]


def _address(text: str) -> str:
    """The schema has no short forms of IPv6 addresses."""
    return ipaddress.ip_address(text).exploded


def _reason(facts: DmarcFacts) -> list[str]:
    if not facts.override:
        return []
    known = facts.override in _OVERRIDES
    comment = facts.comment or ("" if known else facts.override)
    return [
        "<reason>",
        _element("type", facts.override if known else "other"),
        *([_element("comment", comment)] if comment else []),
        "</reason>",
    ]


def _signature(domain: str, selector: str, result: str) -> str:
    inside = (
        _element("domain", domain)
        + (_element("selector", selector) if selector else "")
        + _element("result", _word(result, _DKIM_RESULTS))
    )
    return f"<dkim>{inside}</dkim>"


def _word(result: str, known: frozenset[str]) -> str:
    return result if result in known else "permerror"


def _element(name: str, value: object) -> str:
    """One element with text in it; what XML cannot hold becomes U+FFFD."""
    return f"<{name}>{_NOT_XML.sub(chr(0xFFFD), str(value)).translate(_ESCAPES)}</{name}>"


def encode_message(report: AggregateReport, sender: str, receivers: Sequence[str], date: str, message_id: str) -> bytes:
    """The message that carries a report (RFC 7489 7.2.1.1). `date` and `message_id` are field values."""
    boundary = f"=_dmarc_{hashlib.blake2b(report.document, digest_size=12).hexdigest()}"
    start = start_of(report.begin_seconds // _DAY_SECONDS)
    packed = encodebytes(gzip.compress(report.document, mtime=report.begin_seconds)).decode("ascii")
    lines = [
        f"From: {sender}",
        # Each on a line of its own: five of them may be longer than a line can be (RFC 5322 2.1.1).
        "To: " + ",\r\n ".join(receivers),
        f"Date: {date}",
        f"Message-ID: {message_id}",
        f"Subject: Report Domain: {report.domain}",
        f" Submitter: {report.submitter}",
        f" Report-ID: <{report.report_id}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed;",
        f' boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is an aggregate report on DMARC from {report.submitter}: what came in",
        f"in the name of {report.domain} on {start:%Y-%m-%d} (UTC).",
        "",
        f"--{boundary}",
        "Content-Type: application/gzip",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment;",
        f' filename="{report.file_name}"',
        "",
        *packed.splitlines(),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii", "replace")
