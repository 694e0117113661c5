"""What the directory promises on any database: run with SQLite and with PostgreSQL (fixture `database`)."""

from dataclasses import dataclass

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.auth import Authenticator
from estafeta.directory.model import LocalTarget, RedirectMode, Service, Status
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.mail.address import Address, parse_address
from estafeta.storage.database import Database

PASSWORD = "correct horse"


@dataclass
class Site:
    settings: SiteSettings
    directory: Directory
    authenticator: Authenticator

    def status(self, text: str) -> Status:
        return self.directory.resolve(parse_address(text)).status


@pytest.fixture
def site(database: Database) -> Site:
    profile = PasswordProfile(memory_kib=64, passes=1)
    settings = SiteSettings(database, lambda: 1_700_000_000.5)
    settings.set_values({"auth.scram_iterations": 4096}, "test")
    directory = Directory(database, lambda: 1_700_000_000.5, settings, profile=profile)
    authenticator = Authenticator(database, lambda: 1_700_000_000.5, settings, profile=profile)
    directory.add_domain("example.org")
    return Site(settings, directory, authenticator)


def test_a_users_life(site):
    directory = site.directory
    user = directory.add_user("Ana@example.org", password=PASSWORD, display_name="Ana 🎈", quota_bytes=1 << 40)
    assert directory.get_user("ana@EXAMPLE.ORG") == user
    assert directory.list_users("example.org") == [user]
    assert site.authenticator.check("ana", PASSWORD, Service.IMAP).account_id == user.account_id
    assert site.authenticator.scram_keys("ana") is not None
    directory.add_address("ana", "ana.garcia@example.org")
    directory.change_user("ana", services=[Service.POP3], language="ja")
    directory.disable_user("ana")
    assert site.status("ana.garcia@example.org") is Status.DISABLED
    directory.enable_user("ana")
    (target,) = directory.resolve(Address("ana+x", "example.org")).targets
    assert target == LocalTarget(user.account_id, 1 << 40, "x")
    directory.remove_user("ana")
    assert site.status("ana@example.org") is Status.REMOVED
    site.authenticator.forget()
    with pytest.raises(EstafetaError):
        site.authenticator.check("ana", PASSWORD)
    assert directory.purge_user("ana") == user.account_id
    assert directory.add_user("ana").account_id == user.account_id + 1


def test_names_that_stand_for_others(site):
    directory = site.directory
    directory.add_user("ana")
    directory.add_user("luis")
    directory.add_alias("info", ["ana", "luis", "x@elsewhere.test"])
    directory.add_group("staff", display_name="Staff", members=["info", "ana"])
    directory.set_redirect("luis", ["luis@elsewhere.test"])
    directory.set_catch_all("example.org", "ana")
    resolution = directory.resolve(parse_address("staff@example.org"))
    assert resolution.status is Status.LOCAL
    assert len(resolution.targets) == 3
    assert site.status("luis@example.org") is Status.REMOTE
    assert site.status("nobody@example.org") is Status.LOCAL
    assert site.status("root@example.org") is Status.DENIED
    assert site.status("postmaster@example.org") is Status.LOCAL
    assert site.status("x@elsewhere.test") is Status.NOT_OURS
    assert directory.get_user("luis").redirect_mode is RedirectMode.ONLY
    directory.remove_members("staff", ["info"])
    directory.remove_alias("info", ["luis"])
    directory.remove_alias("info")
    directory.remove_group("staff")
    assert (directory.list_aliases(), directory.list_groups()) == ([], [])


def test_a_name_is_taken_once(site):
    site.directory.add_user("ana")
    for add in (site.directory.add_user, site.directory.add_group):
        with pytest.raises(EstafetaError) as caught:
            add("ANA@example.org")
        assert caught.value.kind is Kind.EXISTS


def test_a_refused_change_changes_nothing(site):
    site.directory.add_user("ana")
    with pytest.raises(EstafetaError):
        site.directory.add_group("staff", members=["ana", "not an address"])
    assert site.directory.list_groups() == []


def test_files_go_in(site):
    report = site.directory.import_passwd("ana:x:1000:1000:Ana:/home/ana:/bin/sh\nluis:{PLAIN}x\n")
    assert report.added == ("ana@example.org", "luis@example.org")
    report = site.directory.import_aliases("postmaster: root\nroot: ana\nluis: \\luis, l@elsewhere.test\n")
    assert report.problems == ()
    assert site.status("root@example.org") is Status.LOCAL
    assert "root: ana" in site.directory.export_aliases()


def test_settings_are_kept_and_rolled_back(site):
    settings = site.settings
    settings.set_setting("smtp.max_recipients", "200", "ana", "because")
    settings.apply_toml("[smtp]\nvrfy = true\n", "ana")
    assert settings.reload().smtp.vrfy
    change = settings.history()[0]
    assert {entry.key for entry in change.differences} == {
        "auth.scram_iterations",
        "smtp.max_recipients",
        "smtp.vrfy",
    }
    settings.rollback(change.change_id, "ana")
    assert settings.current.smtp.max_recipients == 200
    assert not settings.current.smtp.vrfy


def test_a_change_moves_the_version(site):
    site.directory.poll_version()
    assert not site.directory.poll_version()
    site.directory.add_domain("other.example")
    assert site.directory.poll_version()


def test_a_removed_domain_takes_no_mail(site):
    site.directory.add_domain("other.example")
    assert site.status("x@other.example") is Status.UNKNOWN
    site.directory.remove_domain("other.example")
    assert site.status("x@other.example") is Status.NOT_OURS


def test_in_whose_name_a_user_may_send(site):
    directory = site.directory
    for name in ("ana", "boss"):
        directory.add_user(name, password=PASSWORD)
    directory.add_alias("team", ["ana", "boss"])
    assert directory.grant_sending("ana", "Team") == "team@example.org"
    assert directory.grant_sending("ana", "@Brand.example") == "@brand.example"
    assert directory.grant_sending("ana", "ana@Home.example") == "ana@home.example"
    assert directory.list_sending("ana") == ("@brand.example", "ana@home.example", "team@example.org")
    assert site.authenticator.check("ana", PASSWORD).grants == frozenset(directory.list_sending("ana"))
    assert site.authenticator.check("boss", PASSWORD).grants == frozenset()
    for identity, kind in (
        ("team", Kind.EXISTS),
        ("nobody", Kind.NOT_FOUND),
        ("@", Kind.INVALID),
        ("a b@x", Kind.INVALID),
    ):
        with pytest.raises(EstafetaError) as refused:
            directory.grant_sending("ana", identity)
        assert refused.value.kind is kind
    with pytest.raises(EstafetaError, match="no user"):
        directory.grant_sending("nobody", "team")
    assert directory.revoke_sending("ana", "team") == "team@example.org"
    with pytest.raises(EstafetaError) as refused:
        directory.revoke_sending("ana", "team")
    assert refused.value.kind is Kind.NOT_FOUND
    site.authenticator.forget()
    assert "team@example.org" not in site.authenticator.check("ana", PASSWORD).grants
    # Nor in the name of whoever gets an address later.
    directory.grant_sending("ana", "team")
    directory.remove_alias("team")
    directory.add_user("team", password=PASSWORD)
    assert "team@example.org" not in directory.list_sending("ana")
    # Nothing of it is left for whoever gets the account's row next.
    directory.remove_user("ana")
    directory.purge_user("ana")
    directory.add_user("ana", password=PASSWORD)
    assert directory.list_sending("ana") == ()
