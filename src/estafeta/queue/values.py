"""Values of the queue (docs/internals/queue.md). Times are epoch milliseconds, idents numbers (`int(ident, 16)`)."""

from enum import IntEnum, IntFlag
from typing import NamedTuple

from estafeta.journal.records import Record
from estafeta.mail.scan import MessageSummary
from estafeta.mailboxes.deliver import Outcome
from estafeta.mailboxes.values import Arrival


class Lane(IntEnum):
    """Which goes first (row Q6). What is HELD waits until it is released. What is in QUARANTINE waits for a decision of
    its own (estafeta.queue.quarantine): what releases held mail does not release it."""

    HIGH = 0
    NORMAL = 1
    HELD = 9
    QUARANTINE = 10


#: What waits for a person, whatever its time.
HELD_LANES = (Lane.HELD, Lane.QUARANTINE)


class EntryFlag(IntFlag):
    """What a message needs on its way: 8BITMIME, SMTPUTF8 (addresses or header in UTF-8), BINARYMIME, REQUIRETLS;
    NOTICE: it is a notice of ours, of which no notice is made. FOREIGN: it came from outside, neither from a user nor
    from a network of ours, so that its reverse-path may be forged. VERP: each recipient has a reverse-path of its own,
    made of the sender's (estafeta.directory.listnames.verp_address). TLS_OPTIONAL: its header says that TLS is not
    required (RFC 8689 3). FORWARDED: an address of ours sends it on, and its sender is none of ours. RESULTS: the
    first Authentication-Results field in it is ours. STRANGER: a list's copy of what a stranger wrote: nobody here
    vouches for its From.
    """

    NONE = 0
    EIGHT_BIT = 1
    UTF8 = 2
    BINARY = 4
    REQUIRE_TLS = 8
    NOTICE = 16
    FOREIGN = 32
    VERP = 64
    TLS_OPTIONAL = 128
    FORWARDED = 256
    RESULTS = 512
    STRANGER = 1024


class NewRecipient(NamedTuple):
    """One recipient of a message that is queued. `hop` is the key of a next hop; `due_ms` when it is tried first,
    `expires_ms` when it is given up (after one more try), `warn_ms` when its sender hears that it is late (0: never).
    `notify` and `orcpt` as RFC 3461 has them: "" where the client said nothing, "NEVER", "SUCCESS,FAILURE,DELAY"."""

    hop: str
    address: str
    due_ms: int
    expires_ms: int
    warn_ms: int = 0
    notify: str = ""
    orcpt: str = ""


class Hold(NamedTuple):
    """Why a message is in quarantine: `rule` names the filter. `author` and `subject` are what its recipients are shown
    of it; `by_users`: whether they may release it themselves."""

    rule: str
    reason: str
    author: str
    subject: str
    expires_ms: int
    by_users: bool = False


class NewEntry(NamedTuple):
    """A message that is queued. `sender` is the reverse-path, "" for null; `owner` tells whose it is, so that all have
    their turn: an account, or a number made from the peer or the sender (`owner_of`). `skip`: octets at the front of
    the content that do not go out (Return-Path). `size` is of the content. `language` of notices to the sender. `hold`
    belongs to lane QUARANTINE."""

    entry_id: int
    sender: str
    owner: int
    recipients: tuple[NewRecipient, ...]
    size: int
    created_ms: int
    lane: Lane = Lane.NORMAL
    flags: EntryFlag = EntryFlag.NONE
    skip: int = 0
    envid: str = ""
    ret: str = ""
    language: str = ""
    subject: str = ""
    hold: Hold | None = None


class Acceptance(NamedTuple):
    """A message to take in: into mailboxes here (`arrival`, with its deliveries), into the queue (`entry`), or both;
    and what the journal says of it. `summary` is what was parsed of it. One content belongs to each."""

    summary: MessageSummary
    arrival: Arrival | None = None
    entry: NewEntry | None = None
    records: tuple[Record, ...] = ()


class Accepted(NamedTuple):
    """What became of an acceptance: one outcome for each delivery of its arrival."""

    outcomes: tuple[Outcome, ...]


#: `expires_ms` of a recipient that an operator gave up: it goes back to its sender without another try.
GIVEN_UP = 1


class Place(NamedTuple):
    """A recipient of a queued message: its key."""

    entry_id: int
    number: int


class Waiting(NamedTuple):
    """A recipient as read for delivery. `attempts` so far; `first_ms` when the first one failed (0: none did)."""

    place: Place
    address: str
    due_ms: int
    expires_ms: int
    warn_ms: int
    notify: str
    orcpt: str
    attempts: int
    first_ms: int
    reason: str = ""
    """Why it was not delivered the last time."""


class Work(NamedTuple):
    """A message and those of its recipients that are due at one destination: one transaction of SMTP, as a rule."""

    entry_id: int
    content_id: int
    sender: str
    owner: int
    lane: int
    flags: EntryFlag
    size: int
    skip: int
    created_ms: int
    envid: str
    ret: str
    language: str
    subject: str
    recipients: tuple[Waiting, ...]


class Destination(NamedTuple):
    """A next hop for which something waits, and how it went there of late. `failures`: attempts in a row at which
    nothing could be reached; `first_failed_ms` the first of them; `due_ms` when it may be tried (again)."""

    destination_id: int
    hop: str
    due_ms: int
    failures: int = 0
    first_failed_ms: int = 0
    last_tried_ms: int = 0
    last_ok_ms: int = 0
    error: str = ""
    held: bool = False
    holder: str = ""


class Delay(NamedTuple):
    """A recipient that waits for another try. `warned`: its sender is told now, and not again."""

    place: Place
    due_ms: int
    reason: str
    warned: bool = False
    hop: str = ""
    """Another destination than before, where routing has changed."""


class Trouble(NamedTuple):
    """A destination that could not be reached: nothing of it is tried before `due_ms`."""

    due_ms: int
    error: str


class Settle(NamedTuple):
    """What came of attempts at one destination, all in one commit. `done` leave the queue (delivered, failed, removed);
    a message without recipients left goes with them. `notices` have one content each, in order. `trouble`: the
    destination is down; `recovered`: it answers, forget its failures."""

    destination_id: int
    holder: str
    now_ms: int
    done: tuple[Place, ...] = ()
    later: tuple[Delay, ...] = ()
    records: tuple[Record, ...] = ()
    notices: tuple[Acceptance, ...] = ()
    trouble: Trouble | None = None
    recovered: bool = False
