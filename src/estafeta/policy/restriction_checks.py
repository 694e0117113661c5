"""Restrictions as rows of the table of checks: connections, sign-in, and senders in our own domains (rows A2, A3, A5).

Who may relay is asked for each recipient (policy.recipient), out of the same `Restrictions`.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from estafeta.directory.model import Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_restrictions import VerifyFrom
from estafeta.mail.address import Address
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.facts import Facts
from estafeta.policy.readers import Readers
from estafeta.policy.restrictions import CLIENT_NAME, RECENT_READER, Prepared, is_recent_reader
from estafeta.policy.verdict import Verdict, deferred, passed, rejected
from estafeta.trust.iprev import find_client_name
from estafeta.trust.lookups import Lookups

#: In `Facts.found`: what the directory knows of the reverse-path.
MAIL_FROM = "mail-from"

_CLIENTS = Who.STRANGERS | Who.NETWORKS
_UNKNOWN = (Status.UNKNOWN, Status.REMOVED, Status.DENIED)


class AddressBook(Protocol):
    """What is asked of the directory: `cached` never waits, `resolve` reads the database."""

    def cached(self, address: Address) -> Resolution | None: ...
    def resolve(self, address: Address) -> Resolution: ...


def checks(rules: Prepared, readers: Readers, book: AddressBook, resolver: Lookups) -> tuple[Check, ...]:
    """In the order of the manual: POP before SMTP first, then connections."""

    async def find_reader(facts: Facts, settings: Settings) -> bool:
        return await asyncio.to_thread(readers.is_recent, facts.peer, settings.relay.pop_minutes)

    async def find_name(facts: Facts, settings: Settings) -> None:
        # Of strangers it is looked up anyway.
        if facts.trusted and rules(settings).uses_names:
            facts.found[CLIENT_NAME] = await find_client_name(facts.peer, resolver)

    def judge_connection(facts: Facts, settings: Settings) -> Sequence[Verdict]:
        verdict = rules(settings).check_connection(facts)
        return (verdict,) if verdict.reason else ()

    def judge_identity(facts: Facts, settings: Settings) -> Sequence[Verdict]:
        verdict = rules(settings).check_identity(facts)
        return () if verdict.accepted else (verdict,)

    async def find_sender(facts: Facts, settings: Settings) -> Resolution | None:
        if facts.sender is None or is_accepted_sender(rules, facts, settings):
            return None
        found = book.cached(facts.sender)
        return await asyncio.to_thread(book.resolve, facts.sender) if found is None else found

    return (
        Check(RECENT_READER, Stage.CONNECT, "whether the client read its mail a short while ago (POP before SMTP)",
              judge_reader, find_reader, on=lambda settings: rules(settings).uses_readers, light=True),
        Check("connection", Stage.CONNECT, "restricted connections: addresses, networks, names", judge_connection,
              find_name, who=_CLIENTS | Who.USERS, light=True),
        Check("identity", Stage.AUTH, "whether the user may sign in to send", judge_identity, who=Who.USERS,
              on=lambda settings: settings.restrict.verify_identity),
        Check(MAIL_FROM, Stage.MAIL, "senders in our own domains: known, and signed in", judge_mail_from, find_sender,
              who=_CLIENTS, on=lambda settings: settings.restrict.verify_mail_from is not VerifyFrom.NONE,
              lost=_not_verified, light=True),
    )  # fmt: skip


def is_accepted_sender(rules: Prepared, facts: Facts, settings: Settings) -> bool:
    """Whether the sender is on the accept list, which is excepted from verification."""
    wanted = settings.restrict.verify_mail_from is VerifyFrom.NOT_ACCEPTED
    return wanted and facts.sender is not None and facts.sender in rules(settings).accept_senders


def judge_reader(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Worth knowing; what follows from it is decided where it is asked for."""
    return (passed("the client read its mail a short while ago"),) if is_recent_reader(facts) else ()


def judge_mail_from(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Of a client that did not sign in: may it use this reverse-path (A3)? Senders of others are for SPF and DMARC."""
    found = facts.found.get(MAIL_FROM)
    if not isinstance(found, Resolution) or found.status is Status.NOT_OURS:
        return ()
    if found.status in _UNKNOWN:
        return (rejected("There is no such sender here", "the sender is not in the directory", 550, "5.1.8"),)
    return (rejected("Sign in to send from this address", "a sender of ours who did not sign in", 530, "5.7.0"),)


def _not_verified(reason: str) -> Verdict:
    """Nobody could tell: later, then."""
    return deferred(
        "The sender cannot be verified now; try again later", f"sender not verified: {reason}", 451, "4.4.3"
    )
