"""What the work of a list must know of a message: its fields as they stand, its authors, whether a program wrote it.

Read from the header section only. Never raises.
"""

import re
from dataclasses import dataclass

from estafeta.core.errors import EstafetaError
from estafeta.mail.address import Address, parse_path
from estafeta.mail.addresslist import Group, Mailbox, parse_address_list
from estafeta.mail.encodedwords import decode_header
from estafeta.mail.headers import find_header_end

LOOP_FIELD = b"X-Loop"
_FIELD_END = re.compile(rb"\n(?![ \t])")
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")
_WORD = re.compile(rb"[a-z-]*")
_LARGEST_HEADER = 256 << 10
_MOST_AUTHORS = 10
_FIRST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Incoming:
    """`fields`: (name in lower case, the whole field with its line end), in order; `body` with the empty line before
    it. `authors` of From, at most ten; `loops`: the lists that it passed (X-Loop)."""

    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    authors: tuple[Mailbox, ...]
    subject: str
    loops: tuple[str, ...]

    def value(self, name: bytes) -> bytes:
        """The first field with this name (lower case), without its name; b"" for none."""
        for known, raw in self.fields:
            if known == name:
                return raw.partition(b":")[2].strip()
        return b""

    @property
    def author_addresses(self) -> list[Address]:
        """Those of From that are addresses."""
        found = (address_of(author) for author in self.authors)
        return [address for address in found if address is not None]

    @property
    def is_answer(self) -> bool:
        """RFC 3834 5: a program answered of itself, or reports; such a message gets no answer and is no post."""
        if self._auto_word in (b"auto-replied", b"auto-notified"):
            return True
        if self.value(b"x-autoreply") or self.value(b"x-autorespond"):
            return True
        return self.value(b"precedence").lower() == b"auto_reply" or self.is_report

    @property
    def is_report(self) -> bool:
        """RFC 6522: a delivery status notification or the like."""
        return self.value(b"content-type").lower().startswith(b"multipart/report")

    @property
    def is_automatic(self) -> bool:
        """No person wrote it, or it came through a list: it gets no answer (RFC 3834 2)."""
        from_list = bool(self.value(b"list-id")) or self.value(b"precedence").lower() in (b"bulk", b"list", b"junk")
        return self.is_answer or from_list or self._auto_word not in (b"", b"no")

    @property
    def _auto_word(self) -> bytes:
        match = _WORD.match(self.value(b"auto-submitted").lower())
        return match.group() if match is not None else b""

    def first_lines(self) -> list[str]:
        """The first lines with words of the text, quoted ones left out, for commands in it."""
        text = self.body[:_FIRST_TEXT].decode("utf-8", "replace")
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and not line.startswith((">", "--", "Content-", "On "))][:10]


def read_incoming(content: bytes) -> Incoming:
    """The message without Return-Path, taken apart."""
    end = find_header_end(content)
    block = content if end < 0 else content[:end]
    fields = tuple(_fields(block[:_LARGEST_HEADER].rstrip(b"\r\n")))
    blank = b"\r\n" if end < 0 or block.endswith(b"\r\n") else b"\n"
    body = blank + (b"" if end < 0 else content[end:])
    by_name: dict[bytes, list[bytes]] = {}
    for name, raw in fields:
        by_name.setdefault(name, []).append(raw.partition(b":")[2].strip())
    listed = parse_address_list(b",".join(by_name.get(b"from", [])), _MOST_AUTHORS)
    loops = [value.decode("utf-8", "replace").strip("<> \t").casefold() for value in by_name.get(b"x-loop", [])]
    subject = decode_header(by_name.get(b"subject", [b""])[0])
    return Incoming(fields, body, tuple(_flat(listed)), subject, tuple(loops))


def address_of(mailbox: Mailbox) -> Address | None:
    """The address of a mailbox; None for what is none."""
    try:
        return parse_path(mailbox.local + b"@" + mailbox.domain, smtputf8=True) if mailbox.domain else None
    except EstafetaError:
        return None


def _flat(listed: list[Mailbox | Group]) -> list[Mailbox]:
    found: list[Mailbox] = []
    for one in listed:
        found.extend(one.members if isinstance(one, Group) else (one,))
    return found[:_MOST_AUTHORS]


def _fields(block: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    for raw in _FIELD_END.split(block):
        name = _FIELD.match(raw)
        if name is not None:
            found.append((name[1].lower(), raw.rstrip(b"\r") + b"\r\n"))
    return found
