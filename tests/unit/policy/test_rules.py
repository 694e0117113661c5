"""Rules for header and content: what each finds, what it must not find, and that hostile mail costs bounded time."""

import io
import time
import zipfile
from base64 import b64encode
from email.message import EmailMessage
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from spam_kit import NOW, facts, local, message, run, session, settings

from estafeta.directory.settings_model import Settings
from estafeta.policy.content import Content
from estafeta.policy.reading import reading_of
from estafeta.policy.rulebook import rulebook
from estafeta.policy.rules import RULES, checks, judge
from estafeta.trust.spf import SpfResult
from estafeta.trust.spfrecord import SpfStatus

GOOD = {
    "From": "Ana <ana@there.test>",
    "To": "bob@here.test",
    "Subject": "The report, as promised",
    "Date": formatdate(NOW),
    "Message-ID": "<1@there.test>",
    "MIME-Version": "1.0",
}


def found(content: Content, wanted: Settings | None = None, **proof: str) -> set[str]:
    known = facts("ana@there.test", content=content, **proof)  # type: ignore[arg-type]
    if not proof:
        known.found["spf"] = SpfResult(SpfStatus.NONE, "there.test")
    run(reading_of(known))
    return {verdict.tag for verdict in judge(known, wanted or Settings())}


def plain(body: str = "Hello Bob,\r\nhere it is.\r\n", **fields: str | None) -> Content:
    """A good message, with some fields otherwise; None leaves one out."""
    wanted = GOOD | {name.replace("_", "-"): value for name, value in fields.items()}
    header = "".join(f"{name}: {value}\r\n" for name, value in wanted.items() if value is not None)
    return Content.of(f"{header}\r\n{body}".encode())


def page(html: str, **fields: str | None) -> Content:
    fields = {"Content_Type": "text/html; charset=utf-8", **fields}
    return plain(f"<html><body>{html}</body></html>", **fields)


def with_file(name: str, octets: bytes = b"x") -> Content:
    made = EmailMessage()
    for field, value in GOOD.items():
        if field != "MIME-Version":
            made[field] = value
    made.set_content("Here it is.")
    made.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return Content.of(made.as_bytes().replace(b"\n", b"\r\n"))


def test_a_good_message_has_no_points() -> None:
    assert found(plain()) == set()


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"From": None}, "no-from"),
        ({"From": "undisclosed"}, "no-from"),
        ({"Date": None}, "no-date"),
        ({"Date": "yesterday"}, "odd-date"),
        ({"Date": formatdate(NOW + 2 * 86_400)}, "odd-date"),
        ({"Date": formatdate(NOW - 9 * 86_400)}, "odd-date"),
        ({"Date": formatdate(NOW - 6 * 86_400)}, ""),
        ({"Message-ID": None}, "no-message-id"),
        ({"Message-ID": "<>"}, "odd-message-id"),
        ({"Message-ID": "<a@b.test> (comment)"}, ""),
        ({"MIME-Version": "1.0", "Content-Type": "text/plain\r\nContent-Type: text/html"}, "twice"),
        ({"Subject": "Hello\r\nSubject: You have won"}, "twice"),
        ({"To": None}, "no-to"),
        ({"To": None, "Cc": "x@here.test"}, ""),
        ({"Subject": None}, "no-subject"),
        ({"Subject": " "}, "no-subject"),
        ({"Subject": "YOU HAVE WON A LOT"}, "subject-capitals"),
        ({"Subject": "RFC 2822 IS OUT NOW"}, "subject-capitals"),
        ({"Subject": "FYI: ISO"}, ""),
        ({"Subject": "=?utf-8?b?" + b64encode("日本語の件名でございます".encode()).decode() + "?="}, ""),
        ({"Subject": "=?utf-8?b?" + b64encode("Pаypal asks".encode()).decode() + "?="}, "mixed-letters"),
        ({"Subject": "=?utf-8?b?" + b64encode("Письмо Анне".encode()).decode() + "?="}, ""),
        ({"Subject": "größer"}, "raw-header"),
        ({"From": '"service@bank.test" <ana@there.test>'}, "from-shows-other"),
        ({"From": '"ana@mail.there.test" <ana@there.test>'}, ""),
        ({"From": "ana@gmail.com"}, "freemail-unproven"),
        ({"Reply-To": "some.prince@gmail.com"}, "answers-to-freemail"),
        ({"Reply-To": "ana@there.test"}, ""),
        ({"Reply-To": "some.prince@gmail.com", "List-Id": "<l.there.test>"}, ""),
        ({"Content-Type": "multipart/mixed; boundary=b", "MIME-Version": None}, "no-mime-version"),
    ],
)
def test_headers(fields: dict[str, str | None], rule: str) -> None:
    assert found(plain(**fields)) == ({rule} if rule else set())


def test_freemail_that_is_proven_is_fine() -> None:
    assert found(plain(From="ana@gmail.com"), dkim="gmail.com") == set()


@pytest.mark.parametrize(
    ("html", "rules"),
    [
        ('<p>See <a href="https://there.test/x">our page</a> for all of it</p>', set()),
        ('<a href="https://evil.test/x">https://bank.test/login</a>', {"link-elsewhere"}),
        ('<a href="https://evil.test/x">www.bank.test</a>', {"link-elsewhere"}),
        ('<a href="https://www.bank.test/x">bank.test</a>', set()),
        ('<a href="https://evil.test/x">about node.js and more</a>', set()),
        ('<a href="http://192.0.2.1/x">here</a>', {"link-to-address"}),
        ('<a href="http://0xc0000201/x">here</a>', {"link-to-address"}),
        ('<a href="http://[2001:db8::1]/x">here</a>', {"link-to-address"}),
        ('<a href="http://bank.test@evil.test/">here</a>', {"link-with-user"}),
        ('<a href="http://аpple.test/">here</a>', {"link-looks-alike"}),
        ('<a href="http://яндекс.рф/">here</a>', set()),
        ('<form action="https://evil.test/"><input name=password></form>', {"form"}),
        ('<a href="https://evil.test/"><img src="cid:1"></a>', {"only-pictures"}),
        ("<p>Hi</p><div style='display: none'>" + "filler words " * 80 + "</div>", {"hidden-text"}),
    ],
)
def test_pages(html: str, rules: set[str]) -> None:
    assert found(page(html)) == {"only-html", *rules}


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("report.pdf", set()),
        ("report.final.2026.pdf", set()),
        ("setup.exe", {"program"}),
        ("Invoice.PDF.exe", {"program", "hidden-program"}),
        ("invoice.pdf                    .scr", {"program", "hidden-program"}),
        ("invoice.exe.", {"program"}),
        ("sums.xlsm", {"program"}),
        ("page.html", {"page-attached"}),
        ("exe", set()),
        ("", set()),
    ],
)
def test_files(name: str, rules: set[str]) -> None:
    assert found(with_file(name)) == rules


def test_files_in_archives_are_seen() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("scan.jpg.js", b"x")
    assert found(with_file("scans.zip", packed.getvalue())) == {"program", "hidden-program"}


def test_phrases_count_together() -> None:
    one = "Our offer holds for a limited time.\r\n"
    two = one + "Order now!\r\n"
    three = two + "100% free of charge\r\n"
    assert [found(plain(body)) for body in (one, two, three)] == [
        set(),
        {"hard-selling"},
        {"hard-selling", "much-hard-selling"},
    ]
    prince = "I am the next of kin of the late client. I can transfer this money, twelve million dollars."
    assert found(plain(prince)) == {"advance-fee", "much-advance-fee"}


def test_no_rule_alone_makes_junk_and_every_one_says_what_it_is_about() -> None:
    policy = Settings().policy
    assert all(0 < rule.points < policy.junk_score for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(len(rule.words) > 10 for rule in RULES)


def test_points_are_the_operators() -> None:
    content = plain(Date=None, Subject=None)
    assert found(content, settings(points_rules=["no-date=0"])) == {"no-subject"}
    known = facts(content=content)
    run(reading_of(known))
    [first, second] = judge(known, settings(points_rules=["no-date=4.5"]))
    assert (first.score, second.score) == (4.5, 0.5)


def test_in_a_session_and_switched_off() -> None:
    for on, score in ((True, 0.8), (False, 0.0)):
        _, judgement = run(
            session(checks(), settings(rules=on), facts(), plain(Date=None), [local("ana@here.test", 1)])
        )
        assert judgement is not None
        assert judgement.score == score


@hypothesis_settings(max_examples=60)
@given(st.binary(max_size=2000))
def test_nothing_makes_a_rule_fail(octets: bytes) -> None:
    for content in (Content.of(octets), Content.of(b"Content-Type: text/html\r\nFrom: \xff\r\n\r\n" + octets)):
        found(content)


@pytest.mark.parametrize(
    "content",
    [
        page("<a href=http://x.test>" * 50_000),
        page("<div style='" * 100_000),
        page("<!--" * 200_000),
        plain("http://" * 200_000),
        plain("dear " * 200_000),
        plain(Subject="A" * 500_000),
        plain(From='"' + "a@b.test " * 50_000 + '" <x@y.test>'),
        plain(Reply_To="a." * 200_000 + "@gmail.com"),
        plain("x\r\n", **{f"X-{number}": "y" for number in range(20_000)}),
        with_file("a." * 5000 + "exe"),
    ],
    ids=range(10),
)
def test_hostile_messages_cost_bounded_time(content: Content) -> None:
    begun = time.process_time()
    found(content)
    # Hundreds of times what a good message of this size takes: what grows with the square takes minutes.
    assert time.process_time() - begun < 10


def test_from_with_many_authors_is_read_in_part() -> None:
    authors = ", ".join(f"a{number}@x{number}.test" for number in range(5000))
    assert (
        found(message(*(f"{name}: {value}" for name, value in GOOD.items() if name != "From"), author=authors)) == set()
    )


def test_everything_that_gives_points_by_a_name_is_in_the_book() -> None:
    book = list(rulebook())
    names = [name for name, _, _ in book]
    assert len(set(names)) == len(names)
    assert {rule.name for rule in RULES} | {"spf-fail", "early-talker", "correspondent", "dmarc-fail"} <= set(names)
    assert all(points and len(words) > 10 for _, points, words in book)
