"""The lab's name server as dnspython meets it, its web server and its proxy."""

import socket
import ssl
import struct
from collections.abc import Iterator

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from estafeta.app.lab import LabThread, Names
from estafeta.app.lab.https import PATH
from estafeta.core.errors import EstafetaError


@pytest.fixture(scope="module")
def lab() -> Iterator[LabThread]:
    with LabThread() as made:
        made.names.add("example.org", mx=[(10, "mx.example.org"), (20, "b.example.org")], txt=["a" * 300], secure=True)
        made.names.add("mx.example.org", a=["127.77.9.9"], aaaa=["::1"], ttl=7)
        made.names.add("_25._tcp.mx.example.org", tlsa=[(3, 1, 1, b"\1" * 32)])
        made.names.add("alias.example.org", cname="mx.example.org")
        made.names.add("null.test", mx=[(0, "")])
        made.names.add("*.bulk.test", mx=[(10, "mx.example.org")])
        made.names.add("big.test", mx=[(number, f"mx-number-{number}.example.org") for number in range(100)])
        made.names.add_ptr("203.0.113.7", "client.example.org")
        yield made


def ask(lab: LabThread, name: str, kind: str, *, tcp: bool = False, seconds: float = 3.0, **options):
    address, _, port = lab.dns_address.rpartition(":")
    query = dns.message.make_query(name, kind, **options)
    return (dns.query.tcp if tcp else dns.query.udp)(query, address, seconds, int(port))


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        ("example.org", "MX", ["10 mx.example.org.", "20 b.example.org."]),
        ("EXAMPLE.org.", "MX", ["10 mx.example.org.", "20 b.example.org."]),
        ("mx.example.org", "A", ["127.77.9.9"]),
        ("mx.example.org", "AAAA", ["::1"]),
        ("alias.example.org", "A", ["mx.example.org.", "127.77.9.9"]),
        ("_25._tcp.mx.example.org", "TLSA", ["3 1 1 " + "01" * 32]),
        ("null.test", "MX", ["0 ."]),
        ("x.y.bulk.test", "MX", ["10 mx.example.org."]),
        ("7.113.0.203.in-addr.arpa", "PTR", ["client.example.org."]),
        ("example.org", "TXT", [f'"{"a" * 255}" "{"a" * 45}"']),
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_records(lab: LabThread, name: str, kind: str, records: list[str], tcp: bool) -> None:
    answer = ask(lab, name, kind, tcp=tcp)
    got = [record.to_text().lower() for rrset in answer.answer for record in rrset]
    # A set has no order, and names are compressed to how they were asked for.
    assert sorted(got) == sorted(record.lower() for record in records)


@pytest.mark.parametrize(
    ("name", "rcode"), [("no.test", "NXDOMAIN"), ("mx.example.org", "NOERROR"), ("_tcp.mx.example.org", "NOERROR")]
)
def test_nothing(lab: LabThread, name: str, rcode: str) -> None:
    answer = ask(lab, name, "MX")
    assert dns.rcode.to_text(answer.rcode()) == rcode
    assert answer.answer == []
    assert answer.authority[0].rdtype == dns.rdatatype.SOA


def test_secure_is_told_to_who_wants_to_know(lab: LabThread) -> None:
    assert not ask(lab, "example.org", "MX").flags & dns.flags.AD
    assert ask(lab, "example.org", "MX", want_dnssec=True).flags & dns.flags.AD
    assert not ask(lab, "mx.example.org", "A", want_dnssec=True).flags & dns.flags.AD


def test_large_answers_want_tcp(lab: LabThread) -> None:
    assert ask(lab, "big.test", "MX").flags & dns.flags.TC
    assert len(ask(lab, "big.test", "MX", tcp=True).answer[0]) == 100
    assert len(ask(lab, "big.test", "MX", use_edns=0, payload=4096).answer[0]) == 100


def test_faults() -> None:
    with LabThread() as lab:
        lab.names.add("x.test", a=["127.77.9.9"])
        lab.names.fault("x.test", "servfail")
        assert ask(lab, "x.test", "A").rcode() == dns.rcode.SERVFAIL
        lab.names.fault("x.test", "timeout", "A")
        with pytest.raises(dns.exception.Timeout):
            ask(lab, "x.test", "A", seconds=0.1)
        assert ask(lab, "x.test", "MX").rcode() == dns.rcode.SERVFAIL
        for lie in ("wrong-id", "wrong-question"):
            lab.names.fault("x.test", lie, "A")
            with pytest.raises(dns.query.BadResponse):
                ask(lab, "x.test", "A", tcp=True)
        lab.names.fault("x.test", "garbage", "A")
        with pytest.raises(dns.exception.DNSException):
            ask(lab, "x.test", "A")
        lab.names.fault("x.test", "truncate", "A")
        assert ask(lab, "x.test", "A").flags & dns.flags.TC
        assert ask(lab, "x.test", "A", tcp=True).answer
        lab.names.fault("x.test", "loop", "A")
        assert ask(lab, "x.test", "A").answer[0].rdtype == dns.rdatatype.CNAME
        lab.names.fault("x.test", "slow:0.05", "A")
        assert ask(lab, "x.test", "A").answer
        lab.names.fault("x.test", "", "A")
        lab.names.fault("x.test", "")
        lab.names.fault("*", "refused")
        assert ask(lab, "other.test", "A").rcode() == dns.rcode.REFUSED
        assert lab.names.asked("x.test", "MX") == 1


def test_what_is_no_question_gets_no_answer(lab: LabThread) -> None:
    address, _, port = lab.dns_address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for junk in (b"", b"x", b"\0" * 12, b"\xff" * 600):
            sock.sendto(junk, (address, int(port)))
    assert ask(lab, "mx.example.org", "A").answer


@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.1", "2600::1", "x", ""])
def test_addresses_of_others_are_refused(address: str) -> None:
    with pytest.raises(EstafetaError):
        Names().add("x.test", a=[address])


@pytest.mark.parametrize(("name", "records"), [("a..b", {}), ("x" * 64, {}), ("x.test", {"tlsa": [(3, 1, 999, b"")]})])
def test_what_is_no_record(name: str, records) -> None:
    with pytest.raises(EstafetaError):
        Names().add(name, **records)


POLICY = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"


def fetch(lab: LabThread, host: str, path: str = PATH, seconds: float = 2.0) -> bytes:
    context = ssl.create_default_context(cadata=lab.lab.ca_pem.decode())
    [address] = [record.to_text() for rrset in ask(lab, host, "A").answer for record in rrset]
    with (
        socket.create_connection((address, lab.lab.https_port), seconds) as plain,
        context.wrap_socket(plain, server_hostname=host) as sock,
    ):
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        got = b""
        while len(got) < 1 << 20 and (more := sock.recv(65536)):
            got += more
        return got


def test_a_policy_and_its_faults(lab: LabThread) -> None:
    lab.policy("example.org", POLICY)
    assert fetch(lab, "mta-sts.example.org").endswith(POLICY.replace("\n", "\r\n").encode())
    assert fetch(lab, "mta-sts.example.org", "/other").startswith(b"HTTP/1.1 404")
    assert ask(lab, "_mta-sts.example.org", "TXT").answer[0][0].strings == (b"v=STSv1; id=1",)
    for fault, begins in (("404", b"HTTP/1.1 404"), ("redirect", b"HTTP/1.1 301"), ("drop", b""), ("giant", b"HTTP")):
        lab.policy("example.org", POLICY, fault=fault, ident="2")
        assert fetch(lab, "mta-sts.example.org").startswith(begins)
    lab.policy("example.org", POLICY, fault="hang")
    with pytest.raises(TimeoutError):
        fetch(lab, "mta-sts.example.org", seconds=0.2)
    lab.policy("example.org", POLICY, tls="wrong-name")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        fetch(lab, "mta-sts.example.org")
    assert lab.lab.web_requests[0] == ("mta-sts.example.org", PATH)


def test_the_proxy_connects_to_the_lab_only(lab: LabThread) -> None:
    server = lab.remote("behind.test")
    proxy = lab.socks()
    for target, code in (
        (b"\x03\x0bbehind.test", 0),
        (b"\x01" + socket.inet_aton(server.address), 0),
        (b"\x01" + socket.inet_aton("192.0.2.1"), 2),
        (b"\x03\x07no.test", 4),
    ):
        with socket.create_connection((proxy.address, proxy.port), timeout=5) as sock:
            sock.sendall(b"\x05\x01\x00\x05\x01\x00" + target + struct.pack("!H", server.port))
            file = sock.makefile("rb")
            assert file.read(2) == b"\x05\x00"
            assert file.read(10)[1] == code
            if code == 0:
                assert file.readline().startswith(b"220 behind.test")
    assert proxy.targets[0] == ("behind.test", server.port)


def test_the_proxy_wants_a_password(lab: LabThread) -> None:
    proxy = lab.socks(user="me", password="secret")
    for password, right in ((b"secret", 0), (b"wrong", 1)):
        with socket.create_connection((proxy.address, proxy.port), timeout=5) as sock:
            sock.sendall(b"\x05\x01\x02\x01\x02me" + bytes([len(password)]) + password)
            assert sock.makefile("rb").read(4) == bytes([5, 2, 1, right])


def test_tlsa_of_a_server(lab: LabThread) -> None:
    server = lab.remote("dane.test", secure=True)
    lab.names.add(f"_{lab.port}._tcp.dane.test", tlsa=[lab.tlsa(server)], secure=True)
    answer = ask(lab, f"_{lab.port}._tcp.dane.test", "TLSA", want_dnssec=True)
    assert answer.flags & dns.flags.AD
    assert len(answer.answer[0][0].cert) == 32


def test_an_answer_gets_no_answer(lab: LabThread) -> None:
    address, _, port = lab.dns_address.rpartition(":")
    answer = ask(lab, "mx.example.org", "A")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        sock.sendto(answer.to_wire(), (address, int(port)))
        with pytest.raises(TimeoutError):
            sock.recv(512)


def test_names_go_away() -> None:
    names = Names()
    names.add("a.b.test", a=["127.0.0.1"], mx=[(10, "c.test")])
    assert names.find("b.test") is not None
    names.remove("a.b.test", "MX")
    entry = names.find("a.b.test")
    assert entry is not None
    assert list(entry.records) == ["A"]
    names.remove("a.b.test")
    assert names.find("b.test") is None
