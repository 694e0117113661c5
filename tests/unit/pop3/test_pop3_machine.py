"""The machine by transcripts: `C:` a client sends, `S:` it gets; whole, byte by byte and split anywhere."""

import random
from collections.abc import Callable

import pytest

from estafeta.protocols.pop3 import Code, Limits, Pop3Server, State, Text, events
from estafeta.protocols.sasl import NeedPassword, PasswordResult, make_mechanism

CONTENT = b"Subject: hi\r\n\r\nbody\r\n.dot\r\n"


def decide(machine: Pop3Server, event: events.Event) -> None:
    """A session in ten lines: user `jane`, password `a b`, one message."""
    match event:
        case events.Answered():
            pass
        case events.User(name):
            machine.err(Text.STLS_FIRST) if name == b"clear" else machine.ok(Text.PASSWORD_PLEASE)
        case events.Password(name, password) if (name, password) != (b"jane", b"a b"):
            machine.err(Text.CREDENTIALS, code=Code.AUTH)
        case events.Password() | events.Apop() | events.Authenticated():
            machine.signed_in("es")
            machine.ok(Text.SIGNED_IN, 1, len(CONTENT))
        case events.Authenticate(mechanism):
            made = make_mechanism(mechanism, secret=b"s")
            machine.err(Text.NO_MECHANISM) if made is None else machine.answer_auth(made)
        case events.AuthNeed(NeedPassword(_, _, password)):
            machine.answer_need(PasswordResult.OK if password == "a b" else PasswordResult.FAILED)
        case events.AuthFailed(reason):
            machine.err(Text.PLAIN, reason, code=Code.AUTH)
        case events.Capabilities() | events.Mechanisms():
            machine.ok_lines(Text.CAPABILITIES, lines=[b"TOP", b"USER"])
        case events.Retrieve(1):
            machine.ok_content(CONTENT, Text.OCTETS, len(CONTENT))
        case events.Top(1, lines):
            machine.begin_content(Text.TOP_OF_MESSAGE)
            machine.end_content(b"top %d\r\n.\r\n" % lines)
        case events.Retrieve() | events.Top():
            machine.err(Text.NO_MESSAGE)
        case events.Quit(update):
            machine.ok(Text.BYE_REMOVED, int(update))
        case events.StartTls():
            machine.ok(Text.BEGIN_TLS)
        case other:
            machine.ok(Text.PLAIN, repr(other))


SIGN_IN = """
S: +OK mail.example Estafeta POP3 server ready
C: USER jane
S: +OK Now the password: send PASS
C: PASS a b
S: +OK Signed in, 1 messages (27 octets)
"""

TRANSCRIPTS = {
    "a whole session": SIGN_IN
    + """
C: STAT
S: +OK Stat()
C: list
S: +OK List(number=None)
C: LIST 1
S: +OK List(number=1)
C: UIDL
S: +OK UniqueIds(number=None)
C: uidl 007
S: +OK UniqueIds(number=7)
C: RETR 1
S: +OK 27 octets
S: Subject: hi
S:
S: body
S: ..dot
S: .
C: TOP 1 3
S: +OK Top of message follows
S: top 3
S: .
C: DELE 1
S: +OK Delete(number=1)
C: NOOP
S: +OK Done
C: RSET
S: +OK Reset()
C: QUIT
S: +OK Goodbye, 1 messages removed
""",
    "leaving without signing in": """
S: +OK mail.example Estafeta POP3 server ready
C: QUIT
S: +OK Goodbye, 0 messages removed
""",
    "what is wrong with an argument": SIGN_IN
    + """
C: RETR
S: -ERR Usage: RETR message
C: RETR one
S: -ERR Usage: RETR message
C: RETR 1 2
S: -ERR Usage: RETR message
C: RETR -1
S: -ERR Usage: RETR message
C: TOP 1
S: -ERR Usage: TOP message lines
C: STAT x
S: -ERR Usage: STAT
C: RETR 0
S: -ERR No such message
C: RETR 99999999999999999999999999
S: -ERR No such message
C: FROB
S: -ERR Unknown command
""",
    "states": """
S: +OK mail.example Estafeta POP3 server ready
C: STAT
S: -ERR Sign in first
C: PASS x
S: -ERR Send USER first
C: USER
S: -ERR Usage: USER name
C: USER jane
S: +OK Now the password: send PASS
C: PASS wrong
S: -ERR [AUTH] Wrong name or password
C: PASS a b
S: -ERR Send USER first
C: USER clear
S: -ERR Signing in this way is only possible under TLS: send STLS first
C: PASS a b
S: -ERR Send USER first
C: USER jane
S: +OK Now the password: send PASS
C: PASS a b
S: +OK Signed in, 1 messages (27 octets)
C: USER jane
S: -ERR Only possible before signing in
C: STLS
S: -ERR Only possible before signing in
""",
    "too many bad commands": """
S: +OK mail.example Estafeta POP3 server ready
C: GET / HTTP/1.1
S: -ERR Unknown command
C:
S: -ERR Unknown command
C: Accept: x
S: -ERR Unknown command
C: A
S: -ERR Unknown command
C: A
S: -ERR Unknown command
C: A
S: -ERR Unknown command
C: A
S: -ERR Unknown command
C: A
S: -ERR Unknown command
C: A
S: -ERR Unknown command
C: A
S: -ERR Too many wrong commands, closing the connection
C: QUIT
""",
    "languages": """
S: +OK mail.example Estafeta POP3 server ready
C: LANG
S: +OK Language list follows
S: en English
S: es Español
S: ja 日本語
S: .
C: LANG es-AR
S: +OK es Idioma cambiado
C: STAT
S: -ERR Inicie sesión primero
C: LANG ja
S: +OK ja 言語を変更しました
C: LANG tlh
S: -ERR その言語には対応していません、LANG で一覧を確認してください
C: LANG *
S: +OK en Language changed
C: UTF8
S: +OK UTF-8 from now on
C: USER jane
S: +OK Now the password: send PASS
C: PASS a b
S: +OK Signed in, 1 messages (27 octets)
C: LANG *
S: +OK es Idioma cambiado
C: QUIT
S: +OK Hasta luego, 1 mensajes borrados
""",
    "sasl": """
S: +OK mail.example Estafeta POP3 server ready
C: AUTH
S: +OK Capability list follows
S: TOP
S: USER
S: .
C: AUTH NTLM
S: -ERR Mechanism not offered, send CAPA for the list
C: AUTH PLAIN a b
S: -ERR Usage: AUTH mechanism [initial-response]
C: AUTH PLAIN
S: +
C: *
S: -ERR [AUTH] cancelled
C: AUTH PLAIN AGphbmUAYiBi
S: -ERR [AUTH] credentials
C: AUTH PLAIN $$$
S: -ERR [AUTH] malformed
C: AUTH LOGIN
S: + VXNlcm5hbWU6
C: amFuZQ==
S: + UGFzc3dvcmQ6
C: YSBi
S: +OK Signed in, 1 messages (27 octets)
""",
    "sasl with an initial response": """
S: +OK mail.example Estafeta POP3 server ready
C: auth plain AGphbmUAYSBi
S: +OK Signed in, 1 messages (27 octets)
""",
    "apop": """
S: +OK mail.example Estafeta POP3 server ready
C: APOP jane 0123
S: -ERR Usage: APOP name digest
C: APOP jane c4c9334bac560ecc979e58001b3e22fb
S: +OK Signed in, 1 messages (27 octets)
""",
}


def parse(transcript: str) -> tuple[bytes, bytes]:
    """What the client sends and what it gets."""
    sides: dict[str, list[str]] = {"C": [], "S": []}
    for line in transcript.strip().splitlines():
        if line:
            sides[line[0]].append("+ " if line == "S: +" else line[3:])
    return tuple("".join(f"{line}\r\n" for line in sides[side]).encode() for side in "CS")  # type: ignore[return-value]


def whole(data: bytes) -> list[bytes]:
    return [data]


def single(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def anyhow(data: bytes) -> list[bytes]:
    chance = random.Random(7)
    pieces = []
    while data:
        size = chance.randint(1, 40)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def play(machine: Pop3Server, pieces: list[bytes]) -> bytes:
    said = b""
    for piece in pieces:
        machine.feed(piece)
        while (event := machine.next_event()) is not None:
            decide(machine, event)
        said += machine.take_output()
    return said


@pytest.mark.parametrize("split", [whole, single, anyhow])
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, split: Callable[[bytes], list[bytes]]) -> None:
    sent, wanted = parse(TRANSCRIPTS[name])
    machine = Pop3Server()
    machine.greeting("mail.example")
    assert machine.take_output() + play(machine, split(sent)) == wanted


def signed_in() -> Pop3Server:
    machine = Pop3Server()
    machine.greeting("mail.example")
    play(machine, [b"USER jane\r\nPASS a b\r\n"])
    assert machine.state is State.TRANSACTION
    return machine


def test_nothing_is_read_before_the_greeting() -> None:
    machine = Pop3Server()
    machine.feed(b"QUIT\r\n")
    assert machine.next_event() is None
    assert machine.buffered == 6
    machine.greeting("mail.example")
    assert machine.next_event() == events.Quit(update=False)


def test_an_event_waits_for_its_answer() -> None:
    machine = signed_in()
    machine.feed(b"STAT\r\nLIST\r\n")
    assert machine.next_event() == events.Stat()
    assert machine.next_event() is None
    machine.ok(Text.DONE)
    assert machine.next_event() == events.List(None)
    machine.ok(Text.DONE)
    with pytest.raises(RuntimeError):
        machine.ok(Text.DONE)


@pytest.mark.parametrize("split", [whole, single])
def test_what_came_behind_stls_is_thrown_away(split: Callable[[bytes], list[bytes]]) -> None:
    machine = Pop3Server()
    machine.greeting("mail.example")
    assert play(machine, [b"LANG es\r\nUSER jane\r\n", *split(b"STLS\r\nPASS a b\r\nSTAT\r\n")]).endswith(
        b"TLS ahora\r\n"
    )
    assert machine.discarded == len(b"PASS a b\r\nSTAT\r\n")
    machine.tls_started()
    assert machine.tls
    # RFC 2595 4: the name and the language that came in clear are forgotten too.
    assert play(machine, [b"PASS a b\r\n"]) == b"-ERR Send USER first\r\n"


def test_lines_that_are_too_long() -> None:
    machine = Pop3Server()
    machine.greeting("mail.example")
    machine.take_output()
    assert play(machine, [b"USER " + b"x" * 248 + b"\r\n"]).startswith(b"+OK")
    assert play(machine, [b"USER " + b"x" * 249 + b"\r\n"]) == b"-ERR Line too long\r\n"
    assert play(machine, single(b"USER " + b"x" * 4000 + b"\r\n")) == b"-ERR Line too long\r\n"
    assert play(machine, [b"AUTH PLAIN\r\n" + b"A" * 12284 + b"\r\n"]) == b"+ \r\n-ERR [AUTH] malformed\r\n"
    assert play(machine, [b"AUTH PLAIN\r\n" + b"A" * 12288 + b"\r\n"]) == b"+ \r\n-ERR Line too long\r\n"
    assert machine.state is State.AUTHORIZATION


def test_a_timeout_says_nothing() -> None:
    machine = signed_in()
    machine.timeout()
    assert machine.closed
    assert machine.take_output() == b""
    machine.feed(b"QUIT\r\n")
    assert machine.next_event() is None


def test_shutdown_comes_after_the_answer_that_is_owed() -> None:
    machine = signed_in()
    machine.feed(b"STAT\r\nSTAT\r\n")
    machine.next_event()
    machine.shutdown()
    assert not machine.closed
    machine.ok(Text.PLAIN, "1 2")
    assert machine.closed
    assert machine.take_output() == b"+OK 1 2\r\n-ERR [SYS/TEMP] The server is stopping; try again soon\r\n"
    machine.ok(Text.DONE)
    assert machine.take_output() == b""


def test_shutdown_in_the_middle_of_sasl_waits_for_nobody() -> None:
    machine = Pop3Server()
    machine.greeting("mail.example")
    play(machine, [b"AUTH PLAIN\r\n"])
    machine.shutdown()
    assert machine.closed


def test_refused_session() -> None:
    machine = Pop3Server()
    machine.refuse_session("Too many connections", Code.SYS_TEMP)
    assert machine.closed
    assert machine.take_output() == b"-ERR [SYS/TEMP] Too many connections\r\n"


def test_limit_of_bad_commands_is_a_setting() -> None:
    machine = Pop3Server(Limits(bad_commands=1))
    machine.greeting("mail.example")
    play(machine, [b"X\r\n"])
    assert machine.closed


def test_secrets_are_not_shown() -> None:
    assert "geheim" not in repr(events.Password(b"jane", b"geheim"))
