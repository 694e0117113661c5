"""Links of letters and of List-Unsubscribe: what one permits, and doing it. For the web server, and for tests.

A GET shows what `check_link` says and changes nothing: programs that look for malware open every link. A POST applies
it; with the body `List-Unsubscribe=One-Click` it comes from a mail program (RFC 8058 3.2), and nothing is asked.
"""

from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.listvalues import How, Join, MailingList, NewMember
from estafeta.directory.service import Directory
from estafeta.lists.tokens import Act, Link, check_token, parse_link


class Offer(NamedTuple):
    """What a link permits: JOIN or LEAVE the list with this address; OUT: leave at once."""

    act: Act
    found: MailingList
    address: str


def check_link(directory: Directory, text: str, now: float) -> Offer | None:
    """What the token of a link permits now (epoch seconds); None for one that is false, too old, or about somebody who
    is no member any more."""
    genuine = _genuine(directory, text, now)
    if genuine is None:
        return None
    link, found = genuine
    if link.token.act is Act.OUT:
        member = directory.find_member(found.list_id, number=link.token.number)
        return Offer(Act.OUT, found, member.address) if member is not None else None
    if link.token.act not in (Act.JOIN, Act.LEAVE) or not link.about:
        return None
    if link.token.act is Act.JOIN and found.options.subscribe not in (Join.OPEN, Join.CONFIRM):
        return None
    return Offer(link.token.act, found, link.about)


def find_left(directory: Directory, text: str, now: float) -> MailingList | None:
    """The list whose member a link to leave at once was made for, and who has left it; None in any other case.

    What a mail program asks for twice is answered twice with success."""
    genuine = _genuine(directory, text, now)
    if genuine is None or genuine[0].token.act is not Act.OUT:
        return None
    link, found = genuine
    return found if directory.find_member(found.list_id, number=link.token.number) is None else None


def apply_link(directory: Directory, offer: Offer) -> bool:
    """Do what it permits; whether that changed anything. EstafetaError LIMIT: the list is full."""
    if offer.act is Act.JOIN:
        return bool(directory.subscribe(offer.found.address, [NewMember(offer.address)], How.LINK))
    try:
        return directory.unsubscribe(offer.found.address, [offer.address]) > 0
    except EstafetaError as error:
        if error.kind is Kind.NOT_FOUND:
            return False
        raise


def _genuine(directory: Directory, text: str, now: float) -> tuple[Link, MailingList] | None:
    """A token that its list gave out and that still counts."""
    link = parse_link(text)
    found = directory.find_list_by_id(link.list_id) if link is not None else None
    if link is None or found is None or not check_token(found, link.token, now, link.about):
        return None
    return link, found
