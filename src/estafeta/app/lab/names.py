"""The names of the lab: a table of records and faults that its name server answers from. Safe from any thread.

Records are given as mail thinks of them (`mx=[(10, "mx.example.org")]`); `*.example.org` answers for every name below
it that is not in the table (RFC 4592). Addresses must be loopback or documentation addresses (RFC 5737, 3849), so that
nobody who believes this table ever connects to a host of others.
"""

import ipaddress
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename

from estafeta.core.errors import EstafetaError, Kind

_ALLOWED: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("127.0.0.0/8", "::1/128", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
#: A string of a TXT record holds 255 octets (RFC 1035 3.3); longer texts are made of several.
_TXT_BYTES = 255
_MOST_QUERIES = 100_000


class NameFault(StrEnum):
    """How the name server misbehaves for a name. `slow:SECONDS` answers late; `truncate` wants TCP, `truncate-tcp`
    then fails there; `spoof` sends a wrong answer with a wrong id before the right one; `loop` is a CNAME to itself."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    GARBAGE = "garbage"
    WRONG_ID = "wrong-id"
    WRONG_QUESTION = "wrong-question"
    TRUNCATE = "truncate"
    TRUNCATE_TCP = "truncate-tcp"
    SPOOF = "spoof"
    LOOP = "loop"


@dataclass(slots=True)
class Entry:
    """What is known of one name: records by type, seconds to live, and whether DNSSEC vouches for it."""

    records: dict[str, list[dns.rdata.Rdata]] = field(default_factory=dict)
    ttl_seconds: int = 300
    secure: bool = False


class Names:
    """The table. Names are written with or without the final dot, in any case, as U-labels or A-labels."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._faults: dict[tuple[str, str], str] = {}
        self._above: set[str] = set()
        self._lock = threading.Lock()
        #: What was asked: name, type, and `udp` or `tcp`.
        self.queries: list[tuple[str, str, str]] = []

    def add(
        self,
        name: str,
        *,
        a: Sequence[str] = (),
        aaaa: Sequence[str] = (),
        mx: Iterable[tuple[int, str]] = (),
        txt: Iterable[str | bytes] = (),
        tlsa: Iterable[tuple[int, int, int, bytes]] = (),
        cname: str = "",
        secure: bool | None = None,
        ttl: int | None = None,
    ) -> None:
        """Add records to a name; (0, "") as `mx` is a null MX (RFC 7505). Raises EstafetaError INVALID."""
        for address in (*a, *aaaa):
            check_address(address)
        lines = [("A", address) for address in a] + [("AAAA", address) for address in aaaa]
        lines += [("MX", f"{preference} {_dotted(host)}") for preference, host in mx]
        lines += [("TXT", _quoted(text)) for text in txt]
        lines += [("TLSA", f"{u} {s} {m} {data.hex()}") for u, s, m, data in tlsa]
        lines += [("CNAME", _dotted(cname))] if cname else []
        records = [(kind, _record(name, kind, text)) for kind, text in lines]
        with self._lock:
            entry = self._entries.setdefault(plain_name(name), Entry())
            self._above.update(_above(plain_name(name)))
            for kind, record in records:
                entry.records.setdefault(kind, []).append(record)
            entry.ttl_seconds = entry.ttl_seconds if ttl is None else ttl
            entry.secure = entry.secure if secure is None else secure

    def add_ptr(self, address: str, host: str, *, secure: bool = False) -> None:
        """Say which name an IP address has."""
        name = plain_name(dns.reversename.from_address(address).to_text())
        record = _record(name, "PTR", _dotted(host))
        with self._lock:
            entry = self._entries.setdefault(name, Entry(secure=secure))
            entry.records.setdefault("PTR", []).append(record)

    def remove(self, name: str, kind: str = "") -> None:
        """Forget a name, or its records of one type."""
        with self._lock:
            entry = self._entries.get(plain_name(name), Entry())
            if kind:
                entry.records.pop(kind.upper(), None)
            else:
                self._entries.pop(plain_name(name), None)
                self._above = {above for each in self._entries for above in _above(each)}

    def fault(self, name: str, fault: str, kind: str = "") -> None:
        """Misbehave for a name (`*`: all names) and, if said, one type; an empty fault ends that. Raises INVALID."""
        word, _, seconds = fault.partition(":")
        fine = fault in list(NameFault) or (word == "slow" and seconds.replace(".", "", 1).isdecimal())
        if fault and not fine:
            raise EstafetaError(Kind.INVALID, f"{fault!r} is no fault: known are {', '.join(NameFault)}, slow:SECONDS.")
        key = ("*" if name == "*" else plain_name(name), kind.upper())
        with self._lock:
            if fault:
                self._faults[key] = fault
            else:
                self._faults.pop(key, None)

    def find_fault(self, name: str, kind: str) -> str:
        """The fault that a question meets, or nothing."""
        keys = ((name, kind), (name, ""), ("*", kind), ("*", ""))
        return next((self._faults[key] for key in keys if key in self._faults), "")

    def find(self, name: str) -> Entry | None:
        """What is known of a name; an empty entry where only names below it exist; None where it does not exist."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None:
                return entry
            if name in self._above:
                return Entry()  # RFC 4592 2.2.2: an empty non-terminal exists
            wild = (f"*.{above}" for above in _above(name))
            return next((self._entries[each] for each in wild if each in self._entries), None)

    def note(self, name: str, kind: str, way: str) -> None:
        """Remember a question."""
        if len(self.queries) < _MOST_QUERIES:
            self.queries.append((name, kind, way))

    def asked(self, name: str, kind: str = "") -> int:
        """How often a name was asked for."""
        wanted = plain_name(name)
        return sum(each == wanted and kind in ("", type_) for each, type_, _ in self.queries)


def check_address(address: str) -> str:
    """The address, if it may be in the lab. Raises EstafetaError INVALID."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise EstafetaError(Kind.INVALID, f"{address[:60]!r} is no IP address.") from None
    if not any(found in network for network in _ALLOWED):
        raise EstafetaError(
            Kind.INVALID,
            f"{address} is not in the lab: only loopback (127.0.0.0/8, ::1) and documentation addresses are.",
        )
    return address


def plain_name(name: str) -> str:
    """Lower case A-labels without the final dot. Raises EstafetaError INVALID."""
    try:
        return dns.name.from_text(name).to_text(omit_final_dot=True).lower()
    except (dns.exception.DNSException, UnicodeError, ValueError):
        raise EstafetaError(Kind.INVALID, f"{name[:80]!r} is no name.") from None


def _above(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[count:]) for count in range(1, len(labels))]


def _record(name: str, kind: str, text: str) -> dns.rdata.Rdata:
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text)
    except (dns.exception.DNSException, ValueError) as error:
        raise EstafetaError(Kind.INVALID, f"{kind} {text[:80]!r} of {name} is not right: {error}.") from None


def _dotted(host: str) -> str:
    return dns.name.from_text(host or ".").to_text()


def _quoted(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    pieces = [data[start : start + _TXT_BYTES] for start in range(0, len(data), _TXT_BYTES)] or [b""]
    return " ".join('"' + "".join(f"\\{octet:03d}" for octet in piece) + '"' for piece in pieces)
