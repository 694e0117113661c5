"""Names of mailboxes as Maildir++ writes them: levels joined by dots, each in modified UTF-7 (RFC 3501 5.1.3).

What is in UTF-8 instead, as newer servers write it, is taken too. A dot inside a level is written in base64 form, so
every name that `estafeta.mailboxes.change.check_name` allows comes back as it was.
"""

import base64
import binascii
import re

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")
_NOT_PLAIN = re.compile(r"[^\x20-\x25\x27-\x2d\x30-\x7e]+")


def encode_folder(name: str) -> str:
    """`Sent/2024` -> `.Sent.2024`; INBOX itself is the Maildir and has no folder name."""
    return "".join(f".{encode_utf7(level)}" for level in name.split("/"))


def decode_folder(folder: str) -> str:
    """`.Sent.2024` -> `Sent/2024`."""
    return "/".join(decode_utf7(level) for level in folder.removeprefix(".").split("."))


def encode_utf7(level: str) -> str:
    """Modified UTF-7; `.` and `/` in base64 form too."""
    return "&-".join(_NOT_PLAIN.sub(_shift, part) for part in level.split("&"))


def decode_utf7(level: str) -> str:
    """The text of modified UTF-7; what is none stays as it is."""
    return _SHIFTED.sub(_unshift, level)


def _shift(found: re.Match[str]) -> str:
    text = base64.b64encode(found.group().encode("utf-16-be")).decode("ascii")
    return f"&{text.rstrip('=').replace('/', ',')}-"


def _unshift(found: re.Match[str]) -> str:
    text = found.group(1).replace(",", "/")
    if not text:
        return "&"
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        return found.group()
