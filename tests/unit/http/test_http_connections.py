"""Connections and what holds for every answer: limits, time, headers, errors, the way from the clear port to TLS."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable

import pytest
from http_site import LIST, WebSite, parse_reply

from estafeta.lists.tokens import Act
from estafeta.servers.http.connection import REQUEST_SECONDS

PAGE = f"/lists/{LIST}"


def status(octets: bytes) -> str:
    """All status codes in the answers."""
    return " ".join(code.decode() for code in re.findall(rb"HTTP/1\.1 (\d+)", octets))


@pytest.mark.parametrize("secure", [True, False])
def test_what_every_answer_forbids(web: WebSite, play: Callable[..., None], secure: bool) -> None:
    web.secure = secure
    web.https_port = 443 if secure else None

    async def scene(web: WebSite) -> None:
        for path in (PAGE, "/", web.link(Act.OUT, number=9)):
            fields = (await web.request("GET", path)).fields
            policy = fields["content-security-policy"]
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "frame-ancestors 'none'" in policy
            assert fields["cache-control"] == "no-store"
            assert fields["referrer-policy"] == "no-referrer"
            assert fields["x-content-type-options"] == "nosniff"
            assert ("strict-transport-security" in fields) == secure
            assert "date" in fields
            assert "server" not in fields

    play(scene)


@pytest.mark.parametrize(
    ("host", "path", "target"),
    [
        ("lists.example.org", "/lists/x?a=b", "https://lists.example.org:8443/lists/x?a=b"),
        ("lists.example.org:80", "/", "https://lists.example.org:8443/"),
        ("[2001:db8::1]:80", "/%0d%0a", "https://[2001:db8::1]:8443/%0d%0a"),
        ("a/b@evil.test", "//evil.test", "https://mx.example.org:8443//evil.test"),
        ("x", "http://evil.test/", "https://x:8443/"),
    ],
)
def test_the_clear_port_leads_to_tls(
    web: WebSite, play: Callable[..., None], host: str, path: str, target: str
) -> None:
    web.secure, web.https_port = False, 8443

    async def scene(web: WebSite) -> None:
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        reply = parse_reply(await web.talk(head.encode()))
        assert (reply.status, reply.fields["location"]) == (308, target)
        web.join("eva@far.test")
        assert (await web.request("POST", web.link(Act.OUT, number=1))).status == 403
        assert web.members() == ["eva@far.test"]

    play(scene)


def test_without_tls_anywhere_the_clear_port_has_the_pages(web: WebSite, play: Callable[..., None]) -> None:
    web.secure, web.https_port = False, None

    async def scene(web: WebSite) -> None:
        assert (await web.request("GET", PAGE)).status == 200

    play(scene)


CLOSE = b"Host: x\r\nConnection: close\r\n"
CASES = {
    "nothing there": (b"GET / HTTP/1.1\r\n%s\r\n" % CLOSE, "404"),
    "no such method": (b"DELETE /lists/x HTTP/1.1\r\n%s\r\n" % CLOSE, "405"),
    "not HTTP": (b"\x16\x03\x01 hello\r\n\r\n", "400"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "400"),
    "bad length": (b"POST /lists/x HTTP/1.1\r\nHost: x\r\nContent-Length: zz\r\n\r\n", "400"),
    "head without end": (b"GET / HTTP/1.1\r\nHost: x\r\nX: %s" % (b"a" * 40_000), "431"),
    "declared too long": (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n" % PAGE.encode(), "413"),
    "chunks too long": (
        b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % PAGE.encode()
        + b"10001\r\n%s" % (b"a" * 65_537),
        "413",
    ),
    "bad chunk": (
        b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" % PAGE.encode(),
        "400",
    ),
    "body that nobody reads": (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", "404"),
    "upgrade": (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n", "404"),
    "pipelined": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET / HTTP/1.1\r\n%s\r\n" % CLOSE, "404 404 404 404"),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", "404"),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile_and_odd_input(
    web: WebSite, play: Callable[..., None], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    octets, expected = CASES[name]

    async def scene(web: WebSite) -> None:
        assert status(await web.talk(octets)) == expected

    with caplog.at_level(logging.INFO):
        play(scene)
    assert caplog.messages == []


def test_a_refusal_of_a_method_says_which_there_are(web: WebSite, play: Callable[..., None]) -> None:
    async def scene(web: WebSite) -> None:
        reply = await web.request("PUT", PAGE)
        assert reply.status == 405
        assert "GET" in reply.fields["allow"]
        assert "This cannot be done here" in reply.body

    play(scene)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost:", b"HTTP/1.1 408 "),
        (b"POST /lists/leave/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", b"HTTP/1.1 408 "),
    ],
)
def test_slow_clients_are_told_and_cut(
    web: WebSite, play: Callable[..., None], caplog: pytest.LogCaptureFixture, sent: bytes, answer: bytes
) -> None:
    async def scene(web: WebSite) -> None:
        asked = asyncio.create_task(web.talk(sent))
        guest = await web.guest()
        for _ in range(200):
            await asyncio.sleep(0)
        assert 0 < guest.deadline <= web.connections.now + REQUEST_SECONDS
        guest.deadline = 0.001
        web.connections.sweep()
        assert (await asked).startswith(answer)

    play(scene)
    assert caplog.messages == []


def test_a_client_that_sends_an_octet_now_and_then_gains_no_time(web: WebSite, play: Callable[..., None]) -> None:
    async def scene(web: WebSite) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        guest = await web.guest()
        deadline = guest.deadline
        for octet in b"GET / HTTP/1.1\r\nHo":
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0)
        assert guest.deadline == deadline
        guest.abort()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    play(scene)


def test_one_connection_too_many(web: WebSite, play: Callable[..., None]) -> None:
    web.settings.set_setting("limits.max_connections_per_address", "1", "test")
    web.settings.set_setting("limits.exempt_networks", "", "test")

    async def scene(web: WebSite) -> None:
        _, first = await asyncio.open_connection("127.0.0.1", web.port)
        await web.guest()
        assert b"503" in await web.talk(b"")
        first.close()
        await first.wait_closed()

    play(scene)


def test_a_stopping_server_lets_idle_connections_go(web: WebSite, play: Callable[..., None]) -> None:
    async def scene(web: WebSite) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"404" in await reader.readline()
        web.connections.stop()
        await reader.read()
        writer.close()

    play(scene)


def test_an_error_of_ours_is_a_page_and_a_line_in_the_log_without_the_token(
    web: WebSite, play: Callable[..., None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("estafeta.servers.http.lists.check_link", broken)
    link = web.link(Act.OUT, number=1)

    async def scene(web: WebSite) -> None:
        reply = await web.request("POST", link)
        assert reply.status == 500
        assert "Something went wrong" in reply.body
        assert "x-content-type-options" in reply.fields

    play(scene)
    assert "ZeroDivisionError" in caplog.text
    assert link.rpartition("/")[2] not in caplog.text
