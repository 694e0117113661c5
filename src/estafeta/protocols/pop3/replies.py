"""Response lines (RFC 1939 3) and response codes (RFC 2449 8, RFC 3206)."""

from enum import StrEnum

# RFC 2449 4: a response line is at most 512 octets with CR LF.
_RESPONSE_OCTETS = 510


class Code(StrEnum):
    """What a client can act on in a `-ERR` (RFC 2449 8.1, RFC 3206 4)."""

    IN_USE = "IN-USE"
    LOGIN_DELAY = "LOGIN-DELAY"
    AUTH = "AUTH"
    SYS_TEMP = "SYS/TEMP"
    SYS_PERM = "SYS/PERM"


def encode_ok(words: str) -> bytes:
    """`+OK words`."""
    return b"+OK %b\r\n" % _one_line(words, 4)


def encode_err(words: str, code: Code | None = None) -> bytes:
    """`-ERR [code] words`."""
    return b"-ERR %b\r\n" % _one_line(f"[{code}] {words}" if code else words, 5)


def _one_line(words: str, taken: int) -> bytes:
    """Words from anywhere as one line that is short enough and still UTF-8."""
    if not words.isprintable():
        words = "".join(char if char.isprintable() else " " for char in words)
    line = words.encode("utf-8", "replace")
    room = _RESPONSE_OCTETS - taken
    return line if len(line) <= room else line[:room].decode("utf-8", "ignore").encode()
