"""A session in which a test sees every response: commands in, all responses out, nothing interpreted.

`Mirror` is the least that a client must keep of a mailbox, and follows it by those responses alone.
"""

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedRWPair
from typing import NamedTuple

from imap_site import SECONDS, Site, quote

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
_CODE = re.compile(r"\* OK \[(UIDVALIDITY|HIGHESTMODSEQ) (\d+)\]")


class Reply(NamedTuple):
    """Untagged responses in order, literals within, and what followed the tag of the final one."""

    untagged: list[str]
    final: str


class RawSession:
    """One signed-in connection."""

    def __init__(self, stream: BufferedRWPair) -> None:
        self._stream = stream
        self._number = 0

    def command(self, line: str) -> Reply:
        """Sends a command; whatever it is answered is returned."""
        self._number += 1
        tag = f"t{self._number}"
        self._stream.write(f"{tag} {line}\r\n".encode())
        self._stream.flush()
        untagged = []
        while not (response := self._read()).startswith(f"{tag} "):
            untagged.append(response)
        return Reply(untagged, response.removeprefix(f"{tag} "))

    def do(self, line: str) -> list[str]:
        """Sends a command that must succeed; its untagged responses."""
        reply = self.command(line)
        assert reply.final.startswith("OK"), f"{line}: {reply}"
        return reply.untagged

    def append(self, folder: str, content: bytes, flags: str = "()") -> None:
        """APPEND with a literal that waits to be asked for."""
        self._number += 1
        self._stream.write(f"t{self._number} APPEND {quote(folder)} {flags} {{{len(content)}}}\r\n".encode())
        self._stream.flush()
        assert self._read().startswith("+")
        self._stream.write(content + b"\r\n")
        self._stream.flush()
        while not (response := self._read()).startswith("t"):
            pass
        assert " OK " in response, response

    def _read(self) -> str:
        response = b""
        while True:
            line = self._stream.readline()
            assert line.endswith(b"\r\n"), response + line
            response += line
            if not (literal := _LITERAL.search(line)):
                return response.decode().removesuffix("\r\n")
            response += self._stream.read(int(literal[1]))


@contextmanager
def raw_session(site: Site) -> Iterator[RawSession]:
    """A connection in TLS, signed in."""
    with (
        socket.create_connection((site.host, site.tls_port), timeout=SECONDS) as plain,
        site.context().wrap_socket(plain, server_hostname=site.host) as sock,
        sock.makefile("rwb") as stream,
    ):
        assert stream.readline().startswith(b"* OK")
        session = RawSession(stream)
        session.do(f"LOGIN {quote(site.user)} {quote(site.password)}")
        yield session


@dataclass
class Mirror:
    """Flags by UID of one mailbox. `sequence` has the UID at each sequence number, None where it is not yet known."""

    uidvalidity: int = 0
    modseq: int = 0
    flags: dict[int, frozenset[str]] = field(default_factory=dict)
    sequence: list[int | None] = field(default_factory=list)
    #: UIDs that FETCH and VANISHED or EXPUNGE told of since the last `forget_news`.
    fetched: set[int] = field(default_factory=set)
    vanished: set[int] = field(default_factory=set)

    def forget_news(self) -> None:
        self.fetched.clear()
        self.vanished.clear()

    def follow(self, untagged: Iterable[str]) -> None:
        """Takes in responses. Fails when one is not possible in the state in which it came."""
        for response in untagged:
            if match := _CODE.match(response):
                self._number(match[1], int(match[2]))
            elif match := re.fullmatch(r"\* VANISHED (\(EARLIER\) )?([\d:,]+)", response):
                self._vanish(set(numbers(match[2])), earlier=bool(match[1]))
            elif match := re.fullmatch(r"\* (\d+) (EXISTS|EXPUNGE)", response):
                self._count(int(match[1]), match[2])
            elif match := re.fullmatch(r"\* (\d+) FETCH \((.*)\)", response):
                self._fetch(int(match[1]), match[2])

    def _number(self, name: str, value: int) -> None:
        if name == "UIDVALIDITY":
            assert self.uidvalidity in (0, value)
            self.uidvalidity = value
        else:
            assert value >= self.modseq
            self.modseq = value

    def _vanish(self, uids: set[int], *, earlier: bool) -> None:
        if not earlier:
            assert uids <= set(self.sequence), "only what is there can vanish now"
        self.vanished |= uids
        self.sequence = [uid for uid in self.sequence if uid not in uids]
        for uid in uids:
            self.flags.pop(uid, None)

    def _count(self, number: int, kind: str) -> None:
        if kind == "EXPUNGE":
            uid = self.sequence.pop(number - 1)
            if uid is not None:
                self.vanished.add(uid)
                self.flags.pop(uid, None)
            return
        assert number >= len(self.sequence), "EXISTS never shrinks (RFC 9051 7.4.1)"
        self.sequence += [None] * (number - len(self.sequence))

    def _fetch(self, number: int, items: str) -> None:
        flags = re.search(r"FLAGS \(([^)]*)\)", items)
        modseq = re.search(r"MODSEQ \((\d+)\)", items)
        assert flags, items
        uid = _uid(items) or self.sequence[number - 1]
        assert uid is not None, "a message that was never seen"
        assert self.sequence[number - 1] in (None, uid)
        self.sequence[number - 1] = uid
        self.flags[uid] = frozenset(flags[1].split()) - {"\\Recent"}
        self.fetched.add(uid)
        if modseq:
            self.modseq = max(self.modseq, int(modseq[1]))


def _uid(items: str) -> int | None:
    match = re.search(r"\bUID (\d+)", items)
    return int(match[1]) if match else None


def numbers(sequence_set: str) -> Iterator[int]:
    """The numbers of a set without `*`."""
    for part in sequence_set.split(","):
        first, _, last = part.partition(":")
        yield from range(int(first), int(last or first) + 1)
