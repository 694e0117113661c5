"""The words of the milter protocol, version 6 (libmilter's mfdef.h), and its packets.

A packet is four octets of length, one letter, and what belongs to it; texts in it end with NUL.
"""

from enum import IntFlag

from estafeta.protocols.scanners.words import AnswerError

VERSION = 6
#: libmilter has spoken 2 for twenty years; what came with 3 to 6 is agreed on by flags.
OLDEST_VERSION = 2

#: What a milter may send at once: libmilter has 65,535 for what we let it do, and a header may be that long.
MAX_PACKET_OCTETS = 128 << 10
#: Body is sent in such pieces (mfdef.h, MILTER_CHUNK_SIZE).
CHUNK_OCTETS = 65535


class Command:
    """What we say."""

    BODY = b"B"
    CONNECT = b"C"
    MACROS = b"D"
    END = b"E"
    HELO = b"H"
    HEADER = b"L"
    MAIL = b"M"
    END_OF_HEADER = b"N"
    NEGOTIATE = b"O"
    QUIT = b"Q"
    RCPT = b"R"
    DATA = b"T"


class Answer:
    """What it says. The first group ends a step, the second comes before the end of the last."""

    CONTINUE = b"c"
    ACCEPT = b"a"
    REJECT = b"r"
    TEMPFAIL = b"t"
    DISCARD = b"d"
    REPLY = b"y"
    SKIP = b"s"
    CONNECTION_FAIL = b"f"
    SHUTDOWN = b"4"

    PROGRESS = b"p"
    ADD_HEADER = b"h"
    INSERT_HEADER = b"i"
    CHANGE_HEADER = b"m"
    QUARANTINE = b"q"


class Actions(IntFlag):
    """SMFIF_*: what a milter may do to a message."""

    ADD_HEADERS = 0x01
    CHANGE_BODY = 0x02
    ADD_RECIPIENTS = 0x04
    DELETE_RECIPIENTS = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20
    CHANGE_SENDER = 0x40
    ADD_RECIPIENTS_WITH_PARAMETERS = 0x80
    SET_MACROS = 0x100


#: What we let it do. Not: another body, other recipients, another sender.
OFFERED = Actions.ADD_HEADERS | Actions.CHANGE_HEADERS | Actions.QUARANTINE | Actions.SET_MACROS


class Steps(IntFlag):
    """SMFIP_*: what a milter does not want to be told, what it does not answer, and how headers are told."""

    NO_CONNECT = 0x01
    NO_HELO = 0x02
    NO_MAIL = 0x04
    NO_RCPT = 0x08
    NO_BODY = 0x10
    NO_HEADERS = 0x20
    NO_END_OF_HEADER = 0x40
    SILENT_HEADERS = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400
    REFUSED_RCPT = 0x800
    SILENT_CONNECT = 0x1000
    SILENT_HELO = 0x2000
    SILENT_MAIL = 0x4000
    SILENT_RCPT = 0x8000
    SILENT_DATA = 0x10000
    SILENT_UNKNOWN = 0x20000
    SILENT_END_OF_HEADER = 0x40000
    SILENT_BODY = 0x80000
    LEADING_SPACE = 0x100000


#: All but recipients that were refused: it is asked when they are known.
UNDERSTOOD = Steps(0x1FFFFF) & ~Steps.REFUSED_RCPT


def encode_packet(letter: bytes, data: bytes = b"") -> bytes:
    """A packet."""
    return (len(data) + 1).to_bytes(4, "big") + letter + data


def text(value: str | bytes) -> bytes:
    """A text with its NUL; those inside of it go."""
    octets = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
    return octets.replace(b"\0", b"") + b"\0"


class PacketReader:
    """Octets in, packets out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More octets."""
        self._buffer += data

    def next_packet(self) -> tuple[bytes, bytes] | None:
        """Letter and data; None while there is no whole one. Raises AnswerError for one that nobody sends."""
        if len(self._buffer) < 5:
            return None
        size = int.from_bytes(self._buffer[:4], "big")
        if not 0 < size <= MAX_PACKET_OCTETS:
            raise AnswerError(f"it sent a packet of {size} octets")
        if len(self._buffer) < 4 + size:
            return None
        letter, data = bytes(self._buffer[4:5]), bytes(self._buffer[5 : 4 + size])
        del self._buffer[: 4 + size]
        return letter, data
