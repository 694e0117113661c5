"""Pieces of messages (message/partial) for mailboxes here wait for the others: estafeta.delivery.joining. What they
come to is looked at by policy once more, when it is whole."""

from collections.abc import Callable, Sequence

from estafeta.delivery.joining import join_hop
from estafeta.delivery.outfit import Agency
from estafeta.intake.conditions import Onward, Recipient
from estafeta.intake.posting import Posting
from estafeta.journal.records import Code, Record
from estafeta.mail.address import Address
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Action, quarantined
from estafeta.queue.values import Work

Inspect = Callable[[Work, bytes], Judgement]
"""What policy says of a message that was joined, without what stands in front of it (Return-Path). In a thread."""


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


class WholePost:
    """The agent for messages that were joined. Nobody waits who could be told of a refusal, so what is refused is
    held."""

    def __init__(self, posting: Posting, inspect: Inspect) -> None:
        self._posting = posting
        self._inspect = inspect

    def __call__(self, work: Work, content: bytes, hop: str) -> Agency:
        """Deliver one message, hold it, or drop it. In a thread."""
        judgement = self._inspect(work, content[work.skip :])
        decisive = judgement.decisive
        if decisive.action is Action.DEFER:
            return Agency(put_off=[(one.place, decisive.text) for one in work.recipients])
        if decisive.action is Action.DISCARD:
            records = [
                Record(work.entry_id, Code.FILTERED, one.address, text=decisive.reason) for one in work.recipients
            ]
            return Agency(done=[one.place for one in work.recipients], records=records)
        if decisive.action is Action.REJECT:
            held = quarantined(decisive.reason, decisive.tag or decisive.check)._replace(check=decisive.check)
            judgement = judgement._replace(decisive=held)
        return self._posting.relocate(work, content, hop, judgement)
