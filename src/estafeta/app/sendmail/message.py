"""A message as a program writes it to sendmail, and as it goes on: header completed, CRLF, body spooled.

The header is kept in memory (at most 1 MiB), the body in memory up to 1 MiB and in a temporary file beyond. A leading
mbox separator is dropped, Bcc fields never go out.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.headerregistry import Address as DisplayAddress
from email.policy import SMTP
from typing import BinaryIO

from estafeta.app.sendmail.options import SendmailError, Status
from estafeta.mail.address import Address
from estafeta.mail.headers import Group, header_names, parse_address_list, split_header
from estafeta.mail.newlines import NewlineNormaliser, normalise_newlines
from estafeta.mail.repair import missing_fields

_MAX_HEADER = 1 << 20
_MAX_LINE = 1 << 16
_IN_MEMORY = 1 << 20
_FIELD_LINE = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")
_RECIPIENT_FIELDS = frozenset({b"to", b"cc", b"bcc"})
_RESENT_FIELDS = frozenset({b"resent-to", b"resent-cc", b"resent-bcc"})
_BLIND = frozenset({b"bcc", b"resent-bcc"})
_NEXT_FIELD = re.compile(rb"(?<=\n)(?![ \t])")


@dataclass(slots=True)
class Message:
    """`header` without the empty line, each line with CRLF; `body` likewise, rewound. Octets beyond ASCII in either."""

    header: bytes
    body: BinaryIO
    eight_bit: bool

    @property
    def header_utf8(self) -> bool:
        """Whether the header needs SMTPUTF8 (RFC 6532): beyond ASCII, and in UTF-8."""
        try:
            return not self.header.isascii() and bool(self.header.decode("utf-8"))
        except UnicodeDecodeError:
            return False

    def recipients(self) -> list[str]:
        """What To, Cc and Bcc say; their Resent- forms alone where there are any."""
        fields = [(name.lower(), value) for name, value in split_header(self.header)]
        resent = any(name in _RESENT_FIELDS for name, _ in fields)
        wanted = _RESENT_FIELDS if resent else _RECIPIENT_FIELDS
        return [address for name, value in fields if name in wanted for address in _addresses(value)]

    def complete(self, sender: Address | None, full_name: str, *, ident: str, hostname: str, now: float) -> None:
        """Take Bcc away; add From, Date and Message-ID where they are missing (as RFC 6409 8 has it)."""
        kept = [field for field in _NEXT_FIELD.split(self.header) if _name(field) not in _BLIND]
        self.header = b"".join(kept)
        added = b""
        if sender is not None and full_name and b"from" not in header_names(self.header):
            added = _from_field(sender, full_name)
        self.header = added + self.header
        self.header = missing_fields(self.header, sender=sender, ident=ident, hostname=hostname, now=now) + self.header

    def lines(self) -> Iterator[bytes]:
        """The whole message as it goes over the wire, without the final dot."""
        yield self.header + b"\r\n"
        yield from _stuffed(self.body)


def open_spool() -> BinaryIO:
    """Where a body waits: in memory, a large one in a temporary file without a name."""
    return tempfile.SpooledTemporaryFile(_IN_MEMORY)  # type: ignore[return-value]


def read_message(file: BinaryIO, body: BinaryIO, *, dot_ends: bool) -> Message:
    """Read to the end, or to a lone dot; the body goes to `body`, an empty spool of the caller's.

    SendmailError DATAERR when the header is beyond all measure.
    """
    lines = _lines(file, dot_ends)
    header: list[bytes] = []
    size, first_of_body = 0, b""
    for number, line in enumerate(lines):
        if number == 0 and line.startswith((b"From ", b">From ")):
            continue
        if line in (b"\r\n", b"\n"):
            break
        if not _FIELD_LINE.match(line) or (not header and line[:1] in b" \t"):
            first_of_body = line
            break
        header.append(line)
        size += len(line)
        if size > _MAX_HEADER:
            raise SendmailError(Status.DATAERR, "the header is larger than 1 MiB.")
    ascii_only, normaliser = True, NewlineNormaliser()
    for line in _with_first(first_of_body, lines):
        ascii_only = ascii_only and line.isascii()
        body.write(normaliser.feed(line))
    body.write(normaliser.close())
    body.seek(0)
    text = normalise_newlines(b"".join(header))
    if text and not text.endswith(b"\r\n"):
        text += b"\r\n"
    return Message(text, body, not ascii_only or not text.isascii())


def _lines(file: BinaryIO, dot_ends: bool) -> Iterator[bytes]:
    fresh = True
    while line := file.readline(_MAX_LINE):
        if fresh and dot_ends and line in (b".\n", b".\r\n", b"."):
            return
        fresh = line.endswith(b"\n")
        yield line


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _stuffed(body: BinaryIO) -> Iterator[bytes]:
    """The lines of the body, dot-stuffed (RFC 5321 4.5.2); a line beyond 64 KiB in pieces. The last gets its end."""
    fresh = True
    while line := body.readline(_MAX_LINE):
        yield b"." + line if fresh and line.startswith(b".") else line
        fresh = line.endswith(b"\n")
    if not fresh:
        yield b"\r\n"


def _addresses(value: bytes) -> Iterator[str]:
    for item in parse_address_list(value):
        for mailbox in item.members if isinstance(item, Group) else (item,):
            local, domain = mailbox.local.decode("utf-8", "replace"), mailbox.domain.decode("utf-8", "replace")
            yield str(Address(local, domain))


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip().lower()


def _from_field(sender: Address, full_name: str) -> bytes:
    """From with a display name, encoded where it must be (RFC 2047)."""
    clean = " ".join("".join(c for c in full_name if c.isprintable() or c == " ").split())
    try:
        address = DisplayAddress(clean, addr_spec=str(sender))
    except (ValueError, IndexError):
        return b""
    return SMTP.fold_binary("From", SMTP.header_store_parse("From", str(address))[1])
