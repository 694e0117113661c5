"""Is the originator of program-made mail its author (row A3, "Verify MSF message originator")?

A program on this machine that did not sign in writes as the user of the system that runs it: MAIL FROM, From and Sender
are NAME in a domain of ours, or an address of the mailbox that NAME is here. The null sender is a notice's. Who is in
`restrict.trusted_users` writes as it likes. Where nobody can tell whose program it is, it has to sign in.
"""

import asyncio
import pwd
from collections.abc import Callable, Sequence
from typing import NamedTuple

from estafeta.directory.model import Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address
from estafeta.net.owner import Ends, find_uid
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.facts import Facts
from estafeta.policy.restriction_checks import AddressBook
from estafeta.policy.sender import MAX_AUTHORS, authors_of, unreadable
from estafeta.policy.verdict import Verdict, deferred, rejected

#: In `Facts.found`: the name of the system's user, and its mailbox.
ORIGINATOR, AUTHORS = "originator", "originator-from"

_UNKNOWN = rejected("Sign in: nobody can tell which user of this system you are", "originator not known", 530, "5.7.0")


class Originator(NamedTuple):
    """Who runs the program ("" where nobody can tell), what the directory knows of that name and of the addresses that
    the program uses."""

    name: str
    own: Resolution | None
    used: tuple[tuple[Address, Resolution], ...] = ()


def checks(book: AddressBook, find: Callable[[Ends], int] = find_uid) -> tuple[Check, ...]:
    """The two: of the envelope, and of the message."""

    def look(ends: Ends, addresses: Sequence[Address]) -> Originator:
        name = _name_of(find(ends))
        own = book.resolve(Address(name, "")) if name else None
        return Originator(name, own, tuple((one, book.resolve(one)) for one in addresses))

    async def find_envelope(facts: Facts, settings: Settings) -> Originator | None:
        if facts.ends is None or facts.sender is None:
            return None
        return await asyncio.to_thread(look, facts.ends, [facts.sender])

    async def find_authors(facts: Facts, settings: Settings) -> Originator | None:
        if facts.ends is None or facts.content is None:
            return None
        return await asyncio.to_thread(look, facts.ends, [address for _, address in authors_of(facts.content)])

    def wanted(settings: Settings) -> bool:
        return settings.restrict.verify_originator

    who = Who.STRANGERS | Who.NETWORKS
    return (
        Check(ORIGINATOR, Stage.MAIL, "mail of programs here: sent by the user that runs them", judge_envelope,
              find_envelope, who=who, on=wanted, lost=_not_verified),
        Check(AUTHORS, Stage.HEADERS, "mail of programs here: written by the user that runs them", judge_authors,
              find_authors, who=who, on=wanted, lost=_not_verified),
    )  # fmt: skip


def judge_envelope(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """MAIL FROM."""
    return _judged(facts.found.get(ORIGINATOR), settings)


def judge_authors(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """From and Sender."""
    found = facts.found.get(AUTHORS)
    if not isinstance(found, Originator) or facts.content is None:
        return ()
    if found.name and found.name not in settings.restrict.trusted_users:
        problem = unreadable(facts.content)
        if problem is not None:
            return (problem,)
    return _judged(found, settings)


def _judged(found: object, settings: Settings) -> Sequence[Verdict]:
    if not isinstance(found, Originator) or found.name in settings.restrict.trusted_users:
        return ()
    if not found.name:
        return (_UNKNOWN,)
    if len(found.used) > MAX_AUTHORS:
        return (rejected(f"A message has at most {MAX_AUTHORS} authors", "too many authors", 550, "5.7.1"),)
    for address, resolution in found.used:
        if not _is_own(found, address, resolution):
            text = f"{found.name} may not send as {address}: sign in, or use an address of {found.name}"
            return (rejected(text, "the originator is not the author", 550, "5.7.1"),)
    return ()


def _is_own(found: Originator, address: Address, resolution: Resolution) -> bool:
    if resolution.status is Status.NOT_OURS:
        return False
    if address.key.partition("@")[0] == found.name.casefold():
        return True
    mine = found.own.account_id if found.own is not None else None
    return mine is not None and resolution.account_id == mine


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name if uid >= 0 else ""
    except KeyError:
        return ""


def _not_verified(reason: str) -> Verdict:
    return deferred("The sender cannot be verified now; try again later", f"originator not verified: {reason}")
