"""The letter that asks whether it was really they who want to join or leave: an answer to it, or its link, says yes."""

from estafeta.directory.listnames import with_role
from estafeta.directory.listvalues import Join, MailingList
from estafeta.lists.letters import Letter, make_letter
from estafeta.lists.tokens import Act, last_day, make_link, make_token
from estafeta.lists.values import Made, Means
from estafeta.mail.address import Address


def make_confirmation(
    means: Means, found: MailingList, letter: Letter, act: Act, who: Address, *, parent: int = 0
) -> Made:
    """The letter, ready to be taken in. Where owners have the last word on joining it has no link: its answer is what
    they are asked about."""
    days = means.settings.current.lists.confirm_days
    day = last_day(means.clock(), days)
    token = make_token(found, act, day=day, about=who.key)
    base = means.link_base if act is not Act.JOIN or found.options.subscribe is not Join.APPROVE else ""
    link = f"{base}/lists/confirm/{make_link(found, act, day=day, about=who.key)}" if base else ""
    return make_letter(
        means,
        found,
        letter,
        str(who),
        parent=parent,
        reply_to=with_role(found.address, "confirm", token),
        link=link,
        who=str(who),
        days=str(days),
    )
