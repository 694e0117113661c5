"""Values of distribution lists: what can be set for each, a list, a member."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from estafeta.core.errors import EstafetaError
from estafeta.directory.settings_base import Section
from estafeta.mail.address import parse_address


class Post(StrEnum):
    """Who may write to a list. Owners, moderators and posters always may."""

    ANYONE = "anyone"
    MEMBERS = "members"
    POSTERS = "posters"


class Others(StrEnum):
    """What happens to what others write."""

    REFUSE = "refuse"
    MODERATE = "moderate"


class Join(StrEnum):
    """How somebody subscribes: by writing, by confirming that they wrote, by an owner's consent, not at all."""

    OPEN = "open"
    CONFIRM = "confirm"
    APPROVE = "approve"
    CLOSED = "closed"


class Leave(StrEnum):
    """How a member leaves: by writing, or by confirming that they wrote."""

    OPEN = "open"
    CONFIRM = "confirm"


class Personal(StrEnum):
    """How much each member's copy is their own.

    OFF: one message for all. VERP: its own reverse-path, so that any bounce tells whose it is. FULL: also its own
    links to leave with one click (RFC 8058); each copy is stored until it is sent."""

    OFF = "off"
    VERP = "verp"
    FULL = "full"


class FromField(StrEnum):
    """KEEP the author in From, or MUNGE it to the list's address, with the author in Reply-To: domains with a DMARC
    policy of reject forbid others to send in their name."""

    KEEP = "keep"
    MUNGE = "munge"


class Language(StrEnum):
    """In which a list writes to its members."""

    ENGLISH = "en"
    SPANISH = "es"
    JAPANESE = "ja"


class MemberState(StrEnum):
    """PAUSED: a member who gets no mail for now, but may write."""

    ACTIVE = "active"
    PAUSED = "paused"


class How(StrEnum):
    """Who put a member in."""

    OPERATOR = "operator"
    MAIL = "mail"
    LINK = "link"


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it is one line of text without control characters")
    return text.strip()


def _address(text: str) -> str:
    try:
        return str(parse_address(text))
    except EstafetaError as error:
        raise ValueError(error.public) from None


def _reply_to(text: str) -> str:
    return text if text in ("author", "list") else _address(text)


def _archive(text: str) -> str:
    text = text.strip()
    address, slash, folder = text.partition("/")
    if not text:
        return ""
    if slash and folder and text.isprintable() and (address == "#shared" or "@" in address):
        return text
    raise ValueError("write it as #shared/Lists/NAME or as ana@example.org/FOLDER")


Line = Annotated[str, AfterValidator(_line), Field(max_length=256)]
Addresses = Annotated[tuple[Annotated[str, AfterValidator(_address)], ...], Field(max_length=1000)]


class ListOptions(Section):
    """What can be set for a list."""

    name: Line = Field(default="", description="Name that people see, in List-Id and in From where that is munged.")
    description: Line = Field(default="", description="What the list is for; welcome messages say it.")
    owners: Addresses = Field(
        default=(), description="Who answers for the list: gets NAME-owner, and reports. Empty: the postmaster."
    )
    moderators: Addresses = Field(default=(), description="Who approves messages. Empty: the owners.")
    posters: Addresses = Field(default=(), description="Others who may always write to the list.")
    post: Post = Field(default=Post.MEMBERS, description="Who may write: anyone, members, or posters only.")
    others: Others = Field(
        default=Others.MODERATE, description="What happens to what others write: moderate, or refuse at once."
    )
    moderate: bool = Field(default=False, description="Moderate what members write, too.")
    subscribe: Join = Field(
        default=Join.CONFIRM,
        description="How somebody subscribes: open, confirm (answer a message), approve (an owner consents, after the "
        "confirmation), closed.",
    )
    unsubscribe: Leave = Field(default=Leave.OPEN, description="How a member leaves: open, or confirm.")
    personal: Personal = Field(
        default=Personal.OFF,
        description="off: one message for all. verp: a reverse-path for each member. full: also links of their own for "
        "one-click unsubscription (RFC 8058), as large receivers ask of bulk senders.",
    )
    max_personal_bytes: int = Field(
        default=262_144, ge=0, le=1 << 30, description="Larger messages are not made personal, only their reverse-path."
    )
    from_field: FromField = Field(
        default=FromField.KEEP,
        description="keep: From as written. munge: the list's address, for authors whose domains have DMARC p=reject.",
    )
    reply_to: Annotated[str, AfterValidator(_reply_to)] = Field(
        default="author", description="Where answers go: author (Reply-To as written), list, or an address."
    )
    subject_prefix: Annotated[str, AfterValidator(_line)] = Field(
        default="",
        max_length=60,
        description="Put before subjects, as in [News]. It breaks signatures of authors (DKIM).",
    )
    max_bytes: int = Field(default=0, ge=0, le=1 << 40, description="Largest message. 0: as the site has it.")
    archive: Annotated[str, AfterValidator(_archive)] = Field(
        default="",
        max_length=400,
        description="Folder that keeps what was written: #shared/Lists/NAME or ADDRESS/FOLDER. Empty: none.",
    )
    language: Language = Field(default=Language.ENGLISH, description="Language of its own messages: en, es or ja.")
    welcome: bool = Field(default=True, description="Greet new members, and say goodbye to those who leave.")
    bounces: bool = Field(
        default=True, description="Unsubscribe members whose mail comes back on lists.max_bounce_days days."
    )


@dataclass(frozen=True, slots=True)
class MailingList:
    """A list. `key` is the address as the directory and the queue have it, `members` how many it has (-1: not
    counted)."""

    list_id: int
    address: str
    key: str
    options: ListOptions
    secret: bytes
    created_seconds: int
    members: int = -1

    @property
    def title(self) -> str:
        """What people call it."""
        return self.options.name or self.address.rpartition("@")[0]

    @property
    def moderators(self) -> tuple[str, ...]:
        """Who approves; empty where there are neither moderators nor owners."""
        return self.options.moderators or self.options.owners


@dataclass(frozen=True, slots=True)
class Member:
    """A member. `bounces`: days with bounces, `bounce_day` the last of them, in days since 1970."""

    number: int
    address: str
    display_name: str
    state: MemberState
    how: How
    joined_seconds: int
    bounces: int
    bounce_day: int


@dataclass(frozen=True, slots=True)
class NewMember:
    """Somebody to put into a list."""

    address: str
    display_name: str = ""
