"""Sign-in: right and wrong, rehash, remembering, throttling, SCRAM and APOP."""

import hashlib
import hmac
import time

import crypt_r
import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.auth import Authenticator
from estafeta.directory.model import Service
from estafeta.directory.tables import credentials

PASSWORD = "correct horse"


def stored(site) -> dict[str, str]:
    with site.database.read() as conn:
        return {row.kind: row.data for row in conn.execute(credentials.select())}


def refused(kind: Kind, part: str | None = None):
    return pytest.raises(EstafetaError, match=part, check=lambda error: error.kind is kind)


@pytest.fixture
def ana(site):
    site.directory.add_user("ana", password=PASSWORD, services=[Service.POP3])
    site.directory.add_address("ana", "ana.garcia@other.example")
    return site


@pytest.mark.parametrize("login", ["ana", "ANA", "ana@example.org", "Ana@EXAMPLE.org", "ana.garcia@other.example"])
def test_a_user_signs_in_by_any_address(ana, login):
    account = ana.authenticator.check(login, PASSWORD, Service.POP3)
    assert (account.address, account.services) == ("ana@example.org", {Service.POP3})


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("ana", "wrong"),
        ("ana", ""),
        ("nobody", PASSWORD),
        ("ana@elsewhere.test", PASSWORD),
        ("", PASSWORD),
        ("@", PASSWORD),
        ("a" * 5000, PASSWORD),
        ("ana\0", PASSWORD),
        ("ana+x", PASSWORD),
        ("info", PASSWORD),
    ],
)
def test_wrong_name_and_wrong_password_look_alike(ana, login, password):
    ana.directory.add_alias("info", ["ana"])
    with refused(Kind.PERMISSION, "^The name or the password is wrong.$"):
        ana.authenticator.check(login, password)


def test_a_service_may_be_closed_to_a_user(ana):
    with refused(Kind.PERMISSION, "may not use imap"):
        ana.authenticator.check("ana", PASSWORD, Service.IMAP)
    assert ana.authenticator.check_cached("ana", PASSWORD, Service.IMAP) is None


def test_disabled_and_removed_users_stay_out(ana):
    ana.directory.disable_user("ana")
    with refused(Kind.PERMISSION):
        ana.authenticator.check("ana", PASSWORD)
    ana.directory.enable_user("ana")
    ana.authenticator.check("ana", PASSWORD)
    ana.directory.remove_user("ana")
    ana.authenticator.forget()
    with refused(Kind.PERMISSION):
        ana.authenticator.check("ana", PASSWORD)
    assert stored(ana) == {}


def test_no_password_is_stored_in_clear(ana):
    assert set(stored(ana)) == {"password", "scram-sha-256"}
    assert not any(PASSWORD in data for data in stored(ana).values())


def test_an_imported_hash_becomes_argon2id_and_scram_at_the_first_sign_in(site):
    site.directory.add_user("ana", password_hash=crypt_r.crypt(PASSWORD, "xy"))
    assert set(stored(site)) == {"password"}
    site.authenticator.check("ana", PASSWORD[:8])  # DES looks at eight characters only
    rows = stored(site)
    assert rows["password"].startswith("$argon2id$")
    assert site.authenticator.scram_keys("ana") is not None
    with refused(Kind.PERMISSION):
        site.authenticator.check("ana", PASSWORD)


def test_a_hash_made_elsewhere_drops_the_scram_keys_of_the_old_password(ana):
    assert ana.authenticator.scram_keys("ana") is not None
    ana.directory.import_passwd("ana:" + crypt_r.crypt("other one", "$6$rounds=1000$abc$"))
    assert ana.authenticator.scram_keys("ana") is None
    ana.authenticator.check("ana", "other one")


def test_a_verified_password_is_remembered_for_its_time_only(ana):
    authenticator = ana.authenticator
    assert authenticator.check_cached("ana", PASSWORD) is None
    account = authenticator.check("ana", PASSWORD)
    assert authenticator.check_cached("ana", PASSWORD) == account
    assert authenticator.check_cached("ana", PASSWORD + "x") is None
    assert authenticator.check_cached("ana" + PASSWORD, "") is None
    ana.clock.now += 601
    assert authenticator.check_cached("ana", PASSWORD) is None
    authenticator.check("ana", PASSWORD)
    authenticator.forget()
    assert authenticator.check_cached("ana", PASSWORD) is None
    ana.settings.set_setting("auth.remember_seconds", "0", "test")
    authenticator.check("ana", PASSWORD)
    assert authenticator.check_cached("ana", PASSWORD) is None


def test_a_password_changed_while_it_is_verified_is_not_remembered(ana, monkeypatch):
    from estafeta.directory.passwords import PasswordHasher

    real = PasswordHasher.verify

    def verify_while_changing(self, data, password):
        ana.authenticator.forget()
        return real(self, data, password)

    monkeypatch.setattr(PasswordHasher, "verify", verify_while_changing)
    ana.authenticator.check("ana", PASSWORD)
    assert ana.authenticator.check_cached("ana", PASSWORD) is None


def test_the_memory_costs_little(ana):
    ana.authenticator.check("ana", PASSWORD)

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(1000):
            ana.authenticator.check_cached("ana", PASSWORD)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) / 1000 < 40e-6  # 2 µs on an idle machine


def test_wrong_passwords_slow_down_who_sends_them_and_nobody_else(ana):
    check = ana.authenticator.check
    for _ in range(5):
        with refused(Kind.PERMISSION):
            check("ana", "wrong", client="192.0.2.7")
    with refused(Kind.LIMIT, "try again in 2 seconds"):
        check("ana", PASSWORD, client="192.0.2.200")
    check("ana", PASSWORD, client="198.51.100.1")
    ana.clock.now += 2
    with refused(Kind.PERMISSION):
        check("ana", "wrong", client="192.0.2.7")
    with refused(Kind.LIMIT, "try again in 3 seconds"):
        check("ana", PASSWORD, client="192.0.2.7")
    ana.clock.now += 3
    check("ana", PASSWORD, client="192.0.2.7")
    with refused(Kind.PERMISSION):
        check("ana", "wrong", client="192.0.2.7")


def test_the_wait_is_bounded_and_failures_are_forgiven(ana):
    throttle = ana.authenticator.throttle
    for _ in range(60):
        throttle.failed("ana", "2001:db8::1")
    with refused(Kind.LIMIT, "901 seconds"):
        throttle.check("ana", "2001:db8:0:0ff::2")
    with refused(Kind.LIMIT):
        throttle.check("luis", "2001:db8::1")  # the network has used up its own count
    throttle.check("ana", "2001:db8:1::1")
    ana.clock.now += 5000
    throttle.failed("ana", "2001:db8::1")
    throttle.check("ana", "2001:db8::1")


def test_the_throttle_bounds_its_memory(ana):
    for number in range(21_000):
        ana.authenticator.throttle.failed(f"user{number}", "")
    assert len(ana.authenticator.throttle) <= 20_000


def test_scram_keys_prove_the_password(ana):
    keys = ana.authenticator.scram_keys("ana")
    assert keys is not None
    assert keys.iterations == 4096
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), keys.salt, keys.iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    assert hashlib.sha256(client_key).digest() == keys.stored_key
    assert ana.authenticator.scram_keys("nobody") is None
    assert ana.authenticator.confirm("ana", Service.POP3).address == "ana@example.org"
    with refused(Kind.PERMISSION):
        ana.authenticator.confirm("nobody")


def test_scram_keys_are_a_choice(ana):
    ana.settings.set_setting("auth.scram", "off", "test")
    ana.directory.set_password("ana", "another horse")
    assert ana.authenticator.scram_keys("ana") is None


def test_failed_proofs_are_throttled_too(ana):
    for _ in range(5):
        ana.authenticator.failed("ana", "192.0.2.7")
    with refused(Kind.LIMIT):
        ana.authenticator.scram_keys("ana", "192.0.2.7")


def test_apop_secrets_are_made_by_us_and_kept_encrypted(ana):
    with refused(Kind.PERMISSION, "APOP is off"):
        ana.directory.make_apop_secret("ana")
    ana.settings.set_setting("pop3.apop", "on", "test")
    secret = ana.directory.make_apop_secret("ana")
    assert len(secret) >= 20
    assert secret not in stored(ana)["apop"]
    assert ana.authenticator.apop_secret("ana") == secret
    assert ana.authenticator.apop_secret("nobody") is None
    other = Authenticator(ana.database, ana.clock, ana.settings, node_key=b"k" * 32)
    assert other.apop_secret("ana") is None
