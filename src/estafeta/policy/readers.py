"""POP before SMTP: who read mail a short while ago may relay for a time (row A4).

What a sign-in to POP3 or IMAP leaves is a row with the client's address and the time until which it may relay; all
workers and machines read these rows, and none remembers them, so that a client may send the moment after it has read.
Nothing is written and nothing is asked unless `relay.allow` is pop-before-smtp. Behind one address may be many people
(NAT): whoever shares it with a reader may relay as well, which is what POP before SMTP is.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import delete, select, text

from estafeta.core.ip import find_ip
from estafeta.directory.model import Service
from estafeta.directory.restriction_tables import recent_readers
from estafeta.directory.settings_restrictions import RelayRule
from estafeta.directory.settings_source import SettingsSource
from estafeta.mailboxes.service import Submit
from estafeta.storage.commit import Item
from estafeta.storage.database import Database, Transaction

#: A client that reads every minute is noted again only so long after the last time.
_AGAIN_SECONDS = 30
#: Clocks of machines differ a little; a time further ahead than that comes from one that was set back, and is void.
_SKEW_SECONDS = 60
#: Addresses that a worker remembers to have noted.
_REMEMBERED = 20_000


class Readers:
    """Who read mail, for one worker. Without `submit` nothing is noted."""

    def __init__(
        self, database: Database, submit: Submit | None, settings: SettingsSource, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._submit = submit
        self._settings = settings
        self._clock = clock
        self._noted: dict[str, float] = {}

    def entered(self, peer: str, service: Service) -> None:
        """Somebody signed in from `peer` to read mail. Returns at once: it is committed a moment later."""
        relay = self._settings.current.relay
        if relay.allow is not RelayRule.POP_BEFORE_SMTP or (service is Service.IMAP and not relay.pop_by_imap):
            return
        address, now = address_key(peer), self._clock()
        if (
            self._submit is None
            or not address
            or 0 <= now - self._noted.get(address, now - _AGAIN_SECONDS) < _AGAIN_SECONDS
        ):
            return
        if len(self._noted) >= _REMEMBERED:
            self._noted.clear()
        self._noted[address] = now
        done = self._submit(note_readers, (address, int(now) + relay.pop_minutes * 60), ())
        done.add_done_callback(lambda ended: self._noted.pop(address, None) if ended.exception() else None)

    def is_recent(self, peer: str, pop_minutes: int) -> bool:
        """Whether this client may relay since it read its mail within `pop_minutes`. Asks the database: for a
        thread."""
        address = address_key(peer)
        if not address:
            return False
        with self._database.read() as conn:
            query = select(recent_readers.c.until_seconds).where(recent_readers.c.address == address)
            until = conn.execute(query).scalar()
        most = pop_minutes * 60 + _SKEW_SECONDS
        # Not further ahead than a sign-in of now would be: the time was made shorter since, or a clock was wrong.
        return until is not None and 0 < until - self._clock() <= most


def note_readers(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Operation of the group commit: payloads are an address and the epoch seconds until which it may relay."""
    for item in items:
        address, until = item.payload
        tx.conn.execute(_NOTE, {"address": address, "until_seconds": until})
    return [None] * len(items)


def forget_readers(tx: Transaction, now_seconds: float) -> int:
    """Remove those whose time is over; how many they were."""
    return tx.conn.execute(delete(recent_readers).where(recent_readers.c.until_seconds <= now_seconds)).rowcount


def address_key(peer: str) -> str:
    """The address of a client as it is kept; "" for a Unix socket and whatever else is no address."""
    found = find_ip(peer)
    return found.text if found is not None else ""


_NOTE = text(
    "INSERT INTO recent_readers (address, until_seconds) VALUES (:address, :until_seconds)"
    " ON CONFLICT (address) DO UPDATE SET until_seconds = excluded.until_seconds"
)
