"""The IMAP machine: sessions as text, in step, whole, byte by byte and split."""

import pytest
from imap_transcript import Answerer, begin, play, run

from estafeta.protocols.imap import commands
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.replies import bad, no, ok
from estafeta.protocols.imap.server import ImapServer, State
from estafeta.protocols.imap.values import DELETED
from estafeta.protocols.sasl import PasswordResult

SMALL = Limits(
    early_line_octets=64,
    line_octets=80,
    exchange_octets=40,
    early_literal_octets=20,
    literal_octets=30,
    command_octets=120,
    bad_commands=5,
    discard_octets=1000,
)

SESSIONS = {
    "commands and their states": r"""
        C: a1 capability
        S: a1 OK Done.
        C: a2 SELECT INBOX
        S: a2 BAD Sign in first.
        C: a3 LOGIN jane secret
        S: a3 OK Done.
        C: a4 LOGIN jane secret
        S: a4 BAD Only possible before signing in.
        C: a5 FETCH 1 FLAGS
        S: a5 BAD Select a mailbox first.
        C: a6 Select inbox
        S: a6 OK Done.
        C: a7 uid fetch 1 flags
        S: a7 OK Done.
        C: a8 CLOSE
        S: a8 OK Done.
        C: a9 UNSELECT
        S: a9 BAD Select a mailbox first.
        C: b1 LOGOUT
        S: * BYE Goodbye.
        S: b1 OK Done.
        E: Capability()
        E: Login(name=b'jane')
        E: Select(mailbox='INBOX', read_only=False, condstore=False, qresync=None)
        E: Fetch(numbers=SequenceSet(pairs=((1, 1),)), items=(<Item.FLAGS: 'FLAGS'>,), uid=True, changed_since=None, vanished=False, partial=None)
        E: Close(expunge=True)
        E: Logout()
    """,  # noqa: E501
    "wrong lines": r"""
        C: a1 LOGIN jane
        S: a1 BAD Wrong arguments. Usage: LOGIN name password
        C: a2 FROBNICATE
        S: a2 BAD Unknown command.
        C: a3 UID NOOP
        S: a3 BAD Unknown command.
        C: a4
        S: a4 BAD A command begins with a tag and a name.
        C: +
        S: * BAD A command begins with a tag and a name.
        C: * OK
        S: * BAD A command begins with a tag and a name.
        C: ( NOOP
        S: * BAD A command begins with a tag and a name.
        C:
        S: * BAD A command begins with a tag and a name.
        C: a5 NOOP now
        S: a5 BAD Wrong arguments. Usage: NOOP
        C: a6 NOOP{3}
        S: a6 BAD Unknown command.
        C: a7 NOOP
        S: a7 OK Done.
        E: Noop()
    """,
    "line ends": r"""
        C% a1 NOOP\n
        S: a1 OK Done.
        C% a2 NOOP \r\n
        S: a2 OK Done.
        C% a3  NOOP\r\n
        S: a3 OK Done.
        C% a4 LOGIN {4}\njane {2}\npw\n
        S: + Ready for literal data
        S: + Ready for literal data
        S: a4 OK Done.
        E: Noop()
        E: Noop()
        E: Noop()
        E: Login(name=b'jane')
    """,
    "literals": r"""
        C: a1 LOGIN {4}
        S: + Ready for literal data
        C: jane {6+}
        C: secret
        S: a1 OK Done.
        C: a2 SELECT {5+}
        C: inbox
        S: a2 OK Done.
        C: a3 STATUS ~{5+}
        C: inbox (MESSAGES)
        S: a3 BAD Wrong arguments. Usage: STATUS mailbox (items)
        C: a4 NOOP {3}
        S: + Ready for literal data
        C: abc
        S: a4 BAD Wrong arguments. Usage: NOOP
        C: a5 FROB {3}
        S: a5 BAD Unknown command.
        C: a6 FROB {9+}
        C: a7 NOOP
        C:
        S: a6 BAD Unknown command.
        C: a8 STATUS {5+}
        C% a\x00bcd (MESSAGES)\r\n
        S: a8 BAD A string must not hold a NUL octet.
        E: Login(name=b'jane')
        E: Select(mailbox='INBOX', read_only=False, condstore=False, qresync=None)
    """,
    "idle": r"""
        C: a1 LOGIN jane secret
        S: a1 OK Done.
        C: a2 IDLE
        S: + idling
        C: done
        S: a2 OK Done.
        C: a3 IDLE
        S: + idling
        C: a4 NOOP
        S: a3 BAD Expected DONE.
        C: a5 NOOP
        S: a5 OK Done.
        C: a6 IDLE now
        S: a6 BAD Wrong arguments. Usage: IDLE
        E: Login(name=b'jane')
        E: Idle()
        E: IdleDone()
        E: Idle()
        E: Noop()
    """,
    "signing in with SASL": r"""
        C: a1 AUTHENTICATE PLAIN AGphbmUAcHc=
        S: a1 OK Done.
        C: a2 UNAUTHENTICATE
        S: a2 OK Done.
        C: a3 AUTHENTICATE plain
        S: +
        C: AGphbmUAcHc=
        S: a3 OK Done.
        C: a4 UNAUTHENTICATE
        S: a4 OK Done.
        C: a5 AUTHENTICATE LOGIN amFuZQ==
        S: + UGFzc3dvcmQ6
        C: *
        S: a5 OK Done.
        C: a6 AUTHENTICATE PLAIN =
        S: a6 OK Done.
        C: a7 AUTHENTICATE PLAIN a b
        S: a7 BAD Wrong arguments. Usage: AUTHENTICATE mechanism [initial-response]
        E: Authenticate(mechanism='PLAIN')
        E: AuthNeed(need=NeedPassword(authcid='jane', authzid=''))
        E: Authenticated(authcid='jane', authzid='', mechanism='PLAIN')
        E: Unauthenticate()
        E: Authenticate(mechanism='PLAIN')
        E: AuthNeed(need=NeedPassword(authcid='jane', authzid=''))
        E: Authenticated(authcid='jane', authzid='', mechanism='PLAIN')
        E: Unauthenticate()
        E: Authenticate(mechanism='LOGIN')
        E: AuthFailed(reason=<Reason.CANCELLED: 'cancelled'>, authcid='', mechanism='LOGIN')
        E: Authenticate(mechanism='PLAIN')
        E: AuthFailed(reason=<Reason.MALFORMED: 'malformed'>, authcid='', mechanism='PLAIN')
    """,
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session(name: str) -> None:
    play(SESSIONS[name].replace("S: +\n", "S: + \n"), state=State.NOT_AUTHENTICATED)


LIMITED = {
    "a long line": r"""
        C: a1 STATUS 0123456789012345678901234567890123456789012345678901234567890123456789 (MESSAGES)
        S: a1 BAD The command line is too long.
        C: a2 NOOP
        S: a2 OK Done.
    """,
    "a long line before a literal": r"""
        C: a1 STATUS 0123456789012345678901234567890123456789012345678901234567890123456789 {9+}
        C: a2 NOOP
        C:
        S: a1 BAD The command line is too long.
        C: a3 STATUS 0123456789012345678901234567890123456789012345678901234567890123456789 {9}
        S: a3 BAD The command line is too long.
        C: a4 NOOP
        S: a4 OK Done.
    """,
    "a long line without a tag": r"""
        C: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890
        S: * BAD The command line is too long.
        C: a2 NOOP
        S: a2 OK Done.
    """,
    "a long literal": r"""
        C: a1 STATUS {31}
        S: a1 BAD [TOOBIG] The literal is too long.
        C: a2 STATUS {31+}
        C: a3 NOOP 01234567890123456789 (MESSAGES)
        S: a2 BAD [TOOBIG] The literal is too long.
        C: a4 NOOP
        S: a4 OK Done.
    """,
    "many literals": r"""
        C: a1 LIST "" ({30+}
        C: 012345678901234567890123456789 {30+}
        C: 012345678901234567890123456789 {30+}
        C: 012345678901234567890123456789 {30+}
        C: 012345678901234567890123456789)
        S: a1 BAD [TOOBIG] The command is too long.
        C: a2 NOOP
        S: a2 OK Done.
    """,
    "too much that nobody asked for": r"""
        C: a1 STATUS {1001+}
        S: a1 BAD [TOOBIG] The literal is too long.
        S: * BYE [TOOBIG] Too much data that nobody asked for, closing the connection.
    """,
    "many wrong commands": r"""
        C: a1 FROB
        S: a1 BAD Unknown command.
        C: a2 FROB
        S: a2 BAD Unknown command.
        C: a3 NOOP
        S: a3 OK Done.
        C: a4 FROB
        S: a4 BAD Unknown command.
        C: a5 FROB
        S: a5 BAD Unknown command.
        C: a6 FROB
        S: a6 BAD Unknown command.
        C: a7 FROB
        S: a7 BAD Unknown command.
        C: a8 FROB
        S: * BYE Too many wrong commands, closing the connection.
    """,
}


@pytest.mark.parametrize("name", LIMITED)
def test_limits(name: str) -> None:
    play(LIMITED[name], limits=SMALL)


def test_strangers_have_smaller_limits() -> None:
    play(
        """
        C: a1 LOGIN {21}
        S: a1 BAD [TOOBIG] The literal is too long.
        C: a2 NOOP
        S: a2 OK Done.
        C: a3 LOGIN {21+}
        S: a3 BAD [TOOBIG] The literal is too long.
        S: * BYE [TOOBIG] Too much data that nobody asked for, closing the connection.
        """,
        limits=SMALL,
        state=State.NOT_AUTHENTICATED,
    )


def test_a_long_line_of_an_exchange() -> None:
    events = play(
        f"""
        C: a1 AUTHENTICATE LOGIN amFuZQ==
        S: + UGFzc3dvcmQ6
        C: {"A" * 40}
        S: a1 NO Malformed.
        """,
        {commands.AuthFailed: no("Malformed.")},
        limits=SMALL,
        state=State.NOT_AUTHENTICATED,
    )
    assert isinstance(events[-1], commands.AuthFailed)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("FETCH 1 FLAGS", "a BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command."),
        ("COPY $ x", "a BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command."),
        ("SEARCH ALL", "a BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command."),
        ("UID SEARCH 1:5", "a BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command."),
        ("UID SEARCH *", "a BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command."),
        ("REPLACE 1 x {3}", "a BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command."),
        ("UID SEARCH UID 1:5", "a OK Done."),
        ("UID FETCH 1 FLAGS", "a OK Done."),
        ("EXPUNGE", "a OK Done."),
    ],
)
def test_uid_only(command: str, answer: str) -> None:
    play(f"C: a {command}\nS: {answer}", enabled=["UIDONLY"])


EXPUNGES = {
    "NOOP": True,
    "FETCH 1 FLAGS": False,
    "STORE 1 FLAGS ()": False,
    "SEARCH ALL": False,
    "SORT (DATE) UTF-8 ALL": False,
    "THREAD REFS UTF-8 ALL": False,
    "UID FETCH 1 FLAGS": True,
    "UID STORE 1 FLAGS ()": True,
    "UID SEARCH ALL": True,
    "UID SORT (DATE) UTF-8 ALL": True,
    "EXPUNGE": True,
    "COPY 1 x": True,
    "MOVE 1 x": True,
    "IDLE": True,
}


@pytest.mark.parametrize("command", EXPUNGES)
def test_when_expunge_may_be_said(command: str) -> None:
    machine = begin()
    assert not machine.expunge_allowed
    machine.feed(f"a {command}\r\n".encode())
    assert machine.next_event() is not None
    assert machine.expunge_allowed is EXPUNGES[command]
    machine.reply(ok("Done."))
    assert not machine.expunge_allowed
    machine.notify_expunges = True
    assert machine.expunge_allowed


def test_vanished_in_a_session_without_numbers() -> None:
    machine = begin(enabled=["UIDONLY"])
    assert not machine.expunge_allowed
    machine.feed(b"a UID FETCH 1 FLAGS\r\n")
    machine.next_event()
    assert machine.expunge_allowed


def test_idling() -> None:
    machine = begin()
    machine.feed(b"a IDLE\r\n")
    assert isinstance(machine.next_event(), commands.Idle)
    assert not machine.idling
    machine.go_on()
    assert machine.idling
    assert machine.expunge_allowed
    machine.untagged(b"3 EXPUNGE")
    assert machine.take_output() == b"+ idling\r\n* 3 EXPUNGE\r\n"
    machine.feed(b"DONE\r\n")
    assert isinstance(machine.next_event(), commands.IdleDone)
    assert not machine.idling
    assert machine.expunge_allowed
    machine.reply(ok("Done."))
    assert machine.tag == b""


def test_idle_refused() -> None:
    play("C: a IDLE\nS: a NO Not now.\nC: b NOOP\nS: b OK Done.", {commands.Idle: no("Not now.")})


def test_starttls_forgets_what_came_in_clear() -> None:
    machine, answerer = begin(State.NOT_AUTHENTICATED), Answerer()
    assert run(machine, answerer, b"a STARTTLS\r\nb NOOP\r\n") == b"a OK Done.\r\n"
    assert machine.discarded == 8
    assert run(machine, answerer, b"c NOOP\r\n") == b""
    assert machine.discarded == 16
    machine.tls_started()
    assert machine.tls
    assert run(machine, answerer, b"d NOOP\r\n") == b"d OK Done.\r\n"


def test_starttls_refused() -> None:
    play(
        "C: a STARTTLS\nC: b NOOP\nS: a BAD Not here.\nS: b OK Done.",
        {commands.StartTls: bad("Not here.")},
        state=State.NOT_AUTHENTICATED,
    )


def test_the_session_answers_out_of_turn() -> None:
    machine = begin()
    for late in (lambda: machine.reply(ok("Done.")), machine.go_on, lambda: machine.answer_need(PasswordResult.OK)):
        with pytest.raises(RuntimeError):
            late()
    machine.feed(b"a NOOP\r\n")
    machine.next_event()
    assert machine.next_event() is None
    with pytest.raises(RuntimeError):
        machine.go_on()
    machine.bye("Enough.", b"UNAVAILABLE")
    assert machine.take_output() == b"* BYE [UNAVAILABLE] Enough.\r\n"
    machine.reply(ok("Done."))
    machine.go_on()
    machine.untagged(b"1 EXISTS")
    machine.condition(ok("Late."))
    machine.raw(b"* 1 EXISTS\r\n")
    machine.bye("Again.")
    machine.feed(b"b NOOP\r\n")
    assert machine.next_event() is None
    assert machine.take_output() == b""
    assert machine.buffered == 0


def test_nothing_is_read_before_the_greeting() -> None:
    machine = ImapServer(tls=True)
    machine.feed(b"a NOOP\r\n")
    assert machine.next_event() is None
    assert machine.buffered == 8
    machine.greeting("ready", b"CAPABILITY IMAP4rev1")
    assert machine.take_output() == b"* OK [CAPABILITY IMAP4rev1] ready\r\n"
    assert machine.next_event() == commands.Noop()


def test_a_session_refused() -> None:
    machine = ImapServer()
    machine.refuse_session("Too many connections.", b"UNAVAILABLE")
    assert machine.take_output() == b"* BYE [UNAVAILABLE] Too many connections.\r\n"
    assert machine.closed
    assert machine.state is State.LOGOUT


@pytest.mark.parametrize("data", [b"", b"a IDLE\r\n", b"a APPEND x {9}\r\nabc", b"a NO", b"a STATUS {5}\r\n"])
def test_shutdown_while_nothing_is_owed(data: bytes) -> None:
    machine = begin()
    run(machine, Answerer(), data)
    machine.shutdown()
    assert machine.take_output() == b"* BYE The server is stopping; try again soon.\r\n"
    assert machine.closed


def test_shutdown_waits_for_the_answer() -> None:
    machine = begin()
    machine.feed(b"a NOOP\r\nb NOOP\r\n")
    machine.next_event()
    machine.shutdown()
    assert not machine.closed
    machine.reply(ok("Done."))
    assert machine.take_output() == b"a OK Done.\r\n* BYE The server is stopping; try again soon.\r\n"
    assert machine.closed


def test_silence() -> None:
    machine = begin()
    machine.timeout()
    assert machine.take_output() == b"* BYE Nothing was heard for too long, closing the connection.\r\n"
    assert machine.closed


def test_states_that_answers_make() -> None:
    machine = begin(State.AUTHENTICATED)
    machine.selected()
    run(machine, Answerer(), b"a UNSELECT\r\n")
    assert machine.state is State.AUTHENTICATED
    machine.unselected()
    assert machine.state is State.AUTHENTICATED
    machine.enable(["QRESYNC", "IMAP4REV2"])
    assert machine.enabled == {"QRESYNC", "CONDSTORE", "IMAP4REV2"}
    assert machine.rev2
    assert machine.utf8
    assert machine.condstore
    assert machine.qresync
    run(machine, Answerer(), b"a UNAUTHENTICATE\r\n")
    assert machine.state is State.NOT_AUTHENTICATED
    assert machine.enabled == frozenset()
    machine.use_condstore()
    assert machine.condstore
    assert not machine.qresync


def test_a_close_that_fails_stays_in_the_mailbox() -> None:
    machine = begin()
    run(machine, Answerer({commands.Close: no("Not now.")}), b"a CLOSE\r\n")
    assert machine.state is State.SELECTED


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "NOOP completed.", "NOOP completed."),
        ("es", "NOOP completed.", "NOOP terminado."),
        ("ja", "NOOP completed.", "NOOP が完了しました。"),
        ("es", "Nobody has translated this.", "Nobody has translated this."),
        ("en", "", "Done."),
        ("en", "two\r\nlines", "two lines"),
        ("en", "Señor", "Se?or"),
        ("es", "Señor", "Señor"),
        ("en", "[TRYCREATE] is no code", " [TRYCREATE] is no code"),
    ],
)
def test_words(language: str, text: str, said: str) -> None:
    machine = begin()
    machine.language = language
    machine.condition(ok(text))
    assert machine.take_output().decode() == f"* OK {said}\r\n"


def test_usage_in_another_language() -> None:
    machine = begin()
    machine.language = "es"
    assert run(machine, Answerer(), b"a NOOP x\r\n").decode() == "a BAD Argumentos incorrectos. Uso: NOOP\r\n"


def test_search_with_store_flags_is_one_buffer() -> None:
    event = play(r"C: a STORE 1 +FLAGS.SILENT (\Deleted)" "\nS: a OK Done.")[0]
    assert isinstance(event, commands.Store)
    assert event.flags.flags == DELETED
