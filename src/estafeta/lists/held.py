"""Posts that wait for a moderator: entries of the queue in lane HELD of their list's destination, with the recipient
NAME-approved. To release such an entry is to approve it, by whatever tool; to remove it is to reject it.
"""

from typing import NamedTuple

from sqlalchemy import Connection, select

from estafeta.directory.listnames import role_of
from estafeta.directory.listvalues import MailingList
from estafeta.directory.model import ListRole
from estafeta.queue.tables import destinations, entries, recipients
from estafeta.queue.values import EntryFlag, Lane
from estafeta.routing.values import HopKind, NextHop


class Held(NamedTuple):
    """A post that waits. `entry_id` names it; times in epoch milliseconds, `size` in octets."""

    entry_id: int
    list_key: str
    sender: str
    subject: str
    size: int
    content_id: int
    flags: EntryFlag
    created_ms: int
    expires_ms: int
    reason: str


def hop_of(found: MailingList) -> str:
    """The key of the next hop of a list."""
    return NextHop(HopKind.LIST, found.key).key


def list_held(conn: Connection, found: MailingList, entry_id: int = 0, limit: int = 1000) -> list[Held]:
    """What waits for the moderators of a list, oldest first; or the one entry."""
    query = (
        select(entries, recipients.c.address, recipients.c.expires_ms, recipients.c.reason)
        .join_from(recipients, destinations, destinations.c.destination_id == recipients.c.destination_id)
        .join(entries, entries.c.entry_id == recipients.c.entry_id)
        .where(destinations.c.hop == hop_of(found), recipients.c.lane == Lane.HELD)
        .order_by(entries.c.entry_id)
        .limit(limit)
    )
    if entry_id:
        query = query.where(entries.c.entry_id == entry_id)
    return [
        Held(
            entry_id=row.entry_id,
            list_key=found.key,
            sender=row.sender,
            subject=row.subject,
            size=row.size,
            content_id=row.content_id,
            flags=EntryFlag(row.flags),
            created_ms=row.created_ms,
            expires_ms=row.expires_ms,
            reason=row.reason,
        )
        for row in conn.execute(query)
        if role_of(found.key, row.address)[0] is ListRole.APPROVED
    ]
