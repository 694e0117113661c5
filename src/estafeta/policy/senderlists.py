"""Whom a site and its users always want to hear of, and whom never.

An entry is `ana@example.org`, `@example.org` (that domain) or `@.example.org` (that domain and all below it), with
`allow` or `block`. Anybody can write any address, so what is allowed counts only for addresses that are proven
(policy.identities); what is blocked counts for every address that a message bears, in MAIL FROM or in From. Of several
entries that fit, the most exact decides, and of two that are equally exact the one that blocks.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select, update

from estafeta.core.clock import Clock
from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.address import Address, domain_key, parse_address
from estafeta.policy.facts import Facts
from estafeta.policy.identities import authors_of, identities_of
from estafeta.policy.remembered import Remembered
from estafeta.policy.reputationtables import sender_lists
from estafeta.storage.database import Database, Transaction

#: The account of the entries that hold for everybody.
SITE = 0
#: On the bus: entries have changed.
TOPIC = "senders"
#: Entries of one user, and of the site: all of one are read at once.
MAX_ENTRIES = 2000
MAX_SITE_ENTRIES = 20_000
_MAX_NOTE = 200
#: Lists of users are remembered for so long where the bus did not tell of a change.
_FRESH_SECONDS = 60
_MOST_REMEMBERED = 2000
# Labels of a domain that patterns are tried with: no name that people write has more.
_MAX_LABELS = 12
# Exactness of an address, above that of any domain.
_ADDRESS = 1000


class Action(StrEnum):
    """What is to be done."""

    ALLOW = "allow"
    BLOCK = "block"


class Entry(NamedTuple):
    """A row. `account_id`: whose, SITE for everybody."""

    account_id: int
    pattern: str
    action: Action
    created_seconds: int = 0
    note: str = ""


class Match(NamedTuple):
    """The entry that decides about a message, and for which address."""

    pattern: str
    action: Action
    address: str


Entries = Mapping[str, Action]


def parse_pattern(text: str) -> str:
    """An entry as a person writes it; a name without `@` is a domain. Raises EstafetaError INVALID."""
    text = text.strip()
    local, _, domain = text.rpartition("@")
    if local:
        return parse_address(text).key
    below = "." if domain.startswith(".") else ""
    name = domain.removeprefix(".").rstrip(".")
    try:
        # Names are checked where addresses are.
        return f"@{below}{domain_key(parse_address(f'x@{name}').domain)}"
    except EstafetaError:
        raise EstafetaError(
            Kind.INVALID, f"{text!r} is neither an address nor a domain, such as @example.org or @.example.org."
        ) from None


def decide(entries: Entries, facts: Facts) -> Match | None:
    """What a list says of the session's message, as far as it is known by now."""
    if not entries:
        return None
    proven = set(identities_of(facts).addresses)
    best: tuple[int, bool, Match] | None = None
    for address in _claimed(facts):
        for exactness, pattern in _patterns(address):
            action = entries.get(pattern)
            if action is None or (action is Action.ALLOW and address.key not in proven):
                continue
            found = (exactness, action is Action.BLOCK, Match(pattern, action, str(address)))
            best = found if best is None or found[:2] > best[:2] else best
            break
    return best[2] if best else None


def _claimed(facts: Facts) -> list[Address]:
    claimed = [] if facts.sender is None else [facts.sender]
    for author in authors_of(facts):
        if author.domain:
            claimed.append(Address(author.local.decode("utf-8", "replace"), author.domain.decode("utf-8", "replace")))
    return claimed


def _patterns(address: Address) -> Iterable[tuple[int, str]]:
    """Patterns that fit an address, the most exact first."""
    domain = domain_key(address.domain).rstrip(".")
    labels = domain.split(".")[-_MAX_LABELS:]
    yield _ADDRESS, address.key
    yield _ADDRESS - 1, f"@{domain}"
    for place in range(len(labels)):
        yield len(labels) - place, "@." + ".".join(labels[place:])


class SenderLists:
    """All lists, as sessions ask for them. One for each worker."""

    def __init__(self, database: Database, clock: Clock = time.time) -> None:
        self._database = database
        self._known: Remembered[int, dict[str, Action]] = Remembered(
            self._read, clock, seconds=_FRESH_SECONDS, most=_MOST_REMEMBERED
        )

    async def of(self, accounts: Collection[int]) -> dict[int, dict[str, Action]]:
        """The lists of accounts that have one; `SITE` is one. Raises EstafetaError."""
        return await self._known.get(accounts)

    def forget(self) -> None:
        """They have changed."""
        self._known.forget()

    def _read(self, accounts: Collection[int]) -> dict[int, dict[str, Action]]:
        found: dict[int, dict[str, Action]] = {}
        columns = sender_lists.c
        wanted = select(columns.account_id, columns.pattern, columns.action)
        with self._database.read() as conn:
            for account_id, pattern, action in conn.execute(wanted.where(columns.account_id.in_(list(accounts)))):
                found.setdefault(account_id, {})[pattern] = Action(action)
        return found


# What a person does with them


def list_entries(database: Database, account_id: int) -> list[Entry]:
    """The entries of a user or of the site, in alphabetical order."""
    columns = sender_lists.c
    with database.read() as conn:
        rows = conn.execute(select(sender_lists).where(columns.account_id == account_id).order_by(columns.pattern))
        return [Entry(row[0], row[1], Action(row[2]), row[3], row[4]) for row in rows]


def put_entry(database: Database, entry: Entry) -> bool:
    """Add an entry, or change it; whether anything changed. `pattern` as `parse_pattern` gives it. Raises EstafetaError
    LIMIT where a list is full."""
    columns = sender_lists.c
    here = (columns.account_id == entry.account_id, columns.pattern == entry.pattern)
    values = {"action": entry.action.value, "created_seconds": entry.created_seconds, "note": entry.note[:_MAX_NOTE]}
    with database.write() as tx:
        known = tx.conn.execute(select(columns.action, columns.note).where(*here)).first()
        if known is not None and (known.action, known.note) == (values["action"], values["note"]):
            return False
        if known is not None:
            tx.conn.execute(update(sender_lists).where(*here).values(**values))
        else:
            _check_room(tx, entry.account_id)
            key = {"account_id": entry.account_id, "pattern": entry.pattern}
            tx.conn.execute(insert(sender_lists), {**key, **values})
        tx.announce(TOPIC)
    return True


def remove_entry(database: Database, account_id: int, pattern: str) -> None:
    """Remove an entry. Raises EstafetaError NOT_FOUND."""
    columns = sender_lists.c
    with database.write() as tx:
        gone = tx.conn.execute(delete(sender_lists).where(columns.account_id == account_id, columns.pattern == pattern))
        if not gone.rowcount:
            raise EstafetaError(Kind.NOT_FOUND, f"{pattern} is not on this list.")
        tx.announce(TOPIC)


def remove_account(tx: Transaction, account_id: int) -> None:
    """A user is gone for good."""
    tx.conn.execute(delete(sender_lists).where(sender_lists.c.account_id == account_id))


def _check_room(tx: Transaction, account_id: int) -> None:
    most = MAX_SITE_ENTRIES if account_id == SITE else MAX_ENTRIES
    mine = select(func.count()).select_from(sender_lists).where(sender_lists.c.account_id == account_id)
    if (tx.conn.scalar(mine) or 0) >= most:
        raise EstafetaError(Kind.LIMIT, f"This list has {most} entries already: use domains instead of addresses.")
