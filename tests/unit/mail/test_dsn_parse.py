"""Notices of others: reports with faults, letters of programs that know no reports, and what is no notice at all."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.dsn_parse import parse_report
from estafeta.mail.dsn_words import Action

RETURNED = """
--b
Content-Type: text/rfc822-headers

From: list@example.com
Message-ID: <news.1@example.com>
Subject: News

--b--
"""


def report(status: str) -> bytes:
    head = (
        'Subject: x\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n--b\n\nText\n\n--b\n'
    )
    return (head + "Content-Type: message/delivery-status\n\n" + status + RETURNED).replace("\n", "\r\n").encode()


def letter(head: str, body: str) -> bytes:
    return (head.strip() + "\n\n" + body).replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            "Reporting-MTA: dns; a.example\n\n"
            "Final-Recipient: rfc822; <Bob@Example.org>\nAction: failed\nStatus: 5.1.1\n",
            ("Bob@Example.org", Action.FAILED, "5.1.1"),
        ),
        (
            "Reporting-MTA: dns; a.example\n"
            "Final-Recipient: RFC822;bob@example.org\nAction: Failed (really)\nStatus: 5.2.2 (full)\n",
            ("bob@example.org", Action.FAILED, "5.2.2"),
        ),
        (
            "Reporting-MTA: dns; a.example\n\n"
            "Original-Recipient: rfc822;bob@example.org\nAction: delayed\nStatus: 4.0.0\n",
            ("bob@example.org", Action.DELAYED, "4.0.0"),
        ),
        (
            "X: y\n\n\nFinal-Recipient: bob@example.org\nDiagnostic-Code: smtp; 550 5.7.1 no\n",
            ("bob@example.org", Action.FAILED, "5.7.1"),
        ),
        ("Final-Recipient: rfc822; bob@example.org\nAction: failed\n", ("bob@example.org", Action.FAILED, "5.0.0")),
        (
            "Reporting-MTA: dns; a.example\n\nFinal-Recipient: rfc822; bob+40example.org\nAction: relayed\n",
            ("bob@example.org", Action.RELAYED, "2.0.0"),
        ),
    ],
)
def test_reports_with_faults(status: str, expected: tuple[str, Action, str]) -> None:
    parsed = parse_report(report(status))
    assert parsed is not None
    assert parsed.is_standard
    assert parsed.message_id == "<news.1@example.com>"
    [found] = parsed.recipients
    assert (found.address, found.action, found.status) == expected


QMAIL = """Hi. This is the qmail-send program at example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<bob@example.net>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 unknown
Giving up on 192.0.2.1.

--- Below this line is a copy of the message.

Return-Path: <list@example.com>
Message-ID: <news.1@example.com>
To: eve@example.org
"""
EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  bob@example.net
    host mx.example.net [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<bob@example.net>:
    550 No such person at this address

------ This is a copy of the message, including all the headers. ------

Message-ID: <news.1@example.com>
"""
SENDMAIL = """The original message was received at Mon, 1 Jan 2026 00:00:00 GMT

   ----- The following addresses had permanent fatal errors -----
<bob@example.net>

   ----- Transcript of session follows -----
... while talking to mx.example.net.:
>>> RCPT To:<bob@example.net>
<<< 550 5.1.1 User unknown
"""
DELAY = """** THIS IS A WARNING MESSAGE ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE **

<bob@example.net>: 450 4.2.0 try later. We will keep trying until it is 4 days old.
"""


@pytest.mark.parametrize(
    ("content", "action", "status", "message_id"),
    [
        (
            letter("From: MAILER-DAEMON@example.net\nSubject: failure notice", QMAIL),
            "failed",
            "5.1.1",
            "<news.1@example.com>",
        ),
        (
            letter(
                "From: Mail Delivery System <Mailer-Daemon@example.net>\n"
                "Subject: Mail delivery failed: returning message to sender\nX-Failed-Recipients: bob@example.net",
                EXIM,
            ),
            "failed",
            "5.0.0",
            "<news.1@example.com>",
        ),
        (
            letter("From: postmaster@example.net\nSubject: Returned mail: see transcript", SENDMAIL),
            "failed",
            "5.1.1",
            "",
        ),
        (
            letter("Return-Path: <>\nFrom: postmaster@example.net\nSubject: Undeliverable: x", DELAY),
            "delayed",
            "4.2.0",
            "",
        ),
    ],
)
def test_letters(content: bytes, action: str, status: str, message_id: str) -> None:
    parsed = parse_report(content)
    assert parsed is not None
    assert not parsed.is_standard
    assert parsed.message_id == message_id
    assert [(each.address, each.action, each.status) for each in parsed.recipients] == [
        ("bob@example.net", action, status)
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        letter("From: Ana <ana@example.org>\nSubject: Undeliverable parcel", "<bob@example.net>: 550 boxes"),
        letter(
            "Return-Path: <>\nFrom: bob@example.net\nSubject: Out of office: delivery failed", "bob@example.net 550"
        ),
        letter("Return-Path: <>\nFrom: bob@example.net\nAuto-Submitted: auto-replied\nSubject: Re: News", "I am away."),
        letter("From: postmaster@example.net\nSubject: Delivery failure", "Nothing that names anybody."),
        report("Reporting-MTA: dns; a.example\n\n"),
    ],
)
def test_no_notice(content: bytes) -> None:
    assert parse_report(content) is None


_PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"From: mailer-daemon@x",
                b"Subject: failure notice",
                b"Content-Type: multipart/report; boundary=b",
                b"Content-Type: message/delivery-status",
                b"Content-Transfer-Encoding: base64",
                b"--b",
                b"",
                b"Final-Recipient: rfc822; \xff@x",
                b"Action: failed",
                b"X-Failed-Recipients: a@b, c@d",
                b"<a@b>: 550",
            ]
        ),
        st.binary(max_size=60),
    ),
    max_size=20,
)


@given(_PIECES)
def test_never_raises(lines: list[bytes]) -> None:
    parse_report(b"\r\n".join(lines))


@pytest.mark.parametrize(
    "filler", ["a", "@", "a@", "5.1", "550 ", "<", "\n", "a@b 550\n\n", "=?", "Final-Recipient: a@b\n\n", " \n\t\n"]
)
def test_hostile_letters_take_linear_time(filler: str) -> None:
    started = time.process_time()
    parse_report(letter("From: mailer-daemon@x\nSubject: failure notice", filler * 500_000))
    parse_report(report("Reporting-MTA: dns; x\n\n" + filler * 300_000))
    assert time.process_time() - started < 3
