"""BIMI: looked up only where DMARC vouches with an enforced policy, and read strictly."""

import pytest

from estafeta.trust.bimi import BimiResult, BimiStatus, find_bimi
from estafeta.trust.dmarc import DmarcOutcome, evaluate
from zone_kit import TIMEOUT, Zone, run

LOGO = "https://example.org/logo.svg"
RECORD = f"v=BIMI1; l={LOGO}; a=https://example.org/vmc.pem"
REJECT = "v=DMARC1; p=reject"
FOUND = BimiResult(BimiStatus.PASS, "", "example.org", LOGO, "https://example.org/vmc.pem")


def look(zone: dict, domain: str = "example.org", spf: str = "pass") -> tuple[BimiResult, list[str]]:
    """What comes of a message from `domain`, and what was asked for BIMI."""
    resolver = Zone({name: [("TXT", text) if isinstance(text, str) else text] for name, text in zone.items()})
    dmarc = run(evaluate([domain], (spf, domain), [], resolver, draw=lambda: 0.0))
    found = run(find_bimi(dmarc, resolver))
    return found, [one for one in resolver.asked if "_bimi" in one]


def zone(policy: str = REJECT, record: str = RECORD) -> dict:
    return {"_dmarc.example.org": policy, "default._bimi.example.org": record}


def test_the_logo_of_a_domain_with_an_enforced_policy():
    assert look(zone())[0] == FOUND
    assert look(zone("v=DMARC1; p=quarantine"))[0] == FOUND


SKIPPED = {
    "no policy": ({}, "example.org", "pass"),
    "DMARC failed": (zone(), "example.org", "fail"),
    "p=none": (zone("v=DMARC1; p=none"), "example.org", "pass"),
    "a part of the mail": (zone("v=DMARC1; p=quarantine; pct=50"), "example.org", "pass"),
    "a test": (zone("v=DMARC1; p=reject; t=y"), "example.org", "pass"),
    "subdomains are left out": (zone("v=DMARC1; p=reject; sp=none"), "mail.example.org", "pass"),
    "only subdomains": (zone("v=DMARC1; p=none; sp=reject"), "mail.example.org", "pass"),
    "the organization has no policy": (
        {"_dmarc.mail.example.org": REJECT, "default._bimi.mail.example.org": RECORD},
        "mail.example.org",
        "pass",
    ),
    "the organization's is weak": (
        zone("v=DMARC1; p=none") | {"_dmarc.mail.example.org": REJECT, "default._bimi.mail.example.org": RECORD},
        "mail.example.org",
        "pass",
    ),
}


@pytest.mark.parametrize(("names", "domain", "spf"), SKIPPED.values(), ids=SKIPPED)
def test_without_it_nothing_is_looked_up(names, domain, spf):
    found, asked = look(names, domain, spf)
    assert found.status is BimiStatus.SKIPPED
    assert asked == []


def test_a_subdomain_has_its_own_or_that_of_its_organization():
    names = zone() | {"_dmarc.mail.example.org": REJECT}
    assert look(names, "mail.example.org")[0] == FOUND
    own = names | {"default._bimi.mail.example.org": "v=BIMI1; l=https://m.test/l.svg"}
    assert look(own, "mail.example.org")[0][2:] == ("mail.example.org", "https://m.test/l.svg", "")


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ("v=BIMI1; l=; a=;", BimiStatus.DECLINED),
        ("v=BIMI1; l=", BimiStatus.DECLINED),
        ("v=BIMI1;l=https://x.test/l.svg;", BimiStatus.PASS),
        ("v=BIMI1; l=; a=https://x.test/v.pem", BimiStatus.PASS),
        ("v=BIMI1; l=HTTPS://x.test/l.svg; avp=brand", BimiStatus.PASS),
        ("v=spf1 -all", BimiStatus.NONE),
        ("hello", BimiStatus.NONE),
        ("v=BIMI1", BimiStatus.FAIL),
        ("v=BIMI10; l=https://x.test/l.svg", BimiStatus.FAIL),
        ("v=BIMI1; l=http://x.test/l.svg", BimiStatus.FAIL),
        ("v=BIMI1; l=https://x.test/l.svg; a=data:x", BimiStatus.FAIL),
        ("v=BIMI1; l=https://x.test/l.svg; l=https://y.test/", BimiStatus.FAIL),
        ("v=BIMI1; l=https://x.test/a b", BimiStatus.FAIL),
        ("v=BIMI1; l=https://x.test/é", BimiStatus.FAIL),
        ("v=BIMI1; l=https://x.test/" + "x" * 300, BimiStatus.FAIL),
        ("v=BIMI1; l=https://x.test/\r\nX: y", BimiStatus.FAIL),
    ],
)
def test_records(record, status):
    assert look(zone(record=record))[0].status is status


def test_several_records_and_no_answer():
    names = {
        "_dmarc.example.org": [("TXT", REJECT)],
        "default._bimi.example.org": [("TXT", RECORD), ("TXT", "v=BIMI1; l=")],
    }
    resolver = Zone(names)
    dmarc = run(evaluate(["example.org"], ("pass", "example.org"), [], resolver, draw=lambda: 0.0))
    assert dmarc.outcome is DmarcOutcome.PASS
    assert run(find_bimi(dmarc, resolver)).status is BimiStatus.FAIL
    names["default._bimi.example.org"] = [TIMEOUT]
    assert run(find_bimi(dmarc, Zone(names))).status is BimiStatus.TEMPERROR


def test_an_organization_that_cannot_be_asked():
    names = zone() | {"_dmarc.mail.example.org": REJECT, "_dmarc.example.org": TIMEOUT}
    assert look(names, "mail.example.org")[0].status is BimiStatus.TEMPERROR
