"""Files of other mail systems: what goes in, what comes out again, and what is reported by its line."""

import crypt_r
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.directory import importing
from estafeta.directory.importing import AliasEntry
from estafeta.directory.model import ImportReport, RedirectMode

ALIASES = """\
# /etc/aliases
postmaster: root
root:   ana, luis@elsewhere.test   # the people in charge
info:
    ana,
    "juan perez"@elsewhere.test,

    luis

"juan perez": ana
mailer-daemon: postmaster
luis: \\luis, luis@elsewhere.test
nowhere: nobody
"""

BAD_ALIASES = """\
prog: |/usr/bin/vacation
quoted: "|/usr/bin/procmail -f-, x", ana
file: /var/mail/archive
list: :include:/etc/list
hole: :blackhole:
no colon here
: nameless
empty:
self: self
ana@nowhere.test: ana
bad: two words@x@y
fine: ana
"""


@pytest.fixture
def people(site):
    site.directory.add_user("ana")
    site.directory.add_user("luis")
    return site.directory


def lines(report: ImportReport) -> list[tuple[int, str]]:
    return [(problem.line, problem.text) for problem in report.problems]


def test_an_aliases_file_goes_in(people):
    report = people.import_aliases(ALIASES)
    assert lines(report) == [(13, "nobody")]
    assert people.get_alias("root").targets == ("ana@example.org", "luis@elsewhere.test")
    assert people.get_alias("info").targets == (
        "ana@example.org",
        '"juan perez"@elsewhere.test',
        "luis@example.org",
    )
    assert people.get_alias('"juan perez"@example.org').targets == ("ana@example.org",)
    luis = people.get_user("luis")
    assert (luis.redirect, luis.redirect_mode) == (("luis@elsewhere.test",), RedirectMode.COPY)
    assert report.changed == ("luis@example.org",)
    assert people.import_aliases(ALIASES).added == ()


def test_what_cannot_be_an_alias_is_reported_by_line(people):
    report = people.import_aliases(BAD_ALIASES)
    assert [line for line, _ in lines(report)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert all(problem.problem.endswith(".") for problem in report.problems)
    assert [alias.address for alias in people.list_aliases()] == ["fine@example.org", "quoted@example.org"]


def test_a_dry_run_keeps_nothing(people):
    report = people.import_aliases(ALIASES, dry_run=True)
    assert len(report.added) == 6
    assert people.list_aliases() == []


def test_aliases_come_out_as_they_went_in(people):
    people.import_aliases(ALIASES)
    text = people.export_aliases()
    assert "luis: \\luis, luis@elsewhere.test" in text
    before = (people.list_aliases(), people.list_users())
    for alias in people.list_aliases():
        people.remove_alias(alias.address)
    people.set_redirect("luis", [])
    assert [problem.text for problem in people.import_aliases(text, "example.org").problems] == ["nobody"]
    assert (people.list_aliases(), people.list_users()) == before


def test_names_are_completed_with_the_domain_given(people):
    people.import_aliases("info: ana", "other.example")
    assert people.get_alias("info@other.example").targets == ("ana@other.example",)
    with pytest.raises(EstafetaError, match="no domain"):
        people.import_aliases("info: ana", "nowhere.test")


PASSWD = """\
root:x:0:0:root:/root:/bin/bash
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
ana:x:1000:1000:Ana García,,,:/home/ana:/bin/bash
eva:x:1001:1001::/home/eva:/usr/sbin/nologin
+::::::
"""


def test_passwd_and_then_shadow(people, site):
    report = people.import_passwd(PASSWD)
    assert report.added == ("eva@example.org",)
    assert [line for line, _ in lines(report)] == [1, 2, 3, 4, 5]
    made = crypt_r.crypt("correct horse", "$6$rounds=1000$abc$")
    shadow = f"root:{made}:1::::::\neva:{made}:19000:0:99999:7:::\nana:!{made}:19000:0:99999:7:::\n"
    report = people.import_passwd(shadow)
    assert report.changed == ("eva@example.org",)
    assert (3, "ana") in lines(report)
    assert site.authenticator.check("eva", "correct horse").address == "eva@example.org"


def test_lines_of_user_and_hash(people, site):
    text = f"# exim\nana:{crypt_r.crypt('secret78', 'xy')}\nzoe : {{SHA512-CRYPT}}" + crypt_r.crypt("x" * 9, "$6$a$")
    report = people.import_passwd(text + "\nclear:{PLAIN}secret\nbroken\n: nobody\n")
    assert (report.added, report.changed) == (("zoe@example.org", "clear@example.org"), ("ana@example.org",))
    assert lines(report) == [(4, "clear"), (5, "broken"), (6, "")]
    assert not any("secret" in problem.problem + problem.text for problem in report.problems)
    assert not people.get_user("clear").has_password
    assert site.authenticator.check("zoe", "x" * 9)
    assert site.authenticator.check("ana", "secret78")


def test_email_addresses_go_in_and_out(people):
    text = "ana: Ana.Garcia@example.org\nluis: luis@elsewhere.test\nnobody: x@y.test\nbad\nluis: ana@example.org\n"
    report = people.import_email_addresses(text)
    assert [line for line, _ in lines(report)] == [3, 4, 5]
    ana = people.get_user("ana.garcia")
    assert (ana.address, ana.preferred_address) == ("ana@example.org", "Ana.Garcia@example.org")
    assert people.get_user("luis").addresses == ("luis@example.org",)
    assert people.export_email_addresses().splitlines()[1:] == [
        "ana: Ana.Garcia@example.org",
        "luis: luis@elsewhere.test",
    ]


@given(st.text(max_size=200))
def test_parsers_take_any_text(text):
    importing.parse_aliases(text)
    importing.parse_passwd(text)
    importing.parse_pairs(text)


WORDS = st.text(st.characters(categories=["L", "N"], include_characters=' .-_:#,"\\'), min_size=1, max_size=12).map(
    str.strip
)


@given(
    WORDS.filter(bool),
    st.lists(st.from_regex(r"[a-z][a-z.+-]{0,10}@[a-z]{1,8}\.test", fullmatch=True), min_size=1, max_size=5),
)
def test_a_rendered_alias_parses_back(name, targets):
    line = importing.render_alias(name, tuple(targets))
    entries, problems = importing.parse_aliases(line)
    assert (entries, problems) == ([AliasEntry(1, name, tuple(targets))], [])


def test_many_quotes_take_no_long_time():
    importing.parse_aliases("a: " + '"' * 5000 + ", b" * 100)
    importing.parse_aliases("a: " + '"\\' * 5000)
