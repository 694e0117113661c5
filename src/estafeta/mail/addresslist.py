"""Address lists of header fields: RFC 5322 3.4, and whatever the world writes in their place. Never raises.

The value is read in one pass; what cannot be an address becomes the nearest thing to one, so that a reader still
sees it. Obsolete routes (RFC 5322 4.4) are dropped; a comment after a bare address is its name, as it was of old.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from estafeta.mail.encodedwords import decode_header, unfold

_SPECIAL = rb'\s"\\<>()\[\]:;@,'
# One mailbox that needs no thought, with the comma after it. No two neighbouring parts can match the same octet,
# so that a hostile value costs no more than its length.
_SIMPLE = re.compile(
    rb'(?:(?:"([^"\\]*)"\s*|([^"\\<>()\[\]:;@,]*))<([^%b]+)@([^%b]+)>|([^%b]+)@([^%b]+))\s*(?:,\s*|\Z)'
    % (_SPECIAL, _SPECIAL, _SPECIAL, _SPECIAL)
)
_TOKEN = re.compile(
    rb'(?P<space>\s+)|"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"?|(?P<atom>\[[^\]]*\]?|[^%b]+|\\.?)|(?P<special>.)'
    % _SPECIAL,
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

Token = tuple[str, bytes]
"""Kind ("space", "word", "comment", "special") and octets."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox of RFC 5322 3.4: the octets as they stand, quotes resolved, encoded words not. `domain` may be b""."""

    name: bytes
    local: bytes
    domain: bytes

    @property
    def display_name(self) -> str:
        """The name as a person reads it (RFC 2047)."""
        return decode_header(self.name)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of RFC 5322 3.4: its name and whoever is in it."""

    name: bytes
    members: tuple[Mailbox, ...]


def parse_address_list(value: bytes, limit: int = sys.maxsize) -> list[Mailbox | Group]:
    """The mailboxes and groups of a From, To, Cc, ... field's value, in order; no more than the first `limit`
    addresses, so that who only shows some need not read all."""
    value = unfold(value).strip()
    found: list[Mailbox | Group] = []
    at, end = 0, len(value)
    while at < end and len(found) < limit:
        simple = _SIMPLE.match(value, at)
        if simple is None:
            found.extend(_Reader(limit - len(found)).read(value[at:]))
            break
        quoted, name, local, domain, bare_local, bare_domain = simple.groups()
        if local is None:
            found.append(Mailbox(b"", bare_local, bare_domain))
        else:
            found.append(Mailbox((quoted or name or b"").strip(), local, domain))
        at = simple.end()
    return found


def _tokens(value: bytes) -> Iterator[Token]:
    at, end = 0, len(value)
    while at < end:
        token = _TOKEN.match(value, at)
        if token is None:  # cannot be: the last alternative takes any octet
            return
        at = token.end()
        kind = token.lastgroup
        if kind == "quoted":
            yield "word", _ESCAPE.sub(rb"\1", token.group("quoted"))
        elif kind == "atom":
            yield "word", token.group()
        elif kind == "space":
            yield "space", b" "
        elif token.group() == b"(":
            comment, at = _comment(value, at)
            yield "comment", comment
        else:
            yield "special", token.group()


_COMMENT_STEP = re.compile(rb"[^()\\]*(?:\\.[^()\\]*)*", re.DOTALL)


def _comment(value: bytes, at: int) -> tuple[bytes, int]:
    """The text of the comment that opened before `at`, nested ones included, and where it ends (RFC 5322 3.2.2)."""
    start, depth, end = at, 1, len(value)
    while at < end:
        step = _COMMENT_STEP.match(value, at)
        at = step.end() if step is not None else end
        if value[at : at + 1] == b"(":
            depth += 1
        elif value[at : at + 1] == b")":
            depth -= 1
            if depth == 0:
                return _ESCAPE.sub(rb"\1", value[start:at]).strip(), at + 1
        at += 1
    return _ESCAPE.sub(rb"\1", value[start:]).strip(), end


class _Reader:
    """Gathers tokens until a comma, semicolon or colon says what they were."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.found: list[Mailbox | Group] = []
        self.group: bytes | None = None
        self.members: list[Mailbox] = []
        self.reset()

    def reset(self) -> None:
        self.outer: list[Token] = []
        self.inner: list[Token] = []
        self.comment = b""
        self.has_angle = False
        self.in_angle = False

    def read(self, value: bytes) -> list[Mailbox | Group]:
        for kind, text in _tokens(value):
            if kind == "comment":
                self.comment = self.comment or text
            elif kind != "special" or text == b"@":
                (self.inner if self.in_angle else self.outer).append((kind, text))
            else:
                self.special(text)
                if self.room <= 0:
                    break
        if self.room > 0:
            self.end_mailbox()
        self.end_group()
        return self.found

    def special(self, text: bytes) -> None:
        route = self.in_angle and self.inner[:1] == [("special", b"@")]
        if text == b"<":
            self.has_angle = self.in_angle = True
            self.inner = []
        elif text == b">":
            self.in_angle = False
        elif text == b":" and route:
            self.inner = []
        elif text == b"," and not route:
            self.end_mailbox()
        elif text == b":" and not self.in_angle and self.group is None:
            self.group = _phrase(self.outer)
            self.reset()
        elif text == b";":
            self.end_mailbox()
            self.end_group()

    def end_mailbox(self) -> None:
        mailbox = self.mailbox()
        self.reset()
        if mailbox is not None:
            self.room -= 1
            (self.found if self.group is None else self.members).append(mailbox)

    def end_group(self) -> None:
        if self.group is not None:
            self.found.append(Group(self.group, tuple(self.members)))
        self.group, self.members = None, []

    def mailbox(self) -> Mailbox | None:
        if self.has_angle:
            before, local, domain = _split_at(self.inner)
            if not (local or domain) and not self.outer:
                return None
            return Mailbox(_phrase(self.outer) or self.comment, before + local, domain)
        before, local, domain = _split_at(self.outer)
        if not (local or domain):
            return None
        if not domain:
            return Mailbox(self.comment, _phrase(self.outer), b"")
        return Mailbox(before or self.comment, local, domain)


def _phrase(tokens: list[Token]) -> bytes:
    return b"".join(text for _, text in tokens).strip()


def _split_at(tokens: list[Token]) -> tuple[bytes, bytes, bytes]:
    """What stands before the local part, the local part (the word right before the last @), the domain."""
    ats = [index for index, token in enumerate(tokens) if token == ("special", b"@")]
    if not ats:
        return b"", _phrase(tokens), b""
    front = _trim(tokens[: ats[-1]])
    domain = b"".join(text for kind, text in tokens[ats[-1] + 1 :] if kind != "space")
    start = max((index for index, token in enumerate(front) if token[0] == "space"), default=-1) + 1
    return _phrase(front[:start]), _phrase(front[start:]), domain


def _trim(tokens: list[Token]) -> list[Token]:
    end = len(tokens)
    while end and tokens[end - 1][0] == "space":
        end -= 1
    return tokens[:end]
