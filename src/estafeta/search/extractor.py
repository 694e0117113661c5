"""The process that reads attachments: hostile input behind limits of memory, time and rights (search/attachments.py).

`python -m estafeta.search.extractor` serves requests on the socket that is its standard input: one octet for the kind
(its place in AttachmentKind), the length as four octets, the attachment. The answer is a length and the text in UTF-8;
length 0 says that there is none. What exceeds the processor time is killed by the kernel. It ends when the other side
hangs up.
"""

import contextlib
import logging
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable

from estafeta.mail.searchtext import AttachmentKind
from estafeta.search import documents

REQUEST = struct.Struct("!BI")
ANSWER = struct.Struct("!I")
MAX_TEXT = 1 << 20
"""Characters kept of one attachment."""

_MEMORY = 768 << 20
_SECONDS = 10
_SOFT_SECONDS = 7.0
_NICE = 10
_READERS: dict[AttachmentKind, Callable[[bytes, documents.Room], None]] = {
    AttachmentKind.PDF: documents.read_pdf,
    AttachmentKind.DOCX: documents.read_docx,
    AttachmentKind.XLSX: documents.read_xlsx,
    AttachmentKind.PPTX: documents.read_pptx,
    AttachmentKind.OPEN_DOCUMENT: documents.read_open_document,
}


def main() -> int:
    """Serve until the other side hangs up."""
    peer = socket.socket(fileno=os.dup(0))
    logging.disable()
    _limit()
    kinds = list(AttachmentKind)
    while request := _receive(peer, REQUEST.size):
        number, length = REQUEST.unpack(request)
        octets = _receive(peer, length)
        _allow_seconds()
        text = read_text(kinds[number], octets)[:MAX_TEXT].encode("utf-8", "replace")
        peer.sendall(ANSWER.pack(len(text)) + text)
    return 0


def read_text(kind: AttachmentKind, octets: bytes) -> str:
    """The text of an attachment, as far as it can be read. Never raises."""
    room = documents.Room(MAX_TEXT, _SOFT_SECONDS)
    # A damaged document raises anything, running out of memory and of stack included: what was read until then counts.
    with contextlib.suppress(Exception):
        _READERS[kind](octets, room)
    return room.text


def _limit() -> None:
    """No more memory than this, no files written, no processes, as polite as possible."""
    for what, amount in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (amount, amount))
    with contextlib.suppress(OSError):
        os.nice(_NICE)


def _allow_seconds() -> None:
    """So much processor time from now on; then SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + _SECONDS, hard))


def _receive(peer: socket.socket, length: int) -> bytes:
    """So many octets; empty when the other side has hung up."""
    octets = bytearray(length)
    view, at = memoryview(octets), 0
    while at < length:
        count = peer.recv_into(view[at:])
        if not count:
            return b""
        at += count
    return bytes(octets)


if __name__ == "__main__":
    sys.exit(main())
