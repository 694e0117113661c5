"""The daily letter to users about mail that is held for them, with links by which they decide themselves.

Each letter is committed together with the note of whom it told about what (`queue.quarantine.tell`): a crash between
two letters leaves the rest for the next time, and none is told twice. Told are addresses that mean one mailbox here;
what is held for groups, lists and people elsewhere is for operators.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from estafeta.core.errors import EstafetaError
from estafeta.core.ids import AccountId
from estafeta.delivery.heldtexts import TEXTS
from estafeta.directory.model import LocalTarget, Resolution
from estafeta.directory.settings_fields import NO_LINKS
from estafeta.directory.settings_source import SettingsSource
from estafeta.mail.address import Address, parse_address
from estafeta.mail.composing import mailbox_field, text_field, text_part
from estafeta.mail.dates import format_date
from estafeta.queue.quarantine import Told
from estafeta.queue.quarantinelinks import make_token
from estafeta.queue.quarantinelook import Choice, HeldMessage, find_held
from estafeta.queue.values import Acceptance, Place
from estafeta.storage.database import Database

#: Messages in one letter; the others are in the next.
MOST_NAMED = 100
_LONGEST_WORD = 120
_DEFAULT = "en"


class Made(Protocol):
    """A letter, ready to be taken in: what is committed, and its content as it is stored."""

    @property
    def acceptance(self) -> Acceptance: ...

    @property
    def content(self) -> bytes: ...


class Means(NamedTuple):
    """What the work needs. `resolve` and `language_of` ask the directory; `make` makes a message to an address, in a
    language."""

    database: Database
    settings: SettingsSource
    hostname: str
    clock: Callable[[], float]
    new_ident: Callable[[], int]
    own_base: Callable[[], str]
    resolve: Callable[[Address], Resolution]
    language_of: Callable[[str], str]
    make: Callable[[bytes, str, str], Made]


@dataclass(slots=True)
class Letter:
    """What one person is told: messages, each with the number of the recipient that they are."""

    to: str
    held: list[tuple[HeldMessage, int]] = field(default_factory=list)


class HeldLetters:
    """Makes and sends them."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def collect(self) -> list[Letter]:
        """What people have not been told yet, for each a letter. Reads the database and the directory."""
        letters: dict[AccountId, Letter] = {}
        with self._means.database.read() as conn:
            for held, number, address in _untold(find_held(conn, Choice(everything=True))):
                account = self._account_of(address)
                if account is not None:
                    letters.setdefault(account, Letter(address)).held.append((held, number))
        return list(letters.values())

    def prepare(self, letter: Letter) -> tuple[Told, bytes] | None:
        """What is committed for one, and its content; None where it cannot be delivered. Asks the directory."""
        means = self._means
        try:
            language = means.language_of(letter.to)
        except EstafetaError:  # an address with an extension, or a user who went just now
            language = ""
        language = language or means.settings.current.notices.language
        made = means.make(self.compose(letter, language), letter.to, language)
        if made.acceptance.entry is None and made.acceptance.arrival is None:
            return None
        places = tuple(Place(held.entry_id, number) for held, number in letter.held[:MOST_NAMED])
        return Told(made.acceptance, places), made.content

    def compose(self, letter: Letter, language: str) -> bytes:
        """The message, without Return-Path. RFC 3834: marked as automatic."""
        means = self._means
        texts, now = TEXTS.get(language, TEXTS[_DEFAULT]), means.clock()
        said = {"count": str(len(letter.held)), "host": means.hostname, "who": letter.to}
        lines = [texts.intro.format_map(said)]
        lines += [self._told(letter, held, number, language) for held, number in letter.held[:MOST_NAMED]]
        if len(letter.held) > MOST_NAMED:
            lines.append(texts.more.format(more=len(letter.held) - MOST_NAMED))
        fields = (
            mailbox_field("From", "", _postmaster(letter)),
            mailbox_field("To", "", letter.to),
            text_field("Subject", texts.subject.format_map(said)),
            b"Date: " + format_date(now) + b"\r\n",
            f"Message-ID: <{means.new_ident():x}.held@{means.hostname}>\r\n".encode("ascii", "replace"),
            b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
        )
        return b"".join(fields) + text_part("\n".join(lines))

    def _told(self, letter: Letter, held: HeldMessage, number: int, language: str) -> str:
        texts = TEXTS.get(language, TEXTS[_DEFAULT])
        words = texts.one.format(
            author=_word(held.author or held.sender or "<>"),
            subject=_word(held.subject),
            reason=_word(held.reason),
            came=_time(held.held_ms, "%Y-%m-%d %H:%M"),
            until=_time(held.expires_ms, "%Y-%m-%d"),
        )
        base = self._link_base
        if held.by_users and base:
            return words + texts.link.format(link=f"{base}/held/{make_token(held, number)}")
        return words + texts.ask.format(postmaster=_postmaster(letter), ident=held.ident)

    @property
    def _link_base(self) -> str:
        base = self._means.settings.current.quarantine.link_base
        return "" if base == NO_LINKS else base or self._means.own_base()

    def _account_of(self, address: str) -> AccountId | None:
        """The one mailbox here that an address means."""
        try:
            found = self._means.resolve(parse_address(address))
        except EstafetaError:
            return None
        match found.targets:
            case (LocalTarget(account_id=account),):
                return account
        return None


def _untold(messages: Iterator[HeldMessage]) -> Iterator[tuple[HeldMessage, int, str]]:
    for held in messages:
        for one in held.recipients:
            if not one.told:
                yield held, one.number, one.address


def _postmaster(letter: Letter) -> str:
    """RFC 5321 4.5.1: every domain has one, so ours does."""
    return f"postmaster@{letter.to.rpartition('@')[2]}"


def _word(text: str) -> str:
    """Words of senders in a text of ours: on one line, and no link that a mail program would make clickable."""
    plain = "".join(c if c.isprintable() else " " for c in text)[:_LONGEST_WORD]
    return plain.replace("://", ": //").replace("www.", "www .")


def _time(ms: int, form: str) -> str:
    return time.strftime(form, time.gmtime(ms / 1000))
