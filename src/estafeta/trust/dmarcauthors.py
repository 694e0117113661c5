"""Whose name a message bears: the domains of its From field (RFC 7489 6.6.1, RFC 9989 5.3.1).

RFC 5322 3.6 wants one From field. Of several all count, since nobody knows which one a reader is shown; so do all
addresses of one field, and the members of groups (RFC 6854).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from estafeta.core.remember import remember_short
from estafeta.mail.address import domain_key
from estafeta.mail.addresslist import Group, Mailbox, parse_address_list

_MAX_ADDRESSES = 100
"""Of one From field; nobody writes letters with more authors."""
# With room for `_dmarc.` before it (RFC 1035 2.3.4).
_NAME = re.compile(r"(?=.{1,246}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")


class Authors(NamedTuple):
    """Domains as A-labels in lower case, each once, and what is wrong with the field, "" for nothing."""

    domains: tuple[str, ...]
    problem: str = ""


def author_domains(values: Iterable[bytes]) -> Authors:
    """The domains of the values of all From fields. Never raises."""
    fields = list(values)
    if not fields:
        return Authors((), "the message has no From field")
    names = [name for value in fields for name in _names(value)]
    domains = tuple(dict.fromkeys(name for name in names if name))
    if len(fields) > 1:
        return Authors(domains, f"the message has {len(fields)} From fields")
    if not names:
        return Authors(domains, "From names nobody")
    if len(names) > _MAX_ADDRESSES:
        return Authors(domains, f"From names more than {_MAX_ADDRESSES} authors")
    return Authors(domains, "" if all(names) else "From has an address without a valid domain")


@remember_short(4096, 300)
def normal_domain(name: str) -> str:
    """A domain as it is compared and looked up; "" for what can be none, such as an address literal."""
    name = domain_key(name.strip()).removesuffix(".")
    return name if _NAME.fullmatch(name) else ""


@remember_short(1024, 500)
def _names(value: bytes) -> list[str]:
    """The domain of each author of a field, "" for what is none. Who writes again writes the same field."""
    return [normal_domain(box.domain.decode("utf-8", "replace")) for box in _mailboxes(value)]


def _mailboxes(value: bytes) -> list[Mailbox]:
    boxes: list[Mailbox] = []
    for entry in parse_address_list(value, _MAX_ADDRESSES + 1):
        boxes += entry.members if isinstance(entry, Group) else (entry,)
    return boxes
