"""How a command ends: status, response code, words (RFC 9051 7.1)."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """The conditions of a tagged response."""

    OK = "OK"
    NO = "NO"
    BAD = "BAD"


class Reply(NamedTuple):
    """The tagged response of a command. `code` goes in brackets, ready to be sent, e.g. b"TRYCREATE"."""

    status: Status
    text: str
    code: bytes = b""


def ok(text: str, code: bytes = b"") -> Reply:
    """Done."""
    return Reply(Status.OK, text, code)


def no(text: str, code: bytes = b"") -> Reply:
    """Understood, not done."""
    return Reply(Status.NO, text, code)


def bad(text: str, code: bytes = b"") -> Reply:
    """Not understood, or not now."""
    return Reply(Status.BAD, text, code)
