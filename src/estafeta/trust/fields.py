"""The fields of a header as signatures see them: octets as they stand, in both canonical forms, taken from the end.

Where a field ends is decided here as in `mail.headers`, so that what is shown and what was signed are the same. Limits
are on what one header may cost; one beyond them has no fields, and says so. Never raises.
"""

import re
from collections.abc import Iterable, Sequence

from estafeta.core.once import once
from estafeta.trust.canonical import relaxed_field, relaxed_fields

#: More than any message has that people send; larger headers cannot be signed or judged.
MAX_HEADER_OCTETS = 1 << 20
#: The same; thousands of Received fields are a loop.
MAX_FIELDS = 5_000

# RFC 5322 2.2.3: a line end that no space or tab follows ends a field.
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_MIXED_END = re.compile(rb"\r?\n(?![ \t])")


class Fields:
    """A header, given without the empty line at its end. `excess` says in words what is beyond a limit, "" for
    nothing."""

    def __init__(self, header: bytes) -> None:
        self.excess = ""
        self._header = header
        self._bare = False
        self.raw: Sequence[bytes] = ()
        if len(header) > MAX_HEADER_OCTETS:
            self.excess = "the header is larger than 1 MiB"
        else:
            self._bare = header.count(b"\n") != header.count(b"\r\n")
            self.raw = (_MIXED_END if self._bare else _FIELD_END).split(header, MAX_FIELDS)
            if len(self.raw) > MAX_FIELDS and self.raw[-1]:
                self.excess, self.raw = f"the header has more than {MAX_FIELDS} fields", ()
        self._places: dict[bytes, list[int]] = {}
        for place, field in enumerate(self.raw):
            name, colon, _ = field.partition(b":")
            if colon:
                self._places.setdefault(name.rstrip(b" \t").lower(), []).append(place)

    def places(self, name: bytes) -> Sequence[int]:
        """Where the fields of a name, in lower case, stand, from the top."""
        return self._places.get(name, ())

    @once
    def relaxed(self) -> Sequence[bytes]:
        """The fields in relaxed form."""
        return list(map(relaxed_field, self.raw)) if self._bare else relaxed_fields(self._header)

    def select(self, names: Iterable[bytes], relaxed: bool, but: int = -1) -> list[bytes]:
        """The fields that a list of names, in lower case, stands for, in canonical form, without CRLF.

        RFC 6376 5.4.2: each mention of a name takes the next field of it from the end; one without a field is nothing.
        `but`: the place of the field that holds the list, which it cannot mean."""
        names, known = tuple(names), self._places
        left = {name: known[name].copy() for name in set(names) if name in known}
        for places in left.values():
            if but in places:
                places.remove(but)
        forms = self.relaxed if relaxed else self.raw
        return [forms[left[name].pop()] for name in names if left.get(name)]
