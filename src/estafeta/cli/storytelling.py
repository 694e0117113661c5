"""How stories of messages look: on a terminal, in a pipe, as JSON."""

import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from shutil import get_terminal_size
from typing import Any

import typer

from estafeta.app.passports import MailboxNames
from estafeta.journal.reading import Entry
from estafeta.journal.story import State, Story
from estafeta.journal.words import Telling, Tone, printable, size, tell
from estafeta.storage.database import Database

_COLORS = {Tone.GOOD: "green", Tone.BAD: "red", Tone.WAIT: "yellow"}
_STATES = {
    State.FILED: Tone.GOOD,
    State.SENT: Tone.GOOD,
    State.EXPANDED: Tone.GOOD,
    State.WAITING: Tone.WAIT,
    State.HELD: Tone.WAIT,
}
# Names of recipients that are shown before it is said how many more there are.
_SHOWN = 12
_INDENT = "  "


class Teller:
    """Prints stories. Colours and wrapped lines only on a terminal; elsewhere a record is a line."""

    def __init__(self, database: Database) -> None:
        self._names = MailboxNames(database)
        self._terminal = sys.stdout.isatty()
        self._width = max(60, min(get_terminal_size().columns, 160))

    def list(self, story: Story) -> None:
        """One line: when, ident, who to whom, what about, what became of it."""
        to = _whom(story)
        subject = f'  "{printable(story.subject)}"' if story.subject else ""
        typer.echo(
            f"{_when(story.came_us)[:16]}  {self._bold(story.ident)}  {printable(story.sender) or '<>'} -> {to}"
            f"{subject}  {self._fate(story)}"
        )

    def tell(self, story: Story) -> None:
        """The whole story."""
        title = f"Message {story.ident}" + (f", {story.why}" if story.why else "")
        typer.echo(self._bold(title))
        for name, value in _head(story):
            typer.echo(f"{_INDENT}{name:<11} {value}")
        self._show_fate(story)
        typer.echo()
        telling = Telling(self._names, _clock(story.came_us), story.came_us)
        day = ""
        for entry in story.records:
            if self._terminal and _when(entry.at_us)[:10] != day:
                day = _when(entry.at_us)[:10]
                typer.echo(f"{_INDENT}{day}")
            self._say(entry, telling)

    def show_records(self, story: Story) -> None:
        """Every record with its code and all that it holds."""
        for entry in story.records:
            values = [("about", entry.address), ("peer", entry.peer), ("size", entry.size or ""), ("text", entry.text)]
            typer.echo(f"{_when(entry.at_us)}  {self._bold(entry.code)}  {tell(entry, Telling(self._names))[1]}")
            for name, value in [*values, *entry.detail.items()]:
                if value:
                    typer.echo(f"{_INDENT * 2}{name:<11} {printable(_plain(value))}")

    def as_json(self, story: Story) -> dict[str, Any]:
        """For programs: times in epoch milliseconds."""
        telling = Telling(self._names, came_us=story.came_us)
        return {
            "ident": story.ident,
            "from": story.sender,
            "to": list(story.states) or story.recipients,
            "subject": story.subject,
            "message_id": story.field_id,
            "size": story.size,
            "came_ms": story.came_us // 1000,
            "fate": story.fate,
            "recipients": {address: str(state) for address, state in story.states.items() if address},
            "related": story.why,
            "records": [_record(entry, tell(entry, telling)[1]) for entry in story.records],
        }

    def _say(self, entry: Entry, telling: Telling) -> None:
        tone, words = tell(entry, telling)
        if not self._terminal:
            typer.echo(f"{_INDENT}{_when(entry.at_us)}  {entry.code}  {words}")
            return
        front = f"{_INDENT * 2}{_when(entry.at_us)[11:]}  {entry.code}  "
        first, *rest = textwrap.wrap(words, self._width - len(front), break_on_hyphens=False) or [""]
        typer.echo(self._dim(front) + self._tinted(first, tone))
        for line in rest:
            typer.echo(" " * len(front) + self._tinted(line, tone))

    def _show_fate(self, story: Story) -> None:
        """What became of it for each recipient, while there are few."""
        states = [(address, state) for address, state in story.states.items() if address]
        if not 1 < len(states) <= _SHOWN or len(set(story.states.values())) == 1:
            typer.echo(f"{_INDENT}{'Fate':<11} {self._fate(story)}")
            return
        for number, (address, state) in enumerate(states):
            tinted = self._tinted(str(state), _STATES.get(state, Tone.BAD))
            typer.echo(f"{_INDENT}{'' if number else 'Fate':<11} {printable(address)}: {tinted}")

    def _fate(self, story: Story) -> str:
        tones = {_STATES.get(state, Tone.BAD) for state in story.states.values()}
        tone = next((one for one in (Tone.BAD, Tone.WAIT, Tone.GOOD) if one in tones), Tone.PLAIN)
        return self._tinted(story.fate, tone)

    def _tinted(self, text: str, tone: Tone) -> str:
        color = _COLORS.get(tone)
        return typer.style(text, fg=color) if self._terminal and color else text

    def _bold(self, text: str) -> str:
        return typer.style(text, bold=True) if self._terminal else text

    def _dim(self, text: str) -> str:
        return typer.style(text, dim=True) if self._terminal else text


def _head(story: Story) -> Iterator[tuple[str, str]]:
    if story.subject:
        yield "Subject", printable(story.subject)
    yield "From", printable(story.sender) or "<> (a notice: nobody to answer to)"
    if story.states or story.recipients:
        yield "To", _whom(story)
    if story.field_id:
        yield "Message-ID", printable(story.field_id)
    yield "Came", f"{_when(story.came_us)[:19]}{f', {size(story.size)}' if story.size else ''}"


def _whom(story: Story) -> str:
    names = [printable(one) for one in story.recipients or story.states if one]
    count = max(len(names), story.addressed)
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "?"


def _when(at_us: int) -> str:
    """`2026-03-01 12:00:05.123`, local time."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at_us / 1e6))}.{at_us // 1000 % 1000:03d}"


def _clock(came_us: int) -> Any:
    """Moments of the day on which the message came without their date."""
    today = _when(came_us)[:10]

    def clock(ms: int) -> str:
        words = _when(ms * 1000)[:19]
        return words[11:] if words.startswith(today) else words

    return clock


def _plain(value: object) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | dict):
        return ", ".join(map(str, value))
    return str(value)


def _record(entry: Entry, words: str) -> dict[str, Any]:
    return {
        "at_ms": entry.at_us // 1000,
        "code": entry.code,
        "words": words,
        "address": entry.address,
        "peer": entry.peer,
        "size": entry.size,
        "text": entry.text,
        "detail": entry.detail,
    }
