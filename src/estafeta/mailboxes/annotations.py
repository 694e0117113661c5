"""Annotations of mailboxes and of the account (RFC 5464): small values that clients keep, shared or private.

`mailbox_id` 0 is the account itself ("server annotations"); `person_id` 0 is /shared, else whose /private it is.
Entries are in lower case and without /shared or /private.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.mailboxes.operation import each
from estafeta.mailboxes.rows import at, load_account, lock_mailbox
from estafeta.mailboxes.tables import account_state, annotations, mailboxes
from estafeta.mailboxes.values import Annotation
from estafeta.storage.database import Database, Transaction

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SetAnnotations:
    """Set entries, and remove those whose value is None: all or none. `max_entries` are those of one person (or of all,
    /shared) on one mailbox, `max_bytes` is what a value may have; LIMIT above them."""

    account_id: AccountId
    mailbox_id: int
    person_id: int
    entries: tuple[tuple[str, bytes | None], ...]
    max_entries: int = 1000
    max_bytes: int = 64 << 10


@each
def set_annotations(tx: Transaction, wanted: SetAnnotations) -> None:
    """Payload `SetAnnotations`. Kinds: NOT_FOUND, TOO_BIG, LIMIT."""
    account = load_account(tx, wanted.account_id)
    if wanted.mailbox_id:
        lock_mailbox(tx, wanted.account_id, wanted.mailbox_id)
    values = {entry.lower(): value for entry, value in wanted.entries}
    if any(value is not None and len(value) > wanted.max_bytes for value in values.values()):
        raise EstafetaError(Kind.TOO_BIG, f"An annotation can have at most {wanted.max_bytes} octets.")
    mine = and_(at(annotations, wanted.account_id, wanted.mailbox_id), annotations.c.person_id == wanted.person_id)
    there = set(tx.conn.execute(select(annotations.c.entry).where(mine)).scalars())
    kept = there.difference(values) | {entry for entry, value in values.items() if value is not None}
    if len(kept) > wanted.max_entries and len(kept) > len(there):
        raise EstafetaError(Kind.LIMIT, f"A mailbox can have at most {wanted.max_entries} annotations.")
    names = sorted(values)
    for start in range(0, len(names), _AT_ONCE):
        tx.conn.execute(delete(annotations).where(mine, annotations.c.entry.in_(names[start : start + _AT_ONCE])))
    key = {"account_id": wanted.account_id, "mailbox_id": wanted.mailbox_id, "person_id": wanted.person_id}
    new = [key | {"entry": entry, "value": value} for entry, value in values.items() if value is not None]
    if new:
        tx.conn.execute(insert(annotations), new)
    if wanted.mailbox_id:
        # RFC 7162 3.2: this raises the HIGHESTMODSEQ.
        modseq = {"modseq": account.modseq + 1}
        tx.conn.execute(update(account_state).where(account_state.c.account_id == wanted.account_id).values(modseq))
        tx.conn.execute(update(mailboxes).where(at(mailboxes, wanted.account_id, wanted.mailbox_id)).values(modseq))
    tx.announce(f"mailbox:{wanted.account_id}:{wanted.mailbox_id}")


def annotations_of(
    database: Database, account_id: AccountId, mailbox_id: int, person_ids: Sequence[int]
) -> list[Annotation]:
    """The annotations of a mailbox that these persons (0: /shared) have, by person and entry."""
    wanted = (
        select(annotations.c.person_id, annotations.c.entry, annotations.c.value)
        .where(at(annotations, account_id, mailbox_id), annotations.c.person_id.in_(person_ids))
        .order_by(annotations.c.person_id, annotations.c.entry)
    )
    with database.read() as conn:
        return [Annotation(*row) for row in conn.execute(wanted)]
