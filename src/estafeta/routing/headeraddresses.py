"""Addresses of header fields by their place, so that one can be changed and all else stay octet for octet.

Reads address lists (RFC 5322 3.4) in one pass over the raw value, folds, comments, groups, quoted names, encoded words
and obsolete routes (4.4) included. Never raises; what cannot be an address is passed over.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from estafeta.mail.address import Address
from estafeta.mail.headers import find_header_end

_SPECIAL = rb'\s"\\<>()\[\]:;@,'
_TOKEN = re.compile(
    rb'(?P<space>\s+)|(?P<word>"[^"\\]*(?:\\.[^"\\]*)*"?|\[[^\]\\]*(?:\\.[^\]\\]*)*\]?|[^%b]+|\\.?)|(?P<special>.)'
    % _SPECIAL,
    re.DOTALL,
)
_COMMENT_STEP = re.compile(rb"[^()\\]*(?:\\.[^()\\]*)*", re.DOTALL)
_FIELD = re.compile(rb"^((?:resent-)?(?:from|sender|reply-to|to|cc|bcc))[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FIELD_END = re.compile(rb"\n(?![ \t])")
_MAX_LINE = 998
"""RFC 5322 2.1.1, without the line end."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Place(NamedTuple):
    """An address and where it stands in the value: octets `start` to `end`."""

    start: int
    end: int
    address: Address


class _Token(NamedTuple):
    kind: str
    start: int
    end: int


Change = Callable[[str, Address], Address]
"""Takes the name of a field in lower case, without `resent-`, and an address; gives the address that is to stand there,
the same object where it stays."""


def rewrite_addresses(block: bytes, change: Change) -> bytes:
    """A header (what follows its empty line is left alone) with the addresses of its address fields changed."""
    head_end = find_header_end(block)
    head_end = len(block) if head_end < 0 else head_end
    out: list[bytes] = []
    done = 0
    for field in _FIELD.finditer(block, 0, head_end):
        end = _FIELD_END.search(block, field.end(), head_end)
        stop = end.start() if end is not None else head_end
        name = field[1].decode("ascii").lower().removeprefix("resent-")
        value = block[field.end() : stop]
        changed = _rewrite_value(value, name, change)
        if changed is not value:
            line_end = b"\r\n" if b"\r\n" in block else b"\n"
            out += (block[done : field.end()], _folded(changed, len(field[0]), line_end))
            done = stop
    return b"".join((*out, block[done:])) if out else block


def find_places(value: bytes) -> Iterator[Place]:
    """Every address of an address list, in order."""
    outer: list[_Token] = []
    inner: list[_Token] = []
    angle, seen_angle = False, False
    for token in _tokens(value):
        special = value[token.start : token.end] if token.kind == "special" else b""
        if angle:
            if special == b">":
                yield from _place(value, inner)
                angle, inner = False, []
            elif special == b":":  # the end of a route
                inner = []
            else:
                inner.append(token)
        elif special == b"<":
            angle = seen_angle = True
        elif special in (b",", b";", b":"):
            if not seen_angle and special != b":":
                yield from _place(value, outer)
            outer, seen_angle = [], False
        else:
            outer.append(token)
    if angle or not seen_angle:
        yield from _place(value, inner if angle else outer)


def _tokens(value: bytes) -> Iterator[_Token]:
    at, end = 0, len(value)
    while at < end:
        match = _TOKEN.match(value, at)
        if match is None:  # cannot be: the last alternative takes any octet
            return
        kind, start, at = match.lastgroup or "", at, match.end()
        if kind == "special" and value[start] == 0x28:
            at = _comment_end(value, at)
            kind = "space"
        yield _Token(kind, start, at)


def _comment_end(value: bytes, at: int) -> int:
    """Behind the comment that opened before `at` (RFC 5322 3.2.2: they nest)."""
    depth, end = 1, len(value)
    while at < end and depth:
        step = _COMMENT_STEP.match(value, at)
        at = step.end() if step is not None else end
        depth += {b"(": 1, b")": -1}.get(value[at : at + 1], 0)
        at += 1
    return min(at, end)


def _place(value: bytes, tokens: list[_Token]) -> Iterator[Place]:
    """The address of one mailbox: the words right before and after its last @, comments and blanks between allowed."""
    at = next((n for n in range(len(tokens) - 1, -1, -1) if _is_at(value, tokens[n])), -1)
    if at < 0:
        return
    left = at - 1
    while left >= 0 and tokens[left].kind == "space":
        left -= 1
    first = left
    while first > 0 and tokens[first].kind == tokens[first - 1].kind == "word":
        first -= 1
    right = at + 1
    while right < len(tokens) and tokens[right].kind == "space":
        right += 1
    if left < 0 or right >= len(tokens) or tokens[left].kind != "word" or tokens[right].kind != "word":
        return
    words = [value[token.start : token.end] for token in tokens[first : left + 1]]
    if not _is_local_part(words):
        return
    local = "".join(map(_meaning, words))
    domain = value[tokens[right].start : tokens[right].end].decode("utf-8", "replace")
    if local and "\ufffd" not in local + domain:
        yield Place(tokens[first].start, tokens[right].end, Address(local, domain.rstrip(".")))


def _is_local_part(words: list[bytes]) -> bool:
    """RFC 5322 3.2.3, 4.4: words with dots between them, and backslashes in quotes only. Of anything else nobody can
    say what is meant."""
    if any(b"\\" in word and not word.startswith(b'"') for word in words):
        return False
    return all(one.endswith(b".") or other.startswith(b".") for one, other in pairwise(words))


def _is_at(value: bytes, token: _Token) -> bool:
    return token.kind == "special" and value[token.start] == 0x40


def _meaning(word: bytes) -> str:
    text = word.decode("utf-8", "replace")
    if text.startswith('"'):
        return _ESCAPE.sub(r"\1", text[1:].removesuffix('"')).replace("\r", "").replace("\n", "")
    return text


def _rewrite_value(value: bytes, name: str, change: Change) -> bytes:
    """`value` itself where nothing changes."""
    if b"@" not in value:
        return value
    out: list[bytes] = []
    done = 0
    for place in find_places(value):
        address = change(name, place.address)
        if address is not place.address:
            out += (value[done : place.start], str(address).encode("utf-8", "replace"))
            done = place.end
    return b"".join((*out, value[done:])) if out else value


def _folded(value: bytes, indent: int, line_end: bytes) -> bytes:
    """`value`, with line ends put in after commas where an address that grew made a line too long for SMTP."""
    if max(map(len, value.split(b"\n"))) + indent <= _MAX_LINE:
        return value
    out: list[bytes] = []
    done = cut = 0
    start = -indent
    for token in _tokens(value):
        text = value[token.start : token.end]
        if b"\n" in text:
            start = cut = token.start + text.rfind(b"\n") + 1
        elif token.end - start > _MAX_LINE - 1 and cut > max(start, done):
            blank = b"" if value[cut : cut + 1] in (b" ", b"\t") else b" "
            out += (value[done:cut], line_end + blank)
            done = start = cut
        if token.kind == "special" and text == b",":
            cut = token.end
    return b"".join((*out, value[done:]))
