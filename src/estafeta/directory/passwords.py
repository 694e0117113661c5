"""Passwords as they are kept: made with Argon2id, verified in every form that other systems leave behind.

Verified: Argon2, crypt(3) as libxcrypt knows it (DES, MD5 `$1$`, bcrypt `$2*$`, `$5$`, `$6$`, yescrypt `$y$`, scrypt
`$7$`), and LDAP and Dovecot `{SCHEME}` texts. `{PLAIN}` and locked entries are refused: a password is never stored in
clear. A hash that would cost more than about a second is refused at import, since anyone may make us compute it.
Everything here takes milliseconds on purpose: call it in a thread.
"""

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import argon2
import crypt_r

from estafeta.core.errors import EstafetaError, Kind
from estafeta.protocols.sasl.prep import saslprep

if TYPE_CHECKING:
    from estafeta.directory.settings_site import Auth

MAX_PASSWORD_BYTES = 1024
"""Longer ones only serve to make us hash much."""

# Scheme names as Dovecot and OpenLDAP write them -> the digest; the salted ones carry their salt behind the digest.
_DIGESTS = {
    "SHA": "sha1",
    "SHA1": "sha1",
    "SSHA": "sha1",
    "SHA256": "sha256",
    "SSHA256": "sha256",
    "SHA512": "sha512",
    "SSHA512": "sha512",
}
_CRYPT_SCHEMES = {"CRYPT", "DES-CRYPT", "MD5-CRYPT", "BLF-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "YESCRYPT"}
_ARGON_SCHEMES = {"ARGON2I", "ARGON2ID"}
_SCHEME = re.compile(r"\{([A-Za-z0-9-]+)(?:\.(b64|base64|hex))?\}(.*)", re.DOTALL | re.IGNORECASE)

_CRYPT = re.compile(
    r"[./0-9A-Za-z]{13}|_[./0-9A-Za-z]{19}"  # DES, extended DES
    r"|\$1\$[^$:]{0,8}\$[./0-9A-Za-z]{22}"
    r"|\$2[abxy]\$(?:0[4-9]|1[0-4])\$[./0-9A-Za-z]{53}"
    r"|\$5\$(?:rounds=\d{1,6}\$)?[^$:]{0,16}\$[./0-9A-Za-z]{43}"
    r"|\$6\$(?:rounds=\d{1,6}\$)?[^$:]{0,16}\$[./0-9A-Za-z]{86}"
    r"|\$g?y\$j[./0-9A-F]T\$[./0-9A-Za-z]{0,86}\$[./0-9A-Za-z]{43}"
    r"|\$7\$[./0-9A-D][6U]\.{4}/\.{4}[^$:]{0,86}\$[./0-9A-Za-z]{43}"
)
_ARGON = re.compile(
    r"\$argon2(?:id|i|d)\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$[A-Za-z0-9+/]{11,88}\$[A-Za-z0-9+/]{16,88}"
)
_MAX_ARGON_KIB = 512 * 1024


@dataclass(frozen=True, slots=True)
class PasswordProfile:
    """What one Argon2id hash costs: memory in KiB, passes over it, lanes."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1


def profile_of(auth: "Auth") -> PasswordProfile:
    """The profile that the settings ask for."""
    return PasswordProfile(auth.argon2_memory_mib * 1024, auth.argon2_passes)


class PasswordHasher:
    """Makes and verifies hashes. Safe to share between threads."""

    def __init__(self, profile: PasswordProfile) -> None:
        self.profile = profile
        self._argon = argon2.PasswordHasher(profile.passes, profile.memory_kib, profile.lanes)

    def hash(self, password: str) -> str:
        """A new Argon2id hash in PHC form."""
        return self._argon.hash(_octets(_prepared(password)))

    def verify(self, stored: str, password: str) -> bool:
        """Whether `password` made `stored`. Never raises; an unreadable hash matches nothing."""
        if len(password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_BYTES:
            return False
        candidates = dict.fromkeys((_prepared(password), password))
        return any(self._verify_one(stored, candidate) for candidate in candidates)

    def verify_nothing(self, password: str) -> None:
        """Cost what `verify` costs, for a user that is not there: names cannot be told by the time taken."""
        self._argon.hash(_octets(password)[:MAX_PASSWORD_BYTES])

    def needs_rehash(self, stored: str) -> bool:
        """Whether `stored` is weaker than, or other than, what this profile makes."""
        return not stored.startswith("$argon2id$") or self._argon.check_needs_rehash(stored)

    def _verify_one(self, stored: str, password: str) -> bool:
        if stored.startswith("$argon2"):
            if not _ARGON.fullmatch(stored):
                return False
            try:
                return self._argon.verify(stored, _octets(password))
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                return False
        if stored.startswith("{"):
            return _verify_digest(stored, password)
        return _verify_crypt(stored, password)


def check_new_password(password: str, minimum: int) -> None:
    """EstafetaError INVALID unless `password` may be set: long enough, not endless, without control characters."""
    if len(password) < minimum:
        raise _invalid(f"The password is too short; it needs at least {minimum} characters.")
    if len(password.encode("utf-8", "replace")) > MAX_PASSWORD_BYTES:
        raise _invalid(f"The password is longer than {MAX_PASSWORD_BYTES} bytes.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise _invalid("The password has a control character; leave out tabs and line ends.")


def normalise_hash(text: str) -> str:
    """The form in which an imported hash is stored. EstafetaError INVALID says why it cannot be."""
    stored = text.strip()
    if not stored or stored[0] in "!*" or stored == "x":
        raise _invalid("The password is locked or kept elsewhere.")
    match = _SCHEME.fullmatch(stored)
    if match is not None:
        return _normalise_scheme(match[1].upper(), (match[2] or "").lower(), match[3])
    if stored.startswith("$argon2"):
        return _check_argon(stored)
    if not _CRYPT.fullmatch(stored):
        raise _invalid("The hash is of no known kind, damaged, or too costly to verify.")
    return stored


def _normalise_scheme(scheme: str, encoding: str, data: str) -> str:
    if scheme in ("PLAIN", "CLEAR", "CLEARTEXT", "PLAIN-TRUNC"):
        raise _invalid("The password is in clear; set it with `estafeta user passwd` instead.")
    if scheme in _CRYPT_SCHEMES or scheme in _ARGON_SCHEMES:
        if data.startswith("{"):
            raise _invalid("The hash has one scheme within another.")
        return normalise_hash(data)
    if scheme not in _DIGESTS:
        raise _invalid(f"The scheme {{{scheme}}} is not supported.")
    digest = _decode(data, encoding)
    size = hashlib.new(_DIGESTS[scheme], usedforsecurity=False).digest_size
    if len(digest) < size or (len(digest) > size and not scheme.startswith("SS")):
        raise _invalid(f"The {{{scheme}}} hash has the wrong length.")
    return f"{{{scheme}}}{base64.b64encode(digest).decode('ascii')}"


def _decode(data: str, encoding: str) -> bytes:
    try:
        return bytes.fromhex(data) if encoding == "hex" else base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        raise _invalid("The hash is damaged.") from None


def _check_argon(stored: str) -> str:
    match = _ARGON.fullmatch(stored)
    if match is None:
        raise _invalid("The Argon2 hash is damaged.")
    if int(match[1]) > _MAX_ARGON_KIB or int(match[2]) > 20 or not 1 <= int(match[3]) <= 16:
        raise _invalid("The Argon2 hash is too costly to verify.")
    return stored


def _verify_digest(stored: str, password: str) -> bool:
    match = _SCHEME.fullmatch(stored)
    name = _DIGESTS.get(match[1].upper()) if match else None
    if match is None or name is None:
        return False
    try:
        raw = base64.b64decode(match[3], validate=True)
    except (ValueError, binascii.Error):
        return False
    size = hashlib.new(name, usedforsecurity=False).digest_size
    made = hashlib.new(name, _octets(password) + raw[size:], usedforsecurity=False).digest()
    return hmac.compare_digest(made, raw[:size])


def _verify_crypt(stored: str, password: str) -> bool:
    if not _CRYPT.fullmatch(stored) or "\0" in password:
        return False
    try:
        made = crypt_r.crypt(password, stored)
    except (OSError, ValueError):
        return False
    # libxcrypt answers `*0` or `*1` for a setting that it does not know.
    return bool(made) and made[0] != "*" and hmac.compare_digest(_octets(made), _octets(stored))


def _prepared(password: str) -> str:
    """RFC 4013 form, as SCRAM uses; a password that it prohibits stays as it is."""
    prepared = saslprep(password, stored=True)
    return password if prepared is None else prepared


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _invalid(sentence: str) -> EstafetaError:
    return EstafetaError(Kind.INVALID, sentence)
