"""Notices: what people read in three languages, what programs read, and that we can read it back."""

import email
import email.policy
import string
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.downgrade import to_seven_bit
from estafeta.mail.dsn import (
    Action,
    NoticeKind,
    Original,
    Reason,
    RecipientStatus,
    Report,
    compose_report,
)
from estafeta.mail.dsn_parse import parse_report
from estafeta.mail.dsn_reasons import find_reason
from estafeta.mail.dsn_text import LANGUAGES, MAX_SHOWN, find_words
from estafeta.mail.dsn_words import Words

UNKNOWN = RecipientStatus(
    "ana@example.org",
    Action.FAILED,
    "5.1.1",
    orcpt="rfc822;ana+2Bnews@example.org",
    mta="mx.example.org",
    code=550,
    reply="5.1.1 <ana@example.org> User unknown",
    command="RCPT",
    last_attempt=1_800_000_000,
)
SILENT = RecipientStatus(
    "bob@slow.example",
    Action.FAILED,
    "4.4.1",
    reply="mx.slow.example[192.0.2.7]:25: no answer",
    waited_seconds=4 * 86400,
)
HEADER = b"From: Jo <jo@example.com>\r\nSubject: Plans\r\nMessage-ID: <2@x>\r\nReferences: <0@x> <1@x>\r\n"
ORIGINAL = Original("18f3a", 1_799_900_000, HEADER + b"\r\nBody\r\n", envid="abc+1")


def report(*recipients: RecipientStatus, kind: NoticeKind = NoticeKind.FAILURE, language: str = "en") -> Report:
    return Report(
        kind=kind,
        hostname="mail.example.com",
        to="jo@example.com",
        sent_by="MAILER-DAEMON@mail.example.com",
        contact="postmaster@example.com",
        language=language,
        message_id="18f3b.notice@mail.example.com",
        now=1_800_000_000,
        recipients=recipients,
    )


def read(content: bytes) -> EmailMessage:
    assert content.count(b"\n") == content.count(b"\r\n")
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(content: bytes) -> str:
    part = next(read(content).iter_parts())
    assert isinstance(part, EmailMessage)
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_failure_as_a_person_reads_it() -> None:
    content = compose_report(report(UNKNOWN, SILENT, SILENT._replace(address="eve@slow.example")), ORIGINAL)
    assert content.isascii()
    assert text_of(content) == (
        'Your message "Plans", which reached the mail server mail.example.com on\n'
        "14 January 2027, 04:13 UTC, could not be delivered to everyone. It did\n"
        "not arrive at:\n"
        "\n"
        "  ana@example.org\n"
        "    Nobody at example.org has this address.\n"
        "    What you can do: Look for typing errors, above all before the @. If\n"
        "    the address is right as far as you know, ask the person by telephone\n"
        "    or another way whether it still exists, then send your message\n"
        "    again.\n"
        "    The server mx.example.org said:\n"
        "      550 5.1.1 <ana@example.org> User unknown\n"
        "\n"
        "  bob@slow.example\n"
        "  eve@slow.example\n"
        "    The mail server of slow.example does not answer. We tried for 4 days\n"
        "    and have now given up.\n"
        "    What you can do: Look for typing errors after the @. If it is right,\n"
        "    try again later, or reach the person another way.\n"
        "    In technical words:\n"
        "      mx.slow.example[192.0.2.7]:25: no answer\n"
        "\n"
        "The header of your message is attached, so that you can tell which one\n"
        "it was.\n"
        "\n"
        "Questions? Write to postmaster@example.com and give the number 18f3a. A\n"
        "program wrote this; an answer to it is read by nobody else.\n"
    )


def test_a_failure_as_a_program_reads_it() -> None:
    message = read(compose_report(report(UNKNOWN), ORIGINAL))
    assert message["Subject"] == "Not delivered: Plans"
    assert message["From"] == "Mail Delivery <MAILER-DAEMON@mail.example.com>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == "<2@x>"
    assert message["References"].split() == ["<0@x>", "<1@x>", "<2@x>"]
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    text, status, returned = message.iter_parts()
    assert [p.get_content_type() for p in (text, status, returned)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    about, ana = status.get_payload()  # type: ignore[union-attr]
    assert dict(about.items()) == {
        "Original-Envelope-Id": "abc+1",
        "Reporting-MTA": "dns; mail.example.com",
        "Arrival-Date": "Thu, 14 Jan 2027 04:13:20 +0000",
    }
    assert dict(ana.items()) == {
        "Original-Recipient": "rfc822; ana+2Bnews@example.org",
        "Final-Recipient": "rfc822; ana@example.org",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.org",
        "Diagnostic-Code": "smtp; 550 5.1.1 <ana@example.org> User unknown",
        "Last-Attempt-Date": "Fri, 15 Jan 2027 08:00:00 +0000",
        "Final-Log-ID": "18f3a",
    }
    assert returned.get_content().split() == HEADER.decode().split()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("language", "kind", "status", "subject", "sentence"),
    [
        ("es", NoticeKind.FAILURE, UNKNOWN, "No entregado: Plans", "Nadie en example.org tiene esta dirección."),
        ("es-MX", NoticeKind.DELAY, SILENT._replace(action=Action.DELAYED), "Con retraso: Plans", "no responde."),
        ("ja", NoticeKind.FAILURE, UNKNOWN, "配信できませんでした: Plans", "このメールアドレスは存在しません。"),
        (
            "ja",
            NoticeKind.FAILURE,
            SILENT,
            "配信できませんでした: Plans",
            "応答しません。4日間にわたって配信を試みましたが",
        ),
        (
            "xx",
            NoticeKind.SUCCESS,
            UNKNOWN._replace(action=Action.RELAYED),
            "Delivered: Plans",
            "Passed on to mx.example.org",
        ),
        (
            "",
            NoticeKind.SUCCESS,
            UNKNOWN._replace(action=Action.DELIVERED),
            "Delivered: Plans",
            "Delivered to the mailbox.",
        ),
    ],
)
def test_languages(language: str, kind: NoticeKind, status: RecipientStatus, subject: str, sentence: str) -> None:
    content = compose_report(report(status, kind=kind, language=language), ORIGINAL)
    assert content.isascii()
    assert read(content)["Subject"] == subject
    text = text_of(content)
    assert sentence in " ".join(text.split())


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_a_language_is_complete(words: Words) -> None:
    english = find_words("en")
    assert set(words.reasons) == set(Reason)
    assert set(words.subjects) == set(words.openings) == set(NoticeKind)
    assert set(words.done) == set(english.done)
    assert len(words.months) == 12
    for name in ("label_to_do", "server_said", "we_say", "given_up", "retry_until", "more", "help"):
        assert places(getattr(words, name)) == places(getattr(english, name)), name
    for kind in NoticeKind:
        assert places(words.openings[kind]) == places(english.openings[kind])
        assert places(words.subjects[kind]) == {"subject"}
    for advice in words.reasons.values():
        assert places(advice.what) | places(advice.to_do) <= {"domain", "address"}


@pytest.mark.parametrize(
    ("seconds", "texts"),
    [
        (0, ("a minute", "un minuto", "1分")),
        (900, ("15 minutes", "15 minutos", "15分間")),
        (14_400, ("4 hours", "4 horas", "4時間")),
        (90_000, ("25 hours", "25 horas", "25時間")),
        (345_600, ("4 days", "4 días", "4日間")),
    ],
)
def test_spans(seconds: float, texts: tuple[str, ...]) -> None:
    assert tuple(find_words(tag).say_span(seconds) for tag in ("en", "es", "ja")) == texts


def test_dates() -> None:
    said = [find_words(tag).say_date(1_800_000_000) for tag in ("en", "ja", "es")]
    assert said == ["15 January 2027, 08:00 UTC", "2027年1月15日 08:00 (UTC) ", "15 de enero de 2027, 08:00 UTC"]


@pytest.mark.parametrize(
    ("status", "code", "text", "command", "reason"),
    [
        ("5.1.1", 550, "no", "RCPT", Reason.UNKNOWN_ADDRESS),
        ("5.1.10", 556, "null MX", "", Reason.TAKES_NO_MAIL),
        ("5.2.2", 552, "mailbox full", "RCPT", Reason.FULL),
        ("5.3.4", 552, "", "MAIL", Reason.TOO_LARGE),
        ("5.7.1", 550, "Message rejected as spam", "DATA", Reason.SPAM),
        ("5.7.1", 554, "Client host blocked using zen.spamhaus.org", "RCPT", Reason.SPAM),
        ("5.7.1", 550, "Recipient address rejected: User unknown", "RCPT", Reason.UNKNOWN_ADDRESS),
        ("5.7.1", 550, "No", "RCPT", Reason.POLICY),
        ("4.7.1", 451, "Come back", "RCPT", Reason.LATER),
        ("5.7.26", 550, "unauthenticated", "DATA", Reason.SENDER_NOT_PROVEN),
        ("5.6.7", 0, "no SMTPUTF8", "", Reason.UTF8),
        ("4.4.7", 0, "", "", Reason.EXPIRED),
        ("5.4.7", 0, "mx.example.org[192.0.2.1]:25 did not answer within 30 seconds.", "", Reason.NO_ANSWER),
        ("5.4.7", 0, "The MX records of example.org cannot be found: timeout", "", Reason.NAMES),
        ("4.2.0", 450, "Greylisted, see http://postgrey", "RCPT", Reason.LATER),
        ("", 550, "no such user here", "RCPT", Reason.UNKNOWN_ADDRESS),
        ("", 550, "Go away", "RCPT", Reason.OTHER),
        ("", 550, "Go away", "DATA", Reason.POLICY),
        ("", 535, "", "AUTH", Reason.LOGIN),
        ("", 0, "", "", Reason.OTHER),
        ("5.8.9", 0, "", "", Reason.OTHER),
        ("nonsense", 999, "\0", "?", Reason.OTHER),
    ],
)
def test_reasons(status: str, code: int, text: str, command: str, reason: Reason) -> None:
    assert find_reason(status, code, text, command) is reason


def test_addresses_in_utf8() -> None:
    status = UNKNOWN._replace(address="josé@ejemplo.example", orcpt="utf-8;josé@ejemplo.example")
    content = compose_report(report(status), ORIGINAL)
    assert content.isascii()
    assert b"Content-Type: message/global-delivery-status\r\n" in content
    parsed = parse_report(content)
    assert parsed is not None
    assert parsed.recipients[0].address == "josé@ejemplo.example"
    assert parsed.recipients[0].original == "josé@ejemplo.example"


@pytest.mark.parametrize(
    ("content", "kind", "ascii_only"),
    [
        (HEADER + b"\r\nBody\r\n", "message/rfc822", True),
        (HEADER + "\r\nCuerpo ñ\r\n".encode(), "message/rfc822", False),
        ("Subject: ñ\r\n\r\nBody\r\n".encode(), "message/global", True),
        (b"", "message/rfc822", True),
    ],
)
def test_a_message_that_goes_back_whole(content: bytes, kind: str, ascii_only: bool) -> None:
    notice = compose_report(report(UNKNOWN), Original("1", 0, content, whole=True))
    assert notice.isascii() is ascii_only
    for form in (notice, to_seven_bit(notice)):
        parts = list(read(form).iter_parts())
        assert parts[2].get_content_type() == kind
    assert ascii_only or content in notice


def test_a_header_in_utf8_goes_back_as_it_was() -> None:
    content = compose_report(
        report(UNKNOWN), Original("1", 0, "Subject: a\xf1o\r\n\r\n".encode("latin-1"), subject="año")
    )
    assert content.isascii()
    assert b"Content-Type: message/global-headers\r\n" in content
    assert b"\r\n\r\nSubject: a=C3=B1o\r\n" in content


def test_many_recipients_are_in_the_report_but_not_all_in_the_text() -> None:
    many = [UNKNOWN._replace(address=f"u{n}@example.org") for n in range(MAX_SHOWN + 7)]
    content = compose_report(report(*many), ORIGINAL)
    assert "And 7 more" in text_of(content)
    parsed = parse_report(content)
    assert parsed is not None
    assert [each.address for each in parsed.recipients] == [each.address for each in many]


def test_a_remote_cannot_write_fields() -> None:
    status = UNKNOWN._replace(reply="5.1.1 no\r\nStatus: 2.0.0\r\n\r\nFinal-Recipient: x\u202e", mta="m\r\nX: y")
    content = compose_report(report(status), Original("1", 0, b"", subject="a\r\nBcc: victim@example.org"))
    assert b"\r\nStatus: 2.0.0" not in content
    assert b"\r\nX: y" not in content
    assert b"\r\nBcc:" not in content
    parsed = parse_report(content)
    assert parsed is not None
    assert [each.status for each in parsed.recipients] == ["5.1.1"]


_TEXT = st.text(max_size=60)


@given(
    st.builds(
        RecipientStatus,
        address=_TEXT,
        action=st.sampled_from(Action),
        status=st.sampled_from(["5.1.1", "4.2.2", "2.0.0", "junk", ""]),
        orcpt=_TEXT,
        mta=_TEXT,
        code=st.sampled_from([0, 250, 550, 451]),
        reply=_TEXT,
        retry_until=st.sampled_from([0.0, 1.8e9, 1e300]),
        waited_seconds=st.sampled_from([0.0, 1.0, 1e9]),
    ),
    st.sampled_from(NoticeKind),
    st.sampled_from(["en", "es", "ja"]),
    st.binary(max_size=200),
    st.booleans(),
    _TEXT,
)
def test_never_raises(
    status: RecipientStatus, kind: NoticeKind, language: str, content: bytes, whole: bool, subject: str
) -> None:
    notice = compose_report(report(status, kind=kind, language=language), Original("1", 0, content, whole, "", subject))
    head = notice[: notice.index(b"\r\n\r\n")]
    assert b"Content-Type: multipart/report" in head
    assert notice.isascii() or whole


@given(st.from_regex(r"[a-z0-9+.=-]{1,30}@[a-z0-9-]{1,20}\.[a-z]{2,5}", fullmatch=True), st.sampled_from(Action))
def test_what_is_composed_can_be_parsed(address: str, action: Action) -> None:
    status = UNKNOWN._replace(address=address, action=action, orcpt="")
    parsed = parse_report(compose_report(report(status), ORIGINAL))
    assert parsed is not None
    assert (parsed.message_id, parsed.envid, parsed.reporting_mta) == ("<2@x>", "abc+1", "mail.example.com")
    [found] = parsed.recipients
    assert (found.address, found.action, found.status) == (address, action, "5.1.1")
    assert found.diagnostic == "550 5.1.1 <ana@example.org> User unknown"
