"""Certificates: made, stored, chosen by name, and bound to sessions."""

import hashlib
import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from estafeta.certificates.binding import end_point_binding
from estafeta.certificates.selfsigned import VALID_DAYS, PemPair, make_self_signed
from estafeta.certificates.store import CertificateStore
from estafeta.certificates.tls import ListenerTls, TlsCertificates
from estafeta.core.errors import EstafetaError, Kind

NOW = datetime.now(UTC).replace(microsecond=0)


def _signed(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, algorithm: hashes.HashAlgorithm | None):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    return builder.sign(key, algorithm)


def _handshake(tls: ListenerTls, server_name: str | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3):
    """A handshake in memory: what the client was shown (DER) and the server's session."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client_context.maximum_version = newest
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=server_name)
    server = tls.context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return client.getpeercert(True), server


def test_self_signed_says_what_programs_check():
    pair = make_self_signed(["mx.example.test", "example.test", "192.0.2.1"], NOW)
    leaf = x509.load_pem_x509_certificate(pair.certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mx.example.test", "example.test"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert leaf.not_valid_after_utc == NOW + timedelta(days=VALID_DAYS)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=825)
    assert leaf.not_valid_before_utc < NOW


def test_self_signed_takes_names_longer_than_a_common_name():
    name = ".".join(["label12345"] * 8)
    leaf = x509.load_pem_x509_certificate(make_self_signed([name], NOW).certificate)
    assert leaf.subject == x509.Name([])


@pytest.mark.parametrize(
    ("algorithm", "name"), [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")]
)
def test_end_point_binding_uses_the_signatures_hash(algorithm: hashes.HashAlgorithm, name: str):
    certificate = _signed(ec.generate_private_key(ec.SECP256R1()), algorithm)
    der = certificate.public_bytes(Encoding.DER)
    assert end_point_binding(der) == end_point_binding(certificate) == hashlib.new(name, der).digest()


def test_end_point_binding_is_undefined_for_ed25519():
    assert end_point_binding(_signed(ed25519.Ed25519PrivateKey.generate(), None)) == b""


@pytest.mark.parametrize("weak", ["md5", "sha1"])
def test_end_point_binding_replaces_weak_hashes(weak: str):
    class Certificate:
        signature_hash_algorithm = type("Hash", (), {"name": weak})()

        def public_bytes(self, encoding: Encoding) -> bytes:
            return b"der"

    assert end_point_binding(Certificate()) == hashlib.sha256(b"der").digest()


def test_store_keeps_keys_private_and_leaves_no_scratch(tmp_path: Path):
    old = os.umask(0)
    try:
        store = CertificateStore(tmp_path / "certificates")
        saved = store.save("default", make_self_signed(["mx.example.test"], NOW))
    finally:
        os.umask(old)
    assert saved.hosts == ("mx.example.test",)
    assert saved.self_signed
    assert stat.S_IMODE((store.directory / "default.key").stat().st_mode) == 0o600
    assert sorted(os.listdir(store.directory)) == ["default.crt", "default.key"]
    assert store.names() == ["default"]


def test_store_refuses_what_cannot_be_served_and_keeps_the_old(tmp_path: Path):
    store = CertificateStore(tmp_path)
    store.save("default", make_self_signed(["a.test"], NOW))
    one, two = make_self_signed(["b.test"], NOW), make_self_signed(["b.test"], NOW)
    for wrong in (PemPair(one.certificate, two.key), PemPair(b"no", one.key), PemPair(one.certificate, b"")):
        with pytest.raises(EstafetaError) as caught:
            store.save("default", wrong)
        assert caught.value.kind is Kind.INVALID
        assert "default.key" in caught.value.public
    assert store.load("default").hosts == ("a.test",)
    assert store.names() == ["default"]


@pytest.mark.parametrize("name", ["../up", "", "a/b", ".hidden", "a\n"])
def test_store_refuses_names_that_are_paths(tmp_path: Path, name: str):
    with pytest.raises(EstafetaError) as caught:
        CertificateStore(tmp_path).load(name)
    assert caught.value.kind is Kind.INVALID


def test_a_missing_certificate_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(EstafetaError) as caught:
        CertificateStore(tmp_path).load("default")
    assert caught.value.kind is Kind.NOT_FOUND
    assert "certificate renew default" in caught.value.public


def test_an_encrypted_key_is_refused_without_asking(tmp_path: Path):
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    open_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    store = CertificateStore(tmp_path)
    with pytest.raises(EstafetaError, match="without a password"):
        store.save("default", PemPair(certificate, locked))
    store.save("default", PemPair(certificate, open_key))


@pytest.mark.parametrize(
    ("begins", "days", "problem"),
    [
        (NOW, 100, ""),
        (NOW - timedelta(days=90), 100, "certificate default expires on"),
        (NOW - timedelta(days=90), 30, "certificate default expired on"),
        (NOW + timedelta(days=2), 100, "certificate default is not valid before"),
    ],
)
def test_dates(tmp_path: Path, begins: datetime, days: int, problem: str):
    store = CertificateStore(tmp_path)
    certificate = store.save("default", make_self_signed(["a.test"], begins, days=days))
    found = certificate.problem(NOW)
    assert found.startswith(problem) if problem else found == ""


@pytest.fixture
def store(tmp_path: Path) -> CertificateStore:
    store = CertificateStore(tmp_path)
    store.save("default", make_self_signed(["mx.example.test", "example.test"], NOW))
    store.save("other", make_self_signed(["other.test", "*.wild.test"], NOW))
    return store


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("server_name", "chosen"),
    [
        (None, "default"),
        ("stranger.test", "default"),
        ("MX.example.test", "default"),
        ("other.test", "other"),
        ("a.wild.test", "other"),
        ("a.b.wild.test", "default"),
        ("wild.test", "default"),
    ],
)
def test_the_name_asked_for_chooses_the_certificate(
    store: CertificateStore, server_name: str | None, chosen: str, newest: ssl.TLSVersion
):
    certificates = TlsCertificates.load(store, ["default"])
    tls = ListenerTls(certificates, "default")
    shown, session = _handshake(tls, server_name, newest)
    assert end_point_binding(shown) == certificates.certificates[chosen].end_point
    assert tls.end_point(session) == end_point_binding(shown)


def test_a_listener_prefers_its_own_certificate(store: CertificateStore):
    store.save("own", make_self_signed(["other.test"], NOW))
    tls = ListenerTls(TlsCertificates.load(store, ["own"]), "own")
    shown, _ = _handshake(tls, "other.test")
    assert end_point_binding(shown) == store.load("own").end_point


def test_reload_serves_the_new_one_and_keeps_sessions(store: CertificateStore):
    tls = ListenerTls(TlsCertificates.load(store, ["default"]), "default")
    context = tls.context
    before, session = _handshake(tls, None)
    store.save("default", make_self_signed(["mx.example.test"], NOW))
    tls.reload(TlsCertificates.load(store, ["default"]))
    after, _ = _handshake(tls, None)
    assert tls.context is context
    assert after != before
    assert tls.end_point(session) == end_point_binding(before)


def test_an_unused_broken_certificate_is_a_problem_not_an_end(store: CertificateStore):
    (store.directory / "other.key").write_bytes(b"nonsense")
    certificates = TlsCertificates.load(store, ["default"])
    assert list(certificates.certificates) == ["default"]
    assert len(certificates.problems) == 1
    with pytest.raises(EstafetaError):
        TlsCertificates.load(store, ["other"])


def test_old_tls_is_refused(store: CertificateStore):
    tls = ListenerTls(TlsCertificates.load(store, ["default"]), "default", minimum_version="1.3")
    with pytest.raises(ssl.SSLError):
        _handshake(tls, None, ssl.TLSVersion.TLSv1_2)
    tls.reload(TlsCertificates.load(store, ["default"]), minimum_version="1.2")
    _handshake(tls, None, ssl.TLSVersion.TLSv1_2)
