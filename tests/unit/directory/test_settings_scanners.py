"""Where scanners are, as people write it: sockets and ports in the words of several programs, lines of milters."""

import pytest

from estafeta.core.errors import EstafetaError
from estafeta.directory.settings_catalog import find_setting, parse_value
from estafeta.directory.settings_milters import MilterRule, parse_milter
from estafeta.directory.settings_scanners import AskedOf, Away, Place, parse_place


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ("/run/clamav/clamd.ctl", Place(path="/run/clamav/clamd.ctl"), "/run/clamav/clamd.ctl"),
        ("unix:/run/x.sock", Place(path="/run/x.sock"), "/run/x.sock"),
        ("local:/run/x.sock", Place(path="/run/x.sock"), "/run/x.sock"),
        (" Scan.Example.:3310 ", Place("scan.example", 3310), "scan.example:3310"),
        ("inet:localhost:8891", Place("localhost", 8891), "localhost:8891"),
        ("inet:8891@localhost", Place("localhost", 8891), "localhost:8891"),
        ("8891@192.0.2.1", Place("192.0.2.1", 8891), "192.0.2.1:8891"),
        ("[2001:db8::1]:783", Place("2001:db8::1", 783), "[2001:db8::1]:783"),
        ("inet6:783@[::1]", Place("::1", 783), "[::1]:783"),
    ],
)
def test_places(text: str, place: Place, shown: str) -> None:
    assert parse_place(text) == place
    assert str(place) == shown
    assert parse_place(shown) == place


@pytest.mark.parametrize(
    "text",
    ["", "unix:", "localhost", "localhost:", "localhost:0", "localhost:65536", ":25", "/with blank", "/" + "x" * 107,
     "a b:1", "/line\nend", "host:٣", "relative/path", "[::1:25"],
)  # fmt: skip
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|missing"):
        parse_place(text)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("/run/x", MilterRule(Place(path="/run/x"))),
        ("/run/x away=pass seconds=5", MilterRule(Place(path="/run/x"), 5, Away.PASS)),
        ("h:1  for=users away=reject", MilterRule(Place("h", 1), away=Away.REJECT, asked_of=AskedOf.USERS)),
    ],
)
def test_milters(line: str, rule: MilterRule) -> None:
    assert parse_milter(line) == rule


@pytest.mark.parametrize(
    "option", ["seconds=0", "seconds=601", "seconds=1.5", "seconds=", "away=maybe", "for=nobody", "with=x", "away"]
)
def test_what_is_no_option(option: str) -> None:
    with pytest.raises(ValueError, match="is none of"):
        parse_milter(f"h:1 {option}")


def test_values_are_taken_as_typed_and_refused_in_words() -> None:
    rules = find_setting("milters.server_rules")
    assert parse_value(rules, "h:1  away=pass ;; inet:2@h") == ["h:1 away=pass", "inet:2@h"]
    assert parse_value(find_setting("clamav.server"), " /run/clamd ") == "/run/clamd"
    assert parse_value(find_setting("hook.url"), "") == ""
    with pytest.raises(EstafetaError, match="'away=no' is none of"):
        parse_value(rules, "h:1 away=no")
    with pytest.raises(EstafetaError, match="is not a URL"):
        parse_value(find_setting("hook.url"), "filter.example/mail")
    with pytest.raises(EstafetaError, match=r"clamav\.infected must be reject, quarantine or discard"):
        parse_value(find_setting("clamav.infected"), "delete")
