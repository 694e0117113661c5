"""BODY out of BODYSTRUCTURE: the same text without extension data (RFC 9051 7.5.2). For texts that we wrote ourselves.

Text that is no BODYSTRUCTURE is EstafetaError(INVALID).
"""

import re

from estafeta.core.errors import EstafetaError, Kind

# One element that is no list: a quoted string, the head of a literal, or an atom.
_ELEMENT = re.compile(rb'"(?:[^"\\]|\\.)*+"|\{(\d{1,9})\}\r\n|[^\s(){"]++', re.DOTALL)
_PLAIN = 7
"""Elements that every part without parts has: type, subtype, parameters, id, description, encoding, octets."""
_MESSAGES = (b'"rfc822"', b'"global"')


def basic_body(text: bytes) -> bytes:
    """The text of BODY for that of BODYSTRUCTURE."""
    try:
        return _body(text, 0)[0]
    except (IndexError, RecursionError) as error:
        raise EstafetaError(Kind.INVALID, "The stored structure of a message is damaged.", repr(error)) from None


def _body(text: bytes, at: int) -> tuple[bytes, int]:
    """The body that begins at `at`, and where it ends."""
    if text[at : at + 1] != b"(":
        raise IndexError(at)
    if text[at + 1 : at + 2] == b"(":
        return _multipart(text, at + 1)
    ends = [at]
    for _ in range(_PLAIN):
        ends.append(_skip(text, ends[-1] + 1))
    media = text[at + 1 : ends[1]]
    basic, end = text[at : ends[-1]], ends[-1]
    if media == b'"message"' and text[ends[1] + 1 : ends[2]] in _MESSAGES:
        envelope = _skip(text, end + 1)
        inner, after = _body(text, envelope + 1)
        lines = _skip(text, after + 1)
        basic += text[end:envelope] + b" " + inner + text[after:lines]
        end = lines
    elif media == b'"text"':
        lines = _skip(text, end + 1)
        basic += text[end:lines]
        end = lines
    return basic + b")", _close(text, end)


def _multipart(text: bytes, at: int) -> tuple[bytes, int]:
    children = []
    while text[at : at + 1] == b"(":
        child, at = _body(text, at)
        children.append(child)
    end = _skip(text, at + 1)
    return b"(" + b"".join(children) + text[at:end] + b")", _close(text, end)


def _close(text: bytes, at: int) -> int:
    """Behind the parenthesis that ends the list which `at` is in, between two elements."""
    while text[at : at + 1] == b" ":
        at = _skip(text, at + 1)
    if text[at : at + 1] != b")":
        raise IndexError(at)
    return at + 1


def _skip(text: bytes, at: int) -> int:
    """Behind the element, list or not, that begins at `at`."""
    depth = 0
    while True:
        octet = text[at : at + 1]
        if octet == b"(":
            depth, at = depth + 1, at + 1
        elif octet == b")" and depth:
            depth, at = depth - 1, at + 1
        elif octet == b" " and depth:
            at += 1
            continue
        else:
            found = _ELEMENT.match(text, at)
            if found is None:
                raise IndexError(at)
            at = found.end() + int(found.group(1) or 0)
        if not depth:
            return at
