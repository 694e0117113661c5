"""MTA-STS policies of other domains in the database: so a policy that was seen once holds until it expires, restarts or
not (RFC 8461 3.3, 10.2)."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from estafeta.delivery.tls_tables import sts_policies
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction

# Expired policies are of no use; they go when another is kept, some at a time.
_REMOVED_AT_ONCE = 100


class StoredPolicy(NamedTuple):
    """A row: the document as fetched, what announced it, and when (epoch seconds)."""

    domain: str
    policy_id: str
    content: str
    fetched_seconds: int
    expires_seconds: int
    used_seconds: int


class Used(NamedTuple):
    """Payload of `note_used`."""

    domain: str
    used_seconds: int


def keep_policy(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Payload `StoredPolicy`: it takes the place of an earlier one, unless that was fetched later."""
    newest: dict[str, StoredPolicy] = {}
    for item in items:
        newest[item.payload.domain] = item.payload
    for policy in newest.values():
        here = sts_policies.c.domain == policy.domain
        fetched = tx.conn.execute(select(sts_policies.c.fetched_seconds).where(here).with_for_update()).scalar()
        if fetched is None:
            tx.conn.execute(insert(sts_policies), policy._asdict())
        elif fetched <= policy.fetched_seconds:
            tx.conn.execute(update(sts_policies).where(here).values(policy._asdict()))
    if newest:
        _remove_expired(tx, max(policy.fetched_seconds for policy in newest.values()))
    return [None] * len(items)


def note_used(tx: Transaction, items: Sequence[Item]) -> list[None]:
    """Payload `Used`: the policy is in use and worth refreshing."""
    for item in items:
        used: Used = item.payload
        tx.conn.execute(
            update(sts_policies).where(sts_policies.c.domain == used.domain).values(used_seconds=used.used_seconds)
        )
    return [None] * len(items)


def read_policy(conn: Connection, domain: str) -> StoredPolicy | None:
    """The stored policy of a domain, expired or not."""
    row = conn.execute(select(*_COLUMNS).where(sts_policies.c.domain == domain)).first()
    return None if row is None else StoredPolicy(*row)


def read_expiring(conn: Connection, now: int, until: int, used_since: int, limit: int) -> list[StoredPolicy]:
    """Policies that are valid now, expire before `until`, and were used since `used_since`; the most urgent first."""
    wanted = (
        select(*_COLUMNS)
        .where(
            sts_policies.c.expires_seconds > now,
            sts_policies.c.expires_seconds <= until,
            sts_policies.c.used_seconds >= used_since,
        )
        .order_by(sts_policies.c.expires_seconds)
        .limit(limit)
    )
    return [StoredPolicy(*row) for row in conn.execute(wanted)]


def _remove_expired(tx: Transaction, now: int) -> None:
    old = select(sts_policies.c.domain).where(sts_policies.c.expires_seconds <= now).limit(_REMOVED_AT_ONCE)
    gone = list(tx.conn.execute(old).scalars())
    if gone:
        tx.conn.execute(
            delete(sts_policies).where(sts_policies.c.domain.in_(gone), sts_policies.c.expires_seconds <= now)
        )


_COLUMNS = tuple(sts_policies.c[name] for name in StoredPolicy._fields)
