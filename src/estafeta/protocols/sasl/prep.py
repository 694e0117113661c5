"""SASLprep (RFC 4013): user names and passwords in the one form in which they are compared.

`saslprep` takes any text and returns the prepared form, or None where the profile prohibits it. Whoever stores a
password (or makes SCRAM keys of it) must prepare it with `stored=True`; what a client sends is a query.
"""

import stringprep
import unicodedata

_PROHIBITED = (  # RFC 4013 2.3
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str, *, stored: bool = False) -> str | None:
    """`text` prepared, or None if it holds something prohibited. Never raises.

    A stored string may hold no code points that Unicode 3.2 left unassigned; a query may (RFC 4013 2.5).
    """
    if text.isascii():
        return text if text.isprintable() else None  # printable ASCII is its own prepared form
    mapped = "".join(_map(char) for char in text)
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)  # RFC 4013 2.2
    if any(check(char) for char in prepared for check in _PROHIBITED):
        return None
    if stored and any(stringprep.in_table_a1(char) for char in prepared):
        return None
    return prepared if _directions_agree(prepared) else None


def _map(char: str) -> str:
    # RFC 4013 2.1: spaces that are not ASCII become SPACE; "commonly mapped to nothing" goes.
    if stringprep.in_table_c12(char):
        return " "
    return "" if stringprep.in_table_b1(char) else char


def _directions_agree(text: str) -> bool:
    # RFC 3454 6: with any right-to-left character there is no left-to-right one, and both ends are right-to-left.
    right_to_left = [stringprep.in_table_d1(char) for char in text]
    if not any(right_to_left):
        return True
    return right_to_left[0] and right_to_left[-1] and not any(stringprep.in_table_d2(char) for char in text)


def prepare(data: bytes) -> str | None:
    """UTF-8 octets from a client as a prepared, non-empty string, or None (RFC 4616 2: then the check fails)."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return saslprep(text) or None
