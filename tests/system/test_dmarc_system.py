"""A real server in a lab: mail of strangers is counted, a report that comes is read, a forgery is reported."""

import base64
import gzip
import smtplib
import time
from pathlib import Path

import pytest
from lab_site import lab_node

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab import LabThread
from estafeta.app.stores import open_site
from estafeta.policy.dmarc_received import read_reports
from estafeta.policy.dmarc_results import read_day, read_tallies
from estafeta.policy.dmarc_sources import read_sources
from estafeta.trust.tlsrpt import day_of

SETTINGS = {
    # This machine is a stranger here.
    "relay.networks": "",
    "spam.greylist": "off",
    "dmarc.reports": "on",
    "dmarc.reports_address": "carol@example.test",
}
XML = """<feedback><report_metadata><org_name>Remote</org_name><report_id>1</report_id><date_range><begin>BEGIN</begin>
<end>BEGIN</end></date_range></report_metadata><policy_published><domain>example.test</domain><p>none</p>
</policy_published><record><row><source_ip>192.0.2.1</source_ip><count>5</count></row></record></feedback>"""


def letter(sender: str, subject: str) -> bytes:
    return f"From: {sender}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x.test>\r\n\r\nHello.\r\n".encode()


def report(sender: str, now: int) -> bytes:
    head = (
        f"From: {sender}\r\nSubject: Report Domain: example.test\r\nMessage-ID: <r@x.test>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: application/gzip; name="remote.test!example.test!1!2.xml.gz"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    packed = base64.encodebytes(gzip.compress(XML.replace("BEGIN", str(now)).encode()))
    return head.encode() + packed.replace(b"\n", b"\r\n")


def test_mail_of_strangers_is_counted_and_reports_are_read(tmp_path: Path) -> None:
    begun = time.time()
    with LabThread(tmp_path / "lab") as lab:
        lab.names.add("remote.test", a=["192.0.2.1"], txt=["v=spf1 ip4:127.0.0.1 -all"])
        lab.names.add("evil.test", a=["192.0.2.2"])
        lab.names.add("_dmarc.remote.test", txt=["v=DMARC1; p=quarantine; rua=mailto:agg@remote.test"])
        with lab_node(tmp_path / "home", lab, settings=SETTINGS) as server:
            with smtplib.SMTP("127.0.0.1", server.port(25), "mx.remote.test", timeout=20) as client:
                for sender in ("u@remote.test", "u@remote.test", "forger@evil.test"):
                    message = letter("u@remote.test", f"hello-{sender.partition('@')[0]}")
                    client.sendmail(sender, ["alice@example.test"], message)
                client.sendmail("u@remote.test", ["carol@example.test"], report("u@remote.test", int(begun)))
                # A report that somebody else sends in their name is not read.
                client.sendmail("forger@evil.test", ["carol@example.test"], report("v@remote.test", int(begun) + 1))
            # What is counted is committed once a minute, and when the server stops.
            assert server.stop() == 0
        with open_site(load_node(Home(tmp_path / "home"))) as site, site.database.read() as conn:
            days = range(day_of(begun), day_of(time.time()) + 1)
            found = [one for day in days for one in read_day(conn, day)]
            facts = [one for day in days for one in read_tallies(conn, day, "remote.test")]
            reports = read_reports(conn, 0)
            [source] = read_sources(conn, 0, "example.test")
    assert {one.domain for one in found} == {"remote.test"}
    went = {(one.facts.spf, one.facts.disposition, one.facts.envelope_from): one.messages for one in facts}
    assert went == {(True, "none", "remote.test"): 2, (False, "quarantine", "evil.test"): 1}
    [kept] = reports
    assert (kept.reporter, kept.name, kept.messages) == ("remote.test", "Remote", 5)
    assert (source.source_ip, source.failed) == ("192.0.2.1", 5)


def test_a_forgery_is_refused_and_reported(tmp_path: Path) -> None:
    settings = {"relay.networks": "", "spam.greylist": "off", "dmarc.failure_reports": "on"}
    with LabThread(tmp_path / "lab") as lab:
        remote = lab.remote("mx.remote.test")
        lab.names.add("remote.test", mx=[(10, "mx.remote.test")], txt=["v=spf1 -all"])
        lab.names.add("_dmarc.remote.test", txt=["v=DMARC1; p=reject; ruf=mailto:ruf@remote.test"])
        with lab_node(tmp_path / "home", lab, settings=settings) as server:
            with (
                smtplib.SMTP("127.0.0.1", server.port(25), "mx.evil.test", timeout=20) as client,
                pytest.raises(smtplib.SMTPDataError, match="DMARC"),
            ):
                client.sendmail("u@remote.test", ["alice@example.test"], letter("u@remote.test", "pay"))
            [taken] = remote.wait()
    assert [address for address, _ in taken.recipients] == ["ruf@remote.test"]
    assert b"Delivery-Result: reject\r\n" in taken.content
    assert b"Subject: pay\r\n" in taken.content
    assert b"alice@" not in taken.content
    assert b"Hello." not in taken.content
