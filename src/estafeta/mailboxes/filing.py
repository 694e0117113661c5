"""What the journal says of a message for mailboxes here: its reception, and what became of each delivery.

With nothing filed at all the message was not taken: whoever brought it was told so, and the journal says it, too.
"""

from collections.abc import Sequence

from estafeta.core.errors import EstafetaError
from estafeta.journal.records import Code, Record
from estafeta.mailboxes.values import Arrival, Delivered

# Plain strings: this is done for every message.
_FILED = str(Code.DELIVERED_LOCAL)
_NOT_FILED = str(Code.NOT_DELIVERED_LOCAL)


def filing_records(
    arrival: Arrival, outcomes: Sequence[Delivered | EstafetaError], size: int, *, queued: bool = False
) -> list[Record]:
    """The records of an arrival that has some, with those of its deliveries (`outcomes`, in order) behind them. `size`
    in octets, as stored. `queued`: it is taken whatever became of these."""
    records = list(arrival.records)
    message_id = arrival.ident or records[0].message_id
    taken = queued
    for delivery, outcome in zip(arrival.deliveries, outcomes, strict=True):
        if isinstance(outcome, Delivered):
            taken = True
            place = f'{{"mailbox": "{outcome.account_id}/{outcome.mailbox_id}/{outcome.uid}"}}'
            records.append(Record(message_id, _FILED, delivery.address, "", size, "", place))
        else:
            reason = outcome.private or outcome.public
            records.append(Record(message_id, _NOT_FILED, delivery.address, "", size, reason))
    if not taken:
        reason = next((outcome.public for outcome in outcomes if isinstance(outcome, EstafetaError)), "")
        records.append(Record(message_id, Code.REJECTED, "", arrival.records[0].peer, size, reason))
    return records
