"""DNS lists (RFC 5782): lines of the settings, questions, answers, and lists that cannot be believed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError, Kind
from estafeta.trust.dnsbl import Listing, address_question, ask_address, ask_name, judge_answers, parse_dns_list
from zone_kit import Zone, run

LINE = "bl.example 127.0.0.2,127.0.0.3=3 127.0.0.10-11=2 127.0.*.20=-1.5 &64=4"


@pytest.mark.parametrize(
    ("answers", "points"),
    [
        (("127.0.0.2",), 3.0),
        (("127.0.0.3",), 3.0),
        (("127.0.0.4",), None),
        (("127.0.0.10",), 2.0),
        (("127.0.0.12",), None),
        (("127.0.7.20",), -1.5),
        (("127.0.0.65",), 4.0),
        (("127.0.1.65",), None),
        (("127.0.0.10", "127.0.0.2", "127.0.0.4"), 3.0),
        ((), None),
    ],
)
def test_answers_count_as_the_line_says(answers: tuple[str, ...], points: float | None) -> None:
    listing = judge_answers(parse_dns_list(LINE), answers, "x")
    assert (listing.points if listing is not None else None) == points


@pytest.mark.parametrize(
    "answer", ["127.255.255.252", "127.255.255.254", "127.255.255.255", "127.0.0.1", "127.0.0.255", "192.0.2.1"]
)
def test_a_list_that_refuses_or_lies_lists_nobody(answer: str) -> None:
    listing = judge_answers(parse_dns_list("bl.example 3"), (answer,), "x")
    assert listing is not None
    assert listing.problem
    assert listing.points == 0


def test_a_line_that_names_a_refusal_means_it() -> None:
    listing = judge_answers(parse_dns_list("bl.example 127.0.0.1=2"), ("127.0.0.1",), "x")
    assert listing == Listing("bl.example", "x", 2.0, "127.0.0.1")


@pytest.mark.parametrize(
    ("address", "question"),
    [
        ("192.0.2.99", "99.2.0.192"),
        ("::ffff:192.0.2.99", "99.2.0.192"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2",  # RFC 5782 2.4
        ),
        ("10.1.2.3", ""),
        ("fe80::1%eth0", ""),
        ("127.0.0.1", ""),
        ("local", ""),
        ("", ""),
    ],
)
def test_addresses_are_asked_about_as_the_rfc_says(address: str, question: str) -> None:
    assert address_question(address) == question


def test_lists_are_asked_and_tested() -> None:
    zone = Zone({"99.2.0.192.bl.example": [("A", "127.0.0.2")], "bad.test.bl.example": [("A", "127.0.0.3")]})
    listed = run(ask_address(zone, parse_dns_list(LINE + " reject"), "192.0.2.99"))
    assert listed == Listing("bl.example", "192.0.2.99", 3.0, "127.0.0.2", reject=True)
    assert run(ask_name(zone, parse_dns_list(LINE), "bad.test")) == Listing("bl.example", "bad.test", 3.0, "127.0.0.3")
    assert run(ask_name(zone, parse_dns_list(LINE), "good.test")) is None
    assert run(ask_name(zone, parse_dns_list(LINE), "")) is None
    assert run(ask_address(zone, parse_dns_list(LINE), "10.0.0.1")) is None


def test_a_list_of_good_senders_never_refuses() -> None:
    zone = Zone({"99.2.0.192.wl.example": [("A", "127.0.5.2")]})
    listing = run(ask_address(zone, parse_dns_list("wl.example 127.0.*.1-3=-2.5 reject"), "192.0.2.99"))
    assert listing == Listing("wl.example", "192.0.2.99", -2.5, "127.0.5.2", reject=False)


def test_a_zone_that_lists_everything_is_no_witness() -> None:
    """RFC 5782 5: what happens when a list is closed and its domain sold."""
    zone = Zone(
        {
            "99.2.0.192.bl.example": [("A", "127.0.0.2")],
            "1.0.0.127.bl.example": [("A", "127.0.0.2")],
            "bad.test.bl.example": [("A", "127.0.0.2")],
            "invalid.bl.example": [("A", "127.0.0.2")],
        }
    )
    for asked in (
        ask_address(zone, parse_dns_list(LINE), "192.0.2.99"),
        ask_name(zone, parse_dns_list(LINE), "bad.test"),
    ):
        listing = run(asked)
        assert listing is not None
        assert "lists everything" in listing.problem


@pytest.mark.parametrize(
    "line",
    ["", "bl.example", "example 3", "bl.example reject", "bl.example 127.0.0=3", "bl.example 127.0.0.3-2=1",
     "bl.example 127.0.0.256=1", "bl.example &0=1", "bl.example &256=1", "bl.example 128.0.0.1=2", "bl.example =3",
     "bl.example 1e9", "bl.example 127.0.0.2=nan", "bl ex.ample 3"],
)  # fmt: skip
def test_lines_that_say_nothing_useful_are_refused(line: str) -> None:
    with pytest.raises(EstafetaError) as refused:
        parse_dns_list(line)
    assert refused.value.kind is Kind.INVALID


@given(st.text(max_size=80))
def test_no_line_does_worse_than_being_refused(line: str) -> None:
    with suppress(EstafetaError):
        assert parse_dns_list(line).codes
