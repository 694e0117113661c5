"""SASL (RFC 4422), client side, without I/O: SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), PLAIN (RFC 4616), LOGIN.

`choose_mechanism` takes the strongest that a server offers. `ClientMechanism.respond` costs milliseconds with SCRAM, by
the server's choice up to MAX_ITERATIONS of PBKDF2: call it in a thread. Nothing raises, whatever a server says.
"""

import hashlib
import hmac
import re
import secrets
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from estafeta.protocols.sasl.prep import saslprep

MAX_ITERATIONS: Final = 1_000_000
"""RFC 7677 4 begins at 4096 and the world is at some hundred thousand; beyond this a server means to keep us busy."""

# RFC 5802 7: server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]
_SERVER_FIRST = re.compile(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,8})(?:,[^\0]*)?\Z")
_SERVER_FINAL = re.compile(rb"v=([A-Za-z0-9+/=]+)(?:,[^\0]*)?\Z")


class ClientMechanism(Protocol):
    """One exchange. `clear`: the password goes over the wire, so only inside TLS. `proved`: as far as this mechanism
    can tell, success is success; SCRAM wants the server's own proof first."""

    name: str
    clear: bool

    @property
    def proved(self) -> bool: ...

    def initial(self) -> bytes | None:
        """The initial response; None where the mechanism has none."""

    def respond(self, challenge: bytes) -> bytes | None:
        """The answer to a challenge; None: give up, what the server says is wrong."""


def choose_mechanism(
    offered: Collection[str], user: str, password: str, *, tls: bool, clear: bool, binding: bytes = b""
) -> ClientMechanism | None:
    """The strongest of the mechanisms `offered` (upper case). `clear`: PLAIN and LOGIN may be used as things stand.
    `tls`: channel binding is possible, with `binding` of type tls-server-end-point, if that is known (RFC 5929)."""
    plus = "SCRAM-SHA-256-PLUS" in offered
    if tls and binding and plus:
        return ScramClient(user, password, binding=binding, plus=True)
    if "SCRAM-SHA-256" in offered:
        return ScramClient(user, password, binding=binding if tls and not plus else b"")
    if clear and "PLAIN" in offered:
        return PlainClient(user, password)
    if clear and "LOGIN" in offered:
        return LoginClient(user, password)
    return None


class PlainClient:
    """`[authzid] UTF8NUL authcid UTF8NUL passwd` in the initial response."""

    name = "PLAIN"
    clear = True
    proved = True

    def __init__(self, user: str, password: str) -> None:
        self._message = b"\0" + user.encode("utf-8", "replace") + b"\0" + password.encode("utf-8", "replace")

    def initial(self) -> bytes | None:
        """Name and password."""
        return self._message

    def respond(self, challenge: bytes) -> bytes | None:
        """A server that did not take the initial response asks with an empty challenge."""
        return self._message


class LoginClient:
    """Name, then password, whatever the two prompts say."""

    name = "LOGIN"
    clear = True
    proved = True

    def __init__(self, user: str, password: str) -> None:
        self._answers = [user.encode("utf-8", "replace"), password.encode("utf-8", "replace")]

    def initial(self) -> bytes | None:
        """None: not every server takes one."""
        return None

    def respond(self, challenge: bytes) -> bytes | None:
        """The next of the two."""
        return self._answers.pop(0) if self._answers else None


class ScramClient:
    """One exchange. With `plus` it is SCRAM-SHA-256-PLUS and bound to `binding`. Without, a `binding` says that we
    could and saw that the server cannot, which it contradicts if somebody took -PLUS out of its list (RFC 5802 6)."""

    clear = False

    def __init__(
        self, user: str, password: str, *, binding: bytes = b"", plus: bool = False, nonce: bytes | None = None
    ) -> None:
        self.name = "SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256"
        self.proved = False
        self._header = b"p=tls-server-end-point,," if plus else b"y,," if binding else b"n,,"
        self._binding = binding if plus else b""
        self._password = _prepared(password)
        self._nonce = nonce or _base64(secrets.token_bytes(18))
        # RFC 5802 5.1: "," and "=" of a name are sent as =2C and =3D.
        name = _prepared(user).replace(b"=", b"=3D").replace(b",", b"=2C")
        self._bare = b"n=%b,r=%b" % (name, self._nonce)
        self._signature: bytes | None = None

    def initial(self) -> bytes | None:
        """client-first-message."""
        return self._header + self._bare

    def respond(self, challenge: bytes) -> bytes | None:
        """client-final-message, then nothing, once the server has proved that it knows the password too."""
        if self._signature is None:
            return self._final(challenge) if challenge else self.initial()
        match = _SERVER_FINAL.match(challenge)
        proof = _unbase64(match[1]) if match else None
        if self.proved or proof is None or not hmac.compare_digest(proof, self._signature):
            return None
        self.proved = True
        return b""

    def _final(self, first: bytes) -> bytes | None:
        match = _SERVER_FIRST.match(first)
        if match is None:
            return None
        nonce, salt, iterations = match[1], _unbase64(match[2]), int(match[3])
        # RFC 5802 5.1: the server's nonce begins with ours and adds to it.
        if salt is None or iterations > MAX_ITERATIONS or not nonce.startswith(self._nonce) or nonce == self._nonce:
            return None
        without_proof = b"c=%b,r=%b" % (_base64(self._header + self._binding), nonce)
        return without_proof + b",p=" + self._prove(salt, iterations, b",".join((self._bare, first, without_proof)))

    def _prove(self, salt: bytes, iterations: int, message: bytes) -> bytes:
        # RFC 5802 3: ClientProof = ClientKey XOR HMAC(H(ClientKey), AuthMessage)
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return _base64(bytes(a ^ b for a, b in zip(client_key, signature, strict=True)))


def _prepared(text: str) -> bytes:
    prepared = saslprep(text)
    return (text if prepared is None else prepared).encode("utf-8", "replace")


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)


def _unbase64(data: bytes) -> bytes | None:
    try:
        return a2b_base64(data, strict_mode=True)
    except Base64Error:
        return None


MECHANISMS: Sequence[str] = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN")
"""Those that a client of ours speaks, strongest first."""
