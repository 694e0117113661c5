"""NOTIFY (RFC 5465)."""

from estafeta.protocols.imap.commands import Notify, NotifyGroup
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.fetchitems import FetchItem
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.parse_fetch import parse_fetch_list
from estafeta.protocols.imap.parse_find import mailboxes_of
from estafeta.protocols.imap.replies import Status
from estafeta.protocols.imap.texts import Text

_SELECTED = frozenset(("SELECTED", "SELECTED-DELAYED"))
_NAMED = frozenset(("SUBTREE", "MAILBOXES"))
_FILTERS = _SELECTED | _NAMED | {"INBOXES", "PERSONAL", "SUBSCRIBED"}
# Without AnnotationChange: messages have no annotations here (RFC 5465 5).
_MESSAGE_EVENTS = frozenset(("MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"))
_EVENTS = _MESSAGE_EVENTS | {
    "MAILBOXNAME",
    "SUBSCRIPTIONCHANGE",
    "MAILBOXMETADATACHANGE",
    "SERVERMETADATACHANGE",
}
_KNOWN = (
    b"BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "
    b"ServerMetadataChange)"
)
_BOTH = frozenset(("MESSAGENEW", "MESSAGEEXPUNGE"))
_MOST_GROUPS = 100


def parse_notify(scanner: Scanner) -> Notify:
    """NOTIFY."""
    scanner.space()
    verb = scanner.keyword()
    if verb == b"NONE":
        scanner.end()
        return Notify(())
    if verb != b"SET":
        raise CommandError
    scanner.space()
    status = scanner.peek_keyword() == b"STATUS"
    if status:
        scanner.keyword()
        scanner.space()
    groups = [_group(scanner)]
    while scanner.try_space():
        groups.append(_group(scanner))
    scanner.end()
    selected = sum(group.filter in _SELECTED for group in groups)
    if selected > 1 or len(groups) > _MOST_GROUPS:
        # RFC 5465 6.1: one of SELECTED and SELECTED-DELAYED, once.
        raise CommandError
    return Notify(tuple(groups), status)


def _group(scanner: Scanner) -> NotifyGroup:
    """`"(" filter-mailboxes SP events ")"`."""
    scanner.open_list()
    name = scanner.keyword().decode("ascii")
    if name not in _FILTERS:
        raise CommandError
    scanner.space()
    mailboxes: tuple[str, ...] = ()
    if name in _NAMED:
        mailboxes = mailboxes_of(scanner)
        scanner.space()
    events, fetch = _events(scanner)
    scanner.try_space()
    scanner.expect(b")")
    _check(name, events, fetch)
    return NotifyGroup(name, mailboxes, events, fetch)


def _events(scanner: Scanner) -> tuple[frozenset[str], tuple[FetchItem, ...]]:
    if not scanner.at(b"("):
        if scanner.keyword() != b"NONE":
            raise CommandError
        return frozenset(), ()
    scanner.open_list()
    events: set[str] = set()
    fetch: tuple[FetchItem, ...] = ()
    more = True
    while more:
        event = scanner.keyword().decode("ascii")
        if event not in _EVENTS:
            # RFC 5465 5: NO, with what there is.
            raise CommandError(Text.BAD_EVENT, Status.NO, _KNOWN)
        events.add(event)
        more = scanner.more()
        if more and event == "MESSAGENEW" and scanner.at(b"("):
            fetch = parse_fetch_list(scanner)
            more = scanner.more()
    return frozenset(events), fetch


def _check(name: str, events: frozenset[str], fetch: tuple[FetchItem, ...]) -> None:
    """RFC 5465 5.2 and 5.3: new and expunged messages come together, and changes of flags with both; RFC 5465 6.1:
    only the selected mailbox has messages to fetch, and it has no events but of messages."""
    messages = events & _MESSAGE_EVENTS
    if messages and not messages >= _BOTH:
        raise CommandError
    if name in _SELECTED:
        if events - _MESSAGE_EVENTS:
            raise CommandError
    elif fetch:
        raise CommandError
