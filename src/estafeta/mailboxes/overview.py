"""All mailboxes that a person may see, with their counters: one read, whatever is asked about them (LIST, ESEARCH).

Raw rows, since there may be thousands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, bindparam, select

from estafeta.core.ids import SHARED, AccountId
from estafeta.mailboxes.tables import acl, annotations, mailboxes, subscriptions
from estafeta.mailboxes.values import MailboxStatus
from estafeta.storage.database import Database
from estafeta.storage.prepared import Query

_COLUMNS = tuple(mailboxes.c[field.name] for field in fields(MailboxStatus))
# Databases take a bounded number of parameters in one statement.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Overview:
    """`own`: the person's mailboxes. `others`: those with entries for the person, and these entries (identifier ->
    rights; `sharing.effective` adds them up). `shared`: all of `#shared/`, where asked for. `subscriptions`: names."""

    own: list[MailboxStatus]
    others: list[tuple[MailboxStatus, Mapping[str, str]]]
    shared: list[MailboxStatus]
    subscriptions: frozenset[str]


def overview(
    database: Database, account_id: AccountId, identifiers: Sequence[str], *, all_shared: bool = False
) -> Overview:
    """What the person `account_id`, whom `identifiers` mean, may see. Without identifiers: only their own."""
    with database.read() as conn:
        own = _mailboxes_of(conn, account_id)
        names = frozenset(row[0] for row in _SUBSCRIPTIONS.rows(conn, account=account_id))
        others = _others(conn, account_id, identifiers)
        shared = _mailboxes_of(conn, SHARED) if all_shared else []
    return Overview(own, others, shared, names)


def _mailboxes_of(conn: Connection, account_id: AccountId) -> list[MailboxStatus]:
    return [MailboxStatus(*row) for row in _MAILBOXES.rows(conn, account=account_id)]


def _others(
    conn: Connection, account_id: AccountId, identifiers: Sequence[str]
) -> list[tuple[MailboxStatus, Mapping[str, str]]]:
    names = [*identifiers, *(f"-{one}" for one in identifiers)]
    found: dict[tuple[int, int], tuple[MailboxStatus, dict[str, str]]] = {}
    for start in range(0, len(names), _AT_ONCE):
        wanted = _GRANTED.where(acl.c.identifier.in_(names[start : start + _AT_ONCE]), acl.c.account_id != account_id)
        for identifier, rights, *row in conn.execute(wanted):
            status = MailboxStatus(*row)
            _, entries = found.setdefault((status.account_id, status.mailbox_id), (status, {}))
            entries[identifier] = rights
    return list(found.values())


def annotations_in(
    database: Database, places: Sequence[tuple[int, int]], person_ids: Sequence[int]
) -> dict[tuple[int, int], list[tuple[int, str, bytes]]]:
    """Annotations of many mailboxes (account, mailbox), as (person, entry, value): one read for each account."""
    wanted: dict[int, set[int]] = {}
    for account_id, mailbox_id in places:
        wanted.setdefault(account_id, set()).add(mailbox_id)
    found: dict[tuple[int, int], list[tuple[int, str, bytes]]] = {}
    columns = (annotations.c.mailbox_id, annotations.c.person_id, annotations.c.entry, annotations.c.value)
    with database.read() as conn:
        for account_id, mailbox_ids in wanted.items():
            query = select(*columns).where(
                annotations.c.account_id == account_id, annotations.c.person_id.in_(person_ids)
            )
            for mailbox_id, person_id, entry, value in conn.execute(query.order_by(*columns[:3])):
                if mailbox_id in mailbox_ids:
                    found.setdefault((account_id, mailbox_id), []).append((person_id, entry, value))
    return found


_MAILBOXES = Query(select(*_COLUMNS).where(mailboxes.c.account_id == bindparam("account")).order_by(mailboxes.c.name))
_SUBSCRIPTIONS = Query(select(subscriptions.c.name).where(subscriptions.c.account_id == bindparam("account")))
_GRANTED = (
    select(acl.c.identifier, acl.c.rights, *_COLUMNS)
    .join_from(
        acl, mailboxes, (mailboxes.c.account_id == acl.c.account_id) & (mailboxes.c.mailbox_id == acl.c.mailbox_id)
    )
    .order_by(acl.c.account_id, acl.c.mailbox_id)
)
