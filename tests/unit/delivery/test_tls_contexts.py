"""Handshakes as a demand wants them, with certificates good and bad, and what is said of them."""

import asyncio
import hashlib
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest

from estafeta.certificates.store import CertificateStore
from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.tlscontexts import TlsContexts, check_peer, explain, peer_chain, server_name, tls_words
from estafeta.delivery.tlsdemand import Level, TlsDemand, missing_starttls
from estafeta.dns.values import Tlsa
from estafeta.trust.results import AppliedPolicy, PolicyKind, ResultType, TlsFailure
from tls_kit import Issued, handshake, make

ROOT = make("Root", ca=True)
MIDDLE = ROOT.issue("Middle", ca=True)
LEAF = MIDDLE.issue("mx.example.org")
HOST = "mx.example.org"


def demand(level: Level, **how: object) -> TlsDemand:
    return TlsDemand(level, (HOST,), source="a rule")._replace(**how)


def meet(wanted: TlsDemand, shown: Issued, tmp_path: Path, contexts: TlsContexts | None = None) -> TlsFailure | str:
    """What comes of a handshake: a failure, or the words for the journal."""
    context = asyncio.run((contexts or TlsContexts()).find(wanted))
    try:
        ours, _ = handshake(context, shown.server_context(tmp_path), server_name(wanted, HOST))
    except ssl.SSLError as error:
        return explain(error)
    return check_peer(wanted, ours) or tls_words(wanted, ours)


@pytest.fixture
def ca(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT.pem)
    return str(path)


BAD = [
    (MIDDLE.issue("other.test"), ResultType.HOST_MISMATCH),
    (MIDDLE.issue(HOST, days=(-9, -1)), ResultType.EXPIRED),
    (MIDDLE.issue(HOST, days=(1, 9)), ResultType.VALIDATION_FAILURE),
    (make(HOST), ResultType.NOT_TRUSTED),
    (Issued(LEAF.certificate, LEAF.key), ResultType.NOT_TRUSTED),
]


@pytest.mark.parametrize(("shown", "expected"), BAD)
def test_verify_refuses_what_the_cas_do_not_vouch_for(
    shown: Issued, expected: ResultType, ca: str, tmp_path: Path
) -> None:
    failure = meet(demand(Level.VERIFY, ca_file=ca), shown, tmp_path)
    assert isinstance(failure, TlsFailure)
    assert failure.result is expected
    assert failure.words.startswith("the server's certificate was refused: ")
    assert isinstance(meet(demand(Level.MAY, testing=True, ca_file=ca), shown, tmp_path), TlsFailure), "for reports"
    for level in (Level.MAY, Level.ENCRYPT):
        assert str(meet(demand(level), shown, tmp_path)).endswith("not verified")


def test_verify_takes_a_good_one(ca: str, tmp_path: Path) -> None:
    words = meet(demand(Level.VERIFY, ca_file=ca), LEAF, tmp_path)
    assert str(words).startswith("TLSv1.3, TLS_")
    assert str(words).endswith("verified by CA as mx.example.org")
    sts = demand(Level.VERIFY, ca_file=ca, policy=AppliedPolicy(PolicyKind.STS, "example.org"))
    assert str(meet(sts, LEAF, tmp_path)).endswith("verified by MTA-STS as mx.example.org")


def test_cas_of_our_own_stand_beside_those_of_the_system(ca: str, tmp_path: Path) -> None:
    settings = SimpleNamespace(current=SimpleNamespace(delivery=SimpleNamespace(ca_file=ca)))
    contexts = TlsContexts(settings=settings)
    assert "verified by CA" in str(meet(demand(Level.VERIFY), LEAF, tmp_path, contexts))
    assert isinstance(meet(demand(Level.VERIFY), LEAF, tmp_path), TlsFailure)


def test_a_rule_may_trust_one_certificate_alone(tmp_path: Path) -> None:
    own = make(HOST)
    path = str(own.save(tmp_path, "trusted"))
    assert "verified by CA" in str(meet(demand(Level.VERIFY, ca_file=path), own, tmp_path))


def test_dane(tmp_path: Path) -> None:
    digest = Tlsa(3, 1, 1, hashlib.sha256(LEAF.spki).digest())
    above = Tlsa(2, 0, 2, hashlib.sha512(ROOT.der).digest())
    for record in (digest, above):
        wanted = demand(Level.DANE, tlsa=(record,))
        assert str(meet(wanted, LEAF, tmp_path)).endswith("verified by DANE")
        failure = meet(wanted, make(HOST), tmp_path)
        assert isinstance(failure, TlsFailure)
        assert failure.result is ResultType.VALIDATION_FAILURE


def test_the_whole_chain_is_seen(tmp_path: Path) -> None:
    ours, _ = handshake(asyncio.run(TlsContexts().find(demand(Level.MAY))), LEAF.server_context(tmp_path), HOST)
    assert peer_chain(ours) == LEAF.chain


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    make("client.test").save(tmp_path / "store", "client")
    server = LEAF.server_context(tmp_path)
    server.verify_mode = ssl.CERT_OPTIONAL
    server.load_verify_locations(cafile=str(tmp_path / "store" / "client.crt"))
    contexts = TlsContexts(CertificateStore(tmp_path / "store"))
    context = asyncio.run(contexts.find(demand(Level.MAY, certificate="client")))
    _, theirs = handshake(context, server, HOST)
    assert theirs.getpeercert(True) == make_der(tmp_path)
    with pytest.raises(EstafetaError) as caught:
        asyncio.run(contexts.find(demand(Level.MAY, certificate="none")))
    assert caught.value.kind is Kind.NOT_FOUND


def make_der(tmp_path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert((tmp_path / "store" / "client.crt").read_text())


def test_files_with_cas_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "none.pem"):
        with pytest.raises(EstafetaError) as caught:
            asyncio.run(TlsContexts().find(demand(Level.VERIFY, ca_file=str(tmp_path / name))))
        assert caught.value.kind is Kind.INVALID


def test_contexts_are_made_once_and_again_after_a_reload() -> None:
    async def main() -> None:
        contexts = TlsContexts()
        first = await contexts.find(demand(Level.MAY))
        assert await contexts.find(demand(Level.DANE)) is first
        checking = await contexts.find(demand(Level.VERIFY))
        assert checking is not first
        assert await contexts.for_https() is checking
        contexts.forget()
        assert await contexts.find(demand(Level.MAY)) is not first

    asyncio.run(main())


def test_a_name_for_sni() -> None:
    assert server_name(demand(Level.VERIFY), "10.example") == HOST
    assert server_name(TlsDemand(Level.MAY), "mx.test.") == "mx.test"
    assert server_name(TlsDemand(Level.MAY), "[2001:db8::1]") == "2001:db8::1"


def test_what_comes_after_a_failed_handshake() -> None:
    clear = demand(Level.MAY).fall_back("it broke")
    assert clear is not None
    assert not clear.used
    assert clear.source == "clear text, because TLS failed before: it broke"
    tested = demand(Level.MAY, testing=True).fall_back("expired")
    assert tested == demand(Level.MAY)
    assert all(demand(level).fall_back("x") is None for level in Level if level is not Level.MAY)


EXPLAINED = [
    (
        ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"),
        "tls-handshake-failed",
        "the TLS handshake failed: protocol error",
    ),
    (TimeoutError(), "tls-handshake-timeout", "the TLS handshake took too long"),
    (ConnectionResetError(), "tls-handshake-failed", "the connection was lost in the TLS handshake"),
]


@pytest.mark.parametrize(("error", "reason", "words"), EXPLAINED)
def test_failures_in_words(error: Exception, reason: str, words: str) -> None:
    assert explain(error) == (ResultType.VALIDATION_FAILURE, words, reason)


def test_no_starttls_in_words() -> None:
    assert missing_starttls(demand(Level.MAY)).words == "the server does not offer STARTTLS"
    assert missing_starttls(demand(Level.VERIFY)).words.endswith("STARTTLS, which a rule demands")
