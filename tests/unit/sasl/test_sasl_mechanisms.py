"""SASL mechanisms: exchanges as tables, the vectors of RFC 7677, downgrade and binding checks, and never raising."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols.sasl import (
    MECHANISMS,
    SALT_BYTES,
    Challenge,
    Exchange,
    Failure,
    NeedPassword,
    NeedScram,
    Outcome,
    PasswordResult,
    Prompt,
    Reason,
    ScramKeys,
    Success,
    make_mechanism,
    make_scram_keys,
)
from estafeta.protocols.sasl.plain import LoginServer, PlainServer
from estafeta.protocols.sasl.scram import ScramServer

SECRET = b"a secret of the site"


# PLAIN and LOGIN


@pytest.mark.parametrize(
    ("message", "need"),
    [
        (b"\0tim\0tanstaaftanstaaf", NeedPassword("tim", "", "tanstaaftanstaaf")),  # RFC 4616 4
        (b"Ursel\0Kurt\0xipj3plmq", NeedPassword("Kurt", "Ursel", "xipj3plmq")),
        ("\0jürgen\0pa\u00a0ss".encode(), NeedPassword("jürgen", "", "pa ss")),
        ("\0I\u00adX\0\u2168".encode(), NeedPassword("IX", "", "IX")),  # RFC 4013 3
    ],
)
def test_plain(message: bytes, need: NeedPassword) -> None:
    mechanism = PlainServer()
    assert mechanism.step(None) == Challenge(b"")
    assert mechanism.step(message) == need
    assert mechanism.supply(PasswordResult.OK) == Success(need.authcid, need.authzid)
    assert mechanism.step(message) == Failure(Reason.MALFORMED)


@pytest.mark.parametrize("message", [b"", b"tim", b"\0tim", b"\0tim\0a\0b"])
def test_plain_malformed(message: bytes) -> None:
    assert PlainServer().step(message) == Failure(Reason.MALFORMED)


@pytest.mark.parametrize(
    "message", [b"\0\0pass", b"\0tim\0", b"\0tim\0\xff", b"\0\xff\0x", b"\0tim\0a\x07", b"\xff\0tim\0x"]
)
def test_plain_that_cannot_be_prepared_fails_like_a_wrong_password(message: bytes) -> None:
    outcome = PlainServer().step(message)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.CREDENTIALS


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (PasswordResult.FAILED, Reason.CREDENTIALS),
        (PasswordResult.TEMPORARY, Reason.TEMPORARY),
        (PasswordResult.TOO_WEAK, Reason.TOO_WEAK),
        (PasswordResult.TRANSITION, Reason.TRANSITION),
        (None, Reason.CREDENTIALS),
        (ScramKeys(b"", 1, b"", b""), Reason.CREDENTIALS),
    ],
)
def test_refused_passwords(answer: PasswordResult | ScramKeys | None, reason: Reason) -> None:
    mechanism = PlainServer()
    mechanism.step(b"\0tim\0x")
    assert mechanism.supply(answer) == Failure(reason, "tim")
    assert mechanism.supply(PasswordResult.OK) == Failure(Reason.MALFORMED)


def test_login() -> None:
    for first in ([None, b"tim"], [b"tim"]):
        mechanism = LoginServer()
        outcomes = [mechanism.step(response) for response in first]
        assert outcomes[-1] == Challenge(b"Password:")
        assert len(outcomes) == 1 or outcomes[0] == Challenge(b"Username:")
        assert mechanism.step(b"secret") == NeedPassword("tim", "", "secret")
        assert mechanism.supply(PasswordResult.OK) == Success("tim", "")


def test_secrets_are_not_shown() -> None:
    assert "hunter2" not in repr(NeedPassword("tim", "", "hunter2"))
    assert repr(make_scram_keys("x", b"salt", 1)).count("key") == 0


# SCRAM

FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
NONCE = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = make_scram_keys("pencil", SALT, 4096)


def test_the_example_of_rfc_7677() -> None:
    mechanism = ScramServer(secret=SECRET, nonce=NONCE)
    assert mechanism.step(FIRST) == NeedScram("user", "")
    assert mechanism.supply(KEYS) == Challenge(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    final = mechanism.step(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert final == Success("user", "", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


class Client:
    """The client half of SCRAM-SHA-256 (RFC 5802 3), for exchanges with real nonces."""

    def __init__(
        self, user: str, password: str, header: bytes = b"n,,", binding: bytes = b"", first: bytes = b""
    ) -> None:
        self.header, self.binding, self.password = header, binding, password
        self.bare = b"n=%b,r=abcdef" % user.replace("=", "=3D").replace(",", "=2C").encode()

    @property
    def first(self) -> bytes:
        return self.header + self.bare

    def final(self, challenge: Outcome, *, nonce: bytes | None = None, header: bytes | None = None) -> bytes:
        assert isinstance(challenge, Challenge)
        fields = dict(part.split(b"=", 1) for part in challenge.data.split(b","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password.encode(), base64.b64decode(fields[b"s"]), int(fields[b"i"])
        )
        bound = base64.b64encode((self.header if header is None else header) + self.binding)
        without = b"c=%b,r=%b" % (bound, nonce or fields[b"r"])
        self.message = b",".join((self.bare, challenge.data, without))
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), self.message, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        self.server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), self.message, "sha256")
        return without + b",p=" + base64.b64encode(proof)


def run(client: Client, mechanism: ScramServer, keys: ScramKeys | PasswordResult | None) -> Outcome:
    outcome = mechanism.step(client.first)
    if not isinstance(outcome, NeedScram):
        return outcome
    outcome = mechanism.supply(keys)
    return outcome if isinstance(outcome, Failure) else mechanism.step(client.final(outcome))


def keys_of(password: str) -> ScramKeys:
    return make_scram_keys(password, b"s" * SALT_BYTES, 64)


def test_names_and_identities() -> None:
    client = Client("a=b,c", "p", header=b"n,a=boss=2Cmain,")
    outcome = run(client, ScramServer(secret=SECRET), keys_of("p"))
    assert outcome == Success("a=b,c", "boss,main", b"v=" + base64.b64encode(client.server_signature))


@pytest.mark.parametrize(
    ("first", "reason", "error"),
    [
        (b"", Reason.MALFORMED, b"e=invalid-encoding"),
        (b"n,,n=user", Reason.MALFORMED, b"e=invalid-encoding"),
        (b"n,n=user,r=x", Reason.MALFORMED, b"e=invalid-encoding"),
        (b"x,,n=user,r=x", Reason.MALFORMED, b"e=invalid-encoding"),
        (b"n,,m=1,n=user,r=x", Reason.MALFORMED, b"e=extensions-not-supported"),
        (b"n,,n=us=er,r=x", Reason.MALFORMED, b"e=invalid-username-encoding"),
        (b"n,,n=us\xffer,r=x", Reason.MALFORMED, b"e=invalid-username-encoding"),
        (b"p=tls-exporter,,n=user,r=x", Reason.CHANNEL_BINDING, b"e=channel-binding-not-supported"),
    ],
)
def test_first_messages_that_are_refused(first: bytes, reason: Reason, error: bytes) -> None:
    assert ScramServer(secret=SECRET).step(first) == Failure(reason, "", error)


def test_wrong_and_missing_passwords_look_the_same() -> None:
    wrong = run(Client("jane", "wrong"), ScramServer(secret=SECRET), keys_of("right"))
    assert wrong == Failure(Reason.CREDENTIALS, "jane", b"e=invalid-proof")
    for answer in (None, PasswordResult.FAILED):
        unknown = run(Client("nobody", "wrong"), ScramServer(secret=SECRET), answer)
        assert unknown == Failure(Reason.CREDENTIALS, "nobody", b"e=invalid-proof")


def test_the_made_up_salt_is_always_the_same_for_a_name() -> None:
    def salt(name: str, secret: bytes) -> bytes:
        mechanism = ScramServer(secret=secret, nonce=b"x")
        mechanism.step(b"n,,n=%b,r=y" % name.encode())
        outcome = mechanism.supply(None)
        assert isinstance(outcome, Challenge)
        return outcome.data

    assert salt("nobody", SECRET) == salt("NoBody", SECRET)
    assert len({salt("nobody", SECRET), salt("nobody2", SECRET), salt("nobody", b"other")}) == 3
    fields = dict(part.split(b"=", 1) for part in salt("nobody", SECRET).split(b","))
    assert len(base64.b64decode(fields[b"s"])) == SALT_BYTES
    assert fields[b"i"] == b"4096"


def test_even_the_made_up_keys_open_nothing() -> None:
    """A client that knew the keys of a user that is not there would still be refused."""
    mechanism = ScramServer(secret=SECRET, nonce=b"x")
    mechanism.step(b"n,,n=nobody,r=y")
    challenge = mechanism.supply(None)
    assert isinstance(challenge, Challenge)
    keys = mechanism._keys
    assert keys is not None
    without = b"c=biws,r=yx"
    signature = hmac.digest(keys.stored_key, b"n=nobody,r=y," + challenge.data + b"," + without, "sha256")
    outcome = mechanism.step(without + b",p=" + base64.b64encode(signature))
    assert isinstance(outcome, Failure)


def test_temporary_trouble_is_told_as_such() -> None:
    outcome = run(Client("jane", "x"), ScramServer(secret=SECRET), PasswordResult.TEMPORARY)
    assert outcome == Failure(Reason.TEMPORARY, "jane", b"e=other-error")


BINDINGS = {"tls-server-end-point": b"hash of the certificate", "tls-exporter": b"exported"}
UNSUPPORTED = Failure(Reason.CHANNEL_BINDING, "", b"e=unsupported-channel-binding-type")
MISMATCH = Failure(Reason.CHANNEL_BINDING, "", b"e=channel-bindings-dont-match")


@pytest.mark.parametrize(
    ("header", "binding", "plus", "offered", "result"),
    [
        (b"p=tls-exporter,,", b"exported", True, True, None),
        (b"p=tls-server-end-point,,", b"hash of the certificate", True, True, None),
        (b"p=tls-exporter,,", b"another", True, True, Failure(Reason.CHANNEL_BINDING, "jane", MISMATCH.error)),
        (
            b"p=tls-unique,,",
            b"",
            True,
            True,
            Failure(Reason.CHANNEL_BINDING, "", b"e=unsupported-channel-binding-type"),
        ),
        (b"n,,", b"", True, True, MISMATCH),
        (b"y,,", b"", True, True, MISMATCH),
        # RFC 5802 6: "y" where -PLUS was offered is a downgrade; "n" is a client that cannot bind.
        (b"y,,", b"", False, True, Failure(Reason.CHANNEL_BINDING, "", b"e=server-does-support-channel-binding")),
        (b"y,,", b"", False, False, None),
        (b"n,,", b"", False, True, None),
    ],
)
def test_channel_binding(header: bytes, binding: bytes, plus: bool, offered: bool, result: Failure | None) -> None:
    mechanism = ScramServer(secret=SECRET, channel_bindings=BINDINGS, plus=plus, plus_offered=offered)
    outcome = run(Client("jane", "p", header, binding), mechanism, keys_of("p"))
    assert isinstance(outcome, Success) if result is None else outcome == result


def test_final_messages_that_are_refused() -> None:
    def final(**changes: bytes) -> Outcome:
        client, mechanism = Client("jane", "p"), ScramServer(secret=SECRET)
        mechanism.step(client.first)
        return mechanism.step(client.final(mechanism.supply(keys_of("p")), **changes))

    assert isinstance(final(), Success)
    assert final(nonce=b"abcdefg") == Failure(Reason.MALFORMED, "jane", b"e=other-error")
    assert final(header=b"y,,") == Failure(Reason.CHANNEL_BINDING, "jane", b"e=channel-bindings-dont-match")
    for message in (b"", b"c=biws", b"c=biws,r=x,p=", b"c=biws,r=x,p=====", b"c=!,r=x,p=eA==", None):
        mechanism = ScramServer(secret=SECRET)
        mechanism.step(FIRST)
        mechanism.supply(KEYS)
        outcome = mechanism.step(message)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.MALFORMED
        assert isinstance(mechanism.step(message), Failure)


def test_keys_prepare_the_password() -> None:
    assert make_scram_keys("I\u00adX", SALT, 2) == make_scram_keys("IX", SALT, 2)
    make_scram_keys("\x07\ud800", SALT, 2)


# All of them


def test_mechanisms_by_name() -> None:
    for name in MECHANISMS:
        mechanism = make_mechanism(name.lower(), secret=SECRET, channel_bindings=BINDINGS)
        assert mechanism is not None
        assert mechanism.name == name
    assert make_mechanism("CRAM-MD5", secret=SECRET) is None


RESPONSE = st.one_of(
    st.none(),
    st.binary(),
    st.sampled_from([FIRST, b"\0tim\0x", b"tim", b"c=biws,r=rOprNGfwEbeRWgbNEkqOx,p=eA==", b"p=tls-exporter,,n=u,r=x"]),
    st.text(alphabet="nyp=,acrmsi\0\u00ad\u0627x").map(str.encode),
)
ANSWER = st.one_of(st.none(), st.sampled_from(PasswordResult), st.just(KEYS))
MOVES = st.lists(st.one_of(st.tuples(st.just("step"), RESPONSE), st.tuples(st.just("supply"), ANSWER)), max_size=6)


@given(st.sampled_from(MECHANISMS), MOVES)
def test_never_raises_and_never_succeeds_unproved(name: str, moves: list[tuple[str, object]]) -> None:
    mechanism = make_mechanism(name, secret=SECRET, channel_bindings=BINDINGS)
    assert mechanism is not None
    for move, argument in moves:
        outcome = getattr(mechanism, move)(argument)
        if isinstance(outcome, Success):
            assert (move, argument) == ("supply", PasswordResult.OK)


# Lines around them


def test_exchange_of_lines() -> None:
    exchange = Exchange(PlainServer())
    assert exchange.start(None) == Prompt(b"")
    assert exchange.receive(base64.b64encode(b"\0tim\0x")) == NeedPassword("tim", "", "x")
    assert exchange.authcid == "tim"
    assert exchange.supply(PasswordResult.OK) == Success("tim", "")


def test_exchange_cancelled_and_malformed() -> None:
    assert Exchange(PlainServer()).start(b"=") == Failure(Reason.MALFORMED)
    for line in (b"*", b"?", b"eA=", b"eA== "):
        reason = Reason.CANCELLED if line == b"*" else Reason.MALFORMED
        exchange = Exchange(LoginServer())
        assert exchange.start(None) == Prompt(b"VXNlcm5hbWU6")
        assert exchange.receive(line) == Failure(reason)


def test_success_with_data_waits_for_an_empty_line() -> None:
    def until_final() -> Exchange:
        client, exchange = Client("jane", "p"), Exchange(ScramServer(secret=SECRET))
        exchange.start(base64.b64encode(client.first))
        challenge = exchange.supply(keys_of("p"))
        assert isinstance(challenge, Prompt)
        final = exchange.receive(base64.b64encode(client.final(Challenge(base64.b64decode(challenge.line)))))
        assert final == Prompt(base64.b64encode(b"v=" + base64.b64encode(client.server_signature)))
        return exchange

    success = until_final().receive(b"")
    assert isinstance(success, Success)
    assert success.authcid == "jane"
    assert until_final().receive(b"*") == Failure(Reason.CANCELLED, "jane")
    assert until_final().receive(b"eA==") == Failure(Reason.MALFORMED, "jane")


@given(st.sampled_from(MECHANISMS), st.lists(st.binary()))
def test_exchange_never_raises(name: str, lines: list[bytes]) -> None:
    mechanism = make_mechanism(name, secret=SECRET)
    assert mechanism is not None
    exchange = Exchange(mechanism)
    exchange.start(None)
    for line in lines:
        exchange.receive(line)
