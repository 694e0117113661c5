"""In whose name may a user send? MAIL FROM, and From and Sender of the message (A6; RFC 6409 6.1 and 8.1).

As itself: any address of its own, an alias that leads to its mailbox alone, and what it was granted
(estafeta.directory.grants). From and Sender are asked when the message is there, of users only; networks that may relay
say what they like, unless `restrict.verify_mail_from` asks them to sign in.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from estafeta.directory.model import Account, LocalTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_smtp import SenderRule
from estafeta.mail.address import Address, domain_key
from estafeta.mail.headers import Group, Mailbox, parse_address_list
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.restriction_checks import AddressBook
from estafeta.policy.verdict import Verdict, deferred, passed, rejected
from estafeta.routing.rewriterules import Field

#: In `Facts.found`: what the directory knows of the authors.
FROM = "from"

Rewrite = Callable[[Address, Field], Address]

#: RFC 5322 3.6.2 lets several write a message together; programs write one.
MAX_AUTHORS = 10

_OK = passed(text="Sender ok", enhanced="2.1.0")
_NOT_YOURS = rejected("You may not send from this address: use one of your own", "not own address", 553)
_NOT_OURS = rejected("You may not send from this address: use one of this server's domains", "foreign", 553)


class Author(NamedTuple):
    """An address in From or Sender, and what the directory knows of it and of what rewriting makes of it."""

    address: Address
    said: Resolution
    other: Address
    rewritten: Resolution


def check_sender(address: Address, resolution: Resolution, account: Account | None, rule: SenderRule) -> Verdict:
    """`resolution` is what the directory knows of `address`. The null path is everybody's and is not asked."""
    if rule is SenderRule.ANY or (account is not None and _is_granted(account, address)):
        return _OK
    if resolution.status is Status.NOT_OURS:
        return _NOT_OURS
    if resolution.status in (Status.UNKNOWN, Status.REMOVED):
        return _NOT_YOURS
    if rule is SenderRule.OWN and account is not None and not _is_own(account, resolution):
        return _NOT_YOURS
    return _OK


def checks(book: AddressBook, rewrite: Rewrite) -> tuple[Check, ...]:
    """`rewrite`: what rewriting makes of an address in a field."""

    def resolve(address: Address) -> Resolution:
        return book.cached(address) or book.resolve(address)

    def look(authors: Sequence[tuple[Field, Address]]) -> list[Author]:
        return [Author(one, resolve(one), other := rewrite(one, field), resolve(other)) for field, one in authors]

    async def find(facts: Facts, settings: Settings) -> list[Author]:
        content = facts.content
        if content is None or facts.account is None:
            return []
        authors = list(islice(authors_of(content), MAX_AUTHORS + 1))
        if all(book.cached(one) is not None and rewrite(one, field) == one for field, one in authors):
            return look(authors)
        return await asyncio.to_thread(look, authors)

    return (
        Check(FROM, Stage.HEADERS, "From and Sender: the user's own addresses, or what it was granted", judge_from,
              find, who=Who.USERS, on=lambda settings: settings.submission.from_must_be is not SenderRule.ANY,
              lost=_not_verified, light=True),
    )  # fmt: skip


def judge_from(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Every author must be the user, or one in whose name it may send."""
    content, account = facts.content, facts.account
    if content is None or account is None:
        return ()
    if (problem := unreadable(content)) is not None:
        return (problem,)
    authors: list[Author] = facts.found.get(FROM) or []
    if len(authors) > MAX_AUTHORS:
        return (_refused(f"A message has at most {MAX_AUTHORS} authors"),)
    rule = settings.submission.from_must_be
    for author in authors:
        said = check_sender(author.address, author.said, account, rule)
        if not said.accepted and not check_sender(author.other, author.rewritten, account, rule).accepted:
            return (_refused(f"You may not write in the name of {author.address}: use an address of your own"),)
    return ()


def unreadable(content: Content) -> Verdict | None:
    """What other programs might read otherwise than we do."""
    fields = content.fields
    for name in ("from", "sender"):
        if len(fields.raw(name)) > 1:
            return _refused(f"The message has more than one {name.capitalize()} field")  # RFC 5322 3.6
    for name in ("from", "sender"):
        for value in fields.raw(name):
            if value.strip() and not list(_mailboxes(value)):
                return _refused(f"The {name.capitalize()} field has no address that can be read")
    return None


def authors_of(content: Content) -> Iterator[tuple[Field, Address]]:
    """The addresses in From and Sender, and in which of them each is; of a list no more than are allowed, and one."""
    for name, field in (("from", Field.FROM), ("sender", Field.SENDER)):
        for value in content.fields.raw(name)[:2]:
            for one in _mailboxes(value):
                yield field, Address(one.local.decode("utf-8", "replace"), one.domain.decode("utf-8", "replace"))


def _mailboxes(value: bytes) -> Iterator[Mailbox]:
    for one in parse_address_list(value, MAX_AUTHORS + 1):
        yield from one.members if isinstance(one, Group) else (one,)


def _is_own(account: Account, resolution: Resolution) -> bool:
    if resolution.account_id is not None:
        return resolution.account_id == account.account_id
    targets = resolution.targets
    return len(targets) == 1 and isinstance(targets[0], LocalTarget) and targets[0].account_id == account.account_id


def _is_granted(account: Account, address: Address) -> bool:
    grants = account.grants
    return bool(grants) and (address.key in grants or f"@{domain_key(address.domain)}" in grants)


def _refused(text: str) -> Verdict:
    return rejected(text, "not own address in From", 550, "5.7.1")


def _not_verified(reason: str) -> Verdict:
    return deferred("Your addresses cannot be looked up now; try again later", f"From not verified: {reason}")
