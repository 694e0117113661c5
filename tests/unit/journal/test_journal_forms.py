"""Exports line by line, details that fit, levels, stories from records alone, and the pages of statistics."""

import csv
import io
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.journal.codes import FUNCTIONS, MEANINGS, render_codes
from estafeta.journal.exporting import Form, export
from estafeta.journal.filtering import Recording
from estafeta.journal.reading import Entry, Wanted, parse_wanted
from estafeta.journal.records import Code, Record, detail, read_detail, shorten_detail
from estafeta.journal.stats import Collector
from estafeta.journal.stats_html import in_html
from estafeta.journal.stats_text import in_text
from estafeta.journal.story import State, summarize
from estafeta.journal.tally import Tally

CAME_MS = 1_700_000_000_000
IDENT = CAME_MS << 20 | 7


def entry(code: str, address: str = "", peer: str = "", text: str = "", size: int = 0, **detail: Any) -> Entry:
    return Entry(IDENT, CAME_MS * 1000 + 5, code, address, peer, size, text, detail)


RECEIVED = entry("94", "anna@x.test", "mx [192.0.2.1]", "ESMTP", 99, to=["b@x.test", "c@x.test"], message_id="<1@x>")
FAILED = entry("83", "b@y.test", "mx.y.test", "550 5.1.1 no")


def test_i5() -> None:
    front = "2023-11-14T22:13:20.000005Z 18bcfe5680000007"
    assert "".join(export([[RECEIVED, FAILED, entry("C6", "d@z.test")]], Form.I5)).splitlines() == [
        f'LG 94 {front} LIN mx [192.0.2.1] SIZE 99 "ESMTP"',
        f"LG 91 {front} O anna@x.test",
        f"LG 92 {front} R b@x.test",
        f"LG 92 {front} R c@x.test",
        f"LG 99 {front} MSGID <1@x>",
        f'LG 83 {front} mx.y.test "550 5.1.1 no"',
        f"LG 82 {front} U b@y.test",
        f"LG C6 {front} QTMSOUTQ",
        f"LG C2 {front} R d@z.test",
    ]


def test_csv_and_json_lines() -> None:
    hostile = entry("83", "=cmd()", '"quoted"\n', "two\r\nlines")
    rows = list(csv.reader(io.StringIO("".join(export([[RECEIVED], [hostile]], Form.CSV)))))
    assert rows[0][:3] == ["time", "ident", "code"]
    assert rows[1][1:4] == ["18bcfe5680000007", "94", "anna@x.test"]
    assert json.loads(rows[1][7]) == RECEIVED.detail
    assert (rows[2][3], rows[2][6]) == ("'=cmd()", "two\r\nlines")
    [line] = "".join(export([[hostile]], Form.JSONL)).splitlines()
    assert json.loads(line)["text"] == "two\r\nlines"


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=40) | st.lists(st.text(max_size=9)) | st.integers()),
    st.integers(0, 300),
)
def test_details_fit(values: dict[str, Any], longest: int) -> None:
    text = detail(**values)
    assert read_detail(text) == {key: value for key, value in values.items() if value}
    assert len(shorten_detail(text, longest)) <= longest
    assert isinstance(read_detail(shorten_detail(text, longest)), dict)


def test_lists_are_shortened_first() -> None:
    text = detail(subject="s" * 50, to=[f"m{n}@x.test" for n in range(99)])
    short = read_detail(shorten_detail(text, 200))
    assert short["subject"] == "s" * 50
    assert 0 < len(short["to"]) < 20


def test_levels() -> None:
    records = (Record(1, "94", detail=detail(subject="s", to=["x"])), Record(1, "C6"), Record(1, "88"))
    assert [one.code for one in Recording().keep(records)] == ["94", "C6", "88"]
    assert [one.code for one in Recording("reduced").keep(records)] == ["94", "88"]
    assert Recording("off").keep(records) == ()
    assert [Recording(level).reading for level in ("full", "reduced", "off")] == [True, False, False]
    assert read_detail(Recording(subjects=False).keep(records)[0].detail) == {"to": ["x"]}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("18bcfe5680000007", Wanted(ident=IDENT)),
        (" 18BCFE5680000007 ", Wanted(ident=IDENT)),
        ("a@x.test", Wanted(address="a@x.test", field="<a@x.test>")),
        ("<a@x.test>", Wanted(address="a@x.test", field="<a@x.test>")),
        ("@x.test", Wanted(address="@x.test", field="<@x.test>")),
        ("meet me @ noon", Wanted(subject="meet me @ noon")),
        ("decade", Wanted(subject="decade")),
        ("192.0.2.7", Wanted(subject="192.0.2.7", peer="192.0.2.7")),
        ("[2001:DB8::7]", Wanted(subject="[2001:DB8::7]", peer="2001:db8::7")),
    ],
)
def test_what_people_look_for(words: str, wanted: Wanted) -> None:
    assert parse_wanted(words) == wanted


STORIES = {
    "delivered": ([RECEIVED, entry("B8", "b@x.test"), entry("B8", "c@x.test")], "filed"),
    "waiting": ([entry("C6", "b@y.test"), entry("8C", "b@y.test")], "waiting"),
    "held by an operator": ([entry("C6", "b@y.test"), entry("C6", "c@y.test"), entry("HH")], "held"),
    "some of each": (
        [entry("C6", "b@y.test"), entry("C6", "c@y.test"), entry("88", "b@y.test"), entry("HX")],
        "1 delivered, 1 removed",
    ),
    "refused as a whole": ([RECEIVED, entry("B3", "b@x.test"), entry("9W", text="full")], "refused"),
    "nothing yet": ([RECEIVED], "taken"),
}


@pytest.mark.parametrize(("records", "fate"), STORIES.values(), ids=STORIES)
def test_fates(records: list[Entry], fate: str) -> None:
    assert summarize(records).fate == fate


def test_a_story_says_who_wrote_to_whom() -> None:
    story = summarize([RECEIVED, FAILED, entry("AP", notice=["1abc", "zz", "1" * 99])])
    assert (story.sender, story.recipients, story.field_id) == ("anna@x.test", ["b@x.test", "c@x.test"], "<1@x>")
    assert story.states == {"b@y.test": State.FAILED}
    assert story.links == {0x1ABC: "notice about it"}


def test_a_refusal_is_of_its_sender_and_its_recipients() -> None:
    message = summarize(
        [entry("9W", peer="192.0.2.7", text="550 no", sender="a@far.test", to=["b@x.test", "c@x.test"])]
    )
    assert (message.sender, message.recipients, message.fate) == ("a@far.test", ["b@x.test", "c@x.test"], "refused")
    recipient = summarize([entry("9V", "b@x.test", "192.0.2.7", "550 no", sender="b@x.test")])
    assert (recipient.sender, recipient.states) == ("b@x.test", {"b@x.test": State.REFUSED})
    sender = summarize([entry("9W", peer="192.0.2.7", text="550 no", sender="a@far.test")])
    assert (sender.sender, sender.peer, sender.states) == ("a@far.test", "192.0.2.7", {"": State.REFUSED})


# Statistics


def moved(one: Entry, ident: int, seconds: float = 0.0) -> Entry:
    return one._replace(message_id=IDENT + ident, at_us=one.at_us + int(seconds * 1e6))


class _Balanced(HTMLParser):
    """Gathers text; what is opened and has to be closed is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in ("div", "svg", "table", "main", "html", "style", "h1", "h2", "g", "footer"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("div", "svg", "table", "main", "html", "style", "h1", "h2", "g", "footer"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def collected() -> Collector:
    made = Collector(CAME_MS - 3_600_000, CAME_MS + 3_600_000, "mx.x.test")
    waited = entry("88", "b@y.test", "mx.y.test", "250 ok", 99, tls="TLSv1.3", attempt=2)
    made.take([entry("95", "anna@x.test", "gw.x.test", "ESMTP", 99, tls="TLSv1.3")])
    made.take([moved(entry("8C", "b@y.test", text="451 <script>"), 0, 1), moved(waited, 0, 400)])
    made.take([moved(entry("95", "anna@x.test", "laptop", "ESMTPSA", 50, login="anna@x.test"), 1)])
    made.take([moved(FAILED, 1, 2), moved(entry("AP", "anna@x.test"), 1, 2)])
    made.take([moved(entry("9V", "q@z.test", "[203.0.113.1]", "550 no"), 2), moved(entry("JR", "anna@x.test"), 3)])
    return made


def test_what_is_counted() -> None:
    report = collected().report()
    totals = report.totals
    assert (totals.received, totals.received_bytes, totals.received_tls) == (2, 149, 1)
    assert (totals.relayed, totals.submitted, totals.sent, totals.sent_at_once, totals.sent_tls) == (1, 1, 1, 0, 1)
    assert (totals.put_off, totals.delayed, totals.failed, totals.refused, totals.notices) == (1, 1, 1, 1, 1)
    assert totals.read == 1
    assert dict(report.waits)[900] == 1
    assert {name: [one.name for one in ranked] for name, ranked in report.tables.items()} == {
        "Hosts that sent most": ["gw.x.test", "laptop"],
        "Senders": ["anna@x.test"],
        "Users who sent most": ["anna@x.test"],
        "Destinations": ["y.test"],
        "Relayed": ["gw.x.test => y.test"],
        "Reasons for delay": ["y.test: 451 <script>"],
        "Failures": ["b@y.test: 550 5.1.1 no"],
        "Refused": ["[203.0.113.1]"],
        "Reasons for refusal": ["550 no"],
    }


@pytest.mark.parametrize("days", [0.01, 1, 30, 365, 9000])
def test_pages_of_any_length(days: float) -> None:
    made = Collector(CAME_MS - int(days * 86_400_000), CAME_MS + 1, "mx.x.test")
    made.take([RECEIVED, entry("B8", "b@x.test")])
    report = made.report()
    assert len(report.timeline) <= 400
    assert sum(one.received for one in report.timeline) == 1
    assert "Messages received" in in_text(report)
    assert in_html(report).count("<svg") == 2


def test_the_page_is_whole_and_harmless() -> None:
    page, parser = in_html(collected().report()), _Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    assert "<script" not in page
    assert "http" not in page
    assert "y.test: 451 <script>" in "".join(parser.said)
    assert "451 <script>" in in_text(collected().report())


def test_a_report_of_nothing() -> None:
    report = Collector(CAME_MS, CAME_MS + 1000).report()
    assert "Nothing went to other servers." in in_html(report)
    assert in_text(report).startswith("Mail from ")


def test_a_table_of_names_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estafeta.journal.tally._NAMES", 10)
    tally = Tally()
    for number in range(1000):
        tally.add("often", 1)
        tally.add(f"once{number}", 1)
    assert len(tally) <= 10
    assert tally.top(1)[0] == ("often", 1000, 1000)


def test_every_code_is_explained() -> None:
    assert set(MEANINGS) == set(Code)
    assert {code[0] for code in Code} == set(FUNCTIONS)
    assert all(f"| {code}" in render_codes() for code in Code)
