"""The story of a message: who sent it to whom, what happened to it, and what became of it for each recipient.

`tell_story` reads one message and those that belong to it: notices about it, what it is a notice about, what a list
made of it. Synchronous; bounded in records and in messages.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from estafeta.journal.reading import NEWEST, Entry, read_children, read_records, read_troubles
from estafeta.journal.records import Code
from estafeta.journal.words import ident_words
from estafeta.storage.database import Database

#: Messages that are told of together.
MAX_TOGETHER = 12
_LONGEST_IDENT = 16


class State(StrEnum):
    """Where a message is for one recipient, in words."""

    WAITING = "waiting"
    FILED = "filed"
    SENT = "delivered"
    FAILED = "failed"
    HELD = "held"
    REMOVED = "removed"
    FILTERED = "filtered"
    EXPANDED = "sent to a list"
    MOVED = "went on as another message"
    REFUSED = "refused"


_STATES = {
    Code.QUEUED: State.WAITING,
    Code.RETRY_FIRST: State.WAITING,
    Code.RETRY_SECOND: State.WAITING,
    Code.READY_AGAIN: State.WAITING,
    Code.DELIVERED_LOCAL: State.FILED,
    Code.SENT: State.SENT,
    Code.UNDELIVERABLE: State.FAILED,
    Code.NOT_DELIVERED_LOCAL: State.FAILED,
    Code.BOUNCED: State.FAILED,
    Code.HELD: State.HELD,
    Code.LIST_HELD: State.HELD,
    Code.RELEASED: State.WAITING,
    Code.REMOVED: State.REMOVED,
    Code.FILTERED: State.FILTERED,
    Code.LIST_EXPANDED: State.EXPANDED,
    Code.LIST_REFUSED: State.REFUSED,
    Code.REJECTED: State.REFUSED,
    Code.RELAY_REFUSED: State.REFUSED,
    Code.CONNECTION_REFUSED: State.REFUSED,
}
# Records with these are about the whole message where they name nobody.
_FINAL = (State.FILED, State.SENT, State.FAILED, State.REMOVED, State.FILTERED, State.EXPANDED, State.MOVED)
_BEGINNINGS = (Code.RECEIVED_LOCAL, Code.RECEIVED_RELAY, Code.MADE_HERE)
_REFUSALS = (Code.REJECTED, Code.RELAY_REFUSED)
_MAKERS = (Code.LIST_EXPANDED, Code.LIST_HELD, Code.LIST_REFUSED, Code.LIST_COMMAND, Code.SPLIT)
# Keys of details that name other messages, and what such a message is to this one.
_LINKS = {"notice": "notice about it", "child": "made from it", "parent": "what it comes from"}


@dataclass(slots=True)
class Story:
    """One message. `records` in their order; `states` by recipient, in the order in which they came up; `links`: idents
    of other messages that belong to it, with what they are to it. `why`: how it came to be told."""

    message_id: int
    records: list[Entry]
    sender: str = ""
    subject: str = ""
    field_id: str = ""
    size: int = 0
    peer: str = ""
    recipients: list[str] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)
    why: str = ""
    #: How many recipients it had; only some of them are named in `recipients`.
    addressed: int = 0

    @property
    def ident(self) -> str:
        """As in the reply to the client and in the Received field."""
        return f"{self.message_id:x}"

    @property
    def came_us(self) -> int:
        """When it came: its first record (epoch microseconds)."""
        return self.records[0].at_us

    @property
    def fate(self) -> str:
        """What became of it, in a few words."""
        counts: dict[State, int] = {}
        for state in self.states.values():
            counts[state] = counts.get(state, 0) + 1
        if len(self.states) == 1 or len(counts) == 1:
            return str(next(iter(counts)))
        return ", ".join(f"{number} {state}" for state, number in counts.items()) or "taken"


def tell_story(database: Database, message_id: int) -> Iterator[Story]:
    """The message first, then those that belong to it. Nothing when there is no record of it."""
    waiting, told = {message_id: ""}, set[int]()
    while waiting and len(told) < MAX_TOGETHER:
        ident = next(iter(waiting))
        why = waiting.pop(ident)
        told.add(ident)
        records = read_records(database, ident)
        if not records:
            continue
        story = summarize(records)
        story.why = why
        _add_troubles(database, story)
        _add_children(database, story)
        yield story
        waiting |= {other: what for other, what in story.links.items() if other not in told and other not in waiting}


def _add_troubles(database: Database, story: Story) -> None:
    """What kept it from being tried at all: destinations that could not be reached while it waited for them."""
    hops = {str(entry.detail["hop"]): entry.at_us for entry in story.records if entry.detail.get("hop")}
    last_us = NEWEST if State.WAITING in story.states.values() else story.records[-1].at_us
    if hops:
        found = read_troubles(database, list(hops), min(hops.values()), last_us)
        story.records = sorted([*story.records, *found], key=lambda entry: entry.at_us)


def _add_children(database: Database, story: Story) -> None:
    """What lists and splitting made of it: there may be too many to name in its own records."""
    for entry in story.records:
        if entry.code in _MAKERS and entry.message_id == story.message_id:
            for child in read_children(database, story.message_id, entry.at_us):
                story.links.setdefault(child, _LINKS["child"])


def summarize(records: list[Entry]) -> Story:
    """The story that records of one message (at least one) tell."""
    story = Story(records[0].message_id, records)
    for entry in records:
        _begin(story, entry)
        _move(story, entry)
        story.links.update(_links(entry))
    return story


def _begin(story: Story, entry: Entry) -> None:
    """What the records of its beginning say of it."""
    detail = entry.detail
    if entry.code in _BEGINNINGS:
        # Of a notice the record is about whom it goes to: nobody sent it.
        story.sender = story.sender or (entry.address if entry.address not in _named(detail) else "")
        story.peer = story.peer or entry.peer
        story.size = story.size or entry.size
        _address(story, detail)
        said = detail.get("recipients")
        story.addressed = max(story.addressed, len(story.recipients), said if isinstance(said, int) else 0)
    elif entry.code in _REFUSALS:
        story.sender = story.sender or str(detail.get("sender") or "")
        story.peer = story.peer or entry.peer
        _address(story, detail)
    story.subject = story.subject or str(detail.get("subject") or "")
    story.field_id = story.field_id or str(detail.get("message_id") or "")


def _address(story: Story, detail: Mapping[str, Any]) -> None:
    story.recipients += [one for one in _named(detail) if one not in story.recipients]


def _named(detail: Mapping[str, Any]) -> list[str]:
    listed = detail.get("to")
    return [str(one) for one in listed] if isinstance(listed, list) else []


def _move(story: Story, entry: Entry) -> None:
    state = _STATES.get(Code(entry.code)) if entry.code in _CODES else None
    if entry.code == Code.FILTERED and entry.detail.get("kept"):
        state = State.HELD
    if entry.code == Code.RESOLVED and entry.detail.get("child"):
        state = State.MOVED
    if state is None:
        return
    if entry.address:
        story.states[entry.address] = state
        return
    if entry.code in _REFUSALS:
        for address in _named(entry.detail):
            story.states.setdefault(address, state)
    for address, before in story.states.items():
        if before not in _FINAL or state is State.REFUSED:
            story.states[address] = state
    if not story.states:
        story.states[""] = state


def _links(entry: Entry) -> Iterable[tuple[int, str]]:
    for key, what in _LINKS.items():
        value = entry.detail.get(key)
        for one in value if isinstance(value, list) else [value]:
            words = ident_words(one) if one else ""
            if words and len(words) <= _LONGEST_IDENT and _is_hex(words) and int(words, 16) != entry.message_id:
                yield int(words, 16), what


def _is_hex(words: str) -> bool:
    return all(one in "0123456789abcdef" for one in words)


_CODES = frozenset(Code)
