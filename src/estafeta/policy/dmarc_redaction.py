"""The header of a message as a failure report may show it (RFC 7489 7.3, RFC 6590): without its recipients.

Fields that name recipients keep their name only. Elsewhere addresses in the domains of the recipients lose their local
part, also where they are written as in bounce addresses (`ana=example.org`) or hidden in encoded words, and `for` in
Received loses its address. What a sender hides otherwise (a number, a checksum, a name in the subject) stays.

RFC 6590 recommends keyed hashes, for readers who want to know which complaints are of one person; ours are not to know.

What comes out is ASCII with CRLF, whatever came in.
"""

import re
from collections.abc import Iterable

from estafeta.mail.headers import decode_header, split_header, unfold

MAX_HEADER_OCTETS = 16 << 10
"""Of a header that is shown; most have less than 8 KiB."""
MAX_FIELDS = 200
MAX_DOMAINS = 20
"""Of recipients of one message; with more there is no report."""
_MAX_LINE = 900

REDACTED = "redacted"
_RECIPIENT_FIELDS = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "resent-", "x-", "x-original-", "original-", "x-envelope-", "envelope-")
    for name in ("to", "cc", "bcc", "rcpt-to", "recipient", "recipients", "delivered-to", "apparently-to")
) | {"x-real-to", "x-forwarded-to", "x-forwarded-for", "x-failed-recipients", "list-unsubscribe"}
_FOR = re.compile(r"\bfor(\s+)<?[^\s;<>]{1,320}>?", re.IGNORECASE)
_LOCAL = r"(?P<local>\"[^\"\r\n]{0,128}\"|[^\s<>()\[\]\\,;:@\"=]{1,128})"
_PUT = rf"{REDACTED}\g<at>\g<domain>"
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_SPACE = re.compile(r"\s+")


class Redaction:
    """For one message. `domains` of its recipients, A-labels or as they were written, at most `MAX_DOMAINS`."""

    def __init__(self, domains: Iterable[str]) -> None:
        names = sorted({name.lower() for name in domains if name}, key=len, reverse=True)[:MAX_DOMAINS]
        one_of = "|".join(map(re.escape, names)) or r"(?!)"
        # `=` and `%40` as in bounce addresses. Of a longer domain as well, since anything may follow an address.
        self._address = re.compile(rf"{_LOCAL}(?P<at>@|=|%40)(?P<domain>{one_of})", re.IGNORECASE)

    def text(self, value: str) -> str:
        """One line of printable ASCII, without local parts of recipients."""
        return _printable(self._address.sub(_PUT, value))

    def header(self, header: bytes) -> bytes:
        """A header section, of which at most `MAX_HEADER_OCTETS` and `MAX_FIELDS` are looked at."""
        cut = header[:MAX_HEADER_OCTETS]
        if len(header) > MAX_HEADER_OCTETS:
            # The last field may not be whole.
            cut = cut[: cut.rfind(b"\n") + 1]
        fields = [self._field(name, value) for name, value in split_header(cut)[:MAX_FIELDS]]
        return "".join(fields).encode("ascii")

    def _field(self, name: bytes, value: bytes) -> str:
        word = name.decode("ascii", "replace")
        return f"{_printable(word)[:_MAX_LINE]}: {self._value(word.lower(), value)}\r\n"

    def _value(self, name: str, value: bytes) -> str:
        if name in _RECIPIENT_FIELDS:
            return f"[{REDACTED}]"
        text = value.decode("utf-8", "replace")
        if name == "received":
            text = _FOR.sub(rf"for\1[{REDACTED}]", text)
        text = self._address.sub(_PUT, text)
        if self._hides(text):
            return f"[{REDACTED}]"
        lines = [_printable(line.strip())[:_MAX_LINE] for line in text.split("\n")]
        return "\r\n\t".join(line for line in lines if line)

    def _hides(self, text: str) -> bool:
        """Whether an address is still there for those who decode it, or take folds out."""
        decoded = decode_header(unfold(text.encode("utf-8", "replace")))
        return any(
            not found["local"].endswith(REDACTED)
            for one in (decoded, _SPACE.sub("", text))
            for found in self._address.finditer(one)
        )


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("?", text.replace("\t", " "))
