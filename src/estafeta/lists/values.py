"""What the work of a list gives: messages to take in, outcomes, decisions of moderators. Nothing is written here."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from estafeta.directory.listnames import with_role
from estafeta.directory.listvalues import MailingList
from estafeta.directory.service import Directory
from estafeta.directory.settings_fields import NO_LINKS
from estafeta.directory.settings_source import SettingsSource
from estafeta.journal.records import Code, Record, detail
from estafeta.queue.values import Acceptance, EntryFlag, Place, Waiting, Work
from estafeta.storage.database import Database


class Made(NamedTuple):
    """A message to take in, with its content. `refused`: (address, reason) of recipients to whom there is no way."""

    acceptance: Acceptance
    content: bytes
    refused: tuple[tuple[str, str], ...] = ()


class Plan(Protocol):
    """Resolves and routes the recipients of a message of ours, and puts its Return-Path in front. `sender` "" is the
    null reverse-path; `parent` the ident of the message that it came of. Asks the database."""

    def __call__(
        self,
        content: bytes,
        sender: str,
        recipients: Sequence[str],
        *,
        flags: EntryFlag,
        owner: int,
        parent: int,
        language: str,
    ) -> Made:
        """What to commit."""
        ...


class Fate(StrEnum):
    """What became of a recipient of a list's destination. DONE and EXPANDED leave the queue; FAILED too, and the sender
    may hear of it; LATER is tried again."""

    DONE = "done"
    EXPANDED = "expanded"
    FAILED = "failed"
    LATER = "later"


class ListOutcome(NamedTuple):
    """`status` and `text`: the enhanced code (RFC 3463) and the reason, where it failed."""

    place: Place
    fate: Fate
    status: str = ""
    text: str = ""


class Moderated(NamedTuple):
    """A decision on a message that is held: release the entry, or remove it. Both may be done twice."""

    entry_id: int
    approved: bool
    reason: str


class ListResult(NamedTuple):
    """All of it but `moderated` belongs into the commit that settles the outcomes."""

    outcomes: tuple[ListOutcome, ...]
    made: tuple[Made, ...] = ()
    records: tuple[Record, ...] = ()
    moderated: tuple[Moderated, ...] = ()


@dataclass(frozen=True, slots=True)
class Means:
    """What the work of lists needs. `clock`: epoch seconds; `new_ident`: the number of a new message."""

    database: Database
    directory: Directory
    settings: SettingsSource
    hostname: Callable[[], str]
    plan: Plan
    new_ident: Callable[[], int]
    clock: Callable[[], float]
    own_base: Callable[[], str]

    @property
    def link_base(self) -> str:
        """Where links lead: as the operator says, else to this server's own pages; empty: there are none."""
        base = self.settings.current.lists.link_base
        return "" if base == NO_LINKS else base or self.own_base()


@dataclass(frozen=True, slots=True)
class Case:
    """One recipient of one message at a list. `argument`: the words after the role in its address. `content`: the
    message without Return-Path; `stored`: as it is stored."""

    found: MailingList
    work: Work
    waiting: Waiting
    argument: str
    content: bytes
    stored: bytes

    @property
    def place(self) -> Place:
        """Where it stands in the queue."""
        return self.waiting.place


@dataclass(slots=True)
class Answer:
    """A `ListResult` in the making."""

    outcomes: list[ListOutcome] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    moderated: list[Moderated] = field(default_factory=list)

    def end(self, case: Case, fate: Fate, status: str = "", text: str = "") -> None:
        """Say what became of the case."""
        self.outcomes.append(ListOutcome(case.place, fate, status, text))

    def note(self, case: Case, code: Code, address: str, text: str = "", **more: object) -> None:
        """Record it."""
        known = detail(list=case.found.address, **more)
        self.records.append(Record(case.work.entry_id, code, address, size=case.work.size, text=text, detail=known))

    def refuse(self, case: Case, status: str, text: str) -> None:
        """It failed, for this reason."""
        self.note(case, Code.LIST_REFUSED, case.work.sender, text)
        self.end(case, Fate.FAILED, status, text)

    def drop(self, case: Case, reason: str) -> None:
        """It goes nowhere, and nobody is told but the journal."""
        self.note(case, Code.LIST_REFUSED, case.work.sender, reason)
        self.end(case, Fate.DONE)

    def result(self) -> ListResult:
        """The whole."""
        return ListResult(tuple(self.outcomes), tuple(self.made), tuple(self.records), tuple(self.moderated))


def owner_of_list(found: MailingList) -> int:
    """Whose the messages of a list are, so that 10,000 of them do not stand in their author's way. Never an account."""
    return -1 - zlib.crc32(b"list:" + found.key.encode("utf-8", "replace"))


def people_who_decide(found: MailingList) -> tuple[str, ...]:
    """The moderators, else the owners, else whoever gets mail for the owner (the postmaster)."""
    return found.moderators or (with_role(found.address, "owner"),)
