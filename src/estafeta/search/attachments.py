"""Text of attachments, by way of a process that may be killed at any moment (search/extractor.py).

One process per reader, started when the first attachment comes, used again for the next, replaced when it fails and
after some hundred attachments. Any failure means: no text. Which attachments failed last is remembered by a digest, so
that they cost nothing the second time.
"""

import hashlib
import logging
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from contextlib import suppress
from threading import Lock

from estafeta.mail.searchtext import AttachmentKind
from estafeta.search.extractor import ANSWER, MAX_TEXT, REQUEST

_log = logging.getLogger("estafeta.search")

#: Leaks of libraries do not add up: then a new process is started.
_ATTACHMENTS_PER_PROCESS = 200
_REMEMBERED = 1000
#: UTF-8 takes four octets for a character at most.
_MAX_ANSWER = MAX_TEXT * 4
_KINDS = {kind: number for number, kind in enumerate(AttachmentKind)}


class AttachmentReader:
    """A `ReadAttachment` (estafeta.mail.searchtext). Any thread; one attachment at a time.

    The process limits its own processor time; `wall_seconds` is for a machine that is busy. `command` is for tests.
    """

    def __init__(self, command: tuple[str, ...] = (), *, wall_seconds: float = 60.0) -> None:
        self._command = command or (sys.executable, "-I", "-m", "estafeta.search.extractor")
        self._wall_seconds = wall_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._peer: socket.socket | None = None
        self._served = 0
        self._failed: OrderedDict[bytes, None] = OrderedDict()
        self._lock = Lock()

    def __call__(self, kind: AttachmentKind, octets: bytes) -> str:
        """The text; empty when it cannot be read, or could not be before."""
        digest = hashlib.blake2b(octets, digest_size=16, key=kind.encode()).digest()
        with self._lock:
            if digest in self._failed:
                return ""
            peer = self._connected()
            if peer is None:
                return ""
            try:
                return self._ask(peer, kind, octets)
            except OSError as error:
                self._stop()
                self._remember(digest)
                _log.info("attachment not read", extra={"kind": str(kind), "octets": len(octets), "cause": str(error)})
                return ""

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _ask(self, peer: socket.socket, kind: AttachmentKind, octets: bytes) -> str:
        until = time.monotonic() + self._wall_seconds
        peer.settimeout(self._wall_seconds)
        peer.sendall(REQUEST.pack(_KINDS[kind], len(octets)) + octets)
        (length,) = ANSWER.unpack(_receive(peer, ANSWER.size, until))
        if length > _MAX_ANSWER:
            raise OSError("an answer of impossible length")
        return _receive(peer, length, until).decode("utf-8", "replace")

    def _connected(self) -> socket.socket | None:
        """The line to a process; None when none can be started now, which says nothing about the attachment."""
        if self._peer is None or self._served >= _ATTACHMENTS_PER_PROCESS:
            self._stop()
            try:
                self._start()
            except OSError as error:
                _log.warning("attachments cannot be read now", extra={"cause": str(error)})
                return None
        self._served += 1
        return self._peer

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    self._command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={"LANG": "C.UTF-8"},
                )
            except OSError:
                ours.close()
                raise
        self._peer, self._served = ours, 0

    def _stop(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()
            self._process.wait()
            self._process = None

    def _remember(self, digest: bytes) -> None:
        self._failed[digest] = None
        if len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)


def _receive(peer: socket.socket, length: int, until: float) -> bytes:
    """So many octets. Raises OSError when they do not come in time."""
    pieces: list[bytes] = []
    while length:
        peer.settimeout(max(0.001, until - time.monotonic()))
        piece = peer.recv(min(length, 1 << 16))
        if not piece:
            raise OSError("the extractor ended")
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
