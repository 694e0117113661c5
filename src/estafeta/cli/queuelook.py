"""How the queue looks: its messages in a list, one of them whole, sums, destinations. Plain text that can be piped,
coloured and cut to the width of a terminal."""

import json
import sys
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import typer

from estafeta.app.queueing import Delayed, Message, State, Waits
from estafeta.cli.queuewords import age, due, many, moment, span, volume
from estafeta.journal.words import hop, printable, size
from estafeta.queue.values import EntryFlag, Lane

if TYPE_CHECKING:
    from estafeta.queue.overview import DestinationState, Sum, Totals

_INDENT = " " * 4
_COLORS = {
    State.ACTIVE: "green",
    State.DUE: "green",
    State.HELD: "cyan",
    State.HELD_DESTINATION: "cyan",
    State.HELD_PRIORITY: "cyan",
    State.GIVEN_UP: "red",
}
_WORDS = {
    State.ACTIVE: "being sent",
    State.DUE: "due now",
    State.HELD: "held",
    State.HELD_DESTINATION: "its destination is held",
    State.HELD_PRIORITY: "its priority is held",
    State.GIVEN_UP: "goes back to the sender",
}
_NEEDS = {
    EntryFlag.EIGHT_BIT: "8BITMIME",
    EntryFlag.UTF8: "SMTPUTF8",
    EntryFlag.BINARY: "BINARYMIME",
    EntryFlag.REQUIRE_TLS: "REQUIRETLS",
}
_IN_TROUBLE = "yellow"
_SUM = "{:>7}  {:>6}  {:>6}  {:>6}  {}"


class Look:
    """Prints. `now_ms` is the time of day of the node."""

    def __init__(self, now_ms: int) -> None:
        self._now = now_ms
        self._terminal = sys.stdout.isatty()
        self._width = max(40, get_terminal_size().columns) if self._terminal else 0
        self._write = sys.stdout.write

    # A list

    def messages(self, messages: Iterable[Message]) -> int:
        """A line for each message and one for each recipient; returns how many messages there were."""
        count = recipients = octets = 0
        for message in messages:
            count += 1
            recipients += len(message.waiting)
            octets += message.first.size
            self._write(self._block(message))
        if count:
            self._write(f"{many(count, 'message')}, {many(recipients, 'recipient')}, {size(octets)}\n")
        return count

    def _block(self, message: Message) -> str:
        first = message.first
        front = f"{message.ident}  {age(self._now - first.created_ms):>4}  {volume(first.size):>6}  "
        sender = printable(first.sender) or "<>"
        subject = f'  "{printable(first.subject)}"' if first.subject else ""
        high = "  high priority" if first.lane is Lane.HIGH else ""
        rest = self._cut(f"{high}{subject}", len(front) + len(sender))
        lines = [f"{self._bold(message.ident)}{front[len(message.ident) :]}{sender}{self._dim(rest)}\n"]
        lines += [self._recipient(waits) for waits in message.waiting]
        return "".join(lines)

    def _recipient(self, waits: Waits) -> str:
        address = printable(waits.queued.address)
        front = f"{_INDENT}{address}  "
        words = _how(waits, self._now)
        why = f": {printable(waits.reason)}" if waits.reason and waits.state is not State.GIVEN_UP else ""
        return f"{front}{self._tinted(words, waits.state)}{self._cut(why, len(front) + len(words))}\n"

    def messages_json(self, messages: Iterable[Message]) -> None:
        """The same as an array, written as it is read."""
        before = "["
        for message in messages:
            self._write(f"{before}{json.dumps(as_json(message), ensure_ascii=False)}")
            before = ",\n"
        self._write("]\n" if before != "[" else "[]\n")

    # One message

    def show(self, message: Message) -> None:
        """All there is to say about a message that waits."""
        first = message.first
        self._write(self._bold(f"Message {message.ident}") + "\n")
        self._fields(
            (
                ("From", printable(first.sender) or "<> (a notice: nobody to answer to)"),
                ("Subject", printable(first.subject)),
                ("Size", size(first.size - first.skip)),
                ("Came", f"{moment(first.created_ms)}, {span(self._now - first.created_ms)} ago"),
                ("Priority", "high" if any(one.queued.lane is Lane.HIGH for one in message.waiting) else ""),
                ("Needs", ", ".join(name for flag, name in _NEEDS.items() if flag in first.flags)),
            )
        )
        for waits in message.waiting:
            one = waits.queued
            self._write(f"\n  {self._bold(printable(one.address))}\n")
            tries = f"{many(one.attempts, 'try', 'tries')} since {moment(one.first_ms)}" if one.attempts else "none yet"
            self._fields(
                (
                    ("Next try", self._tinted(_how(waits, self._now, whole=True), waits.state)),
                    ("To go to", f"{hop(one.hop)} ({one.hop})"),
                    ("Tries", tries),
                    ("Why", printable(waits.reason)),
                    ("Given up", f"after {moment(one.expires_ms)}" if waits.state is not State.GIVEN_UP else ""),
                    ("Notify", one.notify),
                ),
                "    ",
            )

    def _fields(self, fields: Sequence[tuple[str, str]], indent: str = "  ") -> None:
        width = max(len(name) for name, _ in fields)
        for name, value in fields:
            if value:
                self._write("\n".join(self._folded(f"{indent}{name:<{width}}  ", value)) + "\n")

    def _folded(self, front: str, value: str) -> list[str]:
        """A value in lines below each other, where the terminal is too narrow for it."""
        if not self._width or len(front) + len(value) <= self._width or "\x1b" in value:
            return [front + value]
        from textwrap import wrap

        lines = wrap(value, max(20, self._width - len(front)), break_long_words=False, break_on_hyphens=False)
        return [front + lines[0], *(" " * len(front) + line for line in lines[1:])]

    # Sums

    def summary(self, sums: "Sequence[Sum]", totals: "Totals", heading: str, held: Sequence[Lane]) -> None:
        """Sums, and what is out of order below."""
        self.sums(sums, heading)
        self._write("\n" if sums else "")
        self._write("\n".join(_state_of_all(totals, held)) + "\n")

    def sums(self, sums: "Sequence[Sum]", heading: str) -> None:
        """As exiqsumm has it; nothing for none."""
        if not sums:
            return
        rows = [(str(one.number), *self._numbers(one), printable(one.name) or "-") for one in sums]
        self._write(_SUM.format("Count", "Volume", "Oldest", "Newest", heading) + "\n")
        self._write(_SUM.format("-----", "------", "------", "------", "-" * len(heading)) + "\n")
        for row in rows:
            front = _SUM.format(*row[:4], "")
            self._write(f"{front}{self._cut(row[4], len(front)) if heading == 'Reason' else row[4]}\n")
        if len(sums) > 1:
            oldest, newest = min(one.oldest_ms for one in sums), max(one.newest_ms for one in sums)
            count, octets = sum(one.number for one in sums), sum(one.volume for one in sums)
            ages = age(self._now - oldest), age(self._now - newest)
            longest = 35 + max(len(row[4]) for row in rows[:1000])
            self._write("-" * min(longest, self._width or 80) + "\n")
            self._write(_SUM.format(str(count), volume(octets), *ages, "TOTAL") + "\n")

    def _numbers(self, one: "Sum") -> tuple[str, str, str]:
        return volume(one.volume), age(self._now - one.oldest_ms), age(self._now - one.newest_ms)

    # Destinations

    def destination(self, state: "DestinationState", delayed: Delayed | None) -> None:
        """When it is tried next, and why not before: what exinext answers. `delayed`: a recipient who was put off."""
        one = state.destination
        late = "" if delayed is None else f"{delayed.address}: {delayed.reason}"
        self._write(self._bold(one.hop) + "\n")
        oldest = f", the oldest for {span(self._now - state.oldest_ms)}" if state.waiting else ""
        count = many(state.waiting, "recipient") + f", {size(state.volume)}{oldest}" if state.waiting else "nobody"
        self._fields(
            (
                ("Waiting", count),
                ("Next try", self._next(state)),
                ("Last tried", moment(one.last_tried_ms)),
                ("Last answered", moment(one.last_ok_ms)),
                ("First failed", moment(one.first_failed_ms)),
                ("Failed", f"{one.failures} times in a row" if one.failures > 1 else ""),
                ("Why", printable(one.error)),
                ("Put off", printable(late)),
            )
        )

    def _next(self, state: "DestinationState") -> str:
        if state.destination.held:
            return "held: `estafeta queue release --destination` lets it go"
        if state.next_try_ms is None or not state.waiting:
            later = state.destination.failures and state.destination.due_ms
            return "when mail comes for it" + (f", {due(later, self._now)}" if later and later < 1 << 50 else "")
        if state.destination.holder and state.next_try_ms <= self._now:
            return "being sent to now"
        return due(state.next_try_ms, self._now)

    # Words

    def _cut(self, text: str, taken: int) -> str:
        """As much of a text as there is room for on the line."""
        if not self._width or taken + len(text) <= self._width:
            return text
        room = self._width - taken - 1
        return text[:room] + "…" if room > 3 else ""

    def _tinted(self, text: str, state: State) -> str:
        color = _COLORS.get(state, _IN_TROUBLE)
        return typer.style(text, fg=color) if self._terminal else text

    def _bold(self, text: str) -> str:
        return typer.style(text, bold=True) if self._terminal else text

    def _dim(self, text: str) -> str:
        return typer.style(text, dim=True) if self._terminal and text else text


def _how(waits: Waits, now_ms: int, *, whole: bool = False) -> str:
    if waits.state is not State.LATER:
        return _WORDS[waits.state]
    return due(waits.next_ms, now_ms) if whole else f"in {age(waits.next_ms - now_ms)}"


def _state_of_all(totals: "Totals", held: Sequence[Lane]) -> list[str]:
    everything = f"{many(totals.messages, 'message')}, {many(totals.recipients, 'recipient')}, {size(totals.volume)}."
    lines = [everything if totals.messages else "The queue is empty."]
    if totals.held:
        lines.append(f"{many(totals.held, 'recipient is', 'recipients are')} held.")
    if totals.in_trouble:
        cannot = many(totals.in_trouble, "destination")
        lines.append(f"{cannot} could not be reached the last time (`estafeta queue next`).")
    if totals.held_destinations:
        lines.append(f"{many(totals.held_destinations, 'destination is', 'destinations are')} held.")
    lines += [f"All that has {lane.name.lower()} priority is held." for lane in held]
    return lines


def as_json(message: Message) -> dict[str, Any]:
    """For programs: times in epoch milliseconds."""
    first = message.first
    return {
        "ident": message.ident,
        "from": first.sender,
        "subject": first.subject,
        "size": first.size,
        "came_ms": first.created_ms,
        "recipients": [
            {
                "address": one.queued.address,
                "destination": one.queued.hop,
                "priority": one.queued.lane.name.lower(),
                "state": str(one.state),
                "next_ms": one.next_ms,
                "attempts": one.queued.attempts,
                "first_failed_ms": one.queued.first_ms,
                "expires_ms": one.queued.expires_ms,
                "notify": one.queued.notify,
                "reason": one.reason,
            }
            for one in message.waiting
        ],
    }


def state_as_json(state: "DestinationState") -> dict[str, Any]:
    """A destination for programs."""
    one = state.destination
    return {
        "destination": one.hop,
        "waiting": state.waiting,
        "volume": state.volume,
        "oldest_ms": state.oldest_ms,
        "next_ms": state.next_try_ms,
        "held": one.held,
        "failures": one.failures,
        "first_failed_ms": one.first_failed_ms,
        "last_tried_ms": one.last_tried_ms,
        "last_ok_ms": one.last_ok_ms,
        "error": one.error,
        "holder": one.holder,
    }
