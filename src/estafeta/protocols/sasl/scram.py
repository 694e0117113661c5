"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), server side.

The password never comes over the wire and the server proves that it has the keys too. A user that is not there is
run through to the end with a made-up salt that is always the same for that name, so that names cannot be probed
(RFC 5802 9 asks for no less). Channel bindings (RFC 5929, RFC 9266) are handed in as name -> octets.
"""

import hashlib
import hmac
import re
import secrets
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass

from estafeta.protocols.sasl.outcomes import (
    Challenge,
    Failure,
    NeedScram,
    Outcome,
    PasswordResult,
    Reason,
    ScramKeys,
    Success,
    Supply,
    refusal_reason,
)
from estafeta.protocols.sasl.prep import prepare, saslprep

DEFAULT_ITERATIONS = 4096
"""RFC 7677 4: at least 4096. The stored keys carry their own count; this is for new keys and for unknown users."""

SALT_BYTES = 16
"""Length of new salts and of made-up ones; keys with another length would tell a real user from an unknown one."""

_NONCE_BYTES = 18  # 144 bits, 24 characters in base64, of which none is a comma

# RFC 5802 7: gs2-header = gs2-cbind-flag "," [ "a=" saslname ] ","
# client-first-message-bare = [reserved-mext ","] "n=" saslname "," "r=" c-nonce ["," extensions]
_CLIENT_FIRST = re.compile(
    rb"((?:(n|y)|p=([A-Za-z0-9.-]+)),(?:a=([^,\0]+))?,)(m=[^,]*,)?(n=([^,\0]+),r=([!-+\--~]+)(?:,[^\0]*)?)\Z"
)
# client-final-message = "c=" base64 "," "r=" c-nonce s-nonce ["," extensions] "," "p=" base64
_CLIENT_FINAL = re.compile(rb"(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,[^\0]*)?),p=([A-Za-z0-9+/=]+)\Z")
_SASLNAME_ESCAPE = re.compile(rb"=(2C|3D)?")


def make_scram_keys(password: str, salt: bytes, iterations: int = DEFAULT_ITERATIONS) -> ScramKeys:
    """Keys to store for `password` (RFC 5802 3). Costs milliseconds on purpose: call it in a thread.

    It is prepared as a client prepares it; one that SASLprep prohibits is taken as it is, as clients do too.
    """
    prepared = saslprep(password)
    secret = (password if prepared is None else prepared).encode("utf-8", "surrogatepass")
    salted = hashlib.pbkdf2_hmac("sha256", secret, salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return ScramKeys(salt, iterations, stored, _hmac(salted, b"Server Key"))


@dataclass(frozen=True, slots=True)
class _First:
    """The client's first message, taken apart."""

    header: bytes
    bare: bytes
    nonce: bytes
    binding: bytes


class ScramServer:
    """One exchange. `plus` makes it SCRAM-SHA-256-PLUS; `plus_offered` says that the client saw -PLUS in the list.

    `secret` keys the made-up salts: the same for all servers of a site and kept. `nonce` is for tests only.
    """

    def __init__(
        self,
        *,
        secret: bytes,
        channel_bindings: Mapping[str, bytes] | None = None,
        plus: bool = False,
        plus_offered: bool = False,
        iterations: int = DEFAULT_ITERATIONS,
        nonce: bytes | None = None,
    ) -> None:
        self.name = "SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256"
        self._secret = secret
        self._bindings = channel_bindings or {}
        self._plus = plus
        self._plus_offered = plus_offered
        self._iterations = iterations
        self._nonce = nonce or _base64(secrets.token_bytes(_NONCE_BYTES))
        self._first: _First | None = None
        self._need: NeedScram | None = None
        self._keys: ScramKeys | None = None
        self._known = False
        self._server_first = b""
        self._over = False

    def step(self, response: bytes | None) -> Outcome:
        """The client's next message; None where it sent no initial response. Never raises."""
        if self._over:
            return self._fail(Reason.MALFORMED, b"other-error")
        if self._first is None:
            return Challenge(b"") if response is None else self._client_first(response)
        if response is None or self._keys is None:
            return self._fail(Reason.MALFORMED, b"other-error")
        return self._client_final(response)

    def supply(self, answer: Supply) -> Outcome:
        """The directory's answer to `NeedScram`."""
        if self._need is None or self._first is None or self._keys is not None or self._over:
            return self._fail(Reason.MALFORMED, b"other-error")
        if isinstance(answer, PasswordResult) and answer is not PasswordResult.FAILED:
            return self._fail(refusal_reason(answer), b"other-error")
        self._known = isinstance(answer, ScramKeys)
        self._keys = answer if isinstance(answer, ScramKeys) else self._made_up_keys(self._need.authcid)
        self._server_first = b"r=%b%b,s=%b,i=%d" % (
            self._first.nonce,
            self._nonce,
            _base64(self._keys.salt),
            self._keys.iterations,
        )
        return Challenge(self._server_first)

    def _client_first(self, message: bytes) -> Outcome:
        match = _CLIENT_FIRST.match(message)
        if match is None:
            return self._fail(Reason.MALFORMED, b"invalid-encoding")
        header, flag, kind, authzid, extension, bare, username, nonce = match.groups()
        if extension is not None:
            # RFC 5802 5.1: "m=" is reserved for extensions that must be understood; there are none.
            return self._fail(Reason.MALFORMED, b"extensions-not-supported")
        refusal = self._check_binding(flag, kind)
        if refusal is not None:
            return refusal
        name, acting = _saslname(username), _saslname(authzid) if authzid is not None else ""
        if name is None or acting is None:
            return self._fail(Reason.MALFORMED, b"invalid-username-encoding")
        self._first = _First(header, bare, nonce, self._bindings[kind.decode()] if kind else b"")
        self._need = NeedScram(name, acting)
        return self._need

    def _check_binding(self, flag: bytes | None, kind: bytes | None) -> Failure | None:
        """RFC 5802 6: what the client says of channel binding against what the server offered."""
        if kind is not None:
            if not self._plus:
                return self._fail(Reason.CHANNEL_BINDING, b"channel-binding-not-supported")
            if kind.decode() not in self._bindings:
                return self._fail(Reason.CHANNEL_BINDING, b"unsupported-channel-binding-type")
            return None
        if self._plus:
            return self._fail(Reason.CHANNEL_BINDING, b"channel-bindings-dont-match")
        if flag == b"y" and self._plus_offered:
            # The client could bind and believes that we cannot: someone took -PLUS out of the list.
            return self._fail(Reason.CHANNEL_BINDING, b"server-does-support-channel-binding")
        return None

    def _client_final(self, message: bytes) -> Outcome:
        first, keys, need = self._first, self._keys, self._need
        match = _CLIENT_FINAL.match(message)
        if match is None or first is None or keys is None or need is None:
            return self._fail(Reason.MALFORMED, b"invalid-encoding")
        without_proof, nonce = match.group(1), match.group(3)
        binding, proof = _unbase64(match.group(2)), _unbase64(match.group(4))
        if binding is None or proof is None:
            return self._fail(Reason.MALFORMED, b"invalid-encoding")
        if not hmac.compare_digest(binding, first.header + first.binding):
            return self._fail(Reason.CHANNEL_BINDING, b"channel-bindings-dont-match")
        if not hmac.compare_digest(nonce, first.nonce + self._nonce):
            return self._fail(Reason.MALFORMED, b"other-error")
        message_to_sign = b",".join((first.bare, self._server_first, without_proof))
        if not self._proved(proof, keys, message_to_sign):
            return self._fail(Reason.CREDENTIALS, b"invalid-proof")
        self._over = True
        return Success(need.authcid, need.authzid, b"v=" + _base64(_hmac(keys.server_key, message_to_sign)))

    def _proved(self, proof: bytes, keys: ScramKeys, message: bytes) -> bool:
        # RFC 5802 3: ClientKey = ClientProof XOR ClientSignature; H(ClientKey) must be StoredKey.
        signature = _hmac(keys.stored_key, message)
        if len(proof) != len(signature):
            return False
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        matches = hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)
        return matches and self._known

    def _made_up_keys(self, username: str) -> ScramKeys:
        # Lower case: directories do not tell Jane@ from jane@, so the salt must not either.
        seed = _hmac(self._secret, b"scram-salt\0" + username.lower().encode("utf-8", "surrogatepass"))
        return ScramKeys(seed[:SALT_BYTES], self._iterations, seed, seed)

    def _fail(self, reason: Reason, error: bytes) -> Failure:
        self._over = True
        return Failure(reason, self._need.authcid if self._need else "", b"e=" + error)


def _saslname(data: bytes) -> str | None:
    # RFC 5802 5.1: "," is sent as "=2C" and "=" as "=3D"; any other "=" is an error.
    if b"=" in data:
        if any(match.group(1) is None for match in _SASLNAME_ESCAPE.finditer(data)):
            return None
        data = data.replace(b"=2C", b",").replace(b"=3D", b"=")
    return prepare(data)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)


def _unbase64(data: bytes) -> bytes | None:
    try:
        return a2b_base64(data, strict_mode=True)
    except Base64Error:
        return None
