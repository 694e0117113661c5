"""What a milter is told of a message, and what it makes of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """The steps of a session that have macros, in libmilter's order (SMFIM_*)."""

    CONNECT = "connect"
    HELO = "helo"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END = "end"
    END_OF_HEADER = "end of header"


class Fate(StrEnum):
    """What is to become of the message."""

    ACCEPT = "accept"
    REJECT = "reject"
    TEMPFAIL = "tempfail"
    DISCARD = "discard"


class Change(NamedTuple):
    """One change to the header. `place`: for "insert" the number of fields before it, for "change" which of those of
    this name, from 1. `value` without its line end; an empty one of "change" deletes the field."""

    what: str
    name: bytes
    value: bytes
    place: int = 0


class Outcome(NamedTuple):
    """`code`, `enhanced` and `text`: its own words for a refusal, 0 and "" for none. `quarantine`: why it is to be
    held, "" for not at all."""

    fate: Fate
    code: int = 0
    enhanced: str = ""
    text: str = ""
    changes: tuple[Change, ...] = ()
    quarantine: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A message and its session. `address`: an IP address, "" for a local client. `fields`: name and value as they
    were sent, white space around the value and folds kept, without its last line end. `macros` by stage; those of RCPT
    are told with each recipient, whose own come with it in `recipients`."""

    host: str
    address: str
    helo: str
    sender: str
    recipients: tuple[tuple[str, dict[str, str]], ...]
    fields: tuple[tuple[bytes, bytes], ...]
    macros: dict[Stage, dict[str, str]]
    parameters: tuple[str, ...] = ()
