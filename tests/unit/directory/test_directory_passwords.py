"""Hashes of every kind verify, and nothing else does."""

import base64
import contextlib
import hashlib

import crypt_r
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.directory.passwords import PasswordHasher, PasswordProfile, check_new_password, normalise_hash

HASHER = PasswordHasher(PasswordProfile(memory_kib=64, passes=1))
PASSWORD = "contraseña"

SETTINGS = [
    "xy",
    "_J9..abcd",
    "$1$abcdefgh$",
    "$2b$04$abcdefghijklmnopqrstuu",
    "$2y$04$abcdefghijklmnopqrstuu",
    "$5$abc$",
    "$5$rounds=1000$abc$",
    "$6$abc$",
    "$6$rounds=1000$abc$",
    "$y$j9T$abcdefgh$",
    "$gy$j9T$abcdefgh$",
]


def digest(scheme: str, name: str, salt: bytes) -> str:
    made = hashlib.new(name, PASSWORD.encode() + salt).digest() + salt
    return f"{{{scheme}}}{base64.b64encode(made).decode()}"


IMPORTED = [
    *(crypt_r.crypt(PASSWORD, setting) for setting in SETTINGS),
    "{CRYPT}" + crypt_r.crypt(PASSWORD, "xy"),
    "{SHA512-CRYPT}" + crypt_r.crypt(PASSWORD, "$6$rounds=1000$abc$"),
    "{sha256-crypt}" + crypt_r.crypt(PASSWORD, "$5$rounds=1000$abc$"),
    "{MD5-CRYPT}" + crypt_r.crypt(PASSWORD, "$1$abc$"),
    "{BLF-CRYPT}" + crypt_r.crypt(PASSWORD, "$2y$04$abcdefghijklmnopqrstuu"),
    "{ARGON2ID}" + HASHER.hash(PASSWORD),
    HASHER.hash(PASSWORD),
    digest("SHA", "sha1", b""),
    digest("SSHA", "sha1", b"salt"),
    digest("SSHA256", "sha256", b"saltsalt"),
    digest("SSHA512", "sha512", b"saltsalt"),
    digest("SHA512", "sha512", b""),
    "{SSHA256.HEX}" + (hashlib.sha256(PASSWORD.encode() + b"salt").digest() + b"salt").hex(),
]


@pytest.mark.parametrize("text", IMPORTED, ids=range(len(IMPORTED)))
def test_an_imported_hash_verifies(text):
    stored = normalise_hash(text)
    assert HASHER.verify(stored, PASSWORD)
    assert not HASHER.verify(stored, "x" + PASSWORD)
    assert not HASHER.verify(stored, "")
    assert normalise_hash(stored) == stored
    assert HASHER.needs_rehash(stored) == (not stored.startswith("$argon2id"))


REFUSED = [
    ("", "locked"),
    ("x", "locked"),
    ("!", "locked"),
    ("*", "locked"),
    ("!!", "locked"),
    ("!$6$abc$", "locked"),
    ("{PLAIN}secret", "in clear"),
    ("{CLEARTEXT}secret", "in clear"),
    ("{CRAM-MD5}00", "not supported"),
    ("{CRYPT}{CRYPT}x", "within another"),
    ("{SSHA}", "wrong length"),
    ("{SHA}" + base64.b64encode(b"x" * 21).decode(), "wrong length"),
    ("{SSHA}@@@", "damaged"),
    ("secret", "no known kind"),
    ("$6$rounds=999999999$abc$" + "a" * 86, "too costly"),
    ("$2b$31$" + "a" * 53, "too costly"),
    ("$argon2id$v=19$m=999999,t=1,p=1$" + "a" * 22 + "$" + "a" * 43, "too costly"),
    ("$argon2id$nonsense", "damaged"),
    ("$9$abc$def", "no known kind"),
]


@pytest.mark.parametrize(("text", "part"), REFUSED)
def test_a_hash_that_cannot_be_kept_is_refused_in_a_sentence(text, part):
    with pytest.raises(EstafetaError, match=part) as caught:
        normalise_hash(text)
    assert "secret" not in caught.value.public
    assert caught.value.public.endswith(".")


def test_new_hashes_are_argon2id_and_salted():
    first, second = HASHER.hash(PASSWORD), HASHER.hash(PASSWORD)
    assert first.startswith("$argon2id$")
    assert first != second
    assert not HASHER.needs_rehash(first)
    assert PasswordHasher(PasswordProfile(memory_kib=128, passes=2)).needs_rehash(first)


def test_passwords_are_compared_in_prepared_form():
    stored = HASHER.hash("ma\u00f1ana")
    assert HASHER.verify(stored, "man\u0303ana")


def test_a_password_policy():
    check_new_password("ocho car", 8)
    for password in ("siete c", "x" * 1025, "tab\tulator", "sur\ud800rogate", "nul\0nulnul"):
        with pytest.raises(EstafetaError):
            check_new_password(password, 8)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.text(max_size=30))
def test_verifying_never_raises_and_clear_text_never_matches(stored, password):
    HASHER.verify(stored, password)
    assert not HASHER.verify(password, password)
    HASHER.verify("{SSHA}" + stored, password)
    HASHER.verify("$argon2id$" + stored, password)
    with contextlib.suppress(EstafetaError):
        assert isinstance(normalise_hash(stored), str)
