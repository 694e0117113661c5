"""`estafeta queue`: what it prints, what it does, and what it asks before anything is destroyed."""

import io
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from estafeta.cli import main
from estafeta.cli.queuechoice import Selection, parse_ident
from estafeta.cli.queuewords import age, parse_ahead, span, volume
from queue_home import GREYLISTED, HOUR, LATER, NOTICE, NOW_MS, OFFER, REFUSED, URGENT, make_home

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "mail"
    make_home(root)
    return root


@pytest.fixture
def run(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Status, what was printed, and what was said to the person, by the clock of the home."""
    home = shutil.copytree(template, tmp_path / "mail")
    monkeypatch.setattr(time, "time", lambda: NOW_MS / 1000)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["estafeta", "--home", str(home), *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        sys.stdout.flush()
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def states(run: Run) -> Callable[[], dict[str, str]]:
    """How each recipient waits."""

    def states() -> dict[str, str]:
        found = json.loads(run("queue", "list", "--json")[1])
        return {one["address"]: one["state"] for message in found for one in message["recipients"]}

    return states


AT_FIRST = {
    "maria@partner.test": "later",
    "jose@partner.test": "later",
    "x@other.test": "due",
    "someone@long.example.net": "due",
    "li@grey.test": "later",
    "z@other.test": "due",
}


# Looking


def test_the_list(run: Run):
    status, out, _ = run("queue", "list")
    assert status == 0
    assert out.splitlines() == [
        f'{OFFER}    4h      60  anna@example.test  "Offer"',
        f"    maria@partner.test  in 1d: {REFUSED}",
        f"    jose@partner.test  in 1d: {REFUSED}",
        "    x@other.test  due now",
        f"{NOTICE}    3h      60  <>",
        "    someone@long.example.net  due now",
        f'{URGENT}    2h      60  ben@example.test  high priority  "Now \\x1b[31mred"',
        f"    li@grey.test  in 2h: {GREYLISTED}",
        f"{LATER}    1h      60  ben@example.test",
        "    z@other.test  due now",
        "4 messages, 6 recipients, 240 octets",
    ]


@pytest.mark.parametrize(
    ("words", "idents"),
    [
        ((), [OFFER, NOTICE, URGENT, LATER]),
        (("--all",), [OFFER, NOTICE, URGENT, LATER]),
        (("--limit", "2"), [OFFER, NOTICE]),
        ((URGENT, f"{LATER}*"), [URGENT, LATER]),
        (("--sender", "BEN@*"), [URGENT, LATER]),
        (("--sender", "<>"), [NOTICE]),
        (("--sender", "ben@*", "--domain", "other.test"), [LATER]),
        (("--recipient", "maria@partner.test"), [OFFER]),
        (("--domain", "@other.test"), [OFFER, LATER]),
        (("--destination", "grey.test"), [URGENT]),
        (("--destination", "mx:o*"), [OFFER, LATER]),
        (("--older", "150m"), [OFFER, NOTICE]),
        (("--newer", "150m"), [URGENT, LATER]),
        (("--held",), []),
        (("--not-held", "--domain", "grey.test"), [URGENT]),
        (("--sender", "nobody@*"), []),
    ],
)
def test_what_is_listed(run: Run, words: tuple[str, ...], idents: list[str]):
    status, out, _ = run("queue", "list", "--json", *words)
    assert status == 0
    assert [message["ident"] for message in json.loads(out)] == idents


def test_the_list_as_json(run: Run):
    _, out, _ = run("queue", "list", URGENT, "--json")
    [message] = json.loads(out)
    assert message["from"] == "ben@example.test"
    assert message["came_ms"] == NOW_MS - 2 * HOUR
    [one] = message["recipients"]
    assert one | {"expires_ms": 0} == {
        "address": "li@grey.test",
        "destination": "mx:grey.test",
        "priority": "high",
        "state": "later",
        "next_ms": NOW_MS + 2 * HOUR,
        "attempts": 1,
        "first_failed_ms": NOW_MS,
        "expires_ms": 0,
        "notify": "",
        "reason": GREYLISTED,
    }


def test_the_summary(run: Run):
    status, out, _ = run("queue", "summary")
    assert status == 0
    assert out.splitlines() == [
        "  Count  Volume  Oldest  Newest  Domain",
        "  -----  ------  ------  ------  ------",
        "      1      60      2h      2h  grey.test",
        "      1      60      3h      3h  long.example.net",
        "      2     120      4h      1h  other.test",
        "      2     120      4h      4h  partner.test",
        "-" * 51,
        "      6     360      4h      1h  TOTAL",
        "",
        "4 messages, 6 recipients, 360 octets.",
        "1 destination could not be reached the last time (`estafeta queue next`).",
    ]
    sums = json.loads(run("queue", "summary", "--by", "sender", "--sort", "count", "--limit", "1", "--json")[1])
    assert sums["totals"]["messages"] == 4
    assert [(one["name"], one["number"]) for one in sums["sender"]] == [("ben@example.test", 2)]


def test_one_message(run: Run):
    status, out, _ = run("queue", "show", OFFER)
    assert status == 0
    for line in (
        "  From      anna@example.test",
        "  x@other.test",
        f"    Why       {REFUSED}",
        "    Next try  due now",
    ):
        assert line in out.splitlines()
    assert json.loads(run("queue", "show", OFFER, "--json")[1])["subject"] == "Offer"
    assert run("queue", "show", OFFER, "--content")[1] == "Subject: Offer\r\n"
    assert run("queue", "show", OFFER, "--body")[1] == "Subject: Offer\r\n\r\nWords.\r\n"


def test_when_a_destination_is_tried(run: Run):
    status, out, _ = run("queue", "next", "maria@partner.test")
    assert status == 0
    assert out == run("queue", "next")[1] == run("queue", "next", "mx:partner.test")[1]
    lines = out.splitlines()
    assert lines[0] == "mx:partner.test"
    assert lines[1].startswith("  Waiting        2 recipients, 120 octets, the oldest for 4 h")
    assert f"  Why            {REFUSED}" in lines
    assert any(line.startswith("  Next try       in 1 d 12 h (") for line in lines)
    assert f"  Put off        li@grey.test: {GREYLISTED}" in run("queue", "next", URGENT)[1].splitlines()
    assert "mx:long.example.net" in run("queue", "next", "--all")[1]
    [state] = json.loads(run("queue", "next", "partner.test", "--json")[1])
    assert (state["waiting"], state["failures"], state["next_ms"]) == (2, 2, NOW_MS + 36 * HOUR)
    assert run("queue", "next", "else.test")[1] == (
        "Nothing waits for else.test; what comes would go to mx:else.test at once.\n"
    )


# Sending and holding


def test_all_now(run: Run, states: Callable[[], dict[str, str]]):
    assert states() == AT_FIRST
    assert run("queue", "retry", "--all")[1] == "To be tried now: 6 recipients.\n"
    assert set(states().values()) == {"due"}


def test_one_and_one_destination_now(run: Run, states: Callable[[], dict[str, str]]):
    assert run("queue", "retry", URGENT)[1] == "To be tried now: 1 recipient.\n"
    assert states() == AT_FIRST | {"li@grey.test": "due"}
    assert run("queue", "retry", "--destination", "partner.test")[1] == "To be tried now: 2 recipients.\n"
    assert set(states().values()) == {"due"}


def test_hold_messages(run: Run, states: Callable[[], dict[str, str]]):
    assert run("queue", "hold", LATER, "--recipient", "z@*")[1] == "Held: 1 recipient.\n"
    assert states() == AT_FIRST | {"z@other.test": "held"}
    assert run("queue", "retry", LATER) == (
        0,
        "To be tried now: 0 recipients.\n",
        "Held, and so not tried: 1 recipient. `estafeta queue release` lets it go.\n",
    )
    assert run("queue", "release", "--all")[1] == "Released: 1 recipient.\n"
    assert run("queue", "release", "--all")[1] == "Nothing of that was held.\n"
    assert states() == AT_FIRST


def test_hold_a_destination(run: Run, states: Callable[[], dict[str, str]]):
    assert run("queue", "hold", "--destination", "other.test")[1] == (
        "Nothing is sent to mx:other.test until it is released.\n"
    )
    assert run("queue", "hold", "--destination", "new.test")[0] == 0
    held = "destination held"
    assert states() == AT_FIRST | {"x@other.test": held, "z@other.test": held}
    assert "mx:other.test is held, and so not tried." in run("queue", "retry", "--all")[2]
    assert "2 destinations are held." in run("queue", "summary")[1]
    assert "held: " in run("queue", "next", "new.test")[1]
    assert run("queue", "release", "--destination", "*.test")[0] == 0
    assert states()["x@other.test"] == "due"


def test_hold_a_priority(run: Run, states: Callable[[], dict[str, str]]):
    assert run("queue", "hold", "--priority", "high")[0] == 0
    assert states() == AT_FIRST | {"li@grey.test": "priority held"}
    assert "All that has high priority is held." in run("queue", "summary")[1]
    assert run("config", "show", "queue.hold_high")[0] == 0
    assert run("queue", "release", "--priority", "all")[0] == 0
    assert states() == AT_FIRST


def test_a_domain_behind_a_smarthost_is_no_destination(run: Run):
    run("config", "set", "routing.smarthost", "[relay.test]:587")
    status, _, said = run("queue", "hold", "--destination", "nothing.test")
    assert status == 1
    assert "its mail goes to host:relay.test:587" in said


# Ending


@pytest.mark.parametrize("command", ["remove", "bounce"])
def test_nothing_is_destroyed_without_a_question(run: Run, states: Callable[[], dict[str, str]], command: str):
    status, _, said = run("queue", command, "--all")
    assert status == 2
    assert "add --yes" in said
    assert states() == AT_FIRST


def test_remove(run: Run, states: Callable[[], dict[str, str]]):
    assert run("queue", "remove", "--sender", "anna@*", "--domain", "partner.test", "--yes")[1] == (
        "Removed: 2 recipients.\n"
    )
    assert "maria@partner.test" not in states()
    assert run("queue", "remove", OFFER, "-y")[1] == "Removed: 1 recipient.\n"
    assert run("queue", "show", OFFER) == (1, "", f"estafeta: There is no message {OFFER} in the queue.\n")
    assert run("queue", "remove", "--sender", "anna@*", "-y")[1] == "Nothing in the queue is like that.\n"
    assert run("queue", "remove", "--all", "-y")[1] == "Removed: 3 recipients.\n"
    assert run("queue", "list")[1] == "The queue is empty.\n"
    assert run("store", "verify")[1] == "Nothing is wrong.\n"


def test_bounce(run: Run, states: Callable[[], dict[str, str]]):
    assert run("queue", "bounce", LATER, "-y")[1] == "Given up: 1 recipient. The senders are told.\n"
    assert states() == AT_FIRST | {"z@other.test": "given up"}


# Changing


def test_route_anew(run: Run):
    run("config", "set", "routing.route_rules", "other.test [relay.test]:587 ;; partner.test direct")
    status, out, _ = run("queue", "requeue", "--all")
    assert status == 0
    assert out.splitlines()[:2] == ["Routed anew: 6 recipients.", "  2 to the mail exchangers of partner.test"]
    assert "  2 to the host relay.test:587" in out.splitlines()
    found = json.loads(run("queue", "list", LATER, "--json")[1])
    assert found[0]["recipients"][0]["destination"] == "host:relay.test:587"


def test_what_is_ours_by_now_is_looked_up_here(run: Run):
    run("domain", "add", "other.test")
    assert "  2 to this server, when its time has come" in run("queue", "requeue", "--domain", "other.test")[1]


def test_the_next_try_of_messages(run: Run):
    status, out, _ = run("queue", "edit", URGENT, "--next", "+5h")
    assert (status, out[:14]) == (0, "Next tried at ")
    [message] = json.loads(run("queue", "list", URGENT, "--json")[1])
    assert message["recipients"][0]["next_ms"] == NOW_MS + 5 * HOUR
    _, _, said = run("queue", "edit", OFFER, "--next", "+10m")
    assert said.startswith("mx:partner.test is in trouble and not tried before ")


def test_the_next_try_of_a_destination(run: Run):
    assert run("queue", "edit", "--destination", "partner.test", "--next", "2036-11-25 11:00")[1] == (
        "mx:partner.test: next tried at 2036-11-25 11:00:00.\n"
    )
    assert "(2036-11-25 11:00:00)" in run("queue", "next", "partner.test")[1]


def test_the_priority(run: Run):
    assert run("queue", "edit", LATER, "--priority", "high")[1] == "Of high priority now: 1 recipient.\n"
    [message] = json.loads(run("queue", "list", LATER, "--json")[1])
    assert message["recipients"][0]["priority"] == "high"


def test_forget(run: Run):
    assert run("queue", "prune", "--older", "1h")[1] == "Forgot 0 destinations.\n"
    assert run("queue", "prune", "--destination", "partner.test")[1] == (
        "The failures of mx:partner.test are forgotten.\n"
    )
    assert run("queue", "next")[1] == "No destination is in trouble or held.\n"
    run("queue", "remove", "--all", "-y")
    assert run("queue", "prune", "--older", "0s")[1] == "Forgot 4 destinations.\n"


# What cannot be


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("retry",), 2, "say which messages"),
        (("retry", "partner.test"), 2, "is no ident"),
        (("retry", "--all", "--sender", "x"), 2, "--all means all"),
        (("retry", "1a1fdbdb10678d"), 1, "There is no message 1a1fdbdb10678d in the queue."),
        (("show", "1a1fdbdb10678d"), 1, "There is no message"),
        (("show", "x"), 2, "is no ident"),
        (("list", "--older", "soon"), 2, "is no time"),
        (("edit", "--all"), 2, "say what to change"),
        (("edit", "--all", "--next", "soon"), 2, "is no time"),
        (("edit", "--all", "--priority", "low"), 2, "is no priority"),
        (("hold", "--priority", "low"), 2, "is no priority"),
        (("hold", "--priority", "high", "--all"), 2, "leave the other options out"),
        (("release", "--destination", "nothing.test"), 1, "Nothing waits for nothing.test, and"),
        (("release", "--destination", "nothing*"), 1, "Nothing waits for nothing*, and nothing is remembered of it."),
        (("summary", "--by", "colour"), 2, "it can be summed up by"),
        (("summary", "--sort", "colour"), 2, "it can be sorted by"),
        (("next", "@"), 0, ""),
    ],
)
def test_refused_in_one_sentence(run: Run, words: tuple[str, ...], status: int, said: str):
    found = run("queue", *words)
    assert found[0] == status
    assert said in found[2]


# Words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", 0),
        ("+2h", 2 * HOUR),
        ("90m", 90 * 60_000),
        ("1d", 24 * HOUR),
        ("1970-01-01", None),
    ],
)
def test_moments_to_come(text: str, expected: int | None):
    found = parse_ahead(text, NOW_MS)
    assert found - NOW_MS == expected if expected is not None else found < NOW_MS


def test_a_time_of_day_is_the_next_one():
    found = parse_ahead("11:00", NOW_MS)
    assert 0 < found - NOW_MS <= 24 * HOUR
    assert parse_ahead("261125:1100", NOW_MS) == parse_ahead("2026-11-25 11:00", NOW_MS)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01", "+", "99999999h", "12"])
def test_no_moments(text: str):
    with pytest.raises(typer.BadParameter):
        parse_ahead(text, NOW_MS)


@pytest.mark.parametrize("text", ["", "x", "partner.test", "ffffffffffffffff", "1" * 40, "-1", "１a1fdbdb10678db4"])
def test_no_idents(text: str):
    with pytest.raises(typer.BadParameter):
        parse_ident(text)


def test_idents_with_marks():
    assert parse_ident(" 1A1FDBDB10678DB4*# ") == 0x1A1FDBDB10678DB4


def test_words():
    assert [age(one * 1000) for one in (-1, 5, 90, 7200, 200_000)] == ["0s", "5s", "1m", "2h", "2d"]
    assert [span(one * 1000) for one in (5, 90, 7260, 200_000)] == ["5 s", "1 min", "2 h 1 min", "2 d 7 h"]
    found = [volume(one) for one in (0, 1740, 28 << 10, 3 << 20, 200 << 20)]
    assert found == ["0", "1740", "28KB", "3.0MB", "200MB"]


def test_only_a_destination():
    assert Selection(idents=[], destination="x").only_destination
    assert not Selection(idents=[], destination="x", sender="y").only_destination
    assert Selection(idents=[]).is_empty
    assert not Selection(held=False).is_empty
