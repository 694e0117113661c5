"""Rewriting: the rules of the Exim report, what rules may say, and headers that stay octet for octet otherwise."""

import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.directory.settings_catalog import check_value, find_setting
from estafeta.directory.settings_outward import Rewrite
from estafeta.mail.address import Address, parse_address
from estafeta.routing.headeraddresses import find_places
from estafeta.routing.rewriterules import parse_lookup_file, parse_lookup_line, parse_rule
from estafeta.routing.rewriting import Field, Rewriter, build_rewriter, read_lookup_file

# Section 5.3 of the report, as printed there (the first rule is broken over two lines by a backslash).
SEED = r"""
*@zeus.cay.oan.es  ${lookup{$1}lsearch{/etc/email-addresses}\
 { $value}fail} frFs
*@oan.es            $1@oan.es   frFs
*@oan.es            $1@${qualify_domain}   X
"""
EMAIL_ADDRESSES = "# who has gone\nJuan: juan@otro.example\n\npaco   paco.perez@oan.es\n"


def rewriter_of(*rules: str, table: tuple[str, ...] = (), files: dict[str, str] | None = None) -> Rewriter:
    lines = check_value(find_setting("rewrite.address_rules"), list(rules))
    settings = Rewrite.model_validate({"address_rules": lines, "lookup_table": table})
    return build_rewriter(settings, qualify_domain="cay.oan.es", read_file=(files or {}).__getitem__)


def seed() -> Rewriter:
    return rewriter_of(*SEED.splitlines(), files={"/etc/email-addresses": EMAIL_ADDRESSES})


def made(rewriter: Rewriter, text: str, field: Field = Field.FROM) -> str:
    return str(rewriter.rewrite_address(parse_address(text), field))


SEED_CASES = [
    ("juan@zeus.cay.oan.es", Field.FROM, "juan@otro.example"),
    ("juan@zeus.cay.oan.es", Field.ENVELOPE_FROM, "juan@otro.example"),
    ("juan@zeus.cay.oan.es", Field.TO, "juan@zeus.cay.oan.es"),
    ("paco@zeus.cay.oan.es", Field.REPLY_TO, "paco.perez@oan.es"),
    ("eva@zeus.cay.oan.es", Field.SENDER, "eva@zeus.cay.oan.es"),
    ("eva@oan.es", Field.FROM, "eva@oan.es"),
    ("eva@oan.es", Field.CHECK, "eva@cay.oan.es"),
    ("eva@else.example", Field.CHECK, "eva@else.example"),
]


@pytest.mark.parametrize(("text", "field", "expected"), SEED_CASES)
def test_the_rules_of_the_report(text: str, field: Field, expected: str) -> None:
    assert made(seed(), text, field) == expected


def test_what_the_second_rule_of_the_report_is_for() -> None:
    """`usuario@cay.oan.es` is to go out as `usuario@oan.es`."""
    rewriter = rewriter_of("*@*.oan.es $1@oan.es frFs")
    header = b"From: Usuario <usuario@cay.oan.es>\r\nTo: otro@cay.oan.es\r\n\r\n"
    assert rewriter.rewrite_header(header) == b"From: Usuario <usuario@oan.es>\r\nTo: otro@cay.oan.es\r\n\r\n"


def test_rules_of_the_report_are_explained() -> None:
    told = {found.field: found for found in seed().explain(parse_address("juan@zeus.cay.oan.es"))}
    assert list(told) == [Field.SENDER, Field.FROM, Field.REPLY_TO, Field.ENVELOPE_FROM, Field.CHECK]
    first, second = told[Field.FROM].steps
    assert first.words.endswith("makes juan@otro.example of juan@zeus.cay.oan.es")
    assert second.words == "`*@oan.es            $1@oan.es   frFs` does not match juan@otro.example"
    nobody = seed().explain(parse_address("eva@zeus.cay.oan.es"))[0]
    assert nobody.steps[0].words.endswith("matches, but its lookup finds nothing")


RULES = [
    # Rules in order, each on what the last one made; q ends the search when it was used.
    (["*@a.test $1@b.test f", "*@b.test $1@c.test f"], "u@a.test", "u@c.test"),
    (["*@a.test $1@b.test fq", "*@b.test $1@c.test f"], "u@a.test", "u@b.test"),
    (["*@x.test $1@b.test fq", "*@a.test $1@c.test f"], "u@a.test", "u@c.test"),
    (["u@a.test * f", "*@a.test $1@c.test f"], "u@a.test", "u@a.test"),
    (["*@a.test $1@c.test t"], "u@a.test", "u@a.test"),
    (["*@a.test $1@c.test"], "u@a.test", "u@c.test"),
    (["*@a.test $1@c.test h"], "u@a.test", "u@c.test"),
    (["*@a.test $1@c.test E"], "u@a.test", "u@a.test"),
    (["*%*@a.test $2%$1@a.test Rf"], "a%b@a.test", "a%b@a.test"),
    (["x*@a.test $1@a.test Rf"], "xxxu@a.test", "u@a.test"),
    (["x*@a.test $1@a.test f"], "xxxu@a.test", "xxu@a.test"),
    (["a.test ${local_part}@new.test f"], "U@a.test", "U@new.test"),
    (["*@a.test $1 f"], "u@a.test", "u@cay.oan.es"),
    (["*@a.test @@ f"], "u@a.test", "u@a.test"),
    (["*@a.test $1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1@x.test f"], "u1234567@a.test", "u1234567@a.test"),
    (["*@a.test $1\\$@b.test f"], "u@a.test", "u$@b.test"),
    (["*@a.test $1@bücher.test f"], "u@a.test", "u@xn--bcher-kva.test"),
    (["*@a.test ${lookup{$1}{people}} f"], "ANA@a.test", "ana.lopez@b.test"),
    (["*@a.test ${lookup{$1}{people}} f"], "eva@a.test", "eva@a.test"),
    (["*@a.test ${lookup{$1}lsearch{people}{$value}{$1@old.test}} f"], "eva@a.test", "eva@old.test"),
    (["*@a.test ${lookup{$1}{people}{$value}{${lookup{$1}{others}{$value}fail}}} f"], "leo@a.test", "leo@c.test"),
    (["*@* ${1}@${lookup{$2}{domains}{$value}{$2}} f"], "u@a.test", "u@z.test"),
]
TABLE = ("people ana ana.lopez@b.test", "others leo: leo@c.test", "domains a.test z.test")


@pytest.mark.parametrize(("rules", "text", "expected"), RULES)
def test_what_rules_make_of_an_address(rules: list[str], text: str, expected: str) -> None:
    assert made(rewriter_of(*rules, table=TABLE), text) == expected


BAD_RULES = [
    "*@a.test",
    "*@a.test ",
    "*@a.test $1@b.test z",
    "*@a.test $2@b.test f",
    "*@a.test $user@b.test f",
    "*@a.test ${lookup{$1}mysql{x}} f",
    "*@a.test ${lookup{$1}{x} f",
    "*@a.test ${lookup{$1}} f",
    "*@a.test ${lookup{$1}{$1}} f",
    "*@a.test ${run{/bin/sh}} f",
    "*@a.test a}b f",
    "^x@a.test $1@b.test f",
    "*@a.test " + "${lookup{" * 20 + "x" + "}{t}}" * 20 + " f",
]


@pytest.mark.parametrize("rule", BAD_RULES)
def test_rules_that_cannot_be_understood(rule: str) -> None:
    with pytest.raises(EstafetaError, match=r"\.$"):
        parse_rule(rule)


def test_tables_that_are_not_there_are_said_and_mail_goes_on(tmp_path: Path) -> None:
    rules = (f"*@a.test ${{lookup{{$1}}lsearch{{{tmp_path}/none}}}} f", "*@a.test ${lookup{$1}{empty}} f")
    rewriter = build_rewriter(Rewrite(address_rules=rules), read_file=read_lookup_file)
    assert [problem.split(str(tmp_path))[-1] for problem in rewriter.problems] == [
        "/none cannot be read as a table of addresses: no such file or directory.",
        "The table 'empty' of a rewriting rule has no lines.",
    ]
    assert made(rewriter, "u@a.test") == "u@a.test"
    (tmp_path / "none").write_text("u: v@b.test\n")
    assert made(build_rewriter(Rewrite(address_rules=rules)), "u@a.test") == "v@b.test"


def test_files_are_read_as_lsearch_reads_them() -> None:
    text = '# no\nAna: a@x\n\nb   b@x,\n  c@x\n"d e": f@x\n# no\nana: second@x\n: x\n'
    assert parse_lookup_file(text) == {"ana": "a@x", "b": "b@x, c@x", "d e": "f@x"}
    with pytest.raises(EstafetaError):
        parse_lookup_line("people ana")


# Each field before and after; `a.test` becomes `b.example`.
HEADERS = [
    (b"From: u@a.test", b"From: u@b.example"),
    (b"FROM : <u@A.TEST>", b"FROM : <u@b.example>"),
    (b'To: "u@a.test" <x@c.test>, u@a.test', b'To: "u@a.test" <x@c.test>, u@b.example'),
    (b"To: a (u@a.test) <u(x)@ (y) a.test> (z)", b"To: a (u@a.test) <u@b.example> (z)"),
    (b"Cc: =?utf-8?q?u=40a=2Etest?= <u@a.test>", b"Cc: =?utf-8?q?u=40a=2Etest?= <u@b.example>"),
    (b"To: Team: u@a.test, V <v@a.test>;, w@a.test", b"To: Team: u@b.example, V <v@b.example>;, w@b.example"),
    (b"To: undisclosed-recipients:;", b"To: undisclosed-recipients:;"),
    (b"To: A\r\n\t<u@a.test>,\r\n B <v@a.test>", b"To: A\r\n\t<u@b.example>,\r\n B <v@b.example>"),
    (b"To: <@r.test,@s.test:u@a.test>", b"To: <@r.test,@s.test:u@b.example>"),
    (b'To: "a b"@a.test, "x\\"y" <z@q.test>', b'To: "a b"@b.example, "x\\"y" <z@q.test>'),
    ("To: Añe <ñ@a.test>".encode(), "To: Añe <ñ@b.example>".encode()),
    (b"To: Name u@a.test", b"To: Name u@b.example"),
    (b"To: u@[192.0.2.1], u @ a.test", b"To: u@[192.0.2.1], u@b.example"),
    (b"To: \xff@a.test, u@a.test", b"To: \xff@a.test, u@b.example"),
    (b"Resent-To: u@a.test", b"Resent-To: u@b.example"),
    (b"Reply-To: u@a.test\r\n\t", b"Reply-To: u@b.example\r\n\t"),
    (b"Subject: u@a.test", b"Subject: u@a.test"),
    (b"X-From: u@a.test", b"X-From: u@a.test"),
    (b"Delivered-To: u@a.test", b"Delivered-To: u@a.test"),
    (b"Subject: x\r\n From: u@a.test", b"Subject: x\r\n From: u@a.test"),
    (b"From: <u@a.test", b"From: <u@b.example"),
    (b"From: u@a.test@a.test", b"From: u@a.test@b.example"),
    (b"From: @a.test, @, u@, <>, (u@a.test", b"From: @a.test, @, u@, <>, (u@a.test"),
]


@pytest.mark.parametrize(("before", "after"), HEADERS)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_only_the_addresses_change(before: bytes, after: bytes, end: bytes) -> None:
    rewriter = rewriter_of("*@a.test $1@b.example h")
    frame = b"Received: from x@a.test%b%s%bX: y%b%b", b"From: u@a.test is body"
    lines = [frame[0] % (end, text.replace(b"\r\n", end), end, end, end) + frame[1] for text in (before, after)]
    assert rewriter.rewrite_header(lines[0]) == lines[1]


def test_a_header_that_nothing_touches_is_the_same_object() -> None:
    header = b"From: u@c.test\r\nTo: v@c.test\r\n\r\n"
    for rewriter in (rewriter_of(), rewriter_of("*@a.test $1@b.test E"), rewriter_of("*@a.test $1@b.test h")):
        assert rewriter.rewrite_header(header) is header
    assert not rewriter_of()
    assert rewriter_of("*@a.test $1@b.test E").has_header_rules is False


def test_an_address_that_grows_never_makes_a_line_too_long() -> None:
    rewriter = rewriter_of("*@a.test $1@a-much-longer-name-than-before.example h")
    header = b"To: " + b", ".join(b"user%d@a.test" % number for number in range(60)) + b"\r\n\r\n"
    rewritten = rewriter.rewrite_header(header)
    assert max(map(len, rewritten.split(b"\r\n"))) <= 998
    assert rewritten.replace(b"\r\n ", b" ").replace(b"a-much-longer-name-than-before.example", b"a.test") == header


@given(st.binary(max_size=200))
def test_places_lie_in_the_value_and_never_raise(value: bytes) -> None:
    at = 0
    for place in find_places(value):
        assert at <= place.start < place.end <= len(value)
        at = place.end


@given(
    st.lists(
        st.sampled_from([b"u@a.test", b"<", b">", b"(", b")", b'"', b",", b":", b";", b"\r\n ", b"\\", b"@", b" "])
    )
)
@example([b"\\", b"u@a.test"])
@example([b'"', b'"', b"u@a.test"])
def test_what_is_rewritten_comes_back(pieces: list[bytes]) -> None:
    header = b"From: " + b"".join(pieces) + b"\r\n\r\n"
    there, back = rewriter_of("*@a.test $1@b.test h"), rewriter_of("*@b.test $1@a.test h")
    rewritten = there.rewrite_header(header)
    assert back.rewrite_header(rewritten).replace(b"b.test", b"a.test") == header.replace(b"b.test", b"a.test")
    assert there.rewrite_header(rewritten) is rewritten or b"u@a.test" in rewritten


@given(st.text(max_size=30), st.text(max_size=30))
def test_rewriting_never_raises(local: str, domain: str) -> None:
    rewriter = rewriter_of("*a*@* $2$1@$3 R", "* ${lookup{$1}{people}{$value}{$1}}@x f", table=TABLE)
    for field in Field:
        rewriter.rewrite_address(Address(local, domain), field)


@pytest.mark.parametrize("piece", [b"(" * 3, b'"', b"<", b"u@a.test,", b"@", b"\\(", b"a ", b"u@a.test "])
def test_hostile_headers_take_no_time(piece: bytes) -> None:
    header = b"To: " + piece * (200_000 // len(piece)) + b"\r\n\r\n"
    rewriter = rewriter_of("*@a.test $1@b.test h")
    began = time.process_time()
    rewriter.rewrite_header(header)
    assert time.process_time() - began < 20
