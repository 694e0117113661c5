"""The first words of a message for a list of messages (RFC 8970 3.1). Never raises; costs no more than its input."""

import binascii
import html
import re
from collections.abc import Iterator

from estafeta.mail.charsets import decode_text
from estafeta.mail.encodedwords import decode_base64

MAX_CHARACTERS = 255
"""RFC 8970 3.1: at most 256; one less, as column types of databases have it."""
_ENOUGH = 512
"""Octets of plain text, or characters between tags, looked at first: mostly they hold MAX_CHARACTERS."""
_LONGEST_REFERENCE = 40
"""Characters that a name of HTML has at most (`&CounterClockwiseContourIntegral;` and its kin): a text that is not read
to its end may end within one."""
_TAG = re.compile(r"/?([A-Za-z][A-Za-z0-9]*)")
_HIDDEN = frozenset({"style", "script", "title", "head", "template"})
_INLINE = frozenset({"a", "b", "i", "u", "em", "strong", "span", "font", "small", "big", "sub", "sup", "code", "tt"})


def make_preview(sample: bytes, subtype: bytes, encoding: bytes, charset: str, *, torn: bool) -> str:
    """One line of at most MAX_CHARACTERS from the beginning of a text part.

    `sample`: the first octets of its body as they were sent; `torn`: there are more than these.
    """
    if encoding == b"base64":
        sample = decode_base64(sample)
    elif encoding == b"quoted-printable":
        sample = binascii.a2b_qp(sample)
    if subtype != b"html" and len(sample) > _ENOUGH:
        text = _collapse(decode_text(sample[:_ENOUGH], charset).rstrip("\ufffd"))
        if len(text) > MAX_CHARACTERS:
            return _cut(text)
    text = decode_text(sample, charset)
    if torn:
        text = text.rstrip("\ufffd")
    return _cut(_html_line(text) if subtype == b"html" else _collapse(text))


def _collapse(text: str) -> str:
    line = text.replace("\r\n", " ")
    if line.isprintable():  # so spaces are all the white space there is
        while "  " in line:
            line = line.replace("  ", " ")
        return line.strip()
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return " ".join("".join(c if c.isprintable() else " " for c in line).split())


def _cut(line: str) -> str:
    return line[:MAX_CHARACTERS].rstrip()


def strip_html(text: str) -> str:
    """The text between the tags, without styles, scripts, the head and comments. For reading, not for showing as
    HTML: it makes nothing safe."""
    return html.unescape("".join(_texts(text)))


def _html_line(text: str) -> str:
    """The text between the tags in one line: all of it, or more than MAX_CHARACTERS."""
    found: list[str] = []
    size, enough = 0, _ENOUGH
    for piece in _texts(text):
        found.append(piece)
        size += len(piece)
        if size > enough:
            line = _collapse(html.unescape("".join(found)))
            if len(line) > MAX_CHARACTERS + _LONGEST_REFERENCE:
                return line
            enough = 2 * size
    return _collapse(html.unescape("".join(found)))


def _texts(text: str) -> Iterator[str]:
    """What stands between the tags, with a space for each that parts words."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters grow in lower case; offsets must agree
        lower = text
    at = 0
    while at >= 0:
        tag = text.find("<", at)
        if tag < 0:
            yield text[at:]
            return
        yield text[at:tag]
        between, at = _after_tag(text, lower, tag)
        yield between


def _after_tag(text: str, lower: str, tag: int) -> tuple[str, int]:
    """What is shown for what opens at `tag`, and where text goes on after it, -1 for nowhere."""
    if text.startswith("<!--", tag):
        end = text.find("-->", tag + 4)
        return "", end + 3 if end >= 0 else -1
    name = _TAG.match(text, tag + 1)
    if name is None and text[tag + 1 : tag + 2] not in ("!", "?"):
        return "<", tag + 1
    end = text.find(">", tag)
    if end < 0:
        return "", -1
    word = lower[name.start(1) : name.end(1)] if name is not None else ""
    if word in _HIDDEN and text[tag + 1] != "/":
        close = lower.find("</" + word, end)
        end = text.find(">", close) if close >= 0 else -1
    return "" if word in _INLINE else " ", end + 1 if end >= 0 else -1
