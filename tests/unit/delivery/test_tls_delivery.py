"""Whole connections under a demand: the client and servers that show certificates of all kinds, or do not do TLS."""

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from estafeta.delivery.connection import Connection, open_connection
from estafeta.delivery.connection_options import ConnectionOptions
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlsdemand import Level, TlsDemand
from estafeta.delivery.values import AttemptError, Endpoint, Stage
from estafeta.dns.values import Tlsa
from estafeta.trust.results import ResultType
from tls_kit import Issued, make

HOST = "mx.example.org"
ROOT = make("Root", ca=True)
LEAF = ROOT.issue(HOST)
EXPIRED = ROOT.issue(HOST, days=(-9, -1))
OTHER = ROOT.issue("other.test")
END = Tlsa(3, 1, 1, hashlib.sha256(LEAF.spki).digest())
ANCHOR = Tlsa(2, 0, 1, hashlib.sha256(ROOT.der).digest())


class Server:
    """SMTP as far as it goes here: EHLO, STARTTLS, QUIT. `offers`: keywords; `broken`: no handshake, but rubbish."""

    def __init__(self, context: ssl.SSLContext, offers: str = "STARTTLS", broken: bool = False) -> None:
        self.context = context
        self.offers = offers
        self.broken = broken
        self.sessions = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        tls = False
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            match line.split()[0].upper():
                case b"EHLO":
                    words = ["here", *(self.offers.split() if not tls else ["REQUIRETLS"])]
                    writer.write("".join(f"250-{word}\r\n" for word in words).encode() + b"250 HELP\r\n")
                case b"STARTTLS" if self.broken:
                    writer.write(b"220 go\r\n")
                    await writer.drain()
                    await reader.read(100)
                    writer.write(b"rubbish, not TLS\r\n" * 20)
                    break
                case b"STARTTLS":
                    writer.write(b"220 go\r\n")
                    await writer.drain()
                    await writer.start_tls(self.context)
                    tls = True
                case _:
                    writer.write(b"221 bye\r\n")
                    break
        writer.close()


def run(main: Callable[[], Any], loop: str = "asyncio") -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
        return runner.run(main())


def attempt(server: Server, demand: TlsDemand, loop: str = "asyncio") -> tuple[Any, ...]:
    """Words, the level in the end and failures of a connection; or the error."""

    async def main() -> tuple[Any, ...]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await server.serve(reader, writer)
            except (OSError, asyncio.CancelledError):
                writer.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        try:
            options = ConnectionOptions("client.test")
            connection = await open_connection(Endpoint(HOST, "127.0.0.1", port), options, demand, TlsContexts())
            return await finish(connection)
        except AttemptError as error:
            return (error.stage, error.tls_failure and error.tls_failure.result, error.text)
        finally:
            listener.close()
            await listener.wait_closed()

    return run(main, loop)


async def finish(connection: Connection) -> tuple[Any, ...]:
    await connection.quit()
    failures = [failure.result for _, failure in connection.tls_failures]
    return connection.tls_words.partition("bits")[0].split(", ")[-1], connection.demand.level, failures


@pytest.fixture
def ca(tmp_path: Path) -> str:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem)
    return str(tmp_path / "ca.pem")


def demand(level: Level, *records: Tlsa, **how: Any) -> TlsDemand:
    return TlsDemand(level, (HOST,), records, "a policy", **how)


GOOD = [
    (LEAF, demand(Level.VERIFY), "verified by CA as mx.example.org"),
    (LEAF, demand(Level.DANE, END), "verified by DANE"),
    (LEAF, demand(Level.DANE, ANCHOR), "verified by DANE"),
    (EXPIRED, demand(Level.ENCRYPT), "not verified"),
    (OTHER, demand(Level.MAY), "not verified"),
]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("shown", "wanted", "words"), GOOD)
def test_what_meets_the_demand(
    shown: Issued, wanted: TlsDemand, words: str, loop: str, ca: str, tmp_path: Path
) -> None:
    server = Server(shown.server_context(tmp_path))
    assert attempt(server, wanted._replace(ca_file=ca), loop) == (words, wanted.level, [])
    assert server.sessions == 1


BAD = [
    (EXPIRED, demand(Level.VERIFY), ResultType.EXPIRED),
    (OTHER, demand(Level.VERIFY), ResultType.HOST_MISMATCH),
    (make(HOST), demand(Level.VERIFY), ResultType.NOT_TRUSTED),
    (OTHER, demand(Level.DANE, END), ResultType.VALIDATION_FAILURE),
    (OTHER, demand(Level.DANE, ANCHOR), ResultType.HOST_MISMATCH),
    (EXPIRED, demand(Level.DANE, ANCHOR), ResultType.EXPIRED),
]


@pytest.mark.parametrize(("shown", "wanted", "result"), BAD)
def test_what_does_not(shown: Issued, wanted: TlsDemand, result: ResultType, ca: str, tmp_path: Path) -> None:
    stage, failure, text = attempt(Server(shown.server_context(tmp_path)), wanted._replace(ca_file=ca))
    assert (stage, failure) == (Stage.TLS, result)
    assert text.startswith(f"No safe connection to {HOST}[127.0.0.1]:")


@pytest.mark.parametrize(("offers", "broken"), [("", False), ("STARTTLS", True)])
def test_without_tls_only_a_wish_goes_on(offers: str, broken: bool, tmp_path: Path) -> None:
    server = Server(LEAF.server_context(tmp_path), offers, broken)
    words, _, failures = attempt(server, demand(Level.MAY))
    assert words == ""
    assert failures == [ResultType.VALIDATION_FAILURE if broken else ResultType.STARTTLS_NOT_SUPPORTED]
    assert server.sessions == (2 if broken else 1)
    assert attempt(server, demand(Level.ENCRYPT))[0] is Stage.TLS
    assert attempt(server, demand(Level.NONE)) == ("", Level.NONE, [])


def test_a_policy_in_testing_mode_costs_one_more_connection(ca: str, tmp_path: Path) -> None:
    server = Server(OTHER.server_context(tmp_path))
    found = attempt(server, demand(Level.MAY, testing=True, ca_file=ca))
    assert found == ("not verified", Level.MAY, [ResultType.HOST_MISMATCH])
    assert server.sessions == 2
    good = Server(LEAF.server_context(tmp_path))
    assert attempt(good, demand(Level.MAY, testing=True, ca_file=ca))[2] == []
    assert good.sessions == 1


def test_cas_that_cannot_be_read(tmp_path: Path) -> None:
    stage, failure, text = attempt(Server(LEAF.server_context(tmp_path)), demand(Level.VERIFY, ca_file="/none.pem"))
    assert (stage, failure) == (Stage.TLS, None)
    assert text == "The file with CAs /none.pem, of the settings, cannot be read."
