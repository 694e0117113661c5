"""Messages of the crash test: each follows from the seed and its number, so what is found is compared to the octet."""

import random
import re
from dataclasses import dataclass

_ID = re.compile(rb"^X-Crash-Id: (\d+)\r\n", re.MULTILINE)
_HEAD = 4096
_ID_FIELD = b"X-Crash-Id: "
#: Of four messages one goes to others only, one to others too.
_TURNS = 4
#: Of a hundred messages, up to which size (octets) how many are. The largest get packs of their own.
_SIZES = ((84, 4_000), (96, 60_000), (98, 250_000), (100, 600_000))
_LINE = 72


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the messages of one run. `others`: recipients elsewhere there are."""

    seed: int
    users: int
    others: int = 0

    def recipients(self, number: int) -> tuple[int, ...]:
        """To which of the users (from 0) a message goes: one to three, or none where it is for others only."""
        if self.others and number % _TURNS == 0:
            return ()
        dice = random.Random(self.seed * 1_000_003 + number)  # noqa: S311 - not a secret
        return tuple(sorted(dice.sample(range(self.users), dice.choice((1, 1, 2, 3)))))

    def elsewhere(self, number: int) -> tuple[int, ...]:
        """To which of the recipients elsewhere (from 0) a message goes."""
        if not self.others or number % _TURNS > 1:
            return ()
        dice = random.Random(self.seed * 1_000_033 + number)  # noqa: S311 - not a secret
        return tuple(sorted(dice.sample(range(self.others), dice.randint(1, self.others))))

    def content(self, number: int) -> bytes:
        """The message as a client hands it over: CRLF, not dot-stuffed, lines that are dots included."""
        dice = random.Random(self.seed * 7_368_787 + number)  # noqa: S311 - not a secret
        text = dice.randbytes(_size(dice) // 2).hex().encode()
        lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
        head = [
            _ID_FIELD + b"%d" % number,
            b"Message-ID: <%d@crash.test>" % number,
            b"From: <load@crash.test>",
            b"Subject: Crash test %d" % number,
            b"\r\n",
        ]
        return b"\r\n".join(head) + b"\r\n".join([b".", b"..dots", *lines, b"", b"end of %d" % number, b""])


def find_number(stored: bytes) -> int | None:
    """The number of a message in a mailbox."""
    found = _ID.search(stored[:_HEAD])
    return None if found is None else int(found.group(1))


def is_intact(stored: bytes, sent: bytes) -> bool:
    """Whether what is stored is what was sent, with trace fields in front."""
    return stored.endswith(sent) and stored.startswith(b"Return-Path: ") and stored.count(_ID_FIELD) == 1


def sent_part(passed_on: bytes) -> bytes:
    """Of a message that the server passed on, what is as it was sent: all but trace fields in front."""
    return passed_on[max(0, passed_on.find(_ID_FIELD)) :]


def _size(dice: random.Random) -> int:
    share = dice.randrange(100)
    smallest = 300
    for below, largest in _SIZES:
        if share < below:
            return dice.randint(smallest, largest)
        smallest = largest
    return smallest
