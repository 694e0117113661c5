"""DSN, REQUIRETLS, FUTURERELEASE and ETRN: what is offered when, and which parameters are taken."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_phrases import BASE, HELLO, MAIL, QUIT
from smtp_transcript import check

from estafeta.protocols.smtp import Mail, Rcpt, Reply, SmtpSettings, replies
from estafeta.protocols.smtp.commands import Session, parse_mail, parse_rcpt

OFFERED = SmtpSettings("mx.test", dsn=True, requiretls=True, future_release="3600 2030-01-01T00:00:00Z")
INSIDE = Session(OFFERED, extended=True, tls=True)
CLEAR = Session(OFFERED, extended=True)
NOT_OFFERED = Session(SmtpSettings("mx.test"), extended=True, tls=True)

ETRN = replace(BASE, etrn=True)
ETRN_HELLO = HELLO.replace("S: 250-HELP", "S: 250-ETRN\nS: 250-HELP")


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        (b"RET=HDRS ENVID=QQ314159", {"ret": "HDRS", "envid": "QQ314159"}),
        (b"ret=full envid=a+2Bb+20c", {"ret": "FULL", "envid": "a+b c"}),
        (b"REQUIRETLS", {"requiretls": True}),
        (b"HOLDFOR=3600", {"holdfor": 3600, "holduntil": 0}),
        (b"HOLDUNTIL=2029-12-31T23:59:59Z", {"holduntil": 1893455999}),
    ],
)
def test_mail_parameters(parameters: bytes, fields: dict[str, object]) -> None:
    mail = parse_mail(b"FROM:<a@b.test> " + parameters, INSIDE)
    assert isinstance(mail, Mail)
    assert {name: getattr(mail, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("parameters", "session", "reply"),
    [
        (b"RET=SOME", INSIDE, replies.BAD_PARAMETER),
        (b"RET", INSIDE, replies.BAD_PARAMETER),
        (b"ENVID=a=b", INSIDE, replies.BAD_PARAMETER),
        (b"ENVID=a+0Ab", INSIDE, replies.BAD_PARAMETER),
        (b"ENVID=" + b"x" * 101, INSIDE, replies.BAD_PARAMETER),
        (b"REQUIRETLS=yes", INSIDE, replies.BAD_PARAMETER),
        # RFC 8689 2: not offered outside TLS.
        (b"REQUIRETLS", CLEAR, replies.UNKNOWN_PARAMETER),
        (b"HOLDFOR=0", INSIDE, replies.BAD_PARAMETER),
        (b"HOLDFOR=1e3", INSIDE, replies.BAD_PARAMETER),
        (b"HOLDFOR=3601", INSIDE, replies.HOLD_TOO_LONG),
        (b"HOLDUNTIL=2030-01-01T00:00:01Z", INSIDE, replies.HOLD_TOO_LONG),
        (b"HOLDUNTIL=2029-13-01T00:00:00Z", INSIDE, replies.BAD_PARAMETER),
        (b"HOLDUNTIL=2029-12-01", INSIDE, replies.BAD_PARAMETER),
        (b"HOLDFOR=10 HOLDUNTIL=2029-12-01T00:00:00Z", INSIDE, replies.BAD_PARAMETER),
        (b"RET=FULL", NOT_OFFERED, replies.UNKNOWN_PARAMETER),
        (b"ENVID=x", NOT_OFFERED, replies.UNKNOWN_PARAMETER),
        (b"HOLDFOR=10", NOT_OFFERED, replies.UNKNOWN_PARAMETER),
        (b"HOLDUNTIL=2029-12-01T00:00:00Z", NOT_OFFERED, replies.UNKNOWN_PARAMETER),
    ],
)
def test_mail_parameters_refused(parameters: bytes, session: Session, reply: Reply) -> None:
    assert parse_mail(b"FROM:<a@b.test> " + parameters, session) == reply


@pytest.mark.parametrize(
    ("parameters", "notify", "orcpt"),
    [
        (b"NOTIFY=NEVER", "NEVER", ""),
        (b"notify=success,Failure,DELAY", "SUCCESS,FAILURE,DELAY", ""),
        (b"NOTIFY=FAILURE ORCPT=rfc822;Bob+2Bx@example.com", "FAILURE", "rfc822;Bob+x@example.com"),
        ("ORCPT=utf-8;ñ@example.com".encode(), "", "utf-8;ñ@example.com"),
    ],
)
def test_rcpt_parameters(parameters: bytes, notify: str, orcpt: str) -> None:
    rcpt = parse_rcpt(b"TO:<a@b.test> " + parameters, smtputf8=True, dsn=True)
    assert isinstance(rcpt, Rcpt)
    assert (rcpt.notify, rcpt.orcpt) == (notify, orcpt)


@pytest.mark.parametrize(
    "parameters",
    [
        b"NOTIFY",
        b"NOTIFY=",
        b"NOTIFY=NEVER,SUCCESS",
        b"NOTIFY=SUCCESS,SUCCESS",
        b"NOTIFY=SOMETIMES",
        b"ORCPT=bob@example.com",
        b"ORCPT=rfc822;",
        b"ORCPT=;bob@example.com",
        b"ORCPT=rfc822;bob+@example.com",
        b"ORCPT=rfc822;" + b"x" * 500,
        "ORCPT=rfc822;ñ@example.com".encode(),
        b"NOTIFY=NEVER NOTIFY=NEVER",
    ],
)
def test_rcpt_parameters_refused(parameters: bytes) -> None:
    assert parse_rcpt(b"TO:<a@b.test> " + parameters, smtputf8=False, dsn=True) == replies.BAD_PARAMETER


@pytest.mark.parametrize("parameters", [b"NOTIFY=NEVER", b"ORCPT=rfc822;x@b.test", b"SIZE=1"])
def test_rcpt_parameters_that_were_not_offered(parameters: bytes) -> None:
    assert parse_rcpt(b"TO:<a@b.test> " + parameters, smtputf8=False) == replies.UNKNOWN_PARAMETER


@given(st.binary(max_size=80), st.sampled_from([b"NOTIFY=", b"ORCPT=", b"RET=", b"ENVID=", b"HOLDUNTIL=", b"HOLDFOR="]))
def test_no_octets_make_the_parsers_raise(octets: bytes, name: bytes) -> None:
    parse_mail(b"FROM:<a@b.test> " + name + octets, INSIDE)
    parse_rcpt(b"TO:<a@b.test> " + name + octets, smtputf8=True, dsn=True)


def test_what_ehlo_offers_depends_on_tls() -> None:
    settings = replace(BASE, dsn=True, requiretls=True, future_release="3600 2030-01-01T00:00:00Z")
    hello = HELLO.replace("S: 250-SMTPUTF8", "S: 250-DSN\nS: 250-SMTPUTF8").replace(
        "S: 250-HELP", "S: 250-FUTURERELEASE 3600 2030-01-01T00:00:00Z\nS: 250-HELP"
    )
    check(hello + QUIT, settings)


ETRN_SESSIONS = {
    "a domain": "C: ETRN branch.test\nS: 250 2.0.0 OK, sending\n",
    "an option": "C: etrn @branch.test\nS: 250 2.0.0 OK, sending\n",
    "nothing": "C: ETRN\nS: 501 5.5.4 Syntax: ETRN domain, ETRN @domain or ETRN #queue\n",
    "two words": "C: ETRN a b\nS: 501 5.5.4 Syntax: ETRN domain, ETRN @domain or ETRN #queue\n",
    "in a transaction": MAIL
    + "C: ETRN branch.test\nS: 503 5.5.1 ETRN is not possible during a transaction\nE: abandoned\n",
}


@pytest.mark.parametrize("name", ETRN_SESSIONS)
def test_etrn(name: str) -> None:
    check(ETRN_HELLO + ETRN_SESSIONS[name] + QUIT, ETRN)


def test_etrn_where_it_is_off() -> None:
    check(HELLO + "C: ETRN branch.test\nS: 502 5.5.1 This command is not offered here\n" + QUIT, BASE)
