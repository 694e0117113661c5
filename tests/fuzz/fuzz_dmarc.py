"""Invariant: whatever comes as a report on DMARC is read within its limits, or refused by ReportError and nothing else.

    python tests/fuzz/fuzz_dmarc.py [--seconds N] [--seed N]

Documents are made by mutating and splicing seeds, packed in each way, and put into messages, which are mutated, too.
What counts of ours hold, however odd, can be read back from the report that is made of them.
"""

import base64
import gzip
import io
import random
import zipfile

from fuzzing import mutate, run

from estafeta.policy.dmarc_reading import MAX_ROWS, ReceivedReport, read_report
from estafeta.policy.dmarc_report import encode_message, make_report
from estafeta.policy.dmarc_unpacking import MAX_DOCUMENT_BYTES, ReportError, find_document, find_in_file, unpack
from estafeta.policy.dmarc_values import DmarcFacts, Signature, Tally, decode_facts, encode_facts
from estafeta.trust.dmarcrecord import parse_record

RECORD = (
    b"<record><row><source_ip>192.0.2.1</source_ip><count>2</count><policy_evaluated><disposition>none</disposition>"
    b"<dkim>pass</dkim><spf>fail</spf><reason><type>other</type></reason></policy_evaluated></row><identifiers>"
    b"<header_from>example.org</header_from></identifiers><auth_results><dkim><domain>example.org</domain>"
    b"<result>pass</result></dkim><spf><domain>example.org</domain><result>fail</result></spf></auth_results></record>"
)
HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?><feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><report_metadata>'
    b"<org_name>Big &amp; Mail</org_name><email>d@big.test</email><report_id>1</report_id><date_range><begin>1</begin>"
    b"<end>86400</end></date_range></report_metadata><policy_published><domain>example.org</domain><p>none</p>"
    b"</policy_published>"
)
SEEDS = [HEAD + RECORD + b"</feedback>", HEAD + RECORD * 30 + b"</feedback>", RECORD, HEAD]
TOKENS = [
    b"<",
    b">",
    b"</",
    b"<record>",
    b"</record>",
    b"<a><b>",
    b"&lt;",
    b"&x;",
    b"<!DOCTYPE x [<!ENTITY x 'y'>]>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b'encoding="utf-16"',
    b'encoding="zlib"',
    b"\0",
    b"\xff\xfe",
    b"\xc3\x28",
    b"99999999999999999999",
    b"-1",
    b"1e9",
    b"::ffff:1.2.3.4",
    b"\r\n\r\n",
    b"PK\x03\x04",
    b"\x1f\x8b",
]


def make_document(rng: random.Random) -> bytes:
    """A document, mostly broken."""
    data = b"".join(rng.choice(SEEDS) for _ in range(rng.choice((1, 1, 2))))
    if rng.random() < 0.1:
        data = data.decode("utf-8").encode("utf-16")
    return mutate(rng, data, TOKENS, 10)


def pack(rng: random.Random, data: bytes) -> bytes:
    """In one of the ways in which reports are packed, sometimes damaged."""
    kind = rng.randrange(4)
    if kind == 0:
        packed = data
    elif kind == 1:
        packed = gzip.compress(data)
    else:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if kind == 2 else zipfile.ZIP_STORED) as archive:
            archive.writestr("r.xml", data)
        packed = file.getvalue()
    return mutate(rng, packed, TOKENS, 4) if rng.random() < 0.3 else packed


def make_message(rng: random.Random, data: bytes) -> bytes:
    """A message with this attached, sometimes damaged."""
    head = (
        b"Subject: Report Domain: example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: application/gzip; name=r.xml.gz\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return mutate(rng, head + base64.encodebytes(data) + b"\r\n--b--\r\n", TOKENS, 4)


def check_report(report: ReceivedReport) -> None:
    """What is read can be stored and shown."""
    assert 0 < len(report.domain) <= 255
    assert report.domain.isascii()
    assert 0 < len(report.report_id) <= 255
    assert len(report.name) <= 255
    assert (report.name + report.report_id).isprintable()
    assert report.policy in ("none", "quarantine", "reject")
    assert 0 <= report.begin_seconds <= report.end_seconds < 1 << 63
    assert len(report.rows) <= MAX_ROWS + 1
    assert 0 <= report.passed <= report.messages < 1 << 63
    for row in report.rows:
        assert row.messages > 0
        assert len(row.source_ip) <= 45
        assert max(map(len, (row.header_from, row.dkim_domain, row.spf_domain))) <= 255


def check_document(data: bytes) -> None:
    """Read, or refused in words."""
    try:
        check_report(read_report(data))
    except ReportError as error:
        if not str(error):
            raise


def check(rng: random.Random, data: bytes) -> None:
    """All invariants for one input."""
    check_document(data)
    packed = pack(rng, data)
    message = make_message(rng, packed)
    for find, octets in ((unpack, packed), (find_document, message), (find_in_file, packed), (find_in_file, message)):
        try:
            document = find(octets)
        except ReportError:
            continue
        assert len(document) <= MAX_DOCUMENT_BYTES
        check_document(document)
    check_own(rng, data)


def check_own(rng: random.Random, data: bytes) -> None:
    """Counts with odd names in them become a report that we read ourselves."""

    def odd() -> str:
        start = rng.randrange(len(data) + 1)
        return data[start : start + rng.randrange(40)].decode(rng.choice(("latin-1", "utf-8")), "surrogateescape")

    address = rng.choice(("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"))
    facts = DmarcFacts(
        address, odd(), True, False, odd(), odd(), odd(), odd(), odd(), odd(), odd(), (Signature(odd(), odd(), odd()),)
    )
    assert decode_facts(encode_facts(facts)) == facts
    record = parse_record(b"v=DMARC1; p=none; rua=mailto:a@example.org")
    report = make_report("example.org", 20_000, record, [Tally(facts, 7)], submitter="mx.test", contact="pm@mx.test")
    message = encode_message(report, "pm@mx.test", ("a@example.org",), "Wed, 15 Nov 2023 00:01:40 +0000", "<1@mx.test>")
    read = read_report(find_document(message))
    assert (read.domain, read.report_id, read.messages) == ("example.org", report.report_id, 7)


if __name__ == "__main__":
    run(make_document, check)
