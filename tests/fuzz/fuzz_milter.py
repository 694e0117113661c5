"""Whatever a milter says, in whatever pieces, the machine ends in the same way, keeps little, and stores whole fields.

    python tests/fuzz/fuzz_milter.py [--seconds N] [--seed N]

Milters are put together from good packets, mutated, and played whole and in pieces. The only exception is AnswerError;
what is made of a header by the changes is fields, one to a change, and never an empty line.
"""

import random
import struct
import sys
from pathlib import Path

from fuzz_smtp import mutate_words
from fuzzing import run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "policy"))

from milter_kit import TOLD, agreement, packet

from estafeta.mail.headeredits import HeaderEditor
from estafeta.protocols.milter.client import MAX_CHANGED_OCTETS, MAX_CHANGES, MilterClient
from estafeta.protocols.milter.words import MAX_PACKET_OCTETS
from estafeta.protocols.scanners.words import AnswerError

ANSWERS = [packet(letter) for letter in (b"c", b"a", b"r", b"t", b"d", b"s", b"p", b"f", b"4", b"b", b"e", b"?")] + [
    packet(b"c") * 11,
    packet(b"y", b"550 5.7.1 No\0"),
    packet(b"y", b"450-4.7.1 a\r\n450 4.7.1 b\0"),
    packet(b"h", b"X-A\0b\0"),
    packet(b"h", b"X-A\0b\r\n\r\nbody\0"),
    packet(b"i", struct.pack("!I", 1) + b"X-B\0 c\n\td\0"),
    packet(b"i", b"\xff\xff\xff\xffX-B\0\0"),
    packet(b"m", struct.pack("!I", 2) + b"From\0\0"),
    packet(b"m", struct.pack("!I", 1) + b"Subject\0x\rFrom: y\0"),
    packet(b"q", b"why\0"),
]
HEADER = b"From: a@b\r\nSubject: c\r\n\td\r\nfrom: e\r\nodd\r\n"


def compose(dice: random.Random) -> bytes:
    steps = dice.choice((0, 0x400, 0xFF080, 0x100000, 0x27F, dice.getrandbits(21)))
    begin = agreement(steps, dice.choice((0x31, 0x131, 0x1FF)), more=dice.choice((b"", b"\0\0\0\0j i\0")))
    octets = b"".join(dice.choices(ANSWERS, k=dice.randint(0, 20)))
    if dice.random() < 0.5:
        return begin + mutate_words(dice, octets)
    return mutate_words(dice, begin + octets) if dice.random() < 0.3 else begin + octets


def play(octets: bytes, sizes: list[int]) -> tuple[object, ...]:
    machine, place, bodies = MilterClient(TOLD), 0, 3
    try:
        while machine.outcome is None:
            machine.take_output()
            if machine.wants_body:
                bodies -= 1
                if bodies >= 0:
                    machine.put_body(b"body")
                else:
                    machine.end_body()
                continue
            size = sizes[place % len(sizes)] if sizes else len(octets)
            machine.feed(octets[:size])
            octets, place = octets[size:], place + 1
            assert len(machine._reader._buffer) <= MAX_PACKET_OCTETS + 4, "keeps too much"
    except AnswerError:
        return ("unusable",)
    check_outcome(machine)
    return tuple(machine.outcome)


def check_outcome(machine: MilterClient) -> None:
    outcome = machine.outcome
    assert outcome is not None
    assert len(outcome.changes) <= MAX_CHANGES
    assert sum(len(one.value) for one in outcome.changes) <= MAX_CHANGED_OCTETS + 200
    editor = HeaderEditor(HEADER)
    for change in outcome.changes:
        if change.what == "add":
            editor.add(change.name, change.value)
        elif change.what == "insert":
            editor.insert(change.place, change.name, change.value)
        else:
            editor.change(change.place, change.name, change.value)
    header = b"\n" + editor.header()
    assert b"\n\r\n" not in header, "an empty line ends the header"
    assert b"\n\n" not in header, "an empty line ends the header"
    assert b"\0" not in header


def check(dice: random.Random, octets: bytes) -> None:
    seen = [play(octets, sizes) for sizes in ([], [1], [dice.randint(1, 9) for _ in range(5)])]
    assert all(other == seen[0] for other in seen), "depends on how the octets were split"


if __name__ == "__main__":
    run(compose, check)
