"""TLS reports (RFC 8460): where a domain wants them, the report itself, and the message that carries it.

Pure: counts in, JSON and octets out.
"""

import gzip
import hashlib
import json
import re
from base64 import encodebytes
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote

from estafeta.trust.results import AppliedPolicy, TlsFailure

_TXT_VERSION = re.compile(rb"v=TLSRPTv1[ \t]*;")
_MAILTO = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,255}")
_MAX_RECEIVERS = 5
_DAY_SECONDS = 86_400


class SessionFacts(NamedTuple):
    """How a session went: the policy that it was held to, and where it failed if it did (RFC 8460 4.3)."""

    policy: AppliedPolicy
    failure: TlsFailure | None = None
    host: str = ""
    ip: str = ""
    helo: str = ""
    source_ip: str = ""


class Tally(NamedTuple):
    """So many sessions went alike."""

    facts: SessionFacts
    sessions: int


class Report(NamedTuple):
    """A report on one domain and one day (UTC): who makes it, its id, and the document."""

    domain: str
    report_id: str
    submitter: str
    start: datetime
    document: bytes

    @property
    def file_name(self) -> str:
        """RFC 8460 5.1."""
        begin = int(self.start.timestamp())
        unique = self.report_id.partition("@")[0]
        return f"{self.submitter}!{self.domain}!{begin}!{begin + _DAY_SECONDS - 1}!{unique}.json.gz"


def parse_receivers(records: Iterable[bytes]) -> tuple[str, ...]:
    """The mail addresses that the TXT records of `_smtp._tls.DOMAIN` name (RFC 8460 3); HTTPS is not served here."""
    found = [record for record in records if _TXT_VERSION.match(record)]
    # RFC 8460 3: several records are as none.
    if len(found) != 1:
        return ()
    addresses: dict[str, None] = {}
    for field in found[0].decode("ascii", "replace").split(";")[1:]:
        key, _, value = field.strip(" \t").partition("=")
        if key.strip() != "rua":
            continue
        for uri in value.split(","):
            scheme, _, rest = uri.strip().partition(":")
            address = unquote(rest.partition("?")[0])
            if scheme.lower() == "mailto" and _MAILTO.fullmatch(address):
                addresses[address] = None
    return tuple(addresses)[:_MAX_RECEIVERS]


def day_of(seconds: float) -> int:
    """The day (UTC) of a moment, in days since 1970."""
    return int(seconds // _DAY_SECONDS)


def start_of(day: int) -> datetime:
    """When a day begins."""
    return datetime.fromtimestamp(day * _DAY_SECONDS, UTC)


def make_report(
    domain: str, day: int, tallies: Iterable[Tally], *, submitter: str, contact: str, unique: str
) -> Report:
    """The report on `domain` for one day. `submitter` is our host name, `contact` an address for questions, `unique`
    whatever makes the id unique."""
    start = start_of(day)
    report_id = f"{start:%Y-%m-%d}T00:00:00Z-{unique}@{submitter}"
    document = {
        "organization-name": submitter,
        "date-range": {"start-datetime": _moment(start), "end-datetime": _moment(start + timedelta(seconds=86_399))},
        "contact-info": contact,
        "report-id": report_id,
        "policies": _policies(tallies),
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    return Report(domain, report_id, submitter, start, text.encode("utf-8"))


def _policies(tallies: Iterable[Tally]) -> list[dict[str, Any]]:
    by_policy: dict[AppliedPolicy, list[Tally]] = {}
    for tally in tallies:
        by_policy.setdefault(tally.facts.policy, []).append(tally)
    return [_policy(policy, by_policy[policy]) for policy in sorted(by_policy)]


def _policy(policy: AppliedPolicy, tallies: Sequence[Tally]) -> dict[str, Any]:
    said: dict[str, Any] = {"policy-type": str(policy.kind), "policy-domain": policy.domain}
    if policy.lines:
        said["policy-string"] = list(policy.lines)
    if policy.hosts:
        said["mx-host"] = list(policy.hosts)
    failed = [tally for tally in tallies if tally.facts.failure is not None]
    failures = sum(tally.sessions for tally in failed)
    made: dict[str, Any] = {
        "policy": said,
        "summary": {
            "total-successful-session-count": sum(tally.sessions for tally in tallies) - failures,
            "total-failure-session-count": failures,
        },
    }
    if failed:
        made["failure-details"] = [_failure(tally) for tally in failed]
    return made


def _failure(tally: Tally) -> dict[str, Any]:
    facts, failure = tally.facts, tally.facts.failure
    values = {
        "result-type": str(failure.result) if failure else "",
        "sending-mta-ip": facts.source_ip,
        "receiving-mx-hostname": facts.host,
        "receiving-mx-helo": facts.helo,
        "receiving-ip": facts.ip,
        "failed-session-count": tally.sessions,
        "additional-information": failure.words if failure else "",
        "failure-reason-code": failure.reason if failure else "",
    }
    return {key: value for key, value in values.items() if value}


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def encode_message(report: Report, sender: str, receivers: Sequence[str], date: str, message_id: str) -> bytes:
    """The message that carries a report (RFC 8460 5.3). `date` and `message_id` are field values."""
    boundary = f"=_tlsrpt_{hashlib.blake2b(report.document, digest_size=12).hexdigest()}"
    packed = encodebytes(gzip.compress(report.document, mtime=int(report.start.timestamp()))).decode("ascii")
    lines = [
        f"From: {sender}",
        "To: " + ",\r\n ".join(receivers),
        f"Date: {date}",
        f"Message-ID: {message_id}",
        f"Subject: Report Domain: {report.domain}",
        f" Submitter: {report.submitter}",
        f" Report-ID: <{report.report_id}>",
        f"TLS-Report-Domain: {report.domain}",
        f"TLS-Report-Submitter: {report.submitter}",
        # RFC 8460 3: a report on failing TLS must not fail for the same reason.
        "TLS-Required: No",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type="tlsrpt";',
        f' boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is an aggregate report on TLS from {report.submitter}: how its sessions",
        f"with the servers of {report.domain} went on {report.start:%Y-%m-%d} (UTC).",
        "",
        f"--{boundary}",
        "Content-Type: application/tlsrpt+gzip",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment;",
        f' filename="{report.file_name}"',
        "",
        *packed.splitlines(),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii", "replace")
