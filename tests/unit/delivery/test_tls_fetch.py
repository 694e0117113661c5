"""Fetching policies from web servers that behave and those that do not."""

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tls_policy_kit import Behave, WebServer, answer

from estafeta.delivery.tlsfetch import FetchError, Source, fetch_policy, usable_addresses
from estafeta.trust.results import ResultType
from tls_kit import Issued, make

ROOT = make("Root", ca=True)
HOST = "mta-sts.example.org"
GOOD = ROOT.issue(HOST)
POLICY = b"version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"


@pytest.fixture
def client(tmp_path: Path) -> ssl.SSLContext:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    return ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    opened = WebServer(GOOD.server_context(tmp_path), answer(POLICY))
    yield opened
    opened.close()


def fetch(server: WebServer, client: ssl.SSLContext, seconds: float = 5.0) -> bytes:
    return fetch_policy(Source(HOST, ("127.0.0.1",), server.port), client, seconds)


def failure(server: WebServer, client: ssl.SSLContext, seconds: float = 5.0) -> tuple[ResultType, str]:
    with pytest.raises(FetchError) as caught:
        fetch(server, client, seconds)
    return caught.value.failure.result, caught.value.failure.words


def test_a_policy(server: WebServer, client: ssl.SSLContext) -> None:
    assert fetch(server, client) == POLICY
    assert server.requests[0].startswith(
        b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.org\r\nUser-Agent: Estafeta\r\n"
    )


def test_other_forms_of_answers(server: WebServer, client: ssl.SSLContext) -> None:
    server.behave = answer(POLICY, kind="Text/Plain; charset=utf-8")
    assert fetch(server, client) == POLICY
    old = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + POLICY
    server.behave = lambda sock, _: (sock.sendall(old), sock.unwrap())
    assert fetch(server, client) == POLICY
    server.behave = lambda sock, _: sock.sendall(old)
    assert failure(server, client)[0] is ResultType.STS_FETCH_ERROR, "it may have been cut short"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(POLICY), POLICY)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.behave = lambda sock, _: sock.sendall(head + chunked)
    assert fetch(server, client) == POLICY


SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nContent-Type: text/plain\r\n\r\nversion: STSv1"


def endless(sock: ssl.SSLSocket, request: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        sock.sendall(b"mx: a.test\n" * 1000)


def endless_header(sock: ssl.SSLSocket, request: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        sock.sendall(b"X: y\r\n" * 1000)


BAD = [
    (answer(POLICY, status="301 Moved", extra="Location: https://x.test/\r\n"), "answered 301"),
    (answer(POLICY, status="404 Not Found"), "answered 404"),
    (answer(POLICY, kind="text/html"), "content type is text/html"),
    (lambda sock, _: (sock.sendall(SHORT), sock.unwrap()), "ended before its length"),
    (answer(b"#" * 65537), "longer than 64 KiB"),
    (endless, "longer than 64 KiB"),
    (endless_header, "100 headers"),
    (lambda sock, _: sock.sendall(b"rubbish\r\n\r\n"), "rubbish"),
    (lambda sock, _: sock.sendall(SHORT), "ended too early"),
    (lambda sock, _: None, "ended too early"),
]


@pytest.mark.parametrize(("behave", "words"), BAD)
def test_answers_that_are_none(behave: Behave, words: str, server: WebServer, client: ssl.SSLContext) -> None:
    server.behave = behave
    result, said = failure(server, client)
    assert result is ResultType.STS_FETCH_ERROR
    assert said.startswith("the MTA-STS policy could not be fetched from mta-sts.example.org: ")
    assert words in said


def test_time_is_limited_as_a_whole(server: WebServer, client: ssl.SSLContext) -> None:
    done = threading.Event()

    def drip(sock: ssl.SSLSocket, request: bytes) -> None:
        while not done.wait(0.02):
            sock.sendall(b"H")

    for behave in (drip, lambda sock, request: done.wait(3)):
        server.behave = behave
        result, said = failure(server, client, 0.4)
        assert result is ResultType.STS_FETCH_ERROR
        assert said.endswith("it took too long")
    done.set()


@pytest.mark.parametrize("shown", [ROOT.issue("example.org"), ROOT.issue(HOST, days=(-9, -1)), make(HOST)])
def test_certificates_that_do_not_count(shown: Issued, client: ssl.SSLContext, tmp_path: Path) -> None:
    server = WebServer(shown.server_context(tmp_path), answer(POLICY))
    assert failure(server, client)[0] is ResultType.STS_WEBPKI_INVALID
    assert server.requests in ([], [b""])
    server.close()


def test_hosts_that_do_not_answer(server: WebServer, client: ssl.SSLContext) -> None:
    server.close()
    assert failure(server, client)[0] is ResultType.STS_FETCH_ERROR
    with pytest.raises(FetchError, match="no address"):
        fetch_policy(Source(HOST, (), 443), client, 1)


def test_another_address_is_tried(server: WebServer, client: ssl.SSLContext) -> None:
    assert fetch_policy(Source(HOST, ("127.0.0.99", "127.0.0.1"), server.port), client, 5) == POLICY


def test_families_take_turns() -> None:
    assert usable_addresses([["1", "2", "3"], ["a"]]) == ("1", "a", "2", "3")
    assert usable_addresses([[], ["a"], []]) == ("a",)
    assert usable_addresses([]) == ()
