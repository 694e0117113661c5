"""xtext of RFC 3461 4: how DSN parameters are written. The queue keeps them decoded."""

import re

_CODED = re.compile(rb"[^!-*,-<>-~]")


def encode_xtext(text: str) -> str:
    """`text` as xtext; octets of UTF-8 that are no printable ASCII, `+` and `=` as hexchar."""
    return _CODED.sub(lambda match: b"+%02X" % match[0][0], text.encode("utf-8", "replace")).decode("ascii")


def encode_orcpt(orcpt: str) -> str:
    """An original recipient (`rfc822;ana@example.org`) with its address as xtext; empty stays empty.

    RFC 6533 3: an address outside ASCII has the type utf-8, and UTF-8 in xtext is legal for it."""
    kind, semicolon, address = orcpt.partition(";")
    if not semicolon:
        return ""
    return f"{'utf-8' if not address.isascii() else kind};{encode_xtext(address)}"
