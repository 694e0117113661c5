"""What notices to senders are made of, and what is made: what became of recipients of which message, what is due."""

from enum import StrEnum
from typing import NamedTuple, Protocol

from estafeta.delivery.values import ReplyInfo
from estafeta.journal.records import Record
from estafeta.queue.values import Acceptance, EntryFlag, Waiting, Work


class Fate(StrEnum):
    """What became of a recipient. DELIVERED: it is in its mailbox (here, or by LMTP). RELAYED: another server without
    DSN has it; one with DSN confirms by itself, and there is nothing to say. DELAYED: it waits, and its sender is to
    hear of it now. EXPIRED: it is given up after its time. EXPANDED: it went on to the members of a list or group.
    REMOVED: an operator took it out and wants its sender to know."""

    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    DELAYED = "delayed"
    FAILED = "failed"
    EXPIRED = "expired"
    REMOVED = "removed"


class Result(NamedTuple):
    """What became of one recipient. `reply` is the last one of the other side, `mta` the host that gave it (an address
    in brackets behind it is left out); without a reply, `text` is why, in a sentence, and `status` (X.Y.Z, also in
    front of the text) may tell it. `orcpt` is decoded (no xtext). `retry_until_ms` for DELAYED."""

    address: str
    fate: Fate
    notify: str = ""
    orcpt: str = ""
    reply: ReplyInfo | None = None
    mta: str = ""
    text: str = ""
    status: str = ""
    retry_until_ms: int = 0


def result_of(
    waiting: Waiting,
    fate: Fate,
    *,
    reply: ReplyInfo | None = None,
    mta: str = "",
    text: str = "",
    status: str = "",
) -> Result:
    """The result for a recipient of the queue."""
    return Result(
        waiting.address,
        fate,
        waiting.notify,
        waiting.orcpt,
        reply,
        mta,
        text,
        status,
        retry_until_ms=waiting.expires_ms,
    )


class About(NamedTuple):
    """The message that notices speak of; the fields are those of `Work`. `envid` is decoded (no xtext)."""

    ident: int
    sender: str
    created_ms: int
    size: int = 0
    flags: EntryFlag = EntryFlag.NONE
    envid: str = ""
    ret: str = ""
    language: str = ""
    subject: str = ""


def about_work(work: Work) -> About:
    """The message of a piece of work."""
    return About(
        work.entry_id,
        work.sender,
        work.created_ms,
        work.size - work.skip,
        EntryFlag(work.flags),
        work.envid,
        work.ret,
        work.language,
        work.subject,
    )


class Made(NamedTuple):
    """A message to take in, and its content as it is to be stored."""

    acceptance: Acceptance
    content: bytes


class Plan(Protocol):
    """Makes an acceptance of a message of ours: routes its recipients, scans the content, puts trace fields in front.
    `flags` has NOTICE. `records` belong to the new message. Raises EstafetaError where nobody can take it."""

    def __call__(
        self,
        content: bytes,
        sender: str,
        recipients: tuple[str, ...],
        *,
        ident: int,
        flags: EntryFlag,
        language: str,
        records: tuple[Record, ...],
    ) -> Made: ...


class Due(NamedTuple):
    """Messages to take in, and records of the message that they speak of."""

    made: tuple[Made, ...] = ()
    records: tuple[Record, ...] = ()
