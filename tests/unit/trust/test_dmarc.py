"""DMARC evaluated: RFC 7489's examples, discovery in both ways, alignment, sampling, and where reports may go."""

import asyncio
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.trust.dmarc import DmarcOutcome, DmarcResult, Override, evaluate
from estafeta.trust.dmarcauthors import Authors, author_domains, normal_domain
from estafeta.trust.dmarcdiscovery import Discovery, _names
from estafeta.trust.dmarcreceivers import Receivers, find_receivers
from estafeta.trust.dmarcrecord import Policy, ReportUri, parse_uris
from estafeta.trust.lookups import Status
from estafeta.trust.publicsuffix import organizational_domain, public_suffix

PASS, FAIL, NONE = DmarcOutcome.PASS, DmarcOutcome.FAIL, DmarcOutcome.NONE
TEMPERROR, PERMERROR = DmarcOutcome.TEMPERROR, DmarcOutcome.PERMERROR
BOTH = list(Discovery)


class Reply(NamedTuple):
    status: str
    records: tuple[Any, ...] = ()
    secure: bool = False
    name: str = ""
    ttl_seconds: int = 0
    reason: str = ""


class Zone:
    """TXT records by name; `broken` names fail, others that have no record are unknown unless they are `real`."""

    def __init__(self, texts: dict[str, Any], broken: tuple[str, ...] = (), real: tuple[str, ...] = ()) -> None:
        self.texts = {name: (text,) if isinstance(text, str) else tuple(text) for name, text in texts.items()}
        self.broken, self.real = broken, real
        self.asked: list[str] = []

    async def txt(self, name: str) -> Reply:
        self.asked.append(name)
        if name in self.broken:
            return Reply(Status.FAILED, reason="SERVFAIL")
        found = self.texts.get(name)
        return Reply(Status.OK, tuple(text.encode() for text in found)) if found else Reply(Status.NO_NAME)

    async def ipv4(self, name: str) -> Reply:
        return Reply(Status.NO_DATA if name in self.real else Status.NO_NAME)

    async def ipv6(self, name: str) -> Reply:
        raise AssertionError(name)

    mx = ptr = ipv6


def run(
    zone: Zone,
    *domains: str,
    spf: tuple[str, str] = ("none", ""),
    dkim: tuple[tuple[str, str], ...] = (),
    draw: float = 0.0,
    discovery: Discovery = Discovery.PSL,
) -> DmarcResult:
    return asyncio.run(evaluate(domains, spf, dkim, zone, draw=lambda: draw, discovery=discovery))  # type: ignore[arg-type]


# RFC 7489 appendix B.1: (From, MAIL FROM or d=, relaxed, strict)
ALIGNMENT = [
    ("example.com", "example.com", True, True),
    ("example.com", "child.example.com", True, False),
    ("child.example.com", "example.com", True, False),
    ("child.example.com", "example.net", False, False),
    ("example.com", "sample.net", False, False),
    ("a.example.com", "b.example.com", True, False),
    ("EXAMPLE.com.", "Example.COM", True, True),
    ("bücher.example", "xn--bcher-kva.example", True, True),
    ("example.co.uk", "other.co.uk", False, False),
    ("example.com", "com", False, False),
    ("example.com", "notexample.com", False, False),
    ("example.com", "", False, False),
    ("example.com", "[192.0.2.1]", False, False),
]


@pytest.mark.parametrize("discovery", BOTH)
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("author", "identifier", "relaxed_pass", "strict_pass"), ALIGNMENT)
def test_alignment(
    author: str, identifier: str, relaxed_pass: bool, strict_pass: bool, strict: bool, discovery: Discovery
) -> None:
    mode = "s" if strict else "r"
    organization = organizational_domain(normal_domain(author))
    zone = Zone({f"_dmarc.{organization}": f"v=DMARC1; p=reject; adkim={mode}; aspf={mode}"})
    aligned = strict_pass if strict else relaxed_pass
    by_spf = run(zone, author, spf=("pass", identifier), discovery=discovery)
    by_dkim = run(zone, author, spf=("fail", author), dkim=(("pass", identifier),), discovery=discovery)
    assert (by_spf.spf_aligned, by_spf.dkim_aligned) == (aligned, False)
    assert (by_dkim.spf_aligned, by_dkim.dkim_aligned) == (False, aligned)
    for result in (by_spf, by_dkim):
        assert result.outcome is (PASS if aligned else FAIL)
        assert result.apply is (Policy.NONE if aligned else Policy.REJECT)
    failed = run(zone, author, spf=("fail", identifier), dkim=(("fail", identifier),), discovery=discovery)
    assert failed.outcome is FAIL


def test_a_pass_needs_only_one_and_says_why() -> None:
    zone = Zone({"_dmarc.example.com": "v=DMARC1; p=reject"})
    dkim = (("fail", "example.com"), ("pass", "list.test"), ("pass", "mail.example.com"))
    result = run(zone, "example.com", spf=("pass", "list.test"), dkim=dkim)
    assert (result.outcome, result.reason) == (PASS, "DKIM passed for example.com")
    result = run(zone, "example.com", spf=("pass", "list.test"), dkim=dkim[:2])
    assert result.reason == (
        "neither SPF (pass for list.test) nor DKIM (pass for list.test) speaks for example.com; "
        "example.com asks to reject it"
    )
    assert (result.policy_domain, result.organization) == ("example.com", "example.com")


# Records, author, outcome of mail that nobody stands behind, policy that applies, whose it is; for both discoveries
# unless they differ: (records, author, (psl), (treewalk))
DISCOVERY = [
    # RFC 7489 B.2.1 and B.2.2
    ({"example.com": "p=none; rua=mailto:dmarc-feedback@example.com"}, "example.com", (FAIL, "none", "example.com")),
    ({"example.com": "p=reject"}, "a.b.c.example.com", (FAIL, "reject", "example.com")),
    ({"example.com": "p=none; sp=quarantine"}, "test.example.com", (FAIL, "quarantine", "example.com")),
    ({"example.com": "p=none; sp=quarantine"}, "example.com", (FAIL, "none", "example.com")),
    ({"example.com": "p=none", "b.example.com": "p=reject"}, "b.example.com", (FAIL, "reject", "b.example.com")),
    ({}, "example.com", (NONE, "none", "")),
    # RFC 9091: np is for what does not exist, and goes before sp
    ({"example.com": "p=none; sp=none; np=reject"}, "ghost.example.com", (FAIL, "reject", "example.com")),
    ({"example.com": "p=none; sp=quarantine; np=reject"}, "real.example.com", (FAIL, "quarantine", "example.com")),
    ({"example.com": "p=none; np=reject"}, "example.com", (FAIL, "none", "example.com")),
    # A public suffix that says that it is one
    ({"bank": "p=none; sp=reject; psd=y"}, "example.bank", (FAIL, "reject", "bank")),
    ({"co.uk": "p=reject; psd=y"}, "a.example.co.uk", (FAIL, "reject", "co.uk")),
    ({"co.uk": "p=reject; psd=y", "example.co.uk": "p=none"}, "a.example.co.uk", (FAIL, "none", "example.co.uk")),
    ({"com": "p=reject"}, "example.com", (NONE, "none", ""), (FAIL, "reject", "com")),
    # Between organization and author only the tree walk looks
    ({"b.example.com": "p=reject"}, "a.b.example.com", (NONE, "none", ""), (FAIL, "reject", "b.example.com")),
    (
        {"b.example.com": "p=reject; psd=n", "example.com": "p=none"},
        "a.b.example.com",
        (FAIL, "none", "example.com"),
        (FAIL, "reject", "b.example.com"),
    ),
    # Several records are as none, and end discovery by RFC 7489
    ({"a.example.com": ("p=none", "p=reject"), "example.com": "p=quarantine"}, "a.example.com",
     (PERMERROR, "none", ""), (FAIL, "quarantine", "example.com")),
    ({"example.com": "p=rejekt"}, "example.com", (PERMERROR, "none", "")),
    ({"example.com": "p=rejekt; rua=mailto:a@example.com"}, "example.com", (FAIL, "none", "example.com")),
]  # fmt: skip


@pytest.mark.parametrize("discovery", BOTH)
@pytest.mark.parametrize("case", DISCOVERY)
def test_discovery(case: tuple[Any, ...], discovery: Discovery) -> None:
    records, author, *expected = case
    texts = {
        f"_dmarc.{name}": [f"v=DMARC1; {text}" for text in ((texts,) if isinstance(texts, str) else texts)]
        for name, texts in records.items()
    }
    result = run(Zone(texts, real=("real.example.com",)), author, spf=("fail", author), discovery=discovery)
    wanted = expected[-1] if discovery is Discovery.TREE_WALK else expected[0]
    assert (result.outcome, result.apply, result.policy_domain) == wanted
    assert result.discovery is discovery
    assert result.domain == author


def test_the_list_keeps_tenants_apart() -> None:
    zone = Zone({"_dmarc.alice.github.io": "v=DMARC1; p=reject"})
    assert run(zone, "alice.github.io", dkim=(("pass", "bob.github.io"),)).outcome is FAIL
    assert run(zone, "www.alice.github.io", dkim=(("pass", "alice.github.io"),)).outcome is PASS


SUFFIXES = [
    ("example.com", "example.com", "com"),
    ("a.b.example.com", "example.com", "com"),
    ("com", "com", "com"),
    ("co.uk", "co.uk", "co.uk"),
    ("a.example.co.uk", "example.co.uk", "co.uk"),
    ("www.ck", "www.ck", "ck"),  # an exception of the list
    ("a.b.ck", "a.b.ck", "b.ck"),  # a wildcard
    ("x.alice.github.io", "alice.github.io", "github.io"),
    ("a.unheard-of-tld", "a.unheard-of-tld", "unheard-of-tld"),
    ("xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn", "xn--55qx5d.cn"),
    ("a..b", "a..b", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("name", "organization", "suffix"), SUFFIXES)
def test_the_public_suffix_list(name: str, organization: str, suffix: str) -> None:
    assert (organizational_domain(name), public_suffix(name)) == (organization, suffix)


def test_the_names_of_a_tree_walk() -> None:
    # RFC 9989 4.10, with eight questions
    assert _names("a.mail.example.com") == ["a.mail.example.com", "mail.example.com", "example.com", "com"]
    names = _names("a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert len(names) == 8
    assert names[:2] == ["a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com"]
    assert names[-1] == "com"
    assert len(_names("a.b.c.d.e.f.example.com")) == 8


@pytest.mark.parametrize("discovery", BOTH)
def test_questions_are_few(discovery: Discovery) -> None:
    zone = Zone({"_dmarc.example.com": "v=DMARC1; p=reject"})
    dkim = tuple(("pass", f"{number}.x.test") for number in range(100))
    labels = ".".join("abcdefghijklmnopqrst")
    run(zone, f"{labels}.example.com", spf=("pass", "x.test"), dkim=dkim, discovery=discovery)
    assert len(zone.asked) == len(set(zone.asked))
    assert len(zone.asked) <= (2 if discovery is Discovery.PSL else 8 + 50 + 2)


def test_the_tree_walk_of_the_rfc() -> None:
    """RFC 9989 4.10.2: three examples of organizational domains of a.mail.example.com."""

    def organization(**records: str) -> str:
        texts = {f"_dmarc.{name.replace('_', '.')}": f"v=DMARC1; {text}" for name, text in records.items()}
        return run(Zone(texts), "a.mail.example.com", discovery=Discovery.TREE_WALK).organization

    assert organization(mail_example_com="p=none", example_com="p=none") == "example.com"
    assert organization(mail_example_com="p=none; psd=n", example_com="p=none") == "mail.example.com"
    assert organization(com="p=none; psd=y") == "example.com"
    assert organization() == "a.mail.example.com"


SAMPLES = [
    ("p=reject; pct=25", 0.2499, Policy.REJECT, Override.NONE),
    ("p=reject; pct=25", 0.25, Policy.QUARANTINE, Override.SAMPLED_OUT),
    ("p=quarantine; pct=0", 0.0, Policy.NONE, Override.SAMPLED_OUT),
    ("p=none; pct=0", 0.0, Policy.NONE, Override.NONE),
    ("p=reject", 0.9999, Policy.REJECT, Override.NONE),
    ("p=reject; t=y", 0.0, Policy.QUARANTINE, Override.TEST_MODE),
    ("p=quarantine; t=y; pct=100", 0.0, Policy.NONE, Override.TEST_MODE),
]


@pytest.mark.parametrize(("text", "draw", "apply", "override"), SAMPLES)
def test_sampling(text: str, draw: float, apply: Policy, override: Override) -> None:
    zone = Zone({"_dmarc.example.com": f"v=DMARC1; {text}"})
    result = run(zone, "example.com", draw=draw)
    assert (result.apply, result.override) == (apply, override)
    assert run(zone, "example.com", spf=("pass", "example.com"), draw=draw).apply is Policy.NONE


@pytest.mark.parametrize("discovery", BOTH)
def test_when_dns_fails(discovery: Discovery) -> None:
    record = {"_dmarc.example.com": "v=DMARC1; p=reject"}
    for broken in ("_dmarc.a.example.com", "_dmarc.example.com"):
        result = run(Zone(record, broken=(broken,)), "a.example.com", discovery=discovery)
        assert (result.outcome, result.apply) == (TEMPERROR, Policy.NONE)
        assert "SERVFAIL" in result.reason
    zone = Zone(record)
    temporary = ("temperror", "example.com")
    assert run(zone, "example.com", spf=temporary, discovery=discovery).outcome is TEMPERROR
    assert run(zone, "example.com", dkim=(temporary,), discovery=discovery).apply is Policy.NONE
    # Somebody else's broken signature is no way around the policy.
    assert run(zone, "example.com", dkim=(("temperror", "evil.test"),), discovery=discovery).outcome is FAIL
    assert run(zone, "example.com", spf=temporary, dkim=(("pass", "example.com"),), discovery=discovery).outcome is PASS


def test_several_authors() -> None:
    zone = Zone({"_dmarc.bank.test": "v=DMARC1; p=reject", "_dmarc.shop.test": "v=DMARC1; p=quarantine"})
    mine = ("pass", "mine.test")
    assert run(zone, "mine.test", "bank.test", spf=mine).domain == "bank.test"
    assert run(zone, "shop.test", "bank.test", spf=("pass", "shop.test")).apply is Policy.REJECT
    assert run(zone, "shop.test", "bank.test", spf=("pass", "bank.test")).apply is Policy.QUARANTINE
    assert run(zone, "bank.test", "mine.test", spf=("pass", "bank.test")).outcome is NONE
    assert run(zone, "bank.test", "BANK.test.", spf=("pass", "bank.test")).outcome is PASS
    many = run(zone, *(f"{number}.test" for number in range(6)))
    assert (many.outcome, many.apply) == (PERMERROR, Policy.QUARANTINE)
    assert run(zone).outcome is PERMERROR
    assert run(zone, "[192.0.2.1]", "").outcome is PERMERROR
    assert zone.asked.count("_dmarc.0.test") == 0


FROM = [
    ([b"ana@example.org"], ("example.org",), False),
    ([b'"Ana, B" <ana@Example.ORG.>'], ("example.org",), False),
    ([b"a@x.test, b@x.test"], ("x.test",), False),
    ([b"a@x.test, b@y.test"], ("x.test", "y.test"), False),
    ([b"Friends: a@x.test, <b@y.test>;"], ("x.test", "y.test"), False),
    (["ana@b\u00fccher.example".encode()], ("xn--bcher-kva.example",), False),
    ([b"ana (me) @ example . org"], ("example.org",), False),
    ([], (), True),
    ([b""], (), True),
    ([b"Undisclosed: ;"], (), True),
    ([b"ana"], (), True),
    ([b"ana@[192.0.2.1]"], (), True),
    ([b"ana@x.test", b"eve@y.test"], ("x.test", "y.test"), True),
    ([b"ana@x.test, eve"], ("x.test",), True),
    ([b"=?utf-8?q?a=40bank.test?= <eve@x.test>"], ("x.test",), False),
    ([b"a@x.test," * 200], ("x.test",), True),
]


@pytest.mark.parametrize(("values", "domains", "wrong"), FROM)
def test_whose_name_it_bears(values: list[bytes], domains: tuple[str, ...], wrong: bool) -> None:
    found = author_domains(values)
    assert found.domains == domains
    assert bool(found.problem) is wrong


@given(st.lists(st.binary(max_size=100), max_size=3), st.text(max_size=50), st.text(max_size=50))
def test_nothing_raises(values: list[bytes], name: str, other: str) -> None:
    found = author_domains(values)
    assert isinstance(found, Authors)
    zone = Zone({"_dmarc.test": "v=DMARC1; p=reject; psd=y; np=none"})
    for discovery in BOTH:
        run(zone, *found.domains, name, spf=("pass", other), dkim=(("pass", name), (other, other)), discovery=discovery)
    assert all(len(asked) <= 253 for asked in zone.asked)


def receivers(zone: Zone, text: str, domain: str = "blue.example.com") -> Receivers:
    return asyncio.run(find_receivers(parse_uris(text), domain, zone))  # type: ignore[arg-type]


def test_reports_to_others_need_their_consent() -> None:
    """RFC 7489 7.1, with its example."""
    red = "blue.example.com._report._dmarc.red.example.net"
    wanted = "mailto:reports@red.example.net!1m"
    uri = ReportUri("reports@red.example.net", 1 << 20)
    assert receivers(Zone({red: "v=DMARC1"}), wanted) == Receivers((uri,))
    assert receivers(Zone({red: ["junk", "v=DMARC1;"]}), wanted) == Receivers((uri,))
    assert receivers(Zone({}), wanted) == Receivers((), (uri,))
    assert receivers(Zone({red: "v=spf1"}), wanted) == Receivers((), (uri,))
    assert receivers(Zone({}, broken=(red,)), wanted) == Receivers((), (), True)
    override = Zone({red: "v=DMARC1; rua=mailto:other@red.example.net"})
    assert receivers(override, wanted) == Receivers((ReportUri("other@red.example.net"),))
    elsewhere = Zone({red: "v=DMARC1; rua=mailto:victim@example.org"})
    assert receivers(elsewhere, wanted) == Receivers((), (uri,))


def test_reports_within_the_organization_need_none() -> None:
    zone = Zone({})
    assert len(receivers(zone, "mailto:a@example.com,mailto:b@mail.EXAMPLE.com").allowed) == 2
    assert zone.asked == []
    assert receivers(zone, "mailto:a@victim.test", "x" * 60 + ".test") == Receivers((), (ReportUri("a@victim.test"),))
    long = ".".join(["x" * 60] * 4)
    assert receivers(Zone({}), "mailto:a@victim.test", long).refused
