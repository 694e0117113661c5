"""The count after a crash test: every mailbox is read in full and compared with what was sent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from estafeta.app.config import Node
from estafeta.app.crashtest.book import FIRST, SECOND, Book, Box, Found
from estafeta.app.crashtest.load import Ledger
from estafeta.app.crashtest.messages import Maker, find_number, is_intact
from estafeta.app.crashtest.sink import Taken, digest
from estafeta.app.stores import open_site
from estafeta.core.errors import EstafetaError
from estafeta.core.ids import AccountId
from estafeta.mailboxes import look
from estafeta.mailboxes.fetching import PLACE
from estafeta.mailboxes.values import ALL
from estafeta.protocols.imap.encode import encode_flags
from estafeta.storage.database import Database
from estafeta.storage.packs import Location, Packs

_MOST_NAMED = 20


@dataclass(slots=True)
class Count:
    """`lost`: acknowledged, but absent from a mailbox; `torn`: unreadable or not what was sent. Both must be empty.
    `messages` were delivered, `relayed` passed on (once for each recipient), some of either `twice`; `imap_messages`
    are in the mailboxes of the IMAP load. `queued`: still waited in the queue in the end, which must be none."""

    messages: int = 0
    imap_messages: int = 0
    twice: int = 0
    relayed: int = 0
    relayed_twice: int = 0
    queued: int = 0
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


def count_books(node: Node, books: Iterable[Book], maker: Maker, result: Count) -> None:
    """Read the mailboxes of the IMAP load of the stopped server, and add what they tell to `result`."""
    packs = Packs(node.data / "packs")
    try:
        with open_site(node) as site:
            for book in books:
                account = site.directory.get_user(book.name).account_id
                reading = _Reading(site.database, packs, account, maker)
                book.compare(*reading.read(book.name))
                result.imap_messages += reading.messages
                result.lost += book.lost
                result.torn += [*book.torn, *reading.torn]
    finally:
        packs.close()


class _Reading:
    """The two mailboxes of one account as they are in the store."""

    def __init__(self, database: Database, packs: Packs, account_id: AccountId, maker: Maker) -> None:
        self.messages = 0
        self.torn: list[str] = []
        self._database = database
        self._packs = packs
        self._account_id = account_id
        self._maker = maker

    def read(self, name: str) -> tuple[dict[str, Box], list[Found]]:
        """What `Book.compare` takes; messages that cannot be read, or are not what was sent, are in `torn`."""
        boxes, found = {}, []
        for mailbox in (FIRST, SECOND):
            status = look.find_mailbox(self._database, self._account_id, mailbox)
            if status is None:
                continue
            boxes[mailbox] = Box(status.uid_validity, status.uid_next, status.modseq)
            columns = ("uid", "flags", "keywords", "modseq", *PLACE)
            for row in look.fetch_rows(self._database, self._account_id, status.mailbox_id, columns, ALL):
                uid, flags, keywords, modseq, *place = row
                number = self._number(f"{name} {mailbox} UID {uid}", Location(*place))
                names = frozenset(encode_flags(flags, keywords).decode().strip("()").split())
                found.append(Found(mailbox, number, uid, names, modseq))
        self.messages += len(found)
        return boxes, found

    def _number(self, place: str, location: Location) -> int:
        """The number of a message, whose content is compared; 0 when it has none."""
        try:
            content = self._packs.read(location)
        except EstafetaError as error:
            self.torn.append(f"{place}: {error.private}")
            return 0
        number = find_number(content)
        # RFC 9051 6.3.12: as it was appended, octet for octet.
        if number is None or content != self._maker.content(number):
            self.torn.append(f"{place}: message {number} is not what was appended")
        return number or 0


def count_relayed(taken: Taken, ledger: Ledger, maker: Maker, elsewhere: Sequence[str], result: Count) -> None:
    """Compare what came out with what was acknowledged, and add it to `result`."""
    wanted = {(elsewhere[other], number) for number in ledger.begun for other in maker.elsewhere(number)}
    result.relayed = taken.times.total()
    result.relayed_twice = sum(times - 1 for times in taken.times.values())
    result.lost += [
        f"message {number} to {address}"
        for address, number in sorted(wanted)
        if number in ledger.acknowledged and (address, number) not in taken.times
    ]
    result.torn += taken.unlike
    result.torn += [
        f"{address}: message {number} was never sent there" for address, number in set(taken.times) - wanted
    ]
    result.torn += [
        f"message {number} came out unlike what was sent"
        for number, digests in sorted(taken.digests.items())
        if digests != {digest(maker.content(number))}
    ]


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
