"""The count after a crash test: every mailbox is read in full and compared with what was sent."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from estafeta.app.config import Node
from estafeta.app.crashtest.load import Ledger
from estafeta.app.crashtest.messages import Maker, find_number, is_intact
from estafeta.app.stores import open_site
from estafeta.core.errors import EstafetaError
from estafeta.mailboxes import look
from estafeta.storage.packs import Packs

_MOST_NAMED = 20


@dataclass(slots=True)
class Count:
    """`lost`: acknowledged, but absent from a mailbox; `torn`: unreadable or not what was sent. Both must be empty."""

    messages: int = 0
    twice: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)


def count(node: Node, ledger: Ledger, maker: Maker, addresses: list[str]) -> Count:
    """Read every mailbox of the stopped server."""
    result = Count()
    found: Counter[tuple[int, int]] = Counter()
    for user, place, stored in _stored(node, addresses):
        result.messages += 1
        number = find_number(stored) if isinstance(stored, bytes) else None
        if number is None or not isinstance(stored, bytes):
            result.torn.append(f"{place}: {'no number in it' if isinstance(stored, bytes) else stored.private}")
        elif number not in ledger.begun or user not in maker.recipients(number):
            result.torn.append(f"{place}: message {number} was never sent there")
        elif not is_intact(stored, maker.content(number)):
            result.torn.append(f"{place}: message {number} is not what was sent")
        else:
            found[user, number] += 1
    result.twice = sum(times - 1 for times in found.values())
    result.lost = [
        f"message {number} to {addresses[user]}"
        for number in sorted(ledger.acknowledged)
        for user in maker.recipients(number)
        if not found[user, number]
    ]
    return result


def named(things: list[str]) -> list[str]:
    """As many of them as a person reads."""
    rest = len(things) - _MOST_NAMED
    return things[:_MOST_NAMED] + ([f"and {rest} more"] if rest > 0 else [])


def _stored(node: Node, addresses: list[str]) -> Iterator[tuple[int, str, bytes | EstafetaError]]:
    packs = Packs(node.data / "packs")
    try:
        with open_site(node) as site:
            for user, address in enumerate(addresses):
                account = site.directory.get_user(address).account_id
                for row in look.snapshot(site.database, account).rows:
                    try:
                        content: bytes | EstafetaError = packs.read(row.location)
                    except EstafetaError as error:
                        content = error
                    yield user, f"{address} UID {row.uid}", content
    finally:
        packs.close()
