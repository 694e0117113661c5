"""SPF: the examples of RFC 7208's appendices, its limits, and what strangers may not do to us."""

import asyncio
from typing import Any

import pytest

from estafeta.dns.resolver import DnsResolver
from estafeta.trust.lookups import Lookups
from estafeta.trust.spf import MAX_EXPLANATION, SpfLimits, SpfResult, SpfStatus, check_host
from zone_kit import TIMEOUT, Zone, run

# RFC 7208 A: example.com, its mail exchangers and clients; without an SPF record.
EXAMPLE: dict[str, list[tuple[str, Any]]] = {
    "example.com": [
        ("MX", (10, "mail-a.example.com")),
        ("MX", (20, "mail-b.example.com")),
        ("A", "192.0.2.10"),
        ("A", "192.0.2.11"),
    ],
    "amy.example.com": [("A", "192.0.2.65")],
    "bob.example.com": [("A", "192.0.2.66")],
    "mail-a.example.com": [("A", "192.0.2.129")],
    "mail-b.example.com": [("A", "192.0.2.130")],
    "www.example.com": [("CNAME", "example.com")],
    "example.org": [("MX", (10, "mail-c.example.org"))],
    "mail-c.example.org": [("A", "192.0.2.140")],
    "65.2.0.192.in-addr.arpa": [("PTR", "amy.example.com")],
    "66.2.0.192.in-addr.arpa": [("PTR", "bob.example.com")],
    "129.2.0.192.in-addr.arpa": [("PTR", "mail-a.example.com")],
    "130.2.0.192.in-addr.arpa": [("PTR", "mail-b.example.com")],
    "140.2.0.192.in-addr.arpa": [("PTR", "mail-c.example.org")],
    "10.0.0.4.in-addr.arpa": [("PTR", "bob.example.com")],
}
HOSTS = [
    "192.0.2.10",
    "192.0.2.11",
    "192.0.2.65",
    "192.0.2.66",
    "192.0.2.129",
    "192.0.2.130",
    "192.0.2.140",
    "10.0.0.4",
]
ALL = frozenset(HOSTS)

# RFC 7208 A.1: the record, and which of the hosts pass.
SIMPLE = [
    ("v=spf1 +all", ALL),
    ("v=spf1 a -all", {"192.0.2.10", "192.0.2.11"}),
    ("v=spf1 a:example.org -all", frozenset()),
    ("v=spf1 mx -all", {"192.0.2.129", "192.0.2.130"}),
    ("v=spf1 mx:example.org -all", {"192.0.2.140"}),
    ("v=spf1 mx mx:example.org -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
    ("v=spf1 mx/30 mx:example.org/30 -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
    ("v=spf1 ptr -all", {"192.0.2.65", "192.0.2.66", "192.0.2.129", "192.0.2.130"}),
    ("v=spf1 ip4:192.0.2.128/28 -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
]


def ask(zone: Zone | dict[str, Any], ip: str, sender: str, **more: Any) -> SpfResult:
    resolver = zone if isinstance(zone, Zone) else Zone(zone)
    domain = more.pop("domain", sender.rpartition("@")[2])
    return run(check_host(ip, domain, sender, **{"helo": "mx.example.net", "resolver": resolver, **more}))


def record(text: str, **more: list[tuple[str, Any]]) -> Zone:
    return Zone({"example.com": [("TXT", text)], **more})


@pytest.mark.parametrize(("text", "passing"), SIMPLE)
def test_simple_examples_of_appendix_a1(text: str, passing: set[str]) -> None:
    zone = Zone({**EXAMPLE, "example.com": [*EXAMPLE["example.com"], ("TXT", text)]})
    results = {host: ask(zone, host, "strong-bad@example.com") for host in HOSTS}
    assert {host for host, result in results.items() if result.result is SpfStatus.PASS} == passing
    assert all(result.result is SpfStatus.FAIL for host, result in results.items() if host not in passing)


def test_several_domains_of_appendix_a2() -> None:
    zone = Zone(
        {
            **EXAMPLE,
            "example.org": [("TXT", "v=spf1 include:example.com include:example.net -all")],
            "la.example.org": [("TXT", "v=spf1 redirect=example.org")],
            "example.com": [*EXAMPLE["example.com"], ("TXT", "v=spf1 mx -all")],
            "example.net": [("TXT", "v=spf1 ip4:198.51.100.7 -all")],
        }
    )
    assert ask(zone, "192.0.2.129", "a@la.example.org").mechanism == "redirect=example.org > include:example.com > mx"
    assert ask(zone, "198.51.100.7", "a@example.org").mechanism == "include:example.net > ip4:198.51.100.7"
    failed = ask(zone, "192.0.2.140", "a@la.example.org")
    assert (failed.result, failed.mechanism, failed.lookups) == (SpfStatus.FAIL, "redirect=example.org > all", 4)


def test_blocklist_style_of_appendix_a3() -> None:
    there = [("A", "127.0.0.2")]
    zone = Zone(
        {
            "example.com": [("TXT", "v=spf1 exists:%{l1r-}.wl.%{d2} exists:%{ir}.ips.%{d2} -all")],
            "mary.wl.example.com": there,
            "joel.wl.example.com": there,
            "66.2.0.192.ips.example.com": there,
        }
    )
    assert ask(zone, "192.0.2.1", "mary@example.com").result is SpfStatus.PASS
    assert ask(zone, "192.0.2.1", "joel-remote@example.com").result is SpfStatus.PASS
    assert ask(zone, "192.0.2.66", "nobody@example.com").mechanism == "exists:%{ir}.ips.%{d2}"
    assert ask(zone, "192.0.2.67", "nobody@example.com").result is SpfStatus.FAIL


def test_several_requirements_of_appendix_a4() -> None:
    zone = Zone(
        {
            **EXAMPLE,
            "example.com": [("TXT", "v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all")],
            "ip4._spf.example.com": [("TXT", "v=spf1 -ip4:192.0.2.0/24 +all")],
            "ptr._spf.example.com": [("TXT", "v=spf1 -ptr:example.com +all")],
        }
    )
    assert ask(zone, "192.0.2.65", "a@example.com").result is SpfStatus.PASS
    assert ask(zone, "192.0.2.140", "a@example.com").result is SpfStatus.FAIL  # a name elsewhere
    assert ask(zone, "10.0.0.4", "a@example.com").result is SpfStatus.FAIL


NO_VERDICT = [
    ({}, "192.0.2.1", "a@example.com", SpfStatus.NONE, "example.com has no SPF record"),
    ({}, "192.0.2.1", "a@localhost", SpfStatus.NONE, "'localhost' is no full domain name"),
    ({}, "192.0.2.1", "a@[192.0.2.1]", SpfStatus.NONE, "'[192.0.2.1]' is no full domain name"),
    ({}, "local", "a@example.com", SpfStatus.NONE, "the client has no IP address"),
    (
        {"example.com": [TIMEOUT]},
        "192.0.2.1",
        "a@example.com",
        SpfStatus.TEMPERROR,
        "example.com cannot be looked up: gives no answer",
    ),
    (
        {"example.com": [("TXT", "v=spf1 ip5:1 -all")]},
        "192.0.2.1",
        "a@example.com",
        SpfStatus.PERMERROR,
        "the SPF record of example.com is wrong: 'ip5:1': there is no such mechanism",
    ),
    (
        {"example.com": [("TXT", "v=spf1 include:example.org -all")]},
        "192.0.2.1",
        "a@example.com",
        SpfStatus.PERMERROR,
        "example.com includes example.org, but example.org has no SPF record",
    ),
]


@pytest.mark.parametrize(("zone", "ip", "sender", "result", "problem"), NO_VERDICT)
def test_no_verdict_says_why(zone: dict[str, Any], ip: str, sender: str, result: SpfStatus, problem: str) -> None:
    found = ask(zone, ip, sender)
    assert (found.result, found.problem, found.mechanism) == (result, problem, "")


def test_the_null_sender_is_postmaster_of_the_helo_name() -> None:
    zone = record(
        "v=spf1 exists:%{l}.%{o}.users.test -all", **{"postmaster.example.com.users.test": [("A", "127.0.0.1")]}
    )
    for sender in ("", "example.com", "@example.com"):
        assert ask(zone, "192.0.2.1", sender, domain="example.com").result is SpfStatus.PASS


def test_addresses_of_either_kind() -> None:
    zone = record("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all")
    for ip in ("192.0.2.9", "::ffff:192.0.2.9", "2001:db8::7", "2001:DB8:0::7"):
        assert ask(zone, ip, "a@example.com").result is SpfStatus.PASS
    for ip in ("198.51.100.1", "::ffff:198.51.100.1", "2001:db9::1", "fe80::1%eth0"):
        assert ask(zone, ip, "a@example.com").result is SpfStatus.FAIL


def test_names_beyond_ascii() -> None:
    """RFC 8616 4: domains as A-labels; a local part beyond ASCII matches no term that uses it."""
    zone = Zone({"xn--bcher-kva.example": [("TXT", "v=spf1 -exists:%{l}.x.test -exists:%{s}.x.test ~a:%{o} +all")]})
    found = ask(zone, "192.0.2.1", "j\u00f8rn@B\u00fccher.example")
    assert (found.result, found.domain) == (SpfStatus.PASS, "xn--bcher-kva.example")
    assert zone.asked == ["TXT xn--bcher-kva.example", "A xn--bcher-kva.example"]
    redirected = ask(record("v=spf1 redirect=%{l}.example.net"), "192.0.2.1", "j\u00f8rn@example.com")
    assert redirected.result is SpfStatus.PERMERROR


def test_ten_lookups_and_not_one_more() -> None:
    more = {f"_{n}.example.com": [("TXT", "v=spf1 -all")] for n in range(11)}
    ten = " ".join(f"include:_{n}.example.com" for n in range(10))
    assert ask(record(f"v=spf1 {ten} ?all", **more), "192.0.2.1", "a@example.com").result is SpfStatus.NEUTRAL
    zone = record(f"v=spf1 {ten} include:_10.example.com ?all", **more)
    found = ask(zone, "192.0.2.1", "a@example.com")
    assert (found.result, len(zone.asked)) == (SpfStatus.PERMERROR, 11)
    assert found.problem == "the SPF record of example.com needs more than 10 lookups"


def test_an_include_of_itself_ends() -> None:
    zone = record("v=spf1 include:example.com")
    assert ask(zone, "192.0.2.1", "a@example.com").result is SpfStatus.PERMERROR
    assert len(zone.asked) == 11


def test_names_that_do_not_exist_count_once_for_a_term() -> None:
    """A host of an mx without an address of the client's kind is usual and counts nowhere."""
    hosts = {f"mx{n}.example.com": [("A", f"192.0.2.{n}")] for n in range(5)}
    zone = Zone(
        {
            "example.com": [("TXT", "v=spf1 mx a:x.test a:y.test ip6:2001:db8::/32 -all")]
            + [("MX", (1, host)) for host in hosts],
            **hosts,
        }
    )
    assert ask(zone, "2001:db8::1", "a@example.com").result is SpfStatus.PASS
    assert ask(record("v=spf1 a:x.test a:y.test a:z.test +all"), "192.0.2.1", "a@example.com").problem == (
        "more than 2 names in the SPF record of example.com do not exist"
    )
    roomy = SpfLimits(void_lookups=3)
    found = ask(record("v=spf1 a:x.test a:y.test a:z.test +all"), "192.0.2.1", "a@example.com", limits=roomy)
    assert found.result is SpfStatus.PASS


def test_ten_names_of_an_mx_and_not_one_more() -> None:
    for count, expected in ((10, SpfStatus.FAIL), (11, SpfStatus.PERMERROR)):
        hosts = [("MX", (n, f"mx{n}.example.net")) for n in range(count)]
        zone = Zone({"example.com": [("TXT", "v=spf1 mx -all"), *hosts]})
        assert ask(zone, "192.0.2.1", "a@example.com").result is expected


def test_ten_names_of_a_client() -> None:
    names = [f"h{n}.example.com" for n in range(30)]
    zone = Zone(
        {
            "example.com": [("TXT", "v=spf1 ptr ?all")],
            "1.2.0.192.in-addr.arpa": [("PTR", name) for name in names],
            names[-1]: [("A", "192.0.2.1")],
        }
    )
    assert ask(zone, "192.0.2.1", "a@example.com").result is SpfStatus.NEUTRAL
    assert sum(question.startswith("A ") for question in zone.asked) == 10


def test_the_name_of_a_client_is_found_once_and_counts_as_a_lookup() -> None:
    zone = Zone(
        {
            "example.com": [("TXT", "v=spf1 exists:%{p}.a.test exists:%{p}.b.test ptr -all exp=%{p}.exp.test")],
            "1.2.0.192.in-addr.arpa": [("PTR", "other.test"), ("PTR", "h.example.net")],
            "other.test": [("A", "192.0.2.1")],
            "h.example.net": [("A", "192.0.2.1")],
            "other.test.exp.test": [("TXT", "You are %{p}.")],
        }
    )
    found = ask(zone, "192.0.2.1", "a@example.com")
    assert (found.result, found.lookups, found.explanation) == (SpfStatus.FAIL, 4, "You are other.test.")
    assert sum(question.startswith("PTR") for question in zone.asked) == 1


EXPLANATIONS = [
    (
        "%{s} may not send from %{c} (%{h}, %{r}, %{t})",
        "a@example.com may not send from 192.0.2.1 (mx.example.net, me.test, 1700000000)",
    ),
    ("50%% off %_%-", "50% off  %20"),
    ("two\r\n250 lines", ""),
    ("tab\there", ""),
    ("na\u00efve", ""),
    ("%{x}", ""),
    ("", ""),
    ("x" * 1000, "x" * MAX_EXPLANATION),
    ("x" * 1100, ""),
]


@pytest.mark.parametrize(("text", "expected"), EXPLANATIONS)
def test_explanations(text: str, expected: str) -> None:
    zone = record("v=spf1 -all exp=why.test", **{"why.test": [("TXT", text)]})
    found = ask(zone, "192.0.2.1", "a@example.com", own_host="me.test", clock=lambda: 1_700_000_000.7)
    assert (found.result, found.explanation) == (SpfStatus.FAIL, expected)


def test_a_senders_own_characters_in_an_explanation_break_no_line() -> None:
    zone = record("v=spf1 -all exp=why.test", **{"why.test": [("TXT", "No, %{l}!")]})
    assert ask(zone, "192.0.2.1", "a\r\n250 ok@example.com").explanation == "No, a??250 ok!"


def test_an_explanation_is_for_fails_of_the_record_itself() -> None:
    for text in ("v=spf1 ~all exp=why.test", "v=spf1 +all exp=why.test", "v=spf1 ?all exp=why.test"):
        zone = record(text, **{"why.test": [("TXT", "Because.")]})
        assert ask(zone, "192.0.2.1", "a@example.com").explanation == ""
        assert zone.asked == ["TXT example.com"]


def test_what_is_remembered_takes_no_turn_of_the_event_loop() -> None:
    zone = Zone(
        {**EXAMPLE, "example.com": [*EXAMPLE["example.com"], ("TXT", "v=spf1 a mx ptr exists:%{ir}.x.test -all")]}
    )

    async def main() -> SpfResult:
        coroutine = check_host("192.0.2.1", "example.com", "a@example.com", helo="h.test", resolver=zone)
        before = len(asyncio.all_tasks())
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        result = await coroutine
        assert turns == []
        assert len(asyncio.all_tasks()) == before
        return result

    assert run(main()).result is SpfStatus.FAIL


def test_our_resolver_is_one() -> None:
    resolver: Lookups = DnsResolver(["192.0.2.1"])
    assert run(check_host("192.0.2.1", "x", "a@x", helo="x", resolver=resolver)).result is SpfStatus.NONE
