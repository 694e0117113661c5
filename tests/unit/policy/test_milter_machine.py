"""The milter protocol without I/O: what is told in which order, every answer at every step, whole or octet by octet."""

from collections.abc import Callable, Iterable

import pytest
from milter_kit import ACCEPT, CONTINUE, DISCARD, REJECT, SKIP, TEMPFAIL, TOLD, agreement, packet, packets

from estafeta.protocols.milter.client import MAX_CHANGED_OCTETS, MAX_CHANGES, MAX_PROGRESS, MilterClient
from estafeta.protocols.milter.replies import parse_reply
from estafeta.protocols.milter.values import Change, Fate, Outcome, Stage, Told
from estafeta.protocols.milter.words import MAX_PACKET_OCTETS
from estafeta.protocols.scanners.words import AnswerError

ACCEPTED = Outcome(Fate.ACCEPT)
Split = Callable[[bytes], Iterable[bytes]]


def whole(octets: bytes) -> Iterable[bytes]:
    return [octets]


def byte_by_byte(octets: bytes) -> Iterable[bytes]:
    return [octets[place : place + 1] for place in range(len(octets))]


def play(
    agreed: bytes, *answers: bytes, body: tuple[bytes, ...] = (b"body",), told: Told = TOLD, split: Split = whole
) -> tuple[MilterClient, list[tuple[bytes, bytes]]]:
    """Feed an answer whenever the machine waits for one; CONTINUE when there are no more."""
    machine, left, pieces, said = MilterClient(told), [agreed, *answers], list(body), b""
    while machine.outcome is None:
        said += machine.take_output()
        if machine.wants_body:
            if pieces:
                machine.put_body(pieces.pop(0))
            else:
                machine.end_body()
            continue
        for piece in split(left.pop(0) if left else packet(CONTINUE)):
            machine.feed(piece)
    return machine, list(packets(said + machine.take_output()))


def test_all_is_told_in_order_with_macros() -> None:
    machine, said = play(agreement())
    assert machine.outcome == ACCEPTED
    assert said == [
        (b"O", b"\0\0\0\6\0\0\1\x31\0\x1f\xf7\xff"),
        (b"D", b"Cj\0mx.here.test\0"),
        (b"C", b"mx.there.test\x004\0\x00192.0.2.7\0"),
        (b"H", b"mx.there.test\0"),
        (b"D", b"Mi\x001a\0"),
        (b"M", b"<ana@there.test>\0SIZE=10\0"),
        (b"D", b"Ri\x001a\0{rcpt_addr}\0bob@here.test\0"),
        (b"R", b"<bob@here.test>\0"),
        (b"D", b"Ri\x001a\0"),
        (b"R", b"<eva@here.test>\0"),
        (b"T", b""),
        (b"L", b"From\0ana@there.test\0"),
        (b"L", b"Subject\0two\n\tlines\0"),
        (b"N", b""),
        (b"B", b"body"),
        (b"E", b""),
    ]


@pytest.mark.parametrize(
    ("steps", "letters"),
    [
        (0, "OCHMRRTLLNBE"),
        (0x1, "OHMRRTLLNBE"),
        (0x2, "OCMRRTLLNBE"),
        (0x4 | 0x8, "OCHTLLNBE"),
        (0x10, "OCHMRRTLLNE"),
        (0x20 | 0x40, "OCHMRRTBE"),
        (0x200, "OCHMRRLLNBE"),
        (0x27F, "OE"),
    ],
)
def test_steps_that_it_does_not_want_are_left_out(steps: int, letters: str) -> None:
    _, said = play(agreement(steps))
    assert b"".join(letter for letter, _ in said if letter != b"D").decode() == letters


def test_steps_that_it_does_not_answer_are_not_waited_for() -> None:
    machine = MilterClient(TOLD)
    machine.feed(agreement(0xFF080 | 0x100000))
    assert machine.wants_body
    machine.put_body(b"one")
    assert machine.wants_body
    machine.put_body(b"two")
    machine.end_body()
    said = list(packets(machine.take_output()))
    assert b"".join(letter for letter, _ in said if letter != b"D") == b"OCHMRRTLLNBBE"
    assert (b"L", b"Subject\0  two\n\tlines\0") in said  # with its leading space, as agreed
    assert machine.outcome is None
    machine.feed(packet(CONTINUE))
    assert machine.outcome == ACCEPTED


def test_macros_are_those_that_it_wants() -> None:
    wants = b"\0\0\0\0{client_addr} j,v\0" + b"\0\0\0\2\0"
    _, said = play(agreement(actions=0x131, more=wants))
    assert [data for letter, data in said if letter == b"D"] == [
        b"Cj\0mx.here.test\0",
        b"Ri\x001a\0{rcpt_addr}\0bob@here.test\0",
        b"Ri\x001a\0",
    ]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (packet(ACCEPT), ACCEPTED),
        (packet(REJECT), Outcome(Fate.REJECT)),
        (packet(TEMPFAIL), Outcome(Fate.TEMPFAIL)),
        (packet(DISCARD), Outcome(Fate.DISCARD)),
        (packet(b"f"), Outcome(Fate.TEMPFAIL)),
        (packet(b"4"), Outcome(Fate.TEMPFAIL)),
        (packet(b"y", b"550 5.7.9 Not today\0"), Outcome(Fate.REJECT, 550, "5.7.9", "Not today")),
        (packet(b"y", b"450 4.7.1 Later\0"), Outcome(Fate.TEMPFAIL, 450, "4.7.1", "Later")),
    ],
)
@pytest.mark.parametrize("step", range(11))
@pytest.mark.parametrize("split", [whole, byte_by_byte])
def test_each_decision_at_each_step_ends_it(step: int, answer: bytes, outcome: Outcome, split: Split) -> None:
    machine, said = play(agreement(), *[packet(CONTINUE)] * step, answer, split=split)
    assert machine.outcome == outcome
    assert len([letter for letter, _ in said if letter != b"D"]) == step + 2
    assert machine.quit() == packet(b"Q")


CHANGES = (
    packet(b"h", b"X-Added\0 yes\0"),
    packet(b"i", b"\0\0\0\1X-Inserted\0 yes\n\tfolded\0"),
    packet(b"m", b"\0\0\0\2Subject\0 new\0"),
    packet(b"m", b"\0\0\0\1X-Gone\0\0"),
    packet(b"q", b"looks odd\0"),
)
CHANGED = (
    Change("add", b"X-Added", b" yes"),
    Change("insert", b"X-Inserted", b" yes\n\tfolded", 1),
    Change("change", b"Subject", b" new", 2),
    Change("change", b"X-Gone", b"", 1),
)


@pytest.mark.parametrize("split", [whole, byte_by_byte])
@pytest.mark.parametrize("end", [packet(CONTINUE), packet(ACCEPT)])
def test_changes_at_the_end(split: Split, end: bytes) -> None:
    answers = [packet(CONTINUE)] * 10 + [packet(b"p") + b"".join(CHANGES) + packet(b"p") + end]
    machine, _ = play(agreement(0x100000), *answers, split=split)
    assert machine.outcome == Outcome(Fate.ACCEPT, changes=CHANGED, quarantine="looks odd")


def test_changes_of_a_refused_message_are_nobodys() -> None:
    machine, _ = play(agreement(), *[packet(CONTINUE)] * 10, b"".join(CHANGES) + packet(REJECT))
    assert machine.outcome == Outcome(Fate.REJECT)


def test_without_agreement_on_leading_space_there_is_one() -> None:
    machine, _ = play(agreement(), *[packet(CONTINUE)] * 10, packet(b"h", b"A\0b\0") + packet(ACCEPT))
    assert machine.outcome == Outcome(Fate.ACCEPT, changes=(Change("add", b"A", b" b"),))


def test_a_milter_may_have_seen_enough() -> None:
    machine, said = play(agreement(0x400), *[packet(CONTINUE)] * 9, packet(SKIP), body=(b"one", b"two", b"three"))
    assert machine.outcome == ACCEPTED
    assert [data for letter, data in said if letter == b"B"] == [b"one"]


AT_END = [packet(CONTINUE)] * 10
BROKEN = {
    "closed": [b""],
    "noise": [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    "no agreement": [packet(CONTINUE)],
    "short agreement": [packet(b"O", b"\0\0\0\6")],
    "version 1": [agreement(version=1)],
    "version 7": [agreement(version=7)],
    "no size": [b"\0\0\0\0c"],
    "too large": [(MAX_PACKET_OCTETS + 1).to_bytes(4, "big") + b"c"],
    "macros of no stage": [agreement(actions=0x131, more=b"\0\0\0\7j\0")],
    "macros without an end": [agreement(actions=0x131, more=b"\0\0\0\1j")],
    "unknown letter": [agreement(), packet(b"?")],
    "an answer too many, of the wrong kind": [agreement(0x27F & ~0x10), packet(CONTINUE) + CHANGES[0] + packet(b"?")],
    "a change too early": [agreement(), CHANGES[0]],
    "skip without agreement": [agreement(), *[packet(CONTINUE)] * 9, packet(SKIP)],
    "skip of no body": [agreement(0x400), packet(SKIP)],
    "another body": [agreement(actions=0x3F), *AT_END, packet(b"b", b"new")],
    "another recipient": [agreement(), *AT_END, packet(b"+", b"<eve@there.test>\0")],
    "another sender": [agreement(), *AT_END, packet(b"e", b"<eve@there.test>\0")],
    "not said to quarantine": [agreement(actions=0x11), *AT_END, CHANGES[4]],
    "not said to change": [agreement(actions=0x01), *AT_END, CHANGES[2]],
    "not said to add": [agreement(actions=0), *AT_END, CHANGES[0]],
    "no texts": [agreement(), *AT_END, packet(b"h", b"name only")],
    "no name": [agreement(), *AT_END, packet(b"h", b"\0value\0")],
    "too many changes": [agreement(), *AT_END, CHANGES[0] * (MAX_CHANGES + 1)],
    "too large changes": [agreement(), *AT_END, packet(b"h", b"A\0" + b"x" * 100_000 + b"\0") * 3],
    "endless progress": [agreement(), *AT_END, packet(b"p") * (MAX_PROGRESS + 1)],
    "a reply of its own kind": [agreement(), packet(b"y", b"250 2.0.0 fine\0")],
    "no reply": [agreement(), packet(b"y", b"\0")],
    "two codes": [agreement(), packet(b"y", b"550-5.7.1 a\r\n450 4.7.1 b\0")],
}


@pytest.mark.parametrize("answers", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("split", [whole, byte_by_byte])
def test_what_is_no_milter(answers: list[bytes], split: Split) -> None:
    assert MAX_CHANGED_OCTETS < 300_000
    with pytest.raises(AnswerError):
        play(*answers, split=split if answers[0] else whole)


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"550 5.7.1 No\0", (550, "5.7.1", "No")),
        (b"550 No\0", (550, "", "No")),
        (b"550\0", (550, "", "")),
        (b"451 4.7.1\0", (451, "4.7.1", "")),
        (b"421 4.3.2 Closing\0", (451, "4.3.2", "Closing")),
        (b"550 4.7.1 wrong class\0", (550, "", "wrong class")),
        (b"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\0", (550, "5.7.1", "one two three")),
        (b"550 5.7.1 a\rb\x01c\xff\0more", None),
        (b"550 5.7.1 a b\x01c\xff\0more", (550, "5.7.1", "a b c")),
        (b"550 " + b"x" * 9000, (550, "", "x" * 480)),
    ],
)
def test_replies(octets: bytes, reply: tuple[int, str, str] | None) -> None:
    if reply is None:
        with pytest.raises(AnswerError):
            parse_reply(octets)
    else:
        assert parse_reply(octets) == reply


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("2001:db8::1", b"h\x006\0\x002001:db8::1\0"),
        ("192.0.2.1", b"h\x004\0\x00192.0.2.1\0"),
        ("", b"h\0L\0\0local\0"),
    ],
)
def test_clients(address: str, said: bytes) -> None:
    told = Told("h", address, "h", "", (), ((b"A\0B", b" c\0d"),), {Stage.HELO: {"a\0": "b\0"}})
    _, packets_said = play(agreement(0xFF080), told=told)
    assert (b"C", said) in packets_said
    assert (b"M", b"<>\0") in packets_said
    assert (b"L", b"AB\0cd\0") in packets_said
    assert (b"D", b"Ha\0b\0") in packets_said
