"""The client halves of SASL against the server halves, and against servers that lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols import sasl
from estafeta.protocols.sasl.client import LoginClient, PlainClient, ScramClient, choose_mechanism

ALL = ("LOGIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS")


@pytest.mark.parametrize(
    ("offered", "tls", "clear", "binding", "name"),
    [
        (ALL, True, True, b"cert", "SCRAM-SHA-256-PLUS"),
        (ALL, True, True, b"", "SCRAM-SHA-256"),
        (ALL[:3], True, True, b"cert", "SCRAM-SHA-256"),
        (ALL, False, False, b"", "SCRAM-SHA-256"),
        (ALL[:2], True, True, b"", "PLAIN"),
        (ALL[:1], True, True, b"", "LOGIN"),
        (ALL[:2], False, False, b"", None),
        (("CRAM-MD5",), True, True, b"", None),
    ],
)
def test_the_strongest_is_chosen(offered, tls: bool, clear: bool, binding: bytes, name: str | None) -> None:
    chosen = choose_mechanism(offered, "jane", "secret", tls=tls, clear=clear, binding=binding)
    assert (chosen.name if chosen else None) == name


def talk(client, server, keys) -> sasl.Outcome:
    outcome = server.step(client.initial())
    for _ in range(6):
        match outcome:
            case sasl.NeedScram():
                outcome = server.supply(keys)
            case sasl.NeedPassword(authcid, _, password):
                right = (authcid, password) == ("jané", "sécret=,")
                outcome = server.supply(sasl.PasswordResult.OK if right else sasl.PasswordResult.FAILED)
            case sasl.Challenge(data):
                outcome = server.step(client.respond(data))
            case _:
                break
    return outcome


KEYS = sasl.make_scram_keys("sécret=,", b"0123456789abcdef", 4096)


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize(("password", "right"), [("sécret=,", True), ("wrong", False)])
def test_scram(plus: bool, password: str, right: bool) -> None:
    bindings = {"tls-server-end-point": b"cert"}
    client = ScramClient("jané", password, binding=b"cert" if plus else b"", plus=plus)
    server = sasl.make_mechanism(client.name, secret=b"k", channel_bindings=bindings)
    outcome = talk(client, server, KEYS)
    assert isinstance(outcome, sasl.Success) is right
    if isinstance(outcome, sasl.Success):
        assert not client.proved
        assert client.respond(outcome.final) == b""
    assert client.proved is right


def test_a_server_in_between_is_found_out() -> None:
    client = ScramClient("jané", "sécret=,", binding=b"cert")
    server = sasl.make_mechanism("SCRAM-SHA-256", secret=b"k", plus_offered=True)
    outcome = talk(client, server, KEYS)
    assert outcome.reason is sasl.Reason.CHANNEL_BINDING


@pytest.mark.parametrize("make", [PlainClient, LoginClient])
def test_passwords(make) -> None:
    client = make("jané", "sécret=,")
    server = sasl.make_mechanism(client.name, secret=b"k")
    assert isinstance(talk(client, server, None), sasl.Success)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"r=other,s=QUJD,i=4096",
        b"r=%b,s=QUJD,i=4096",
        b"r=%bx,s=QUJD,i=999999999",
        b"r=%bx,s=?,i=4096",
        b"m=1,r=%bx,s=QUJD,i=4096",
        b"e=other-error",
    ],
)
def test_a_server_that_makes_no_sense_gets_no_proof(first: bytes) -> None:
    client = ScramClient("jane", "secret", nonce=b"nonce")
    said = client.respond(first.replace(b"%b", b"nonce"))
    assert said is None or said == client.initial()
    assert not client.proved


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_nothing_raises(challenges: list[bytes]) -> None:
    for client in (ScramClient("j", "s", nonce=b"n"), PlainClient("j", "s"), LoginClient("j", "s")):
        for challenge in challenges:
            client.respond(challenge)
