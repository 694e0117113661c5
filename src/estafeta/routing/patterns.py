"""Patterns of domains and addresses: `*` stands for any characters, `?` for one; the case of letters does not count.

A pattern with an `@` is one of addresses, any other one of domains. Domains are compared as A-labels, so that a pattern
may be written in any script. What a wildcard matched can be asked for (`$1`, `$2` ... of rewriting rules). Matching
takes time in proportion to pattern and text, whatever stands in them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.address import Address, domain_key

MAX_PATTERN = 512
"""Characters; the longest address has 384."""
_WILD = re.compile(r"[*?]")


class Pattern(NamedTuple):
    """A pattern, compiled. `of_address`: it has an @. `exact`: it has no wildcard: `text` is all that it matches."""

    text: str
    of_address: bool
    exact: bool
    compiled: re.Pattern[str]

    def match(self, address: Address) -> tuple[str, ...] | None:
        """What the wildcards matched, in their order and the case of letters as it was; None: no match."""
        found = self.compiled.match(_written(address) if self.of_address else domain_key(address.domain))
        return None if found is None else found.groups()


def parse_pattern(text: str) -> Pattern:
    """The pattern that `text` is. Raises EstafetaError INVALID."""
    if not text or len(text) > MAX_PATTERN or not text.isprintable() or " " in text:
        raise EstafetaError(Kind.INVALID, f"{text[:80]!r} is no pattern: write a domain or an address with * and ?.")
    local, at, domain = text.rpartition("@")
    text = f"{local}{at}{domain_key(domain.rstrip('.'))}"
    return Pattern(text, bool(at), _WILD.search(text) is None, re.compile(_translate(text), re.IGNORECASE | re.DOTALL))


def _written(address: Address) -> str:
    return f"{address.local}@{domain_key(address.domain)}"


def _translate(text: str) -> str:
    """The regular expression of a pattern. Each `*` but the last takes as little as it can and never gives it back
    (an atomic group), which finds a match whenever there is one and cannot run wild."""
    pieces = re.sub(r"\*+", "*", text).split("*")
    first, *rest = (_literal(piece) for piece in pieces)
    if not rest:
        return first + r"\Z"
    return first + "".join(f"(?>(.*?){piece})" for piece in rest[:-1]) + f"(.*){rest[-1]}" + r"\Z"


def _literal(piece: str) -> str:
    return "".join("(.)" if character == "?" else re.escape(character) for character in piece)


T = TypeVar("T")


class PatternTable(Generic[T]):
    """Values by pattern, of which the first that matches counts.

    Exact patterns are found in a dict however many there are; only those with wildcards are tried one after another."""

    def __init__(self, entries: Iterable[tuple[Pattern, T]]) -> None:
        self._exact: dict[str, tuple[int, Pattern, T]] = {}
        self._wild: list[tuple[int, Pattern, T]] = []
        self.of_addresses = False
        """Some pattern looks at more than the domain."""
        for number, (pattern, value) in enumerate(entries):
            self.of_addresses = self.of_addresses or pattern.of_address
            if pattern.exact:
                self._exact.setdefault(pattern.text.lower(), (number, pattern, value))
            else:
                self._wild.append((number, pattern, value))

    def __bool__(self) -> bool:
        return bool(self._exact or self._wild)

    def find(self, address: Address) -> tuple[Pattern, T] | None:
        """The first pattern that matches `address`, or its domain, with its value."""
        best = min(self._find_exact(address), default=None, key=lambda entry: entry[0])
        for entry in self._wild:
            if best is not None and best[0] < entry[0]:
                break
            if entry[1].match(address) is not None:
                return entry[1], entry[2]
        return None if best is None else (best[1], best[2])

    def _find_exact(self, address: Address) -> Iterator[tuple[int, Pattern, T]]:
        if self._exact:
            for key in (domain_key(address.domain), _written(address).lower()):
                entry = self._exact.get(key)
                if entry is not None:
                    yield entry
