"""Sessions on the pump, with a wire that is no network and a store that is no store."""

import asyncio
import functools
import logging
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pop3_fakes import JANE, Site, apop_digest, slow

HELLO = b"From: a@example.test\r\nSubject: hello\r\n\r\nfirst\r\n.second\r\n"
OTHER = b"From: b@example.test\r\n\r\nother\r\n"


def looped(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in an event loop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


@looped
async def test_a_session_reads_and_removes(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO, OTHER)
    client = site.client()
    assert client.wire.take() == b"+OK mail.example.test Estafeta POP3 server ready\r\n"
    assert await client.say("USER jane@example.test", "PASS correct horse") == (
        b"+OK Now the password: send PASS\r\n+OK Signed in, 2 messages (87 octets)\r\n"
    )
    assert await client.say("STAT") == b"+OK 2 87\r\n"
    assert await client.say("LIST") == b"+OK 2 messages (87 octets)\r\n1 56\r\n2 31\r\n.\r\n"
    assert await client.say("UIDL") == b"+OK Unique-id list follows\r\n1 1234567890.1\r\n2 1234567890.2\r\n.\r\n"
    assert await client.say("UIDL 2", "LIST 2") == b"+OK 2 1234567890.2\r\n+OK 2 31\r\n"
    assert await client.say("RETR 1") == b"+OK 56 octets\r\n" + HELLO.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    assert await client.say("TOP 1 1") == (
        b"+OK Top of message follows\r\nFrom: a@example.test\r\nSubject: hello\r\n\r\nfirst\r\n.\r\n"
    )
    assert await client.say("DELE 1", "DELE 1", "RETR 1", "STAT", "LIST", "UIDL 1") == (
        b"+OK Message 1 will be removed at QUIT\r\n"
        b"-ERR Message 1 is marked for removal\r\n"
        b"-ERR Message 1 is marked for removal\r\n"
        b"+OK 1 31\r\n"
        b"+OK 1 messages (31 octets)\r\n2 31\r\n.\r\n"
        b"-ERR Message 1 is marked for removal\r\n"
    )
    assert await client.say("RSET", "DELE 2", "RETR 3") == (
        b"+OK 2 messages (87 octets)\r\n+OK Message 2 will be removed at QUIT\r\n-ERR No such message\r\n"
    )
    assert site.mailboxes.expunged == []
    assert await client.say("QUIT") == b"+OK Goodbye, 1 messages removed\r\n"
    assert site.mailboxes.expunged == [[2]]
    assert client.wire.closed
    assert len(site.service.connections) == 0


@looped
async def test_the_view_is_steady(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO)
    client = site.client()
    await client.sign_in()
    site.mailboxes.contents[2] = OTHER
    assert await client.say("STAT", "RETR 2") == b"+OK 1 56\r\n-ERR No such message\r\n"


@looped
async def test_a_connection_that_drops_removes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO)
    client = site.client()
    await client.sign_in()
    await client.say("DELE 1")
    client.wire.abort()
    assert site.mailboxes.expunged == []
    again = site.client()
    await again.sign_in()
    assert await again.say("STAT") == b"+OK 1 56\r\n"


@looped
async def test_removing_fails(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO)
    client = site.client()
    await client.sign_in()
    site.mailboxes.full = True
    assert (
        await client.say("DELE 1", "LANG es", "QUIT")
        == (
            "+OK Message 1 will be removed at QUIT\r\n+OK es Idioma cambiado\r\n-ERR [SYS/TEMP] Algunos o todos los "
            "mensajes borrados no se pudieron eliminar: Un problema temporal; inténtelo más tarde\r\n"
        ).encode()
    )
    assert client.wire.closed
    await site.client().sign_in()


@looped
async def test_a_second_session_is_told_in_use(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO)
    first, second = site.client(), site.client()
    await first.sign_in()
    said = await second.say("USER jane@example.test", "PASS correct horse")
    assert b"-ERR [IN-USE] Another session" in said
    await first.say("QUIT")
    await second.sign_in()


@looped
async def test_sessions_share_where_the_operator_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO, OTHER, shared_sessions=True)
    first, second = site.client(), site.client()
    await first.sign_in()
    await second.sign_in()
    await first.say("DELE 1")
    await second.say("DELE 1")
    assert (await first.say("QUIT")).startswith(b"+OK")
    assert (await second.say("QUIT")).startswith(b"+OK")
    # The setting is changed back while a shared session is open.
    third = site.client()
    await third.sign_in()
    alone = Site(tmp_path, HELLO).client()
    assert b"[IN-USE]" in await alone.say("USER jane@example.test", "PASS correct horse")


@looped
async def test_wrong_passwords_end_the_session(tmp_path: Path) -> None:
    client = Site(tmp_path).client()
    client.wire.take()
    for _ in range(2):
        said = await client.say("USER jane@example.test", "PASS wrong")
        assert said.endswith(b"-ERR [AUTH] The name or the password is wrong.\r\n")
    assert (await client.say("USER nobody", "PASS \udc80".encode("utf-8", "replace").decode())).endswith(
        b"-ERR [AUTH] Too many failed attempts to sign in, closing the connection\r\n"
    )
    assert client.wire.closed


@pytest.mark.parametrize(
    ("login", "answer"),
    [
        ("down@example.test", b"-ERR [SYS/TEMP] The directory cannot be asked now."),
        ("eager@example.test", b"-ERR [SYS/TEMP] Too many wrong passwords; wait 4 seconds."),
        ("nobody", b"-ERR [AUTH] The name or the password is wrong."),
    ],
)
@looped
async def test_answers_of_the_directory(tmp_path: Path, login: str, answer: bytes) -> None:
    assert answer in await Site(tmp_path).client().say(f"USER {login}", "PASS x")


@looped
async def test_a_password_that_has_to_be_hashed(tmp_path: Path) -> None:
    assert b"+OK Signed in" in await Site(tmp_path).client().say("USER slow@example.test", "PASS slow", "STAT")


@pytest.mark.parametrize(
    ("peer", "pop3", "offered"),
    [
        ("192.0.2.9", {}, ["USER", "SASL SCRAM-SHA-256 PLAIN LOGIN"]),
        ("203.0.113.1", {}, ["SASL SCRAM-SHA-256"]),
        ("203.0.113.1", {"auth": {"scram": False}}, []),
        ("192.0.2.9", {"security": "tls"}, []),
        ("192.0.2.9", {"login_delay_seconds": 90}, ["LOGIN-DELAY 90", "USER", "SASL SCRAM-SHA-256 PLAIN LOGIN"]),
    ],
)
@looped
async def test_capabilities(tmp_path: Path, peer: str, pop3: dict[str, Any], offered: list[str]) -> None:
    client = Site(tmp_path, **pop3).client(peer)
    client.wire.take()
    first = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
    last = ["UTF8 USER", "LANG", "IMPLEMENTATION Estafeta", "."]
    lines = (await client.say("CAPA")).decode().splitlines()
    assert lines == ["+OK Capability list follows", *first, *offered, *last]


@pytest.mark.parametrize("command", ["USER jane@example.test", "AUTH PLAIN", "AUTH LOGIN amFuZQ=="])
@pytest.mark.parametrize(("peer", "pop3"), [("203.0.113.1", {}), ("192.0.2.9", {"security": "tls"})])
@looped
async def test_passwords_only_where_allowed(tmp_path: Path, command: str, peer: str, pop3: dict[str, Any]) -> None:
    client = Site(tmp_path, **pop3).client(peer)
    client.wire.take()
    assert await client.say(command) == (
        b"-ERR [SYS/PERM] Signing in this way is only possible under TLS: connect to the TLS port\r\n"
    )


@looped
async def test_nothing_but_tls_means_scram_and_apop_too(tmp_path: Path) -> None:
    client = Site(tmp_path, security="tls", apop=True).client()
    client.wire.take()
    said = await client.say("AUTH SCRAM-SHA-256", "APOP jane@example.test " + "0" * 32)
    assert said.count(b"-ERR [SYS/PERM]") == 2


@looped
async def test_sasl_plain_and_login(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO)
    plain = b64encode(b"\0jane@example.test\0correct horse").decode()
    client = site.client()
    assert b"+OK Signed in, 1" in await client.say(f"AUTH PLAIN {plain}")
    await client.say("QUIT")
    name, word = (b64encode(text).decode() for text in (b"slow@example.test", b"slow"))
    assert b"+OK Signed in, 1" in await site.client().say("AUTH LOGIN", name, word)


@looped
async def test_acting_for_someone_else(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO)
    client = site.client()
    other = b64encode(b"tim@example.test\0jane@example.test\0correct horse").decode()
    same = b64encode(b"JANE@example.test\0jane@example.test\0correct horse").decode()
    assert b"-ERR [AUTH] You may not act for another user" in await client.say(f"AUTH PLAIN {other}")
    assert b"+OK Signed in" in await client.say(f"AUTH PLAIN {same}")


@looped
async def test_a_wrong_scram_proof_is_counted(tmp_path: Path) -> None:
    site = Site(tmp_path)
    client = site.client("203.0.113.1")
    client.wire.take()
    challenge = await client.say("AUTH SCRAM-SHA-256", b64encode(b"n,,n=jane@example.test,r=abc").decode())
    nonce = b64decode(challenge.split(b"\r\n")[1][2:]).split(b",")[0]
    final = b64encode(b"c=biws," + nonce + b",p=" + b64encode(b"x" * 32)).decode()
    assert await client.say(final) == b"-ERR [AUTH] Wrong name or password\r\n"
    assert await site.directory.told(1) == [("jane@example.test", "203.0.113.1")]


@looped
async def test_apop(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO, apop=True)
    client = site.client("203.0.113.1")
    greeting = client.wire.take()
    wrong = await client.say("APOP jane@example.test " + apop_digest(greeting, "guess"))
    assert wrong == b"-ERR [AUTH] The name or the secret is wrong.\r\n"
    unknown = await client.say("APOP tim@example.test " + apop_digest(greeting, ""))
    assert unknown == wrong
    told = await site.directory.told(2)
    assert sorted(login for login, _ in told) == ["jane@example.test", "tim@example.test"]
    assert b"+OK Signed in" in await client.say("APOP jane@example.test " + apop_digest(greeting, "tanstaaf"))
    assert site.client().wire.take() != greeting


@looped
async def test_apop_is_off_by_default(tmp_path: Path) -> None:
    client = Site(tmp_path).client()
    assert b"<" not in client.wire.take()
    assert await client.say("APOP jane@example.test " + "0" * 32) == b"-ERR APOP is not offered here\r\n"


@looped
async def test_login_delay(tmp_path: Path) -> None:
    site = Site(tmp_path, login_delay_seconds=60)
    client = site.client()
    await client.sign_in()
    await client.say("QUIT")
    assert b"-ERR [LOGIN-DELAY] Signed in a moment ago; try again in " in await site.client().say(
        "USER jane@example.test", "PASS correct horse"
    )
    (tmp_path / f"pop3-{JANE.account_id}").write_bytes(b"1000")
    await site.client().sign_in()


@looped
async def test_stls_without_a_certificate(tmp_path: Path) -> None:
    client = Site(tmp_path).client()
    client.wire.take()
    assert await client.say("STLS") == b"-ERR TLS is not offered here\r\n"


@looped
async def test_messages_that_are_not_in_memory(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO, OTHER)
    site.mailboxes.cold = {1}
    client = site.client()
    await client.sign_in()
    said = await client.say("RETR 1", "RETR 2", "TOP 1 0")
    assert said.count(b"+OK") == 3
    assert said.endswith(b"Subject: hello\r\n\r\n.\r\n")


@looped
async def test_a_damaged_message(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO, OTHER)
    site.mailboxes.damaged = {1}
    client = site.client()
    await client.sign_in()
    assert (await client.say("RETR 1", "RETR 2")).startswith(b"-ERR [SYS/PERM] This message is damaged.\r\n+OK 31")


LARGE = b"Subject: large\r\n\r\n" + b".dots and a line of text\r\n" * 40_000


@looped
async def test_a_large_message(tmp_path: Path) -> None:
    site = Site(tmp_path, LARGE)
    client = site.client()
    await client.sign_in()
    said = await client.say("RETR 1", "NOOP")
    body = LARGE.replace(b"\r\n.", b"\r\n..")
    assert said == b"+OK %d octets\r\n" % len(LARGE) + body + b".\r\n+OK Done\r\n"
    read = site.mailboxes.pieces_read
    assert (await client.say("TOP 1 2")).endswith(b"\r\n\r\n" + b"..dots and a line of text\r\n" * 2 + b".\r\n")
    assert site.mailboxes.pieces_read == read + 1


@looped
async def test_a_slow_peer_holds_back_a_large_message(tmp_path: Path) -> None:
    site = Site(tmp_path, LARGE)
    client = site.client()
    await client.sign_in()
    with slow(client):
        await client.say("RETR 1")
        for _ in range(100):
            await asyncio.sleep(0)
        assert site.mailboxes.pieces_read == 1
    await client.settle()
    assert client.wire.take().endswith(b"\r\n.\r\n")


@looped
async def test_a_large_message_that_is_damaged_cuts_the_connection(tmp_path: Path) -> None:
    site = Site(tmp_path, LARGE)
    site.mailboxes.damaged = {1}
    client = site.client()
    await client.sign_in()
    said = await client.say("RETR 1")
    assert said.startswith(b"+OK")
    assert not said.endswith(b".\r\n")
    assert client.wire.aborted


@looped
async def test_pipelined_commands_are_answered_in_few_writes(tmp_path: Path) -> None:
    content = b"Subject: x\r\n\r\n" + b"x" * 4082 + b"\r\n"
    site = Site(tmp_path, *[content] * 100)
    client = site.client()
    await client.sign_in()
    client.pump.data_received(b"".join(b"RETR %d\r\n" % number for number in range(1, 101)))
    await client.settle()
    assert len(client.wire.writes) <= 8
    assert client.wire.take().count(b"+OK 4098 octets") == 100


@looped
async def test_a_peer_that_takes_nothing_costs_little_memory(tmp_path: Path) -> None:
    site = Site(tmp_path, b"x" * 100_000)
    client = site.client()
    await client.sign_in()
    with slow(client):
        client.pump.data_received(b"RETR 1\r\n" * 1000)
        await client.settle()
        assert sum(map(len, client.wire.writes)) < 400_000
        assert client.wire.paused
        client.wire.writes.clear()
    client.wire.abort()
    await client.settle()


@looped
async def test_a_flood_leaves_others_their_turn(tmp_path: Path) -> None:
    site = Site(tmp_path)
    client = site.client()
    await client.sign_in()
    client.pump.data_received(b"NOOP\r\n" * 10_000)
    assert sum(map(len, client.wire.writes)) <= 256 * len(b"+OK Done\r\n")
    await client.settle()
    assert client.wire.take() == b"+OK Done\r\n" * 10_000


@looped
async def test_a_long_listing_comes_in_parts(tmp_path: Path) -> None:
    site = Site(tmp_path, *[b"x"] * 5000)
    client = site.client()
    await client.sign_in()
    client.pump.data_received(b"LIST\r\nNOOP\r\n")
    await client.settle()
    assert len(client.wire.writes) > 3
    lines = client.wire.take().split(b"\r\n")
    assert lines[0] == b"+OK 5000 messages (5000 octets)"
    assert lines[1:5001] == [b"%d 1" % number for number in range(1, 5001)]
    assert lines[5001:] == [b".", b"+OK Done", b""]


@looped
async def test_a_peer_that_ends_its_half_gets_its_answers(tmp_path: Path) -> None:
    client = Site(tmp_path, HELLO).client()
    client.pump.data_received(b"USER jane@example.test\r\nPASS correct horse\r\nSTAT\r\n")
    assert client.pump.eof_received()
    await client.settle()
    assert client.wire.take().endswith(b"+OK 1 56\r\n")
    assert client.wire.closed


@looped
async def test_time_limits(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO, login_seconds=30)
    client = site.client()
    assert 29 < client.pump.session.allowance() <= 30
    await client.sign_in()
    assert client.pump.session.allowance() == 600
    client.pump.overdue(0.0)
    assert client.wire.take() == b""
    assert client.wire.closed
    await site.client().sign_in()


@looped
async def test_stopping(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO)
    idle, busy = site.client(), site.client()
    await busy.sign_in()
    idle.wire.take()
    busy.pump.data_received(b"DELE 1\r\nQUIT\r\n")
    site.service.connections.stop()
    assert idle.wire.take() == b"-ERR [SYS/TEMP] The server is stopping; try again soon\r\n"
    await busy.settle()
    assert busy.wire.take().endswith(b"+OK Goodbye, 1 messages removed\r\n")


@looped
async def test_too_many_connections(tmp_path: Path) -> None:
    site = Site(tmp_path)
    clients = [site.client() for _ in range(4)]
    assert [client.wire.take()[:15] for client in clients] == [b"+OK mail.exampl"] * 3 + [b"-ERR [SYS/TEMP]"]
    assert clients[3].wire.closed


@looped
async def test_the_lock_directory_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    client = Site(tmp_path / "file" / "locks").client()
    said = await client.say("USER jane@example.test", "PASS correct horse")
    assert b"-ERR [SYS/TEMP] The mailbox cannot be locked now" in said
    assert str(tmp_path).encode() not in said


@looped
async def test_gone_while_signing_in(tmp_path: Path) -> None:
    site = Site(tmp_path, HELLO)
    client = site.client()
    client.pump.data_received(b"USER jane@example.test\r\nPASS correct horse\r\n")
    client.wire.abort()
    await client.settle()
    await site.client().sign_in()


@looped
async def test_a_mistake_of_ours_is_logged_and_closes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = Site(tmp_path, HELLO)
    client = site.client()
    await client.sign_in()
    site.mailboxes.read_cached = lambda location: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    with caplog.at_level(logging.ERROR):
        await client.say("RETR 1")
    assert client.wire.closed
    assert len(caplog.records) == 1
    await site.client().sign_in()
