"""Aggregate reports of others, read: the schema of RFC 7489 appendix C, that of RFC 9990, and what is near them.

The document is data from strangers. It is read in one pass by expat; a document type declaration (and with it every
entity) ends the reading, and so does nesting or text beyond the limits below. Names are taken without their namespace,
unknown elements are left out. Rows that say the same are one.
"""

import ipaddress
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple
from xml.parsers import expat

from estafeta.policy.dmarc_unpacking import ReportError
from estafeta.trust.dmarcauthors import normal_domain
from estafeta.trust.dmarcrecord import Policy

MAX_ROWS = 1000
"""Kinds of messages kept of a report, the most frequent; the others are one more row without a source."""
_MAX_DEPTH = 12
_MAX_ELEMENTS = 500_000
"""With attributes, which reports hardly have and a parser remembers. A report of 10 MiB has 300,000."""
_MAX_NAME = 64
_MAX_TEXT = 1024
"""Of one element that is used; comments of some reporters are longer, and not used."""
_MAX_KINDS = 50_000
"""Rows told apart while reading; a report of 10 MiB has hardly more records."""
_MAX_MESSAGES = 1 << 32
"""Of one row: sums of all rows that are ever kept stay within 63 bits."""
_MAX_SECONDS = (1 << 32) - 1
"""The year 2106: later ones cannot be shown everywhere."""
_PIECE = 64 << 10
# What is kept of the head, of a record and of a signature; more cannot be made to be kept.
_HEAD = frozenset(
    [
        "report_metadata/org_name",
        "report_metadata/email",
        "report_metadata/report_id",
        "report_metadata/date_range/begin",
        "report_metadata/date_range/end",
        "policy_published/domain",
        "policy_published/p",
    ]
)
_RECORD = frozenset(
    [
        "row/source_ip",
        "row/count",
        "row/policy_evaluated/disposition",
        "row/policy_evaluated/dkim",
        "row/policy_evaluated/spf",
        "identifiers/header_from",
        "auth_results/spf/domain",
    ]
)


class ReportRow(NamedTuple):
    """Messages that went alike. `dkim`, `spf`: aligned passes. The domains are those that SPF and the first
    DKIM signature (one that passed, where there is any) were about. `source_ip` is "" in the row that
    holds what was too much."""

    source_ip: str
    header_from: str
    disposition: str
    dkim: bool
    spf: bool
    dkim_domain: str
    spf_domain: str
    messages: int


class ReceivedReport(NamedTuple):
    """A report on `domain`: who made it as it says itself, its id, which time it is about, the policy that its maker
    saw."""

    domain: str
    name: str
    report_id: str
    begin_seconds: int
    end_seconds: int
    policy: str
    rows: tuple[ReportRow, ...]

    @property
    def messages(self) -> int:
        """All messages."""
        return sum(row.messages for row in self.rows)

    @property
    def passed(self) -> int:
        """Those that passed DMARC."""
        return sum(row.messages for row in self.rows if row.dkim or row.spf)


def read_report(document: bytes) -> ReceivedReport:
    """A report in a document that `dmarc_unpacking` gave. Raises ReportError. Takes about a second for 10 MiB: not for
    an event loop."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        for at in range(0, len(document), _PIECE):
            parser.Parse(document[at : at + _PIECE], False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ReportError(f"the report is no XML ({expat.ErrorString(error.code)})") from None
    except ReportError:
        raise
    except (LookupError, ValueError):
        # An encoding that Python does not have, or that is none.
        raise ReportError("the report is in an unknown encoding") from None
    return reader.report()


def _refuse(*_: object) -> None:
    raise ReportError("the report declares a document type")


_Key = tuple[str, str, str, bool, bool, str, str]


class _Reader:
    """Takes the events of expat. `_values` holds the texts of the record, or of the head, by the path inside it."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text: list[str] = []
        self._room = 0
        self._head: dict[str, str] = {}
        self._record: dict[str, str] = {}
        self._signature: dict[str, str] = {}
        self._signed = ("", False)
        self._counts: Counter[_Key] = Counter()
        self._more = 0
        self._elements = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._elements += 1 + len(attributes)
        if len(self._path) >= _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise ReportError("the report has too many elements")
        local = name.rpartition(":")[2] if len(name) <= _MAX_NAME else ""
        if not self._path and local != "feedback":
            raise ReportError("the attachment is no report on DMARC")
        self._path.append(local)
        self._text, self._room = [], _MAX_TEXT
        if self._path[1:] == ["record"]:
            self._record, self._signed = {}, ("", False)
        elif local == "dkim" and self._path[1:3] == ["record", "auth_results"]:
            self._signature = {}

    def text(self, data: str) -> None:
        if self._room > 0:
            self._text.append(data[: self._room])
            self._room -= len(data)

    def end(self, _: str) -> None:
        text = "".join(self._text).strip()
        path = self._path[1:]
        self._text = []
        if path[:1] == ["record"]:
            self._end_in_record(path[1:], text)
        elif text and (name := "/".join(path)) in _HEAD:
            self._head.setdefault(name, text)
        self._path.pop()

    def _end_in_record(self, path: list[str], text: str) -> None:
        if not path:
            self._add()
        elif path[:2] == ["auth_results", "dkim"]:
            if len(path) > 2:
                if path[2] in ("domain", "result"):
                    self._signature[path[2]] = text
                return
            passed = self._signature.get("result", "").lower() == "pass"
            if not self._signed[0] or (passed and not self._signed[1]):
                self._signed = (self._signature.get("domain", ""), passed)
        elif text and (name := "/".join(path)) in _RECORD:
            self._record.setdefault(name, text)

    def _add(self) -> None:
        get = self._record.get
        messages = _number(get("row/count", ""), _MAX_MESSAGES)
        key = (
            _address(get("row/source_ip", "")),
            normal_domain(get("identifiers/header_from", "")),
            _disposition(get("row/policy_evaluated/disposition", "")),
            get("row/policy_evaluated/dkim", "").lower() == "pass",
            get("row/policy_evaluated/spf", "").lower() == "pass",
            normal_domain(self._signed[0]),
            normal_domain(get("auth_results/spf/domain", "")),
        )
        if messages and (key in self._counts or len(self._counts) < _MAX_KINDS):
            self._counts[key] += messages
        else:
            self._more += messages

    def report(self) -> ReceivedReport:
        get = self._head.get
        domain = normal_domain(get("policy_published/domain", ""))
        report_id = get("report_metadata/report_id", "").strip("<>")
        if not domain or not report_id:
            raise ReportError("the report does not say what it is about")
        begin = _number(get("report_metadata/date_range/begin", ""), _MAX_SECONDS)
        end = _number(get("report_metadata/date_range/end", ""), _MAX_SECONDS)
        return ReceivedReport(
            domain,
            _plain(get("report_metadata/org_name", "") or get("report_metadata/email", "")),
            _plain(report_id),
            begin,
            max(begin, end),
            _disposition(get("policy_published/p", "")),
            self._rows(),
        )

    def _rows(self) -> tuple[ReportRow, ...]:
        counted = self._counts.most_common(MAX_ROWS)
        more = self._more + self._counts.total() - sum(messages for _, messages in counted)
        rows = [ReportRow(*key, min(messages, _MAX_MESSAGES)) for key, messages in counted]
        if more:
            rows.append(ReportRow("", "", Policy.NONE, False, False, "", "", min(more, _MAX_MESSAGES)))
        return tuple(rows)


def _number(text: str, most: int) -> int:
    # Some reporters write seconds with a fraction.
    digits = text.partition(".")[0]
    return min(int(digits), most) if digits.isascii() and digits.isdigit() and len(digits) < 20 else 0


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return ""


def _disposition(text: str) -> str:
    # RFC 9990 adds `pass` for what passed; nothing was done to it.
    word = text.lower()
    return word if word in list(Policy) else Policy.NONE


def _plain(text: str) -> str:
    """A name of somebody's as it may be shown: one line of printable characters."""
    return "".join(character if character.isprintable() else " " for character in text)[:255]
