"""Authentication-Results (RFC 8601): the field written and read, and those taken out that claim to be ours.

Writing makes a field that is safe whatever the values are: what is no token is quoted, control characters become
spaces, long values are cut. Reading takes what the world writes (values that should have been quoted), within limits;
what cannot be read at all is None. Nothing here raises for what a peer sends.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

from estafeta.mail.address import domain_key
from estafeta.mail.encodedwords import unfold

FIELD = b"Authentication-Results"
_FIELD = FIELD.decode("ascii")

MAX_VALUE_OCTETS = 16 << 10
"""A longer field is not read: a hundred signatures with all their properties take less."""
MAX_RESULTS = 100
MAX_PROPERTIES = 20
"""Of one result; the methods of the IANA registry have at most five."""
_MAX_WRITTEN = 255
"""Octets of one value that we write, which keeps every line under 998 (RFC 5322 2.1.1)."""
_LINE_ROOM = 76

# RFC 2045 5.1: a token has no space, control or tspecial. RFC 8601 2.2: pvalue may also be [[local-part] "@"]
# domain-name.
_BARE = re.compile(
    r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+"
    r"|[!#$%&'*+/0-9=?A-Z^_`a-z{|}~.-]*@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
)
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Property(NamedTuple):
    """`ptype.name=value`, as in `smtp.mailfrom=example.org`."""

    ptype: str
    name: str
    value: str


class MethodResult(NamedTuple):
    """What one method came to: `spf`, `pass`, a reason in words, and what was looked at. `version` of the method."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[Property, ...] = ()
    version: int = 1


class AuthResults(NamedTuple):
    """A whole field. No `results`: nothing was authenticated (`none`)."""

    authserv_id: str
    results: tuple[MethodResult, ...]
    version: int = 1


# Writing


def encode_auth_results(authserv_id: str, results: Iterable[MethodResult], *, utf8: bool = False) -> bytes:
    """The field, folded, with its CRLF. `utf8`: the message may have UTF-8 in its header (RFC 6532), else characters
    beyond ASCII become `?`."""
    lines = [f"{_FIELD}: {_value(authserv_id, utf8)}"]
    for result in results:
        lines[-1] += ";"
        # Of DKIM no two are alike; the others are of a client, a sender or a domain, which come again.
        lines += _lines(result, utf8) if result.method == "dkim" else _known_lines(result, utf8)
    if len(lines) == 1:
        # RFC 8601 2.2: no-result.
        lines[0] += "; none"
    return "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n"


@lru_cache(maxsize=512)
def _known_lines(result: MethodResult, utf8: bool) -> list[str]:
    return _lines(result, utf8)


def _lines(result: MethodResult, utf8: bool) -> list[str]:
    return _fold(_words(result, utf8))


def _words(result: MethodResult, utf8: bool) -> list[str]:
    method, outcome, reason, properties, version = result
    words = [f"{_keyword(method)}{f'/{version}' if version != 1 else ''}={_keyword(outcome)}"]
    if reason:
        words.append(f"reason={_quoted(reason, utf8)}")
    return words + [f"{_keyword(ptype)}.{_keyword(name)}={_value(value, utf8)}" for ptype, name, value in properties]


def _fold(words: list[str]) -> list[str]:
    lines, line = [], f"\t{words[0]}"
    for word in words[1:]:
        if len(line) + len(word) > _LINE_ROOM:
            lines.append(line)
            line = f"\t {word}"
        else:
            line = f"{line} {word}"
    return [*lines, line]


@lru_cache(maxsize=256)
def _keyword(text: str) -> str:
    """Methods, results and properties are ours; what is none is made one that nobody mistakes for another."""
    return text if _KEYWORD.fullmatch(text) else re.sub(r"[^A-Za-z0-9-]", "-", text).strip("-") or "unknown"


def _value(text: str, utf8: bool) -> str:
    if len(text) > _MAX_WRITTEN or not _BARE.fullmatch(text):
        text = _clean(text, utf8)
        return text if _BARE.fullmatch(text) else _quoted(text, utf8)
    return text


def _quoted(text: str, utf8: bool) -> str:
    return '"' + _clean(text, utf8).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _clean(text: str, utf8: bool) -> str:
    if len(text) <= _MAX_WRITTEN and text.isascii() and text.isprintable():
        return text
    octets = _CONTROLS.sub(" ", text[:_MAX_WRITTEN]).encode("utf-8" if utf8 else "ascii", "replace")
    return octets[:_MAX_WRITTEN].decode("utf-8", "ignore")


# Reading

_SPACE = re.compile(r"[ \t\r\n]*")
_COMMENT_STEP = re.compile(r"[^()\\]*(?:\\.[^()\\]*)*", re.DOTALL)
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
# Values as they are written without quotes: anything up to a separator.
_RUN = re.compile(r'[^\s;()"]+')
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_DIGITS = re.compile(r"[0-9]{1,6}")


def parse_auth_results(value: bytes) -> AuthResults | None:
    """The value of a field; None where it cannot be understood."""
    if len(value) > MAX_VALUE_OCTETS:
        return None
    reader = _Reader(unfold(value).decode("utf-8", "replace"))
    authserv_id = reader.value()
    if not authserv_id:
        return None
    version = reader.number(1)
    results: list[MethodResult] = []
    while reader.take(";") and len(results) < MAX_RESULTS:
        if reader.at_end():
            break
        found = reader.method_result()
        if found is None:
            # RFC 8601 2.2: `none` stands alone.
            return AuthResults(authserv_id, (), version) if not results and reader.is_none() else None
        results.append(found)
    return AuthResults(authserv_id, tuple(results), version) if reader.at_end() or results else None


class _Reader:
    """Reads from the left; every step skips white space and comments (RFC 5322 CFWS) first."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._last = ""
        self._skip()

    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def take(self, character: str) -> bool:
        if self._text[self._at : self._at + 1] != character:
            return False
        self._at += 1
        self._skip()
        return True

    def number(self, default: int) -> int:
        found = self._match(_DIGITS)
        return int(found) if found else default

    def value(self) -> str:
        """A token, a quoted string, or pieces of both without a space between them."""
        pieces: list[str] = []
        text, end = self._text, len(self._text)
        while self._at < end:
            quoted = _QUOTED.match(text, self._at)
            run = None if quoted else _RUN.match(text, self._at)
            if quoted is not None:
                pieces.append(_ESCAPE.sub(r"\1", quoted[1]))
                self._at = quoted.end()
            elif run is not None:
                pieces.append(run[0])
                self._at = run.end()
            else:
                # A quotation mark that nobody closes: what follows cannot be read, and each further one would be
                # looked for its end anew.
                self._at = end if text[self._at] == '"' else self._at
                break
        self._skip()
        return "".join(pieces)

    def method_result(self) -> MethodResult | None:
        method = self._match(_WORD)
        version = self.number(1) if method and self.take("/") else 1
        if not method or not self.take("="):
            self._last = method.lower()  # `none`, perhaps
            return None
        result = self._match(_WORD)
        if not result:
            return None
        reason = ""
        properties: list[Property] = []
        while not self.at_end() and self._text[self._at] != ";":
            name = self._match(_WORD)
            if name.lower() == "reason" and self.take("="):
                reason = self.value()
                continue
            found = self._property(name) if name else None
            if found is not None:
                properties += [found] if len(properties) < MAX_PROPERTIES else []
            elif not name and not self.value():
                # A character that belongs nowhere; unknown words are passed over as well (RFC 8601 2.7.6).
                self._at = min(self._at + 1, len(self._text))
                self._skip()
        return MethodResult(method.lower(), result.lower(), reason, tuple(properties), version)

    def is_none(self) -> bool:
        return self._last == "none" and self.at_end()

    def _property(self, ptype: str) -> Property | None:
        if not self.take("."):
            return None
        name = self._match(_WORD)
        if not name or not self.take("="):
            return None
        return Property(ptype.lower(), name.lower(), self.value())

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        self._skip()
        return found[0]

    def _skip(self) -> None:
        text, end = self._text, len(self._text)
        while True:
            space = _SPACE.match(text, self._at)
            self._at = space.end() if space else self._at
            if text[self._at : self._at + 1] != "(":
                return
            depth, at = 1, self._at + 1
            while at < end and depth:
                step = _COMMENT_STEP.match(text, at)
                at = step.end() if step else end
                depth += {"(": 1, ")": -1}.get(text[at : at + 1], 0)
                at += 1
            self._at = min(at, end)


# Removing

_START = re.compile(rb"^authentication-results[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FIELD_END = re.compile(rb"\n(?![ \t])")
_NAME = b"authentication-results"


def remove_forged(header: bytes, authserv_ids: Collection[str]) -> bytes:
    """The header section without the fields that claim to be of one of `authserv_ids` (RFC 8601 5), and without those
    whose claim cannot be read. The same object where there is none to remove."""
    if _NAME not in header.lower():
        return header
    ours = {domain_key(one.rstrip(".")) for one in authserv_ids}
    kept, copied = [], 0
    for start in _START.finditer(header):
        last = _FIELD_END.search(header, start.end())
        end = last.end() if last else len(header)
        if _claims(header[start.end() : end], ours):
            kept.append(header[copied : start.start()])
            copied = end
    return b"".join((*kept, header[copied:])) if kept else header


def _claims(value: bytes, ours: Collection[str]) -> bool:
    reader = _Reader(unfold(value[:MAX_VALUE_OCTETS]).decode("utf-8", "replace"))
    claimed = reader.value()
    return not claimed or domain_key(claimed.rstrip(".")) in ours
