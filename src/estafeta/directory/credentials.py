"""What is stored of a password or a secret, and how it is made and read back."""

import json
import secrets
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory.model import CredentialKind
from estafeta.directory.passwords import PasswordHasher, PasswordProfile, profile_of
from estafeta.directory.settings_source import SettingsSource
from estafeta.protocols.sasl import SALT_BYTES, ScramKeys, make_scram_keys

_NONCE_BYTES = 12


class CredentialMaker:
    """Makes what is stored of a password. Takes tens of milliseconds; call it outside transactions."""

    def __init__(
        self, settings: SettingsSource, *, profile: PasswordProfile | None = None, node_key: bytes | None = None
    ) -> None:
        self._settings = settings
        self._node_key = node_key
        self._profile = profile
        self._hasher = PasswordHasher(profile or PasswordProfile())

    @property
    def hasher(self) -> PasswordHasher:
        """The hasher for the settings of now."""
        wanted = self._profile or profile_of(self._settings.current.auth)
        if self._hasher.profile != wanted:
            self._hasher = PasswordHasher(wanted)
        return self._hasher

    def make(self, password: str) -> dict[CredentialKind, str]:
        """The Argon2id hash and, if the settings say so, the SCRAM keys of `password`."""
        auth = self._settings.current.auth
        rows = {CredentialKind.PASSWORD: self.hasher.hash(password)}
        if auth.scram:
            keys = make_scram_keys(password, secrets.token_bytes(SALT_BYTES), auth.scram_iterations)
            rows[CredentialKind.SCRAM_SHA_256] = encode_scram(keys)
        return rows

    def make_apop(self, account_id: AccountId) -> tuple[str, str]:
        """A new APOP secret and its stored form. EstafetaError UNAVAILABLE without a node key."""
        if not self._node_key:
            raise EstafetaError(Kind.UNAVAILABLE, "This node has no key to keep APOP secrets with.")
        secret = secrets.token_urlsafe(18)
        return secret, ApopSecrets(self._node_key).seal(account_id, secret)


class ApopSecrets:
    """APOP needs the secret itself (RFC 1939 7): kept encrypted under the node's key, bound to its account."""

    def __init__(self, node_key: bytes) -> None:
        self._cipher = AESGCM(node_key)

    def seal(self, account_id: AccountId, secret: str) -> str:
        """The stored form of `secret`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), _bound(account_id))).decode("ascii")

    def unseal(self, account_id: AccountId, data: str) -> str | None:
        """The secret; None if it was sealed with another key or for another account."""
        raw = b64decode(data)
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(account_id)).decode()
        except (InvalidTag, ValueError):
            return None


def _bound(account_id: AccountId) -> bytes:
    return b"apop %d" % account_id


def encode_scram(keys: ScramKeys) -> str:
    """SCRAM keys as stored: JSON of the iterations and three base64 texts."""
    texts = [b64encode(part).decode("ascii") for part in (keys.salt, keys.stored_key, keys.server_key)]
    return json.dumps([keys.iterations, *texts])


def decode_scram(data: str) -> ScramKeys:
    """What `encode_scram` made."""
    iterations, salt, stored_key, server_key = json.loads(data)
    return ScramKeys(b64decode(salt), iterations, b64decode(stored_key), b64decode(server_key))
