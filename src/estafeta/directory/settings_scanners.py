"""Settings of scanners: programs that look at mail and say what they think of it.

Each has a place, a time, for whose mail it is asked, and what is done while it is away.
"""

import re
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_fields import parse_host_port

_MIB = 1 << 20
_POSTFIX_INET = re.compile(r"(\d+)@(\S+)")


class Away(StrEnum):
    """What is done with mail while a scanner does not answer."""

    PASS = "pass"  # noqa: S105 - no password
    DEFER = "defer"
    REJECT = "reject"


class AskedOf(StrEnum):
    """Whose mail a scanner sees: of strangers; of users and networks that may relay; all, with LMTP."""

    STRANGERS = "strangers"
    USERS = "users"
    ALL = "all"


class Infected(StrEnum):
    """What is done with a virus."""

    REJECT = "reject"
    QUARANTINE = "quarantine"
    DISCARD = "discard"


class Place(NamedTuple):
    """Where a scanner listens: the `path` of a Unix socket, or a host and a port."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"


def parse_place(text: str) -> Place:
    """`/run/x.sock` or `host:port`; also as other programs write it: `unix:/run/x.sock`, `local:/run/x.sock`,
    `inet:host:port`, `inet:port@host`. ValueError."""
    text = text.strip()
    for prefix in ("unix:", "local:"):
        text = text.removeprefix(prefix)
    if text.startswith("/"):
        if not text.isprintable() or " " in text or len(text.encode()) > 107:
            raise ValueError(f"{text!r} is not the path of a socket: at most 107 characters, none of them blank")
        return Place(path=text)
    text = text.removeprefix("inet6:").removeprefix("inet:")
    if at := _POSTFIX_INET.fullmatch(text):
        text = f"{at[2]}:{at[1]}"
    if not text:
        raise ValueError("the place is missing: a path or host:port")
    host, _, port = parse_host_port(text).rpartition(":")
    return Place(host.strip("[]") if ":" in host else host, int(port))


def _place_or_empty(text: str) -> str:
    text = text.strip()
    if text:
        parse_place(text)
    return text


PlaceOrEmpty = Annotated[str, AfterValidator(_place_or_empty)]

#: The beginning of descriptions.
AWAY = "What is done with mail while it does not answer: pass (take it unexamined), defer (451, the sender tries again)"


class Clamav(Section):
    """ClamAV: viruses. docs/guides/scanners.md."""

    server: PlaceOrEmpty = Field(
        default="",
        max_length=300,
        description="Where clamd listens: a socket such as /run/clamav/clamd.ctl, or host:port. Empty: it is not "
        "asked. Anybody who can read what goes to a port can read mail: use a socket, or a network of your own.",
    )
    seconds: int = Field(default=60, ge=1, le=600, description="Time for one message.")
    asked_of: AskedOf = Field(
        default=AskedOf.ALL,
        description="Whose mail it sees: strangers, users (who signed in, and networks that may relay), all.",
    )
    away: Away = Field(default=Away.DEFER, description=f"{AWAY}, reject (554).")
    infected: Infected = Field(
        default=Infected.REJECT,
        description="What is done with a virus: reject (554, the sender hears which), quarantine (taken and held for "
        "an operator), discard (taken and dropped; the journal says so).",
    )
    suspicious_names: tuple[str, ...] = Field(
        default=("Heuristics.", "PUA."),
        description="Beginnings of names that are guesses, not viruses: such messages get the points of "
        "policy.junk_score instead. Add those of signatures of spam that you load into ClamAV.",
    )
    max_bytes: int = Field(
        default=25 * _MIB,
        ge=64 << 10,
        le=4 << 30,
        description="Of larger messages only so much is sent from their beginning. Not more than StreamMaxLength in "
        "clamd.conf, which is 25 MiB in Debian's.",
    )


class Rspamd(Section):
    """rspamd, asked besides our own checks. docs/guides/scanners.md."""

    server: PlaceOrEmpty = Field(
        default="",
        max_length=300,
        description="Where rspamd's normal worker listens: host:port (11333), or a path. Empty: it is not asked.",
    )
    seconds: int = Field(default=15, ge=1, le=600, description="Time for one message.")
    asked_of: AskedOf = Field(default=AskedOf.STRANGERS, description="Whose mail it sees: strangers, users, all.")
    away: Away = Field(default=Away.PASS, description=f"{AWAY}, reject (554).")
    weight_percent: int = Field(
        default=100,
        ge=0,
        le=500,
        description="How much its points count. 100: what it would mark as spam gets the points of policy.junk_score.",
    )
    obey: bool = Field(
        default=False,
        description="Refuse what it would reject, and put off what it would (soft reject), whatever our points are.",
    )
    max_bytes: int = Field(default=25 * _MIB, ge=1024, le=4 << 30, description="Larger messages are not shown to it.")


class Spamassassin(Section):
    """SpamAssassin (spamd), asked besides our own checks. docs/guides/scanners.md."""

    server: PlaceOrEmpty = Field(
        default="",
        max_length=300,
        description="Where spamd listens: host:port (783), or a path. Empty: it is not asked.",
    )
    user: str = Field(
        default="",
        max_length=100,
        pattern=r"^[A-Za-z0-9_.@+-]*$",
        description="The user whose preferences it takes. Empty: its own.",
    )
    seconds: int = Field(default=30, ge=1, le=600, description="Time for one message.")
    asked_of: AskedOf = Field(default=AskedOf.STRANGERS, description="Whose mail it sees: strangers, users, all.")
    away: Away = Field(default=Away.PASS, description=f"{AWAY}, reject (554).")
    weight_percent: int = Field(
        default=100,
        ge=0,
        le=500,
        description="How much its points count. 100: what it takes for spam gets the points of policy.junk_score.",
    )
    max_bytes: int = Field(
        default=512 << 10,
        ge=1024,
        le=100 * _MIB,
        description="Larger messages are not shown to it: it takes seconds for them, and spam is small.",
    )
