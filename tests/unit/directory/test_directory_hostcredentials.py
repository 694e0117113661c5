"""Logins for smarthosts: kept encrypted, found by host and port, imported from Postfix."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.hostcredentials import HostCredentials, HostLogin
from estafeta.directory.tables import host_credentials

KEY = bytes(range(32))


@pytest.fixture
def credentials(site: Any) -> HostCredentials:
    return HostCredentials(site.database, KEY, site.clock)


def test_a_login_is_found_by_host_and_port(credentials: HostCredentials) -> None:
    credentials.set_credentials("[Mail.Example]:587", "anna", "one")
    credentials.set_credentials("[mail.example]", "berta", "two")
    credentials.set_credentials("isp.example:25", "carla", "three")
    assert credentials.find_credentials("mail.example", 587) == HostLogin("anna", "one")
    assert credentials.find_credentials("MAIL.example", 25) == HostLogin("berta", "two")
    assert credentials.find_credentials("isp.example", 0) == HostLogin("carla", "three")
    assert credentials.find_credentials("isp.example", 587) is None
    assert "one" not in repr(credentials.find_credentials("mail.example", 587))
    credentials.set_credentials("mail.example:587", "anna", "new")
    assert credentials.find_credentials("mail.example", 587) == HostLogin("anna", "new")
    assert [(one.server, one.login) for one in credentials.list_credentials()] == [
        ("[isp.example]:25", "carla"),
        ("[mail.example]", "berta"),
        ("[mail.example]:587", "anna"),
    ]


def test_the_line_of_the_course(credentials: HostCredentials) -> None:
    report = credentials.import_smtp_pass("[mail.midominio.com]:587 relay@midominio.com:contraseña\n")
    assert report.added == ("[mail.midominio.com]:587",)
    assert credentials.find_credentials("mail.midominio.com", 587) == HostLogin("relay@midominio.com", "contraseña")


def test_import_takes_what_it_can_and_repeats_no_password(credentials: HostCredentials) -> None:
    text = "# c\n\na.test me:pa:ss\na.test me:other\nb.test me\nyou@c.test me:secret\n[d me:secret\ne.test me:\n"
    dry = credentials.import_smtp_pass(text, dry_run=True)
    assert credentials.list_credentials() == []
    report = credentials.import_smtp_pass(text)
    assert report == dry
    assert report.added == ("[a.test]",)
    assert [problem.line for problem in report.problems] == [5, 6, 7, 8]
    assert "secret" not in str(report)
    assert credentials.find_credentials("a.test", 25) == HostLogin("me", "other")
    assert credentials.import_smtp_pass("a.test me:pa:ss").changed == ("[a.test]",)
    assert credentials.find_credentials("a.test", 25) == HostLogin("me", "pa:ss")


def test_the_password_is_not_in_the_database_and_bound_to_its_row(site: Any, credentials: HostCredentials) -> None:
    credentials.set_credentials("[a.test]:587", "anna", "correct horse")
    credentials.set_credentials("[b.test]:587", "anna", "other")
    with site.database.read() as conn:
        rows = {row.host: row.data for row in conn.execute(select(host_credentials))}
    assert "correct" not in str(rows)
    with site.database.write() as tx:
        tx.conn.execute(update(host_credentials).where(host_credentials.c.host == "b.test").values(data=rows["a.test"]))
    with pytest.raises(EstafetaError, match="set it again") as refused:
        credentials.find_credentials("b.test", 587)
    assert refused.value.kind is Kind.UNAVAILABLE


def test_another_node_cannot_read_it_and_says_so(site: Any, credentials: HostCredentials) -> None:
    credentials.set_credentials("[a.test]:587", "anna", "correct horse")
    with pytest.raises(EstafetaError, match="another node"):
        HostCredentials(site.database, bytes(32), site.clock).find_credentials("a.test", 587)


BAD: list[tuple[Callable[[HostCredentials], object], Kind]] = [
    (lambda it: it.set_credentials("[a", "x", "y"), Kind.INVALID),
    (lambda it: it.set_credentials("list:a@b", "x", "y"), Kind.INVALID),
    (lambda it: it.set_credentials("a.test", "", "y"), Kind.INVALID),
    (lambda it: it.set_credentials("a.test", "x", "y\nz"), Kind.INVALID),
    (lambda it: it.set_credentials("a.test", "x", "y" * 2000), Kind.INVALID),
    (lambda it: it.remove_credentials("a.test"), Kind.NOT_FOUND),
]


@pytest.mark.parametrize(("call", "kind"), BAD)
def test_refusals(credentials: HostCredentials, call: Callable[[HostCredentials], object], kind: Kind) -> None:
    with pytest.raises(EstafetaError) as refused:
        call(credentials)
    assert refused.value.kind is kind
