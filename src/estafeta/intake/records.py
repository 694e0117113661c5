"""What the journal says of a message that is taken in."""

from collections.abc import Sequence

from estafeta.intake.conditions import Conditions, Message, Origin, Recipient
from estafeta.journal.records import MAX_NAMED, Code, Record, detail

# Plain strings: this is done for every message, and pickling an enumeration calls Python.
_FOR_OTHERS = str(Code.RECEIVED_RELAY)
_FOR_US = str(Code.RECEIVED_LOCAL)


def reception(
    message: Message,
    recipients: Sequence[Recipient],
    origin: Origin,
    conditions: Conditions,
    *,
    relayed: bool,
    subjects: bool,
) -> Record:
    """That it came: from whom, how, for whom. `relayed`: it goes to others, too; `subjects`: its own is told."""
    summary = message.summary
    peer = origin.peer or origin.client
    named = f"{origin.helo} [{peer}]" if origin.helo and peer else origin.helo or peer
    return Record(
        message.ident,
        _FOR_OTHERS if relayed else _FOR_US,
        "" if message.sender is None else str(message.sender),
        named,
        message.size,
        origin.protocol,
        detail(
            subject=summary.subject[:200] if subjects else "",
            message_id=summary.message_id,
            to=[str(recipient.address) for recipient in recipients[:MAX_NAMED]],
            recipients=len(recipients) if len(recipients) > MAX_NAMED else 0,
            tls=origin.tls,
            login=origin.login,
            envid=conditions.envid,
            release_ms=conditions.release_ms,
            parent=f"{conditions.parent:x}" if conditions.parent else "",
        ),
    )


def resolved(ident: int, recipient: Recipient) -> list[Record]:
    """A record of what an address stands for, unless that is just itself."""
    names = [one.address for one in recipient.onward]
    if len(recipient.targets) + len(names) == 1 and (not names or names[0] == str(recipient.address)):
        return []
    words = ", ".join([*names, *(f"mailbox {target.account_id}" for target in recipient.targets)][:MAX_NAMED])
    return [Record(ident, Code.RESOLVED, str(recipient.address), text=words)]


def kept(ident: int, recipients: Sequence[Recipient], reason: str) -> tuple[Record, ...]:
    """The manual's "rejected by filtering", whose record says that it was kept."""
    return tuple(
        Record(ident, Code.FILTERED, str(one.address), text=reason, detail=detail(kept=1)) for one in recipients
    )
