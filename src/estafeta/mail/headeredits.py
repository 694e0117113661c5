"""Fields of a header added, changed and taken out, the others left octet for octet as they are. Never raises.

What is written is a field whatever the value holds: line ends become folds, NUL goes. A name that can be none of a
field (RFC 5322 2.2) changes nothing.
"""

import re

_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n?)*|[^\n]+", re.DOTALL)
_NAME = re.compile(rb"[!-9;-~]+")
_LINE_END = re.compile(rb"\r?\n|\r")


class HeaderEditor:
    """A header section, without the empty line."""

    def __init__(self, header: bytes) -> None:
        self._fields: list[bytes | None] = [match[0] for match in _FIELD.finditer(header)]
        self._names = [_name_of(field) for field in self._fields if field is not None]
        self._inserted: dict[int, list[bytes]] = {}
        self._added: list[bytes] = []

    def insert(self, place: int, name: bytes, value: bytes) -> None:
        """Before the field that was at `place` at first (from 0); beyond the last one: at the end."""
        field = encode_field(name, value)
        if field is None:
            return
        if place >= len(self._fields):
            self._added.append(field)
        else:
            self._inserted.setdefault(max(place, 0), []).append(field)

    def add(self, name: bytes, value: bytes) -> None:
        """At the end."""
        field = encode_field(name, value)
        if field is not None:
            self._added.append(field)

    def change(self, occurrence: int, name: bytes, value: bytes) -> None:
        """The field that was the `occurrence`-th (from 1) of this name at first; where there is none it is added. An
        empty value takes it out."""
        field = encode_field(name, value) if value else None
        if value and field is None:
            return
        places = [place for place, one in enumerate(self._names) if one == name.lower()]
        occurrence = max(occurrence, 1)
        if occurrence <= len(places):
            self._fields[places[occurrence - 1]] = field
        elif field is not None:
            self._added.append(field)

    def header(self) -> bytes:
        """The section as it is now."""
        written: list[bytes] = []
        for place, field in enumerate(self._fields):
            written += reversed(self._inserted.get(place, ()))
            if field is not None:
                written.append(field)
        if self._added and written and not written[-1].endswith(b"\n"):
            written[-1] += b"\r\n"
        return b"".join((*written, *self._added))


def split_fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """Name and value of each field, white space around the value and folds kept, without the last line end."""
    fields = []
    for match in _FIELD.finditer(header):
        name, colon, value = match[0].partition(b":")
        name = name.rstrip(b" \t")
        if colon and _NAME.fullmatch(name):
            fields.append((name, value.removesuffix(b"\n").removesuffix(b"\r")))
    return fields


def encode_field(name: bytes, value: bytes) -> bytes | None:
    """The field with its line end; `value` begins with the white space after the colon. None for no name."""
    if not _NAME.fullmatch(name):
        return None
    lines = [line for line in _LINE_END.split(value.replace(b"\0", b"")) if line.strip(b" \t")]
    folded = [line if line[:1] in b" \t" else b"\t" + line for line in lines[1:]]
    return name + b":" + b"\r\n".join((*lines[:1], *folded)) + b"\r\n"


def _name_of(field: bytes) -> bytes:
    name, colon, _ = field.partition(b":")
    return name.rstrip(b" \t").lower() if colon else b""
