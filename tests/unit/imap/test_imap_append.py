"""APPEND and REPLACE in steps: messages streamed, refusals at each step, and what follows them."""

import pytest
from imap_transcript import Answerer, begin, play, run

from estafeta.protocols.imap import commands
from estafeta.protocols.imap.commands import AppendData
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.replies import no, ok
from estafeta.protocols.imap.server import ImapServer

SESSIONS = {
    "without waiting": r"""
        C: a APPEND x {5+}
        C: hello
        C: b NOOP
        S: a OK Done.
        S: b OK Done.
        E: Append(mailbox='x', replaces=None, uid=False)
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=None, size=5, binary=False)
        E: AppendData(data=b'hello')
        E: AppendMessageEnd()
        E: AppendEnd()
        E: Noop()
    """,
    "several (RFC 3502)": r"""
        C: a APPEND {1}
        S: + Ready for literal data
        C: x (\Seen) {5}
        S: + Ready for literal data
        C: hello ~{4+}
        C% \x00\x01\r\n "01-Feb-2026 08:09:10 +0000" {1+}\r\n
        C: z
        S: a OK Done.
        E: Append(mailbox='x', replaces=None, uid=False)
        E: AppendMessage(flags=FlagList(flags=1, keywords=()), internal_date=None, size=5, binary=False)
        E: AppendData(data=b'hello')
        E: AppendMessageEnd()
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=None, size=4, binary=True)
        E: AppendData(data=b'\x00\x01\r\n')
        E: AppendMessageEnd()
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=datetime.datetime(2026, 2, 1, 8, 9, 10, tzinfo=datetime.timezone.utc), size=1, binary=False)
        E: AppendData(data=b'z')
        E: AppendMessageEnd()
        E: AppendEnd()
    """,  # noqa: E501
    "parts (RFC 4469)": r"""
        C: a APPEND x CATENATE (URL "/x/;UID=1" TEXT {5}
        S: + Ready for literal data
        C: hello URL {10+}
        C: /x/;UID=12 TEXT {0+}
        C: ) {2+}
        C: zz
        S: a OK Done.
        E: Append(mailbox='x', replaces=None, uid=False)
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=None, size=None, binary=False)
        E: AppendUrl(url='/x/;UID=1')
        E: AppendData(data=b'hello')
        E: AppendUrl(url='/x/;UID=12')
        E: AppendMessageEnd()
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=None, size=2, binary=False)
        E: AppendData(data=b'zz')
        E: AppendMessageEnd()
        E: AppendEnd()
    """,
    "UTF8 (RFC 6855)": r"""
        C: a APPEND x (\Draft) UTF8 (~{5+}
        C: hello)
        S: a OK Done.
        C: b APPEND x UTF8 ({5}
        S: b BAD Wrong arguments. Usage: APPEND mailbox [(flags)] [date-time] literal
        C: c NOOP
        S: c OK Done.
        E: Append(mailbox='x', replaces=None, uid=False)
        E: AppendMessage(flags=FlagList(flags=16, keywords=()), internal_date=None, size=5, binary=True)
        E: AppendData(data=b'hello')
        E: AppendMessageEnd()
        E: AppendEnd()
        E: Noop()
    """,
    "REPLACE (RFC 8508)": r"""
        C: a REPLACE 4 x {2+}
        C: aa
        S: a OK Done.
        C: b UID REPLACE * {1}
        S: + Ready for literal data
        C: x {1+}
        C: a
        S: b OK Done.
        E: Append(mailbox='x', replaces=4, uid=False)
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=None, size=2, binary=False)
        E: AppendData(data=b'aa')
        E: AppendMessageEnd()
        E: AppendEnd()
        E: Append(mailbox='x', replaces=0, uid=True)
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=None, size=1, binary=False)
        E: AppendData(data=b'a')
        E: AppendMessageEnd()
        E: AppendEnd()
    """,
    "a message of no octets (RFC 3502)": r"""
        C: a APPEND x {0}
        S: a NO A message of no octets is not stored.
        C: b APPEND x {2+}
        C: zz {0}
        S: b NO A message of no octets is not stored.
        C: c APPEND x {2+}
        C: zz {0+}
        C:
        S: c NO A message of no octets is not stored.
        C: d NOOP
        S: d OK Done.
        E: Append(mailbox='x', replaces=None, uid=False)
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=None, size=2, binary=False)
        E: AppendData(data=b'zz')
        E: AppendMessageEnd()
        E: AppendAborted()
        E: Append(mailbox='x', replaces=None, uid=False)
        E: AppendMessage(flags=FlagList(flags=0, keywords=()), internal_date=None, size=2, binary=False)
        E: AppendData(data=b'zz')
        E: AppendMessageEnd()
        E: AppendAborted()
        E: Noop()
    """,
    "wrong at the beginning": r"""
        C: a APPEND x
        S: a BAD Wrong arguments. Usage: APPEND mailbox [(flags)] [date-time] literal
        C: b APPEND x "hello"
        S: b BAD Wrong arguments. Usage: APPEND mailbox [(flags)] [date-time] literal
        C: c APPEND x (\Recent) {3}
        S: c BAD There is no such flag, or it cannot be set.
        C: d APPEND x "31-Feb-2026 08:09:10 +0000" {3+}
        C: abc (\Seen) {8+}
        C: e NOOP
        C:
        S: d BAD There is no such date.
        C: f APPEND {3+}
        C: x&x {3}
        S: f NO [CANNOT] The mailbox name is not valid modified UTF-7.
        C: g NOOP
        S: g OK Done.
        E: Noop()
    """,
    "wrong behind a message": r"""
        C: a APPEND x {3+}
        C: abc and more
        S: a BAD Wrong arguments. Usage: APPEND mailbox [(flags)] [date-time] literal
        C: b APPEND x CATENATE (TEXT {3+}
        C: abc FROB {9+}
        C: c NOOP
        C: )
        S: b BAD Wrong arguments. Usage: APPEND mailbox [(flags)] [date-time] literal
        C: c REPLACE 1 x {3+}
        C: abc {3}
        S: c BAD Wrong arguments. Usage: REPLACE number mailbox [(flags)] [date-time] literal
        C: d NOOP
        S: d OK Done.
    """,
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session(name: str) -> None:
    play(SESSIONS[name])


def test_one_message() -> None:
    events = play(
        r"""
        C: a APPEND inbox (\Seen $Junk) " 1-Feb-2026 08:09:10 +0130" {8}
        S: + Ready for literal data
        C: A: b
        C:
        C:
        S: a OK Done.
        C: b NOOP
        S: b OK Done.
        """
    )
    assert events[2] == AppendData(b"A: b\r\n\r\n")
    message = events[1]
    assert isinstance(message, commands.AppendMessage)
    assert message.internal_date is not None
    assert message.internal_date.isoformat() == "2026-02-01T08:09:10+01:30"
    assert message.flags == (1, ("$Junk",))


REFUSED = no("No.", b"TRYCREATE")
REFUSALS = {
    commands.Append: r"""
        C: a APPEND x {5}
        S: a NO [TRYCREATE] No.
        C: b APPEND x {8+}
        C: c NOOP
        C:  (\Seen) {8+}
        C: d NOOP
        C:
        S: b NO [TRYCREATE] No.
        C: e NOOP
        S: e OK Done.
    """,
    commands.AppendMessage: r"""
        C: a APPEND x {5}
        S: a NO [TRYCREATE] No.
        C: b APPEND x CATENATE (URL x TEXT {8}
        S: b NO [TRYCREATE] No.
        C: e NOOP
        S: e OK Done.
    """,
    commands.AppendUrl: r"""
        C: b APPEND x CATENATE (URL x URL {3}
        S: b NO [TRYCREATE] No.
        C: c APPEND x CATENATE (URL x URL {3+}
        C: abc)
        S: c NO [TRYCREATE] No.
        C: e NOOP
        S: e OK Done.
    """,
    commands.AppendData: r"""
        C: a APPEND x {8+}
        C: c NOOP
        C:  {3}
        S: a NO [TRYCREATE] No.
        C: b APPEND x {8}
        S: + Ready for literal data
        C: c NOOP
        C:  (\Seen) {8+}
        S: b NO [TRYCREATE] No.
        C: c NOOP
        C:
        C: e NOOP
        S: e OK Done.
    """,
    commands.AppendMessageEnd: r"""
        C: a APPEND x {8+}
        C: c NOOP
        C:  {3}
        S: a NO [TRYCREATE] No.
        C: b APPEND x {8+}
        C: c NOOP
        C:  {8+}
        C: d NOOP
        C:  (\Bad
        S: b NO [TRYCREATE] No.
        C: e NOOP
        S: e OK Done.
    """,
    commands.AppendEnd: r"""
        C: a APPEND x {8+}
        C: c NOOP
        C:
        S: a NO [TRYCREATE] No.
        C: e NOOP
        S: e OK Done.
    """,
}


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_a_refusal(kind: type) -> None:
    play(REFUSALS[kind], {kind: REFUSED})


def test_refused_later_in_the_data() -> None:
    machine = begin()
    taken: list[int] = []

    def take(machine: ImapServer, event: AppendData) -> None:
        taken.append(len(event.data))
        if sum(taken) > 100_000:
            machine.reply(no("Full.", b"OVERQUOTA"))
        else:
            machine.go_on()

    data = b"a APPEND x {300000+}\r\n" + b"x" * 300_000 + b" {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n"
    assert run(machine, Answerer({AppendData: take}), data) == b"a NO [OVERQUOTA] Full.\r\nc OK Done.\r\n"
    assert taken == [65536, 65536]


def test_limits() -> None:
    play(
        """
        C: a APPEND x {11}
        S: a NO [TOOBIG] The message is too large.
        C: b APPEND x {11+}
        C: c NOOP
        C: xyz
        S: b NO [TOOBIG] The message is too large.
        C: d APPEND x CATENATE (TEXT {6}
        S: + Ready for literal data
        C: abcdef TEXT {5}
        S: d NO [TOOBIG] The message is too large.
        C: e APPEND x {8}
        S: + Ready for literal data
        C: f NOOP
        C:
        S: e OK Done.
        """,
        limits=Limits(append_octets=10),
    )


def test_long_texts_around_messages() -> None:
    url = "/" + "u" * 50
    play(
        f"""
        C: a APPEND x CATENATE (URL {url} TEXT {{1+}}
        C: x URL {url} TEXT {{1+}}
        C: x URL {url} TEXT {{1+}}
        C: x)
        S: a BAD [TOOBIG] The command is too long.
        C: b APPEND x CATENATE (TEXT {{1+}}
        C: x URL {url}{url}{url})
        S: b BAD The command line is too long.
        C: c NOOP
        S: c OK Done.
        """,
        limits=Limits(command_octets=160, line_octets=100),
    )


def test_many_urls_are_read_in_time() -> None:
    url = b"{4+}\r\n/abc"
    machine, answerer = begin(limits=Limits(command_octets=1 << 20)), Answerer()
    data = b"a APPEND x CATENATE (" + b" ".join([b"URL " + url] * 20_000) + b")\r\n"
    assert run(machine, answerer, data) == b"a OK Done.\r\n"
    assert answerer.events[-3:] == [
        commands.AppendUrl("/abc"),
        commands.AppendMessageEnd(),
        commands.AppendEnd(),
    ]


def test_aborted_is_a_step() -> None:
    machine = begin()
    machine.feed(b"a APPEND x {3+}\r\nabc wrong\r\n")
    seen = []
    while (event := machine.next_event()) is not None:
        seen.append(event)
        if isinstance(event, commands.AppendAborted):
            with pytest.raises(RuntimeError):
                machine.reply(ok("Done."))
        machine.go_on()
    assert seen[-1] == commands.AppendAborted()
