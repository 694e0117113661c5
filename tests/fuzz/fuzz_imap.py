"""Invariant: no octets make the IMAP server machine raise, and what it says does not depend on how they were split.

    python tests/fuzz/fuzz_imap.py [--seconds N] [--seed N]

Inputs are made by mutating and splicing commands.
"""

import random

from fuzzing import run, split_at_random

from estafeta.protocols.imap import commands
from estafeta.protocols.imap.commands import Command
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.replies import no, ok
from estafeta.protocols.imap.server import ImapServer
from estafeta.protocols.imap.table import COMMANDS, UID_COMMANDS
from estafeta.protocols.sasl import NeedPassword, PasswordResult, make_mechanism, make_scram_keys

LINES = [
    *COMMANDS,
    *(b"UID " + name for name in UID_COMMANDS),
    b"LOGIN jane secret",
    b"LOGIN {4+}\r\njane {6}\r\nsecret",
    b"AUTHENTICATE PLAIN AGphbmUAYSBi",
    b"AUTHENTICATE LOGIN\r\namFuZQ==\r\n*",
    b"AUTHENTICATE SCRAM-SHA-256 biwsbj1qYW5lLHI9YWJj",
    b'ID ("name" "x" "version" NIL)',
    b"ENABLE QRESYNC UTF8=ACCEPT UIDONLY IMAP4REV2",
    b"SELECT inbox",
    b"SELECT x (QRESYNC (67 20050715194045000 41,43:211 (1:3 5:7)))",
    b"CREATE &AOk-t&AOk- (USE (\\Drafts))",
    b'LIST (SUBSCRIBED RECURSIVEMATCH) "" (a "b*") RETURN (STATUS (MESSAGES) METADATA (/shared/a) MYRIGHTS)',
    b"STATUS INBOX (MESSAGES UIDNEXT SIZE)",
    b"IDLE\r\nDONE",
    b"APPEND x (\\Seen) {5+}\r\nhello",
    b'APPEND x " 1-Feb-2026 08:09:10 +0130" {5}\r\nhello ~{2+}\r\n\0\1',
    b'APPEND x CATENATE (URL "/x/;UID=1" TEXT {5+}\r\nhello URL {3+}\r\nabc)',
    b"APPEND {1+}\r\nx UTF8 (~{5+}\r\nhello)",
    b"UID REPLACE 4 x {2+}\r\naa",
    b"UID FETCH 1:5,7 (FLAGS BODY.PEEK[HEADER.FIELDS (From {2+}\r\nTo)]<0.99> BINARY[1.2]) (CHANGEDSINCE 5)",
    b"FETCH $ FULL",
    b"UID STORE 1:* (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Deleted $Junk)",
    b'UID SEARCH RETURN (MIN SAVE PARTIAL 1:9) CHARSET utf-8 OR NOT FUZZY SUBJECT "x" (SINCE 1-Feb-2026 $ 1:5)',
    b"ESEARCH IN (mailboxes (a b) subtree-one c) RETURN (COUNT) HEADER x {0+}\r\n",
    b"SORT (REVERSE DATE SUBJECT) UTF-8 ALL",
    b"UID THREAD REFERENCES UTF-8 LARGER 5",
    b"NOTIFY SET STATUS (selected (MessageNew (UID BODY[1]) MessageExpunge)) (subtree (a b) NONE)",
    b'SETMETADATA x (/private/a "v" /private/b NIL /private/c ~{2+}\r\n\0\0)',
    b"GETMETADATA (MAXSIZE 9 DEPTH 1) x (/private/a)",
    b'SETQUOTA "" (STORAGE 512)',
    b"SETACL x jane +rwi",
    b"GENURLAUTH x INTERNAL",
    b'CANCELUPDATE "A1"',
    b"UID EXPUNGE $",
    b"DELETE x",
    b"RENAME x {1+}\r\ny",
    b"SUBSCRIBE x",
    b'LSUB "" %',
    b"COPY 1:5 x",
    b"UID MOVE $ x",
    b'GETQUOTA ""',
    b"GETQUOTAROOT x",
    b"GETACL x",
    b"DELETEACL x jane",
    b"LISTRIGHTS x jane",
    b"MYRIGHTS x",
    b"URLFETCH a b",
    b"COMPRESS DEFLATE",
]
TOKENS = [
    b"\r\n", b"\n", b"\r", b" ", b"  ", b"\0", b"\xff", b"\xc3\xa9", b"(", b")", b"()", b'"', b"\\", b"*", b"%",
    b"$", b"[", b"]", b"<1.2>",
    b"{", b"}", b"{3}", b"{3+}", b"{3}\r\n", b"{3+}\r\n", b"{40+}\r\n", b"~{3+}\r\n", b"{99999999999+}\r\n", b"0",
    b"4294967296", b"9" * 30,
    b"A" * 90, b"(" * 9, b"NOT " * 9, b"OR " * 9, b"1," * 9, b"NIL", b"&", b"&AOk-", b"+", b"-", b":", b",",
]  # fmt: skip
SMALL = Limits(
    early_line_octets=120,
    line_octets=160,
    exchange_octets=100,
    early_literal_octets=20,
    literal_octets=30,
    command_octets=250,
    nesting=4,
    set_pairs=8,
    search_keys=10,
    append_octets=30,
    bad_commands=12,
    discard_octets=500,
)
KEYS = make_scram_keys("a b", b"0123456789abcdef")
STEPS = (
    commands.Append,
    commands.AppendMessage,
    commands.AppendUrl,
    commands.AppendMessageEnd,
    commands.AppendData,
    commands.AppendAborted,
    commands.Idle,
)
REFUSED = no("Not now.", b"CANNOT")


def make_input(chance: random.Random) -> bytes:
    """Some commands, most of them right, with octets changed here and there."""
    data = bytearray()
    for number in range(chance.randint(1, 14)):
        data += b"t%d " % number + chance.choice(LINES) + chance.choice([b"\r\n", b"\r\n", b"\r\n", b"\n", b""])
        if chance.random() < 0.3:
            at = chance.randint(0, len(data))
            data[at : at + chance.randint(0, 4)] = chance.choice([*TOKENS, chance.randbytes(3)])
    return bytes(data)


def answer(machine: ImapServer, event: Command, refusals: frozenset[bytes]) -> None:
    """What a session might say. `refusals` are last digits of the tags whose commands are refused."""
    assert machine.tag or isinstance(event, commands.AppendAborted)
    refused = machine.tag[-1:] in refusals
    match event:
        case commands.Authenticate(name):
            made = make_mechanism(name, secret=b"s")
            machine.reply(REFUSED) if made is None else machine.answer_auth(made)
        case commands.AuthNeed(need):
            machine.answer_need(PasswordResult.OK if isinstance(need, NeedPassword) else KEYS)
        case commands.AuthFailed():
            machine.reply(REFUSED)
        case commands.AppendAborted():
            machine.go_on()
        case commands.AppendData() if refused and machine.tag[:1] == b"t":
            machine.reply(REFUSED)
        case _ if isinstance(event, STEPS):
            machine.go_on()
        case _ if refused and not isinstance(event, commands.Login):
            machine.reply(REFUSED)
        case _:
            succeed(machine, event)


def succeed(machine: ImapServer, event: Command) -> None:
    """Do what goes with an OK."""
    match event:
        case commands.Login() | commands.Authenticated():
            machine.signed_in()
        case commands.Select():
            machine.selected()
        case commands.Enable():
            machine.enable(event.names)
        case commands.StartTls() | commands.Compress():
            machine.reply(REFUSED)
            return
    if machine.expunge_allowed:
        machine.untagged(b"1 EXPUNGE")
    machine.reply(ok("Done."))


def play(pieces: list[bytes], state: int, refusals: frozenset[bytes]) -> tuple[list[str], list[bytes]]:
    """What comes of it: events, and the lines that were said (nonces of SCRAM differ from run to run)."""
    machine = ImapServer(SMALL)
    machine.greeting("ready", b"IMAP4rev2")
    if state > 0:
        machine.signed_in()
    if state > 1:
        machine.selected()
    seen, said = [], b""
    for piece in pieces:
        machine.feed(piece)
        while (event := machine.next_event()) is not None:
            if not isinstance(event, commands.AppendData):
                seen.append(repr(event))
            answer(machine, event, refusals)
        said += machine.take_output()
        assert machine.buffered <= len(piece) + 200
    assert machine.queued == 0
    assert said.endswith(b"\r\n")
    return seen, [b"+ challenge" if line.startswith(b"+ c") else line for line in said.split(b"\r\n")]


def check(chance: random.Random, data: bytes) -> None:
    """The invariant for one input."""
    state = chance.choice([0, 1, 2, 2, 2])
    refusals = frozenset(b"%d" % chance.randint(0, 9) for _ in range(chance.randint(0, 3)))
    whole = play([data], state, refusals)
    assert whole == play([data[index : index + 1] for index in range(len(data))], state, refusals)
    assert whole == play(split_at_random(chance, data), state, refusals)


if __name__ == "__main__":
    run(make_input, check)
