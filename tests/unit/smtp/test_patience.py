"""Clients that do not wait for their turn, and strangers who wait for the greeting."""

import asyncio
import contextlib
import socket
from typing import Any, cast

import pytest

from estafeta.net.connections import ConnectionLimits, Connections
from estafeta.net.pump import Pump
from estafeta.policy.facts import Facts
from estafeta.protocols.smtp.limits import Mode, SmtpSettings
from estafeta.protocols.smtp.server import SmtpServer
from estafeta.servers.smtp.patience import greet, note_turn

LIMITS = ConnectionLimits(10, 10, 100, 60.0)


class Client:
    """What `greet` needs of a pump."""

    def __init__(self, early: bool) -> None:
        self._early = early

    def has_input(self) -> bool:
        return self._early


def machine(*, tls: bool = False) -> SmtpServer:
    return SmtpServer(SmtpSettings("mx.here.test"), tls=tls)


def pump(*, early: bool) -> Pump:
    return cast("Pump", Client(early))


@pytest.mark.parametrize("early", [False, True])
def test_who_spoke_before_the_greeting_is_known(early: bool) -> None:
    server, facts = machine(), Facts("192.0.2.1")
    assert greet(pump(early=early), server, facts, 0) is None
    assert server.take_output().startswith(b"220 ")
    assert facts.early is early


@pytest.mark.parametrize(
    "facts",
    [Facts("127.0.0.1", trusted=True), Facts("local", Mode.LMTP)],
)
def test_only_strangers_are_looked_at_and_wait(facts: Facts) -> None:
    server = machine()
    assert greet(pump(early=True), server, facts, 30.0) is None
    assert server.take_output().startswith(b"220 ")
    assert not facts.early


def test_users_who_will_sign_in_do_not_wait() -> None:
    server = machine()
    assert greet(pump(early=False), server, Facts("192.0.2.1", Mode.SUBMISSION), 30.0) is None
    assert server.take_output().startswith(b"220 ")


def test_inside_tls_the_client_begins() -> None:
    facts = Facts("192.0.2.1")
    greet(pump(early=True), machine(tls=True), facts, 0)
    assert not facts.early


@pytest.mark.parametrize("said", [b"", b"EHLO x\r\n"])
def test_strangers_wait_for_the_greeting(said: bytes) -> None:
    async def play() -> Facts:
        server, facts = machine(), Facts("192.0.2.1")
        waiting = greet(pump(early=False), server, facts, 0.001)
        assert waiting is not None
        assert server.take_output() == b""
        server.feed(said)
        assert server.next_event() is None
        await waiting
        assert server.take_output().startswith(b"220 ")
        return facts

    assert asyncio.run(play()).early is bool(said)


def test_a_turn_is_noted_when_more_was_said() -> None:
    server, facts = machine(), Facts("192.0.2.1")
    server.greeting()
    server.feed(b"EHLO x\r\n")
    assert server.next_event() is not None
    note_turn(server, facts)
    assert not facts.early
    server.feed(b"MAIL FROM:<a@b.test>\r\n")
    note_turn(server, facts)
    assert facts.early


@pytest.mark.parametrize("said", [b"", b"EHLO x\r\n"])
def test_a_pump_knows_of_octets_that_wait(said: bytes) -> None:
    """The client has connected and spoken, or not, before the server takes the connection."""

    class Session:
        machine = machine()
        found: asyncio.Future[bool]

        def connected(self, pump: Pump) -> None:
            self.found.set_result(pump.has_input())

        def handle(self, event: Any) -> None: ...

        def allowance(self) -> float:
            return 60.0

        def disconnected(self) -> None: ...

    async def play(listening: socket.socket) -> bool:
        loop = asyncio.get_running_loop()
        session = Session()
        session.found = loop.create_future()
        connections = Connections(loop, LIMITS)
        server = await loop.create_server(lambda: Pump(session, connections), sock=listening)
        try:
            return await session.found
        finally:
            server.close()
            connections.abort()
            await connections.drained()

    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(contextlib.closing(socket.create_server(("127.0.0.1", 0))))
        client = sockets.enter_context(contextlib.closing(socket.create_connection(listening.getsockname())))
        client.sendall(said)
        assert asyncio.run(play(listening)) is bool(said)
