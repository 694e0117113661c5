"""Invariant: no octets make the POP3 server machine raise, and what it says does not depend on how they were split.

    python tests/fuzz/fuzz_pop3.py [--seconds N] [--seed N]

Inputs are made by mutating and splicing lines of sessions.
"""

import random

from fuzzing import run, split_at_random

from estafeta.protocols.pop3 import COMMANDS, Limits, Pop3Server, Text, events
from estafeta.protocols.sasl import NeedPassword, PasswordResult, make_mechanism, make_scram_keys

LINES = [
    *(command.usage.split(" ")[0].encode() for command in COMMANDS.values()),
    b"USER jane",
    b"PASS a b",
    b"APOP jane c4c9334bac560ecc979e58001b3e22fb",
    b"AUTH PLAIN AGphbmUAYSBi",
    b"AUTH LOGIN",
    b"AUTH SCRAM-SHA-256 biwsbj1qYW5lLHI9YWJj",
    b"amFuZQ==",
    b"*",
    b"=",
    b"LANG ja",
    b"LANG *",
    b"LIST 1",
    b"UIDL 18446744073709551616",
    b"RETR 1",
    b"TOP 1 0",
    b"TOP 2 99",
    b"DELE 1",
]
TOKENS = [b"\r\n", b"\n", b"\r", b" ", b"\0", b"\xff", b"\xe2\x80\xae", b"-1", b"0", b"9" * 30, b"A" * 300, b"*", b"="]
KEYS = make_scram_keys("a b", b"0123456789abcdef")
CONTENT = b"Subject: x\r\n\r\n.\r\n..\r\n"


def make_input(chance: random.Random) -> bytes:
    """Some lines, most of them right, with octets changed here and there."""
    data = bytearray()
    for _ in range(chance.randint(1, 14)):
        data += chance.choice(LINES) + chance.choice([b"\r\n", b"\r\n", b"\n", b""])
        if chance.random() < 0.3:
            at = chance.randint(0, len(data))
            data[at : at + chance.randint(0, 4)] = chance.choice([*TOKENS, chance.randbytes(3)])
    return bytes(data)


def answer(machine: Pop3Server, event: events.Event, chance: random.Random) -> None:
    """What a session might say; `chance` is the same for every way of splitting."""
    refused = chance.random() < 0.2
    match event:
        case events.Answered():
            pass
        case events.Authenticate(mechanism):
            made = make_mechanism(mechanism, secret=b"s")
            machine.err(Text.NO_MECHANISM) if made is None else machine.answer_auth(made)
        case events.AuthNeed(need):
            machine.answer_need(PasswordResult.OK if isinstance(need, NeedPassword) else KEYS)
        case _ if refused:
            machine.err(Text.TEMPORARY)
        case events.AuthFailed():
            machine.err(Text.CREDENTIALS)
        case events.Password() | events.Apop() | events.Authenticated():
            machine.signed_in("ja")
            machine.ok(Text.SIGNED_IN, 1, len(CONTENT))
        case events.Capabilities() | events.Mechanisms():
            machine.ok_lines(Text.CAPABILITIES, lines=[b"TOP"])
        case events.Retrieve():
            machine.ok_content(CONTENT, Text.OCTETS, len(CONTENT))
        case events.StartTls() if chance.random() < 0.5:
            machine.err(Text.NO_STLS)
        case _:
            machine.ok(Text.DONE)


def play(pieces: list[bytes], seed: int) -> tuple[list[str], int]:
    """What comes of it: events, and how many lines were said (nonces of SCRAM differ from run to run)."""
    machine, chance = Pop3Server(Limits(command_octets=64, exchange_octets=200, bad_commands=8)), random.Random(seed)
    machine.greeting("mail.example", "<1@mail.example>")
    seen, said = [], b""
    for piece in pieces:
        machine.feed(piece)
        while (event := machine.next_event()) is not None:
            seen.append(repr(event))
            answer(machine, event, chance)
        said += machine.take_output()
    assert machine.queued == 0
    assert said.endswith(b"\r\n")
    assert all(len(line) <= 510 for line in said.split(b"\r\n"))
    return seen, said.count(b"\r\n")


def check(chance: random.Random, data: bytes) -> None:
    """The invariant for one input."""
    seed = chance.getrandbits(32)
    whole = play([data], seed)
    assert whole == play([data[index : index + 1] for index in range(len(data))], seed)
    assert whole == play(split_at_random(chance, data), seed)


if __name__ == "__main__":
    run(make_input, check)
