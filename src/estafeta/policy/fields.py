"""Header fields as checks ask for them: by name, first or all, raw or as a person reads them."""

from estafeta.mail.encodedwords import decode_header, unfold
from estafeta.mail.headers import find_fields

#: A header has some tens of fields; one with thousands was made to cost time.
MAX_FIELDS = 2000
#: Octets of a header that are looked at; one with a thousand addresses in To has 50 KiB.
MAX_HEADER_OCTETS = 256 << 10


class Fields:
    """The fields of a header section. Names are asked for in lower case. Never raises."""

    def __init__(self, header: bytes) -> None:
        found: dict[str, list[bytes]] = {}
        fields = find_fields(header)
        for name, value in fields[:MAX_FIELDS]:
            found.setdefault(name.decode("ascii", "replace").lower(), []).append(value.strip())
        self._found = found
        self.count = len(fields)

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def raw(self, name: str) -> list[bytes]:
        """The values as they were sent, folds and all, from the top."""
        return self._found.get(name, [])

    def text(self, name: str) -> str:
        """The first one in words, encoded words decoded; "" for none."""
        values = self._found.get(name)
        return decode_header(unfold(values[0])) if values else ""

    def texts(self, name: str) -> list[str]:
        """All of them in words."""
        return [decode_header(unfold(value)) for value in self._found.get(name, ())]

    def names(self) -> list[str]:
        """Their names in lower case, each once."""
        return list(self._found)
