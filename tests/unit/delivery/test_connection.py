"""Connections to servers that behave, and to servers that do not."""

import asyncio
import socket
from collections.abc import Awaitable
from pathlib import Path

import pytest
import uvloop
from connection_mx import CLEAR, CLOSE, CONTENT, HANG, SHORT, Mx, Pieces, at, connect, message, wait_until

from estafeta.certificates.binding import end_point_binding
from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.connection import Connection
from estafeta.delivery.connection_options import Credentials
from estafeta.delivery.tlsdemand import Level, TlsDemand
from estafeta.delivery.values import AttemptError, Endpoint, TransmissionResult
from estafeta.protocols import sasl
from estafeta.queue.values import EntryFlag
from tls_kit import make

FAST = ("PIPELINING", "CHUNKING", "8BITMIME", "DSN", "SIZE 0")
CERTIFICATE = make("mx.test")
JANE = Credentials("jane", "secret")


def kinds(result: TransmissionResult) -> list[str]:
    return [str(outcome.kind) for outcome in result.outcomes]


async def attempt(connecting: Awaitable[Connection]) -> Connection | AttemptError:
    try:
        return await connecting
    except AttemptError as error:
        return error


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",), FAST])
def test_many_messages_over_one_connection(run, extensions: tuple[str, ...]) -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        result = await connection.send(message(2))
        assert kinds(result) == ["delivered", "failed"]
        assert result.outcomes[0].reply == (250, "2.0.0", "queued", "DATA")
        assert (result.outcomes[1].error, result.outcomes[1].mta) == ("550", "mx.test")
        assert (result.connection_usable, result.lost_after_dot, result.relayed_dsn) == (
            True,
            False,
            "DSN" in extensions,
        )
        assert 0 < result.seconds < 5
        for _ in range(20):
            assert kinds(await connection.send(message(3))) == ["delivered"] * 3
        assert connection.idle_seconds < 5
        await connection.quit()
        assert mx.connections == 1
        assert mx.contents == [CONTENT] * 21

    at(Mx(*extensions, RCPT=["250 ok", "550 5.1.1 no", "250 ok"]), main, run=run)


def test_one_round_trip_is_enough() -> None:
    sent: list[bytes] = []

    async def main(mx: Mx) -> None:
        connection = await connect(mx, watch=lambda way, data: sent.append(data) if way == "out" else None)
        del sent[:]
        await connection.send(message())
        expected = b"MAIL FROM:<a@b.test> SIZE=20\r\nRCPT TO:<1@b.test>\r\nBDAT 20 LAST\r\n" + CONTENT
        assert sent == [expected]

    at(Mx(*FAST), main)


def test_lmtp_over_a_unix_socket(tmp_path: Path) -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx, lmtp=True, path=str(tmp_path / "lmtp"))
        result = await connection.send(message(3))
        assert kinds(result) == ["delivered", "failed", "deferred"]
        assert mx.heard[0] == "LHLO me.test"

    mx = Mx("PIPELINING", "lmtp", RCPT=["250 ok", "550 no", "250 ok"], final=["250 ok", "452 4.2.2 full"])
    at(mx, main, tmp_path / "lmtp")


@pytest.mark.parametrize(
    ("replies", "times", "stage", "error", "permanent"),
    [
        ({"greeting": "554 no SMTP here"}, {}, "greeting", "reply", True),
        ({"greeting": "421 busy"}, {}, "greeting", "reply", False),
        ({"greeting": "450 busy"}, {}, "greeting", "reply", False),
        ({"greeting": CLOSE}, {}, "greeting", "lost", False),
        ({"greeting": HANG}, {"times": SHORT}, "greeting", "timeout", False),
        ({"greeting": "HTTP/1.1 400 Bad Request"}, {}, "greeting", "protocol", False),
        ({"greeting": b"220-endless\r\n"}, {}, "greeting", "protocol", False),
        ({"greeting": b"a reply line without end "}, {}, "greeting", "protocol", False),
        ({"EHLO": "550 not you", "HELO": "550 not you"}, {}, "hello", "reply", True),
        ({"EHLO": CLOSE}, {}, "hello", "lost", False),
        ({"EHLO": HANG}, {"times": SHORT}, "hello", "timeout", False),
    ],
)
def test_no_connection(replies, times, stage: str, error: str, permanent: bool) -> None:
    async def main(mx: Mx) -> None:
        with pytest.raises(AttemptError) as raised:
            await connect(mx, **times)
        found = raised.value
        assert (str(found.stage), str(found.error), found.permanent) == (stage, error, permanent)
        assert "mx.test[127.0.0.1]" in found.text
        assert (found.reply is not None) == (error == "reply")

    at(Mx(**replies), main)


def test_nobody_there() -> None:
    async def main() -> None:
        mx = Mx()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            mx.port = closed.getsockname()[1]
        with pytest.raises(AttemptError) as raised:
            await connect(mx)
        assert (raised.value.stage, raised.value.error) == ("connect", "refused")
        with pytest.raises(AttemptError, match="could not be reached: no such file"):
            await connect(mx, path="/nowhere/at/all")

    asyncio.run(main())


def test_a_backlog_that_is_full_times_out() -> None:
    async def main() -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            mx = Mx()
            mx.port = listener.getsockname()[1]
            tries = [asyncio.create_task(connect(mx, times=SHORT)) for _ in range(4)]
            found = await asyncio.gather(*tries, return_exceptions=True)
            assert {error.error for error in found} == {"timeout"}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("replies", "changes", "outcome", "error", "lost"),
    [
        ({"MAIL": "450 4.7.1 greylisted"}, {}, "deferred", "greylisted", False),
        ({"MAIL": "550 never"}, {}, "failed", "550", False),
        ({"MAIL": "421 bye"}, {}, "deferred", "421", False),
        ({"RCPT": CLOSE}, {}, "deferred", "lost", False),
        ({"RCPT": HANG}, {"times": SHORT}, "deferred", "timeout", False),
        ({"DATA": "451 no"}, {}, "deferred", "451", False),
        ({"DATA": "250 what?"}, {}, "deferred", "protocol", False),
        ({"final": "554 5.7.1 spam"}, {}, "failed", "554", False),
        ({"final": "452 4.2.2 full"}, {}, "deferred", "quota", False),
        ({"final": CLOSE}, {}, "deferred", "lost", True),
        ({"final": HANG}, {"times": SHORT}, "deferred", "timeout", True),
        ({"final": b"250-no end\r\n"}, {}, "deferred", "protocol", True),
        ({"final": "yes"}, {}, "deferred", "protocol", True),
    ],
)
def test_messages_that_do_not_arrive(replies, changes, outcome: str, error: str, lost: bool) -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx, **changes)
        result = await connection.send(message())
        assert (kinds(result), result.outcomes[0].error, result.lost_after_dot) == ([outcome], error, lost)
        assert result.connection_usable == (error in ("greylisted", "550", "451", "554", "quota"))

    at(Mx("PIPELINING", **replies), main)


def test_a_transaction_that_failed_is_reset_before_the_next() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        assert kinds(await connection.send(message())) == ["failed"]
        assert kinds(await connection.send(message())) == ["delivered"]
        verbs = [line[:4] for line in mx.heard]
        assert verbs == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]

    at(Mx(RCPT=["550 no", "250 ok"]), main)


def test_as_many_recipients_as_the_server_takes() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        assert kinds(await connection.send(message(5))) == ["delivered"] * 5
        assert len(mx.contents) == 3

    at(Mx("PIPELINING", "LIMITS RCPTMAX=2"), main)


def test_too_many_recipients_go_in_another_transaction() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        assert kinds(await connection.send(message(3))) == ["delivered", "delivered", "failed"]
        assert len(mx.contents) == 2

    at(Mx("PIPELINING", RCPT=["250 ok", "452 4.5.3 too many", "452 4.5.3 too many", "250 ok", "550 no"]), main)


def test_as_many_messages_as_the_server_takes() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        assert (await connection.send(message())).connection_usable
        assert not (await connection.send(message())).connection_usable
        assert kinds(await connection.send(message())) == ["untried"]
        other = await connect(mx, max_messages=1)
        assert not (await other.send(message())).connection_usable

    at(Mx("PIPELINING", "LIMITS MAILMAX=2"), main)


@pytest.mark.parametrize("words", ["421 4.4.2 idle\r\n", ""])
def test_a_server_that_closes_in_between_has_not_been_tried(words: str) -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        await connection.send(message())
        mx.say(words)
        await mx.close_all()
        await wait_until(lambda: not connection.usable)
        result = await connection.send(message(2))
        assert (kinds(result), result.connection_usable) == (["untried"] * 2, False)
        await connection.quit()

    at(Mx(*FAST), main)


def test_a_server_that_speaks_out_of_turn_is_not_believed() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        mx.say("250 ok\r\n")
        await wait_until(lambda: not connection.usable)
        result = await connection.send(message())
        assert (kinds(result), result.outcomes[0].error) == (["deferred"], "protocol")

    at(Mx(*FAST), main)


@pytest.mark.parametrize("extensions", [("PIPELINING",), FAST])
def test_large_contents_go_out_in_pieces(extensions: tuple[str, ...]) -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        source = Pieces(b"x" * 998 + b"\r\n", 5000)
        assert kinds(await connection.send(message(1, source))) == ["delivered"]
        assert mx.contents == [(b"x" * 998 + b"\r\n") * 5000]
        refused = Pieces(b"x" * 998 + b"\r\n", 5000)
        assert kinds(await connection.send(message(1, refused))) == ["failed"]
        assert refused.given == 0

    at(Mx(*extensions, RCPT=["250 ok", "550 no"]), main)


@pytest.mark.parametrize("error", [None, OSError("disk"), EstafetaError(Kind.TEMPORARY, "damaged")])
@pytest.mark.parametrize("count", [10, 1000])
def test_contents_that_cannot_be_read(error: Exception | None, count: int) -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        source = Pieces(b"x" * 998 + b"\r\n", count, count * 1000 + 1, error)
        result = await connection.send(message(2, source))
        assert [outcome.error for outcome in result.outcomes] == ["local", "local"]
        assert result.connection_usable == (count == 10)
        assert not result.lost_after_dot
        assert all(b"\r\n.\r\n" not in content for content in mx.contents)

    at(Mx("PIPELINING"), main)


def test_a_server_that_does_not_read_is_given_up() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx, times=SHORT)
        result = await connection.send(message(1, Pieces(b"x" * 65536, 400)))
        assert (result.outcomes[0].error, result.lost_after_dot) == ("timeout", False)

    at(Mx("PIPELINING", "CHUNKING", BDAT=HANG), main)


def test_a_server_that_drips_gains_no_time() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx, times=SHORT)
        sending = asyncio.create_task(connection.send(message()))
        while not sending.done():
            mx.say("2")
            await asyncio.sleep(0.02)
        assert sending.result().outcomes[0].error == "timeout"

    at(Mx("PIPELINING", MAIL=HANG), main)


def test_contents_in_seven_bits_where_that_is_needed() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        content = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nseñor\r\n".encode()
        assert kinds(await connection.send(message(1, content, EntryFlag.EIGHT_BIT))) == ["delivered"]
        assert mx.contents[0].isascii()
        assert b"Content-Transfer-Encoding" in mx.contents[0]
        assert "BODY" not in "".join(mx.heard)

    at(Mx("PIPELINING"), main)


def test_a_cancelled_sending_ends_the_connection() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        sending = asyncio.create_task(connection.send(message()))
        await wait_until(lambda: len(mx.heard) == 2)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await wait_until(lambda: not connection.usable)

    at(Mx(MAIL=HANG), main)


def test_other_commands() -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx)
        assert (await connection.etrn("b.test")).words == "250 2.0.0 queuing"
        assert (await connection.reset()).code == 250
        with pytest.raises(AttemptError, match="closing"):
            await connection.reset()
        with pytest.raises(AttemptError):
            await connection.etrn("b.test")
        assert mx.heard[1] == "ETRN b.test"

    at(Mx(ETRN="250 2.0.0 queuing", RSET=["250 ok", "421 closing"]), main)


def test_our_address() -> None:
    async def main(mx: Mx) -> None:
        await connect(mx, source_ipv4="127.0.0.2", source_ipv6="::1")
        assert mx.peers == ["127.0.0.2"]
        with pytest.raises(AttemptError) as raised:
            await connect(mx, source_ipv4="192.0.2.1")
        assert raised.value.stage == "connect"

    at(Mx(), main)


# TLS


def demand(level: Level, **how: object) -> TlsDemand:
    return TlsDemand(level, ("mx.test",), source="a rule")._replace(**how)


def test_starttls(tmp_path: Path) -> None:
    ca = CERTIFICATE.save(tmp_path, "ca")

    async def main(mx: Mx) -> None:
        for wanted in (demand(Level.MAY), demand(Level.ENCRYPT), demand(Level.VERIFY, ca_file=str(ca))):
            connection = await connect(mx, wanted)
            assert connection.tls_words.startswith("TLSv1.3, ")
            assert connection.tls_failures == ()
            result = await connection.send(message())
            assert (kinds(result), result.tls) == (["delivered"], connection.tls_words)
            await connection.quit()
        assert [line[:4] for line in mx.heard[:4]] == ["EHLO", "STAR", "EHLO", "MAIL"]

    at(Mx(*FAST, "STARTTLS", tls=CERTIFICATE.server_context(tmp_path)), main)


def test_a_certificate_that_is_not_good_enough(tmp_path: Path) -> None:
    async def main(mx: Mx) -> None:
        with pytest.raises(AttemptError) as raised:
            await connect(mx, demand(Level.VERIFY))
        assert (raised.value.stage, raised.value.error, raised.value.permanent) == ("tls", "tls", False)
        assert raised.value.tls_failure.result == "certificate-not-trusted"
        # A policy that is only tested: the second handshake asks for less.
        connection = await connect(mx, demand(Level.MAY, testing=True))
        assert connection.tls_words.endswith("not verified")
        assert [failure.result for _, failure in connection.tls_failures] == ["certificate-not-trusted"]
        assert mx.connections == 3

    at(Mx("STARTTLS", tls=CERTIFICATE.server_context(tmp_path)), main)


@pytest.mark.parametrize("replies", [{}, {"STAR": "454 not now"}])
def test_no_starttls(replies: dict[str, str]) -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx, demand(Level.MAY))
        assert (connection.tls_words, len(connection.tls_failures)) == ("", 1)
        assert kinds(await connection.send(message())) == ["delivered"]
        with pytest.raises(AttemptError) as raised:
            await connect(mx, demand(Level.ENCRYPT))
        assert raised.value.tls_failure.result == "starttls-not-supported"

    at(Mx(*(["STARTTLS"] if replies else []), **replies), main)


def test_a_handshake_that_fails_leads_to_clear_text_or_to_nothing() -> None:
    # The server says 220 and goes on in clear text.
    async def main(mx: Mx) -> None:
        connection = await connect(mx, demand(Level.MAY))
        assert (connection.tls_words, connection.demand.level) == ("", Level.NONE)
        assert len(connection.tls_failures) == 1
        with pytest.raises(AttemptError) as raised:
            await connect(mx, demand(Level.ENCRYPT))
        assert raised.value.stage == "tls"
        # A password does not go over that.
        with pytest.raises(AttemptError) as raised:
            await connect(mx, demand(Level.MAY), JANE)
        assert (raised.value.stage, raised.value.error) == ("auth", "auth")

    at(Mx("STARTTLS", "AUTH PLAIN"), main)


def test_clear_text_behind_starttls_ends_it() -> None:
    async def main(mx: Mx) -> None:
        for level in (Level.MAY, Level.ENCRYPT):
            with pytest.raises(AttemptError) as raised:
                await connect(mx, demand(level))
            assert (raised.value.stage, raised.value.error) == ("tls", "tls")
            assert "clear text" in raised.value.text
        assert mx.connections == 2

    at(Mx("STARTTLS", STAR="220 go\r\n250-injected\r\n250 AUTH PLAIN"), main)


def test_requiretls(tmp_path: Path) -> None:
    async def main(mx: Mx) -> None:
        with pytest.raises(AttemptError) as raised:
            await connect(mx, demand(Level.ENCRYPT, require_tls=True))
        assert (raised.value.permanent, raised.value.reply.status) == (True, "5.7.30")
        mx.extensions = (*mx.extensions, "REQUIRETLS")
        connection = await connect(mx, demand(Level.ENCRYPT, require_tls=True))
        assert kinds(await connection.send(message(1, CONTENT, EntryFlag.REQUIRE_TLS))) == ["delivered"]
        assert "MAIL FROM:<a@b.test> REQUIRETLS" in mx.heard
        clear = await connect(mx)
        result = await clear.send(message(2, CONTENT, EntryFlag.REQUIRE_TLS))
        assert [(outcome.kind, outcome.reply.status) for outcome in result.outcomes] == [("failed", "5.7.30")] * 2

    at(Mx("STARTTLS", tls=CERTIFICATE.server_context(tmp_path)), main)


# AUTH


class ScramMx(Mx):
    """Knows jane's password by SCRAM-SHA-256-PLUS, bound to its certificate."""

    keys = sasl.make_scram_keys("secret", b"0123456789abcdef")

    def __init__(self, *extensions: str, binding: bytes = b"", honest: bool = True, **how: object) -> None:
        super().__init__(*extensions, **how)
        self._binding, self._honest = binding, honest

    async def _answer(self, writer, verb: str, usual: str) -> bool:
        line = self.heard[-1] if self.heard else ""
        if verb != "AUTH" and not getattr(self, "_server_half", None):
            return await super()._answer(writer, verb, usual)
        if verb == "AUTH":
            name, initial = line.split()[1:]
            bindings = {"tls-server-end-point": self._binding}
            half = sasl.make_mechanism(name, secret=b"k", channel_bindings=bindings, plus_offered=bool(self._binding))
            self._server_half = sasl.Exchange(half)
            step = self._server_half.start(initial.encode())
        else:
            step = self._server_half.receive(line.encode())
        if isinstance(step, sasl.NeedScram):
            step = self._server_half.supply(self.keys)
        match step:
            case sasl.Prompt(text):
                self.last = "334 " + (text.decode() if self._honest or text[:2] != b"dj" else "dj1BQUFB")
            case sasl.Success():
                self._server_half, self.last = None, "235 in"
            case _:
                self._server_half, self.last = None, "535 5.7.8 no"
        writer.write(f"{self.last}\r\n".encode())
        return True


def binding() -> bytes:
    return end_point_binding(CERTIFICATE.der)


def test_auth_with_scram_bound_to_the_certificate(tmp_path: Path) -> None:
    async def main(mx: Mx) -> None:
        connection = await connect(mx, demand(Level.MAY), JANE)
        assert kinds(await connection.send(message())) == ["delivered"]
        assert any(line.startswith("AUTH SCRAM-SHA-256-PLUS ") for line in mx.heard)
        with pytest.raises(AttemptError) as raised:
            await connect(mx, demand(Level.MAY), Credentials("jane", "wrong"))
        assert (raised.value.stage, raised.value.permanent, raised.value.reply.status) == ("auth", False, "5.7.8")
        assert "secret" not in repr(JANE)

    tls = CERTIFICATE.server_context(tmp_path)
    at(ScramMx("STARTTLS", "AUTH SCRAM-SHA-256 SCRAM-SHA-256-PLUS PLAIN", binding=binding(), tls=tls), main)


def test_a_server_that_cannot_prove_itself_is_left() -> None:
    async def main(mx: Mx) -> None:
        with pytest.raises(AttemptError) as raised:
            await connect(mx, CLEAR, JANE)
        assert raised.value.stage == "auth"

    at(ScramMx("AUTH SCRAM-SHA-256", honest=False), main)
    at(Mx("AUTH SCRAM-SHA-256"), main)


@pytest.mark.parametrize(
    ("offered", "replies", "wanted", "words"),
    [
        ("AUTH PLAIN", {}, CLEAR, ""),
        ("AUTH PLAIN", {}, demand(Level.MAY), "without TLS"),
        ("AUTH CRAM-MD5", {}, CLEAR, "no way to log in"),
        ("HELP", {}, CLEAR, "does not offer AUTH"),
        ("AUTH PLAIN", {"AUTH": "535 5.7.8 no"}, CLEAR, "said: 535 5.7.8 no"),
        ("AUTH PLAIN LOGIN", {"AUTH": "504 no"}, CLEAR, "refuses every mechanism"),
        ("AUTH PLAIN LOGIN", {"AUTH": ["504 no", "235 in"]}, CLEAR, ""),
        ("AUTH PLAIN", {"AUTH": CLOSE}, CLEAR, "lost"),
        ("AUTH PLAIN", {"AUTH": "421 bye"}, CLEAR, "421 bye"),
    ],
)
def test_auth(offered: str, replies, wanted: TlsDemand, words: str) -> None:
    async def main(mx: Mx) -> None:
        seen: list[bytes] = []
        error = await attempt(connect(mx, wanted, JANE, lambda way, data: seen.append(data)))
        if isinstance(error, AttemptError):
            assert words, error.text
            assert words in error.text
            assert (error.stage, error.permanent) == ("auth", False)
        else:
            assert not words
            assert any(line.startswith("AUTH ") for line in mx.heard)
        # What is traced has no secrets.
        assert b"AGphbmUAc2VjcmV0" not in b"".join(seen)

    at(Mx(offered, **replies), main)


# SOCKS


async def proxy(target: Mx, reply: bytes, seen: list[bytes]) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readexactly(3))
        writer.write(b"\x05\x00")
        seen.append(await reader.readexactly(10))
        writer.write(reply)
        if reply[1]:
            writer.close()
            return
        inward, outward = await asyncio.open_connection("127.0.0.1", target.port)

        async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pour(reader, outward), pour(inward, writer))

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(("code", "words"), [(0, ""), (5, "connection refused"), (2, "not allowed")])
def test_through_a_socks_proxy(code: int, words: str) -> None:
    async def main(mx: Mx) -> None:
        seen: list[bytes] = []
        server = await proxy(mx, bytes([5, code, 0, 1, 127, 0, 0, 1, 0, 25]), seen)
        where = server.sockets[0].getsockname()[:2]
        connection = await attempt(connect(mx, proxy=where))
        if isinstance(connection, AttemptError):
            assert words
            assert words in connection.text
            assert (connection.stage, connection.error) == ("proxy", "refused")
        else:
            assert not words
            assert kinds(await connection.send(message())) == ["delivered"]
            await connection.quit()
        assert seen[1] == b"\x05\x01\x00\x01\x7f\x00\x00\x01" + mx.port.to_bytes(2, "big")
        server.close()

    at(Mx(*FAST), main)


def test_a_proxy_that_says_nothing_times_out() -> None:
    async def main(mx: Mx) -> None:
        with pytest.raises(AttemptError) as raised:
            await connect(mx, proxy=("127.0.0.1", mx.port), times=SHORT)
        assert (raised.value.stage, raised.value.error) == ("connect", "timeout")

    at(Mx(greeting=HANG), main)


def test_how_a_host_is_written() -> None:
    assert Endpoint("mx.test", "192.0.2.1", 25).words == "mx.test[192.0.2.1]:25"
    assert Endpoint("", path="/run/lmtp").words == "/run/lmtp"
