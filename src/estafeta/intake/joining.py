"""Pieces of messages (message/partial) for mailboxes here wait for the others: estafeta.delivery.joining."""

from collections.abc import Sequence

from estafeta.delivery.joining import join_hop
from estafeta.intake.conditions import Onward, Recipient
from estafeta.mail.address import Address


def hold_pieces(recipients: Sequence[Recipient], beginning: bytes, sender: Address | None) -> Sequence[Recipient]:
    """The recipients of a message; where it is a piece, those that are mailboxes here wait in the queue instead.
    `beginning` has its header. Costs next to nothing for other messages."""
    if b"artial" not in beginning and b"ARTIAL" not in beginning:
        return recipients
    path = "" if sender is None else str(sender)
    return [_held(recipient, join_hop(beginning, path, str(recipient.address))) for recipient in recipients]


def _held(recipient: Recipient, hop: str) -> Recipient:
    if not hop or not recipient.targets:
        return recipient
    return recipient._replace(targets=(), onward=(*recipient.onward, Onward(hop, str(recipient.address))))
