"""Arguments of commands: what is taken, and that no octets make the parsers raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols.smtp import Body, Mail, Rcpt, Reply, SmtpSettings, replies
from estafeta.protocols.smtp.commands import (
    Session,
    parse_auth,
    parse_bdat,
    parse_hello,
    parse_lookup,
    parse_mail,
    parse_rcpt,
)

SESSION = Session(SmtpSettings("mx.test", auth_mechanisms=("PLAIN",)), extended=True, authenticated=True)


@pytest.mark.parametrize(
    ("argument", "address", "fields"),
    [
        (b"FROM:<>", "", {}),
        (b"from:<a@b.test>", "a@b.test", {}),
        (b"FROM: <a@b.test>", "a@b.test", {}),
        (b"FROM:a@b.test", "a@b.test", {}),
        (b'FROM:<"a b>c"@b.test> SIZE=12', '"a b>c"@b.test', {"size": 12}),
        (b"FROM:<a@b.test>   size=0  body=8bitmime", "a@b.test", {"size": 0, "body": Body.EIGHT_BIT}),
        (b"FROM:<a@b.test> BODY=7BIT", "a@b.test", {"body": Body.SEVEN_BIT}),
        (b"FROM:<a@b.test> BODY=BINARYMIME", "a@b.test", {"body": Body.BINARY}),
        ("FROM:<ä@b.test> SMTPUTF8".encode(), "ä@b.test", {"smtputf8": True}),
        (b"FROM:<a@b.test> AUTH=<>", "a@b.test", {"auth": ""}),
        (b"FROM:<a@b.test> AUTH=e+3Dmc2@b.test", "a@b.test", {"auth": "e=mc2@b.test"}),
        (b"FROM:<@x.test,@y.test:a@b.test>", "a@b.test", {}),
    ],
)
def test_mail(argument: bytes, address: str, fields: dict[str, object]) -> None:
    mail = parse_mail(argument, SESSION)
    assert isinstance(mail, Mail)
    assert ("" if mail.address is None else str(mail.address)) == address
    assert {name: getattr(mail, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"", replies.MAIL_SYNTAX),
        (b"FROM:", replies.MAIL_SYNTAX),
        (b"FROM <a@b.test>", replies.MAIL_SYNTAX),
        (b"FROM:<a@b.test", replies.MAIL_SYNTAX),
        (b'FROM:<"a@b.test>', replies.MAIL_SYNTAX),
        (b"FROM:<a@b.test>x", replies.MAIL_SYNTAX),
        (b"FROM:<a b@b.test>", replies.BAD_SENDER),
        (b"FROM:<a@b.test> =1", replies.BAD_PARAMETER),
        (b"FROM:<a@b.test> SIZE", replies.BAD_PARAMETER),
        (b"FROM:<a@b.test> SIZE=", replies.BAD_PARAMETER),
        (b"FROM:<a@b.test> SIZE=-1", replies.BAD_PARAMETER),
        (b"FROM:<a@b.test> SIZE=999999999999999999999", replies.BAD_PARAMETER),
        (b"FROM:<a@b.test> AUTH=a+3dx", replies.BAD_PARAMETER),
        (b"FROM:<a@b.test> BODY", replies.BAD_PARAMETER),
        (b"FROM:<a@b.test> HOLDFOR=5", replies.UNKNOWN_PARAMETER),
        (b"FROM:<\xff@b.test> SMTPUTF8", replies.BAD_SENDER),
        (b"FROM:<\xc3\xa4@b.test>", replies.NEEDS_SMTPUTF8),
    ],
)
def test_mail_refused(argument: bytes, reply: Reply) -> None:
    assert parse_mail(argument, SESSION) == reply


def test_the_word_of_a_client_that_is_not_trusted_counts_for_nothing() -> None:
    mail = parse_mail(b"FROM:<a@b.test> AUTH=c@d.test", Session(SESSION.settings, extended=True))
    assert isinstance(mail, Mail)
    assert mail.auth == ""


@pytest.mark.parametrize(
    ("argument", "parsed"),
    [
        (b"0", (0, False)),
        (b"86 LAST", (86, True)),
        (b"86  last", (86, True)),
        (b"", None),
        (b"LAST", None),
        (b"-1", None),
        (b"+1", None),
        (b"1_0", None),
        (b"12 FIRST", None),
        (b"1" * 21, None),
        ("٣".encode(), None),
    ],
)
def test_bdat(argument: bytes, parsed: tuple[int, bool] | None) -> None:
    assert parse_bdat(argument) == parsed


def test_postmaster_needs_no_domain() -> None:
    rcpt = parse_rcpt(b"TO:<postMaster>", smtputf8=False)
    assert isinstance(rcpt, Rcpt)
    assert rcpt.address.domain == ""


@given(
    st.one_of(st.binary(), st.binary().map(lambda x: b"FROM:<" + x), st.binary().map(lambda x: b"FROM:<a@b.test> " + x))
)
def test_never_raises(data: bytes) -> None:
    parse_hello(data)
    parse_mail(data, SESSION)
    parse_rcpt(b"TO:" + data, smtputf8=True)
    parse_rcpt(b"TO:<" + data + b">", smtputf8=False)
    parse_bdat(data)
    parse_auth(data)
    parse_lookup(data, SESSION)


def test_hostile_paths_take_no_time() -> None:
    for path in (b'"' * 5000, b'"\\' * 3000, b"<" + b'"a"' * 3000, b"<" + b" " * 9000, b" " * 9000 + b"x y" * 100):
        parse_mail(b"FROM:" + path, SESSION)
