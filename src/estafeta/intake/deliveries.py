"""Into which mailboxes here a message goes."""

from collections.abc import Sequence

from estafeta.core.ids import JUNK, AccountId
from estafeta.intake.conditions import Recipient
from estafeta.mailboxes.values import Delivery
from estafeta.policy.judgement import Judgement


def deliveries_for(recipients: Sequence[Recipient], quotas: bool) -> tuple[tuple[Delivery, ...], list[tuple[int, ...]]]:
    """One delivery per mailbox, however many recipients mean it, and for each recipient which deliveries are its.

    The quota is binding where one recipient means one mailbox. Where several share a fate (an alias, one reply for
    all), it was checked at RCPT, and a mailbox may go over it by this one message rather than lose it. So it may where
    a confirmation is committed with the message, which would be a lie, and (`quotas` false) where no client waits that
    could be told.
    """
    order: dict[AccountId, int] = {}
    limits: dict[AccountId, tuple[int, int]] = {}
    names: list[str] = []
    places = []
    for recipient in recipients:
        mine = []
        for target in recipient.targets:
            place = order.setdefault(target.account_id, len(order))
            if place == len(names):
                names.append(str(recipient.address))
            mine.append(place)
            limits[target.account_id] = target.quota_bytes, target.quota_messages
        places.append(tuple(mine))
    if not order:
        return (), places
    confirmed = "SUCCESS" in recipients[0].notify
    if quotas and len(recipients) == 1 and len(order) == 1 and not recipients[0].onward and not confirmed:
        [(account, (octets, messages))] = limits.items()
        return (Delivery(account, quota_bytes=octets, quota_messages=messages, address=names[0]),), places
    return tuple([Delivery(account, address=names[place]) for account, place in order.items()]), places


def sorted_out(deliveries: tuple[Delivery, ...], judgement: Judgement) -> tuple[Delivery, ...]:
    """Into Junk where it is junk."""
    return tuple(
        one._replace(mailbox_id=JUNK, keywords="$Junk") if judgement.is_junk_for(one.account_id) else one
        for one in deliveries
    )
