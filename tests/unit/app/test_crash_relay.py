"""What the crash test says of messages that were passed on: each kind of damage is seen, and nothing else."""

import socket

import pytest

from estafeta.app.crashtest.count import Count, count_relayed
from estafeta.app.crashtest.load import Ledger, Session
from estafeta.app.crashtest.messages import Maker
from estafeta.app.crashtest.sink import Sink, Taken

SEED, USERS = 7, 4
ELSEWHERE = ("away@one.test", "away@two.test")
MAKER = Maker(SEED, USERS, len(ELSEWHERE))
TRACE = b"Received: from load\r\n\tby mail.crash.test; some time\r\n"
#: Messages 4 and 8 are for others only, 5 for others too, 6 for users only.
NUMBERS = (4, 5, 6, 8)


def right() -> tuple[Ledger, Taken]:
    ledger, taken = Ledger(begun=set(NUMBERS), acknowledged={4, 5, 6}), Taken()
    for number in (4, 5):
        taken.add([ELSEWHERE[other] for other in MAKER.elsewhere(number)], TRACE + MAKER.content(number))
    return ledger, taken


def counted(ledger: Ledger, taken: Taken) -> Count:
    result = Count()
    count_relayed(taken, ledger, MAKER, ELSEWHERE, result)
    return result


def address(number: int) -> str:
    return ELSEWHERE[MAKER.elsewhere(number)[0]]


def test_who_gets_what():
    assert [bool(MAKER.recipients(number)) for number in NUMBERS] == [False, True, True, False]
    assert [bool(MAKER.elsewhere(number)) for number in NUMBERS] == [True, True, False, True]
    assert Maker(SEED, USERS).recipients(5) == MAKER.recipients(5)
    assert Maker(SEED, USERS).recipients(4)
    assert not Maker(SEED, USERS).elsewhere(4)


def test_all_is_there():
    result = counted(*right())
    assert (result.lost, result.torn, result.relayed_twice) == ([], [], 0)
    assert result.relayed == len(MAKER.elsewhere(4)) + len(MAKER.elsewhere(5))


def test_what_was_not_acknowledged_may_be_missing_or_there():
    ledger, taken = right()
    taken.add([address(8)], TRACE + MAKER.content(8))
    assert counted(ledger, taken).torn == counted(ledger, taken).lost == []


def test_lost():
    ledger, _ = right()
    assert len(counted(ledger, Taken()).lost) == len(MAKER.elsewhere(4)) + len(MAKER.elsewhere(5))


def test_twice():
    ledger, taken = right()
    taken.add([address(4)], TRACE + MAKER.content(4))
    result = counted(ledger, taken)
    assert (result.lost, result.torn, result.relayed_twice) == ([], [], 1)


@pytest.mark.parametrize(
    ("to", "content"),
    [
        (ELSEWHERE[0], MAKER.content(6)),
        (address(4), MAKER.content(4)[:-20]),
        (address(4), MAKER.content(4) + b"more\r\n"),
        (address(4), TRACE + MAKER.content(4).replace(b"end of", b"END OF")),
        (address(4), b"Subject: none of ours\r\n\r\n"),
    ],
    ids=["for users only", "cut", "longer", "changed", "foreign"],
)
def test_torn(to: str, content: bytes):
    ledger, taken = right()
    taken.add([to], content)
    assert len(counted(ledger, taken).torn) == 1


def test_the_sink_takes_messages_and_now_and_then_does_not():
    sink = Sink(2, SEED)
    sink.start()
    acknowledged, refused, broken = set(), 0, 0
    number = 0
    while not (acknowledged and refused and broken) and number < 2000:
        number += 4
        try:
            with Session(sink.ports[number % 2]) as session:
                if session.send([ELSEWHERE[0]], b".dot\r\nX-Crash-Id: %d\r\n\r\n.\r\n" % number).startswith("250"):
                    acknowledged.add(number)
                else:
                    refused += 1
        except EOFError:
            broken += 1
    sink.stop()
    assert {one for _, one in sink.taken.times} == acknowledged
    assert refused
    assert broken
    assert not sink.taken.unlike
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sink.ports[0]))
