"""Reports of others: unpacked and read, whatever strangers send for one; bounded in time and memory."""

import base64
import gzip
import io
import tracemalloc
import zipfile
import zlib

import pytest
from dmarc_kit import DAY

from estafeta.policy import dmarc_reading
from estafeta.policy.dmarc_reading import ReportRow, read_report
from estafeta.policy.dmarc_unpacking import MAX_DOCUMENT_BYTES, ReportError, find_document, unpack
from vectors_kit import source_file

RECORD = """<record><row><source_ip>192.0.2.1</source_ip><count>2</count><policy_evaluated>
<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>Example.org</header_from></identifiers>
<auth_results><dkim><domain>list.test</domain><result>fail</result></dkim>
<dkim><domain>example.org</domain><result>pass</result></dkim>
<spf><domain>bounce.example.org</domain><result>fail</result></spf></auth_results></record>"""
DOCUMENT = f"""<?xml version="1.0"?>
<feedback><report_metadata><org_name>Big Mail</org_name><email>d@big.test</email><report_id>id-1</report_id>
<date_range><begin>{DAY * 86_400}</begin><end>{DAY * 86_400 + 86_399}</end></date_range></report_metadata>
<policy_published><domain>example.org</domain><p>quarantine</p><pct>100</pct></policy_published>
{RECORD}</feedback>"""
ROW = ReportRow("192.0.2.1", "example.org", "none", True, False, "example.org", "bounce.example.org", 2)


def report(document: str = DOCUMENT):
    return read_report(document.encode("utf-8", "surrogatepass"))


def test_a_report_is_read():
    found = report()
    assert found[:-1] == ("example.org", "Big Mail", "id-1", DAY * 86_400, DAY * 86_400 + 86_399, "quarantine")
    assert found.rows == (ROW,)
    assert (found.messages, found.passed) == (2, 2)


@pytest.mark.parametrize("name", ["samplereport.xml", "samplereport-2.0.xml"])
def test_samples_of_both_standards_are_read(name):
    """RFC 7489 appendix C, RFC 9990 appendix B."""
    found = read_report(source_file("dmarc==1.2.1", f"dmarc/tests/report/data/{name}").read_bytes())
    assert found.domain
    assert found.report_id
    assert found.messages > 0


AS_BEFORE = {
    "another namespace": DOCUMENT.replace("<feedback>", '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">'),
    "a prefix": DOCUMENT.replace("<feedback>", '<a:feedback xmlns:a="u">').replace("</feedback>", "</a:feedback>"),
    "unknown elements": DOCUMENT.replace("<row>", "<odd><source_ip>no</source_ip></odd><row>"),
    "a declared encoding": DOCUMENT.replace('"1.0"?', '"1.0" encoding="iso-8859-1"?'),
    "no declaration": DOCUMENT.partition("?>")[2].lstrip(),
    "brackets around its id": DOCUMENT.replace("id-1", "&lt;id-1&gt;"),
    "fractions of seconds": DOCUMENT.replace("</begin>", ".5</begin>"),
    "rows that say the same": DOCUMENT.replace(RECORD, RECORD.replace("<count>2<", "<count>1<") * 2),
}


@pytest.mark.parametrize("document", AS_BEFORE.values(), ids=AS_BEFORE)
def test_what_comes_near_is_read_the_same(document):
    assert report(document) == report()


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
MANY = " ".join(f"a{number}=''" for number in range(1000))
REFUSED = {
    "empty": "",
    "not XML": "hello",
    "another document": "<html><feedback/></html>",
    "no head": f"<feedback>{RECORD}</feedback>",
    "no domain": DOCUMENT.replace("<domain>example.org</domain><p>", "<p>"),
    "a domain that is none": DOCUMENT.replace("<domain>example.org</domain><p>", "<domain>a b</domain><p>"),
    "no id": DOCUMENT.replace("id-1", ""),
    "broken off": DOCUMENT[:-20],
    "two roots": DOCUMENT + "<feedback/>",
    "entities": DOCUMENT.replace("<feedback>", f"{LAUGHS}<feedback>"),
    "an external entity": DOCUMENT.replace("<feedback>", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><feedback>'),
    "an external document type": DOCUMENT.replace("<feedback>", '<!DOCTYPE x SYSTEM "http://192.0.2.1/x"><feedback>'),
    "an unknown entity": DOCUMENT.replace("Big Mail", "&big;"),
    "an unknown encoding": DOCUMENT.replace('"1.0"?', '"1.0" encoding="x-klingon"?'),
    "a codec that is none of text": DOCUMENT.replace('"1.0"?', '"1.0" encoding="zlib"?'),
    "deep": "<feedback>" + "<a>" * 10_000,
    "many elements": "<feedback>" + "<a/>" * 600_000,
    "many attributes": DOCUMENT.replace("<row>", f"<a {MANY}/>" * 600 + "<row>"),
}  # fmt: skip


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED)
def test_what_is_no_report_is_refused_in_words(document):
    with pytest.raises(ReportError) as caught:
        report(document)
    assert "<" not in str(caught.value)


def test_values_that_make_no_sense_are_harmless():
    odd = DOCUMENT
    for old, new in {
        "192.0.2.1": "not an address",
        "<count>2<": "<count>99999999999999999999<",
        "Big Mail": "Big\x85Mail\u202e" + "x" * 5000,
        "quarantine": "destroy",
        f"{DAY * 86_400}<": "-5<",
    }.items():
        odd = odd.replace(old, new)
    found = report(odd)
    assert (found.policy, found.begin_seconds, found.rows) == ("none", 0, ())
    assert found.name.isprintable()
    assert len(found.name) <= 255


def test_kinds_beyond_the_limit_are_one_row(monkeypatch):
    monkeypatch.setattr(dmarc_reading, "MAX_ROWS", 10)
    many = "".join(RECORD.replace("192.0.2.1", f"10.0.{one // 250}.{one % 250}") for one in range(600))
    found = report(DOCUMENT.replace(RECORD, many + RECORD * 5))
    assert len(found.rows) == 11
    assert found.rows[0] == ROW._replace(messages=10)
    assert found.rows[-1].source_ip == ""
    assert found.messages == 1210


# Unpacking


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED, **names: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("report.xml", data)
        for name, content in names.items():
            archive.writestr(name, content)
    return file.getvalue()


def streamed_zip(data: bytes) -> bytes:
    """As programs write it that cannot go back: sizes follow the data."""

    class OneWay(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, piece):
            self.data += bytes(piece)
            return len(piece)

    file = OneWay()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.xml", data)
    return file.data


XML = DOCUMENT.encode()


@pytest.mark.parametrize(
    "data",
    [
        XML,
        gzip.compress(XML),
        zipped(XML),
        zipped(XML, zipfile.ZIP_STORED),
        zipped(XML, other=b"x"),
        streamed_zip(XML),
        gzip.compress(XML) + b"trailing",
    ],
    ids=["xml", "gzip", "zip", "stored", "several", "streamed", "trailing"],
)
def test_what_is_packed_is_unpacked(data):
    assert unpack(data) == XML


BOMB = b"<feedback>" + b" " * (30 << 20)
PACKED = gzip.compress(BOMB, 1)
TWICE = gzip.compress(PACKED)
HOSTILE = {
    "a gzip bomb": (PACKED, "too large"),
    "a zip bomb": (zipped(BOMB), "too large"),
    "a zip that lies about its size": (zipped(b" " * 100).replace(b"\x64\0\0\0", b"\xff\xff\xff\x7f"), ""),
    "a stored zip that lies about its size": (
        zipped(b"x" * 100, zipfile.ZIP_STORED).replace(b"\x64\0\0\0", b"\xff\xff\xff\x7f"),
        "not known",
    ),
    "xml that is too large": (b"<" + b" " * MAX_DOCUMENT_BYTES, "too large"),
    "gzip broken off": (gzip.compress(XML)[:-40], "too early"),
    "gzip that is none": (b"\x1f\x8b\x08" + b"\xff" * 50, "damaged"),
    "zip broken off": (zipped(XML)[:100], "too early"),
    "a zip header broken off": (b"PK\x03\x04\0", "damaged"),
    "an encrypted zip": (b"PK\x03\x04\x14\0\x01\0" + bytes(60), "encrypted"),
    "bzip2 in a zip": (zipped(XML, zipfile.ZIP_BZIP2), "not known"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "neither"),
    "nothing": (b"", "neither"),
}


@pytest.mark.parametrize(("data", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_cost_little_and_are_refused(data, words):
    tracemalloc.start()
    try:
        document = unpack(data)
    except ReportError as error:
        assert words in str(error)  # noqa: PT017 - what is refused may also be read
    else:
        assert not words
        assert len(document) == 100
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 40 << 20


def test_what_is_packed_twice_is_no_report():
    with pytest.raises(ReportError, match="no XML"):
        read_report(unpack(TWICE))


def test_a_large_report_is_read_in_bounded_memory():
    many = "".join(
        RECORD.replace("192.0.2.1", f"10.{one // 65_000}.{one // 250 % 250}.{one % 250}") for one in range(6_000)
    )
    document = DOCUMENT.replace(RECORD, many).encode()
    tracemalloc.start()
    found = read_report(document)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.messages == 12_000
    assert peak < 32 << 20


# Messages


def message(data: bytes, kind: str = "application/gzip", name: str = "r.xml.gz", encoding: str = "base64") -> bytes:
    body = base64.encodebytes(data) if encoding == "base64" else data
    head = (
        f"From: d@big.test\r\nSubject: Report Domain: example.org\r\nMIME-Version: 1.0\r\nContent-Type: {kind}; "
        f'name="{name}"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    )
    return head.encode() + body


def several(*parts: bytes) -> bytes:
    joined = b"".join(b"--b\r\n" + part.partition(b"MIME-Version: 1.0\r\n")[2] + b"\r\n" for part in parts)
    return b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + joined + b"--b--\r\n"


TEXT = b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nThis is a report.\r\n"
LETTERS = {
    "alone": message(gzip.compress(XML)),
    "zip": message(zipped(XML), "application/zip", "big!example.org.zip"),
    "of no type": message(gzip.compress(XML), "application/octet-stream", "x"),
    "as text": message(XML, "text/xml", "r.xml", "7bit"),
    "behind a text": several(TEXT, message(gzip.compress(XML))),
    "behind another attachment": several(message(b"%PDF", "application/pdf", "a.pdf"), message(gzip.compress(XML))),
    "behind a broken one": several(message(b"\x1f\x8b\x08\xff"), message(gzip.compress(XML))),
}


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS)
def test_the_document_is_found_in_a_message(letter):
    assert find_document(letter).strip() == XML


NONE = {
    "empty": b"",
    "a letter": b"Subject: Hello\r\n\r\nHow are you?\r\n",
    "of many parts": several(*[message(b"x", "application/x-odd", "x")] * 2000),
    "another encoding": message(gzip.compress(XML), encoding="x-uuencode"),
    "a letter that is too large": bytes(11 << 20),
}


@pytest.mark.parametrize("letter", NONE.values(), ids=NONE)
def test_a_message_without_one_says_so(letter):
    with pytest.raises(ReportError):
        find_document(letter)


def test_deflate_without_an_end_does_not_wait():
    pressed = zlib.compressobj(wbits=31)
    data = pressed.compress(XML) + pressed.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(ReportError, match="too early"):
        unpack(data)
