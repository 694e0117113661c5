"""What importing and exporting tell each other and the person: original messages, and the tally at the end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

#: Up to this many examples are kept of each reason for which something was skipped.
_EXAMPLES = 3

Advance = Callable[[int], None]
"""Called with how much more is done: octets of an mbox, messages of a Maildir or an export."""


@dataclass(frozen=True, slots=True)
class Original:
    """A message as found outside: `pieces` is the whole of it, in order, to be read once.

    `flags` is a bit set of mailboxes.values.Flag; the internal date is in epoch milliseconds.
    """

    pieces: Iterable[bytes]
    flags: int
    keywords: tuple[str, ...]
    internal_date_ms: int


@dataclass(slots=True)
class Reason:
    """Why some were skipped: how many, and the first few of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What became of everything. `known` were brought in (or out) by an earlier run; `octets` as stored."""

    done: int = 0
    octets: int = 0
    known: int = 0
    mailboxes: set[str] = field(default_factory=set)
    skipped: dict[str, Reason] = field(default_factory=dict)

    def skip(self, reason: str, example: str) -> None:
        """Note something that was left out; `reason` is the same text for the same cause."""
        entry = self.skipped.setdefault(reason, Reason())
        entry.count += 1
        if len(entry.examples) < _EXAMPLES:
            entry.examples.append(example)

    def lines(self, verb: str) -> list[str]:
        """The summary for a person, e.g. `Imported 3 messages (1.2 MiB) ...`, then one line for each reason."""
        places = f" in {len(self.mailboxes)} mailboxes" if len(self.mailboxes) > 1 else ""
        lines = [f"{verb} {_count(self.done)}{places}, {self.octets / 1048576:.1f} MiB."]
        if self.known:
            lines.append(f"{_count(self.known)} had been done by an earlier run.")
        for reason, entry in self.skipped.items():
            more = ", ..." if entry.count > len(entry.examples) else ""
            lines.append(f"Skipped {entry.count}: {reason} ({', '.join(entry.examples)}{more}).")
        return lines


def _count(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"
