"""What visitors of the web pages of a list get done: as by mail, with one difference. An address typed into a page
proves nothing, so whoever it is gets a letter first, and only the link or the answer to that changes anything.

The answers tell nobody who is a member: what is true of an address is only said in the letter to it.
"""

from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.listvalues import Join, MailingList
from estafeta.journal.records import Code, Record, detail
from estafeta.lists.confirming import make_confirmation
from estafeta.lists.letters import Letter, make_letter
from estafeta.lists.links import Offer, apply_link
from estafeta.lists.tokens import Act
from estafeta.lists.values import Made, Means
from estafeta.mail.address import Address


class Visit(NamedTuple):
    """What is to be sent and recorded."""

    made: tuple[Made, ...]
    record: Record


def ask_to_join(means: Means, found: MailingList, who: Address, client: str) -> Visit:
    """Somebody at `client` (an IP address) typed an address to subscribe. EstafetaError PERMISSION: the list is
    closed."""
    if found.options.subscribe is Join.CLOSED:
        raise EstafetaError(Kind.PERMISSION, f"The list {found.address} takes no subscriptions.")
    if means.directory.find_member(found.list_id, who) is not None:
        made = make_letter(means, found, Letter.ALREADY, str(who), who=str(who))
    else:
        made = make_confirmation(means, found, Letter.CONFIRM_JOIN, Act.JOIN, who)
    return Visit((made,), _record(means, found, str(who), client, "subscribe: asked on the web"))


def ask_to_leave(means: Means, found: MailingList, who: Address, client: str) -> Visit:
    """Somebody typed an address to unsubscribe."""
    if means.directory.find_member(found.list_id, who) is None:
        made = make_letter(means, found, Letter.NO_MEMBER, str(who), who=str(who))
    else:
        made = make_confirmation(means, found, Letter.CONFIRM_LEAVE, Act.LEAVE, who)
    return Visit((made,), _record(means, found, str(who), client, "unsubscribe: asked on the web"))


def follow_link(means: Means, offer: Offer, client: str) -> Visit:
    """Do what a link permits, with the greeting that the list has for it. Doing it twice greets once.

    EstafetaError LIMIT: the list is full."""
    changed = apply_link(means.directory, offer)
    joined = offer.act is Act.JOIN
    letter = Letter.WELCOME if joined else Letter.GOODBYE
    made: tuple[Made, ...] = ()
    if changed and offer.found.options.welcome:
        made = (make_letter(means, offer.found, letter, offer.address, who=offer.address),)
    word = "subscribe" if joined else "unsubscribe"
    text = f"{word}: by link" if changed else f"{word}: by link, nothing to change"
    return Visit(made, _record(means, offer.found, offer.address, client, text))


def _record(means: Means, found: MailingList, who: str, client: str, text: str) -> Record:
    return Record(means.new_ident(), Code.LIST_COMMAND, who, peer=client, text=text, detail=detail(list=found.address))
