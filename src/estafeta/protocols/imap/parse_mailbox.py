"""Commands on mailboxes and messages as wholes: SELECT, CREATE, RENAME, STATUS, COPY and the like (RFC 9051 6.3, 6.4;
RFC 4315, 5182, 6154, 6851, 7162)."""

from collections.abc import Callable

from estafeta.protocols.imap.commands import (
    Copy,
    Create,
    Delete,
    Expunge,
    QResync,
    Rename,
    Select,
    Status,
    Subscribe,
)
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.mailboxnames import SEPARATOR
from estafeta.protocols.imap.texts import Text
from estafeta.protocols.imap.values import SequenceSet, StatusItem

_STATUS_ITEMS = {item.value.encode(): item for item in StatusItem}


def one_mailbox(scanner: Scanner) -> str:
    """SP mailbox, then the end."""
    scanner.space()
    name = scanner.mailbox()
    scanner.end()
    return name


def parse_select(scanner: Scanner) -> Select:
    """SELECT."""
    return _select(scanner, read_only=False)


def parse_examine(scanner: Scanner) -> Select:
    """EXAMINE."""
    return _select(scanner, read_only=True)


def _select(scanner: Scanner, *, read_only: bool) -> Select:
    scanner.space()
    name = scanner.mailbox()
    condstore, qresync = False, None
    if scanner.try_space():
        scanner.open_list()
        more = True
        while more:
            parameter = scanner.keyword()
            if parameter == b"CONDSTORE":
                condstore = True
            elif parameter == b"QRESYNC" and qresync is None:
                qresync = _qresync(scanner)
            else:
                raise CommandError
            more = scanner.more()
    scanner.end()
    return Select(name, read_only, condstore, qresync)


def _qresync(scanner: Scanner) -> QResync:
    """`"(" uidvalidity SP modseq [SP known-uids] [SP seq-match-data] ")"` (RFC 7162 7)."""
    if not scanner.dialect.qresync:
        # RFC 7162 3.2.5
        raise CommandError(Text.NEEDS_QRESYNC)
    scanner.space()
    scanner.open_list()
    validity = scanner.nz_number()
    scanner.space()
    modseq = scanner.number64()
    known: SequenceSet | None = None
    more = scanner.more()
    if more and not scanner.at(b"("):
        known = _known(scanner)
        more = scanner.more()
    if more:
        _match_data(scanner)
        scanner.try_space()
        scanner.expect(b")")
    return QResync(validity, modseq, known)


def _match_data(scanner: Scanner) -> None:
    if scanner.dialect.uid_only:
        # RFC 9586 3.3: message numbers mean nothing there.
        raise CommandError(Text.UID_REQUIRED, code=b"UIDREQUIRED")
    scanner.open_list()
    _known(scanner)
    scanner.space()
    _known(scanner)
    scanner.try_space()
    scanner.expect(b")")


def _known(scanner: Scanner) -> SequenceSet:
    # RFC 7162 7: "*" is not allowed here.
    found = scanner.sequence_set()
    if any(not low or not high for low, high in found.pairs):
        raise CommandError
    return found


def parse_create(scanner: Scanner) -> Create:
    """CREATE (RFC 9051 6.3.4), with USE (RFC 6154 3)."""
    scanner.space()
    name = _without_separator(scanner.mailbox())
    uses: list[str] = []
    if scanner.try_space():
        scanner.open_list()
        if scanner.keyword() != b"USE":
            raise CommandError
        scanner.space()
        scanner.open_list()
        more = not scanner.skip(b")")
        while more:
            scanner.expect(b"\\")
            uses.append(scanner.atom().decode("ascii"))
            more = scanner.more()
        if scanner.more():
            raise CommandError
    scanner.end()
    return Create(name, tuple(uses))


def _without_separator(name: str) -> str:
    # RFC 9051 6.3.4: the separator at the end says that mailboxes under it will follow; we need no such word.
    return name[:-1] if name.endswith(SEPARATOR) and name != SEPARATOR else name


def parse_delete(scanner: Scanner) -> Delete:
    """DELETE."""
    return Delete(_without_separator(one_mailbox(scanner)))


def parse_rename(scanner: Scanner) -> Rename:
    """RENAME."""
    scanner.space()
    old = scanner.mailbox()
    scanner.space()
    new = scanner.mailbox()
    scanner.end()
    return Rename(_without_separator(old), _without_separator(new))


def parse_subscribe(scanner: Scanner) -> Subscribe:
    """SUBSCRIBE."""
    return Subscribe(_without_separator(one_mailbox(scanner)), True)


def parse_unsubscribe(scanner: Scanner) -> Subscribe:
    """UNSUBSCRIBE."""
    return Subscribe(_without_separator(one_mailbox(scanner)), False)


def parse_status(scanner: Scanner) -> Status:
    """STATUS."""
    scanner.space()
    name = scanner.mailbox()
    scanner.space()
    items = status_items(scanner)
    scanner.end()
    return Status(name, items)


def status_items(scanner: Scanner) -> tuple[StatusItem, ...]:
    """`"(" status-att *(SP status-att) ")"`."""
    scanner.open_list()
    items: dict[StatusItem, None] = {}
    more = True
    while more:
        item = _STATUS_ITEMS.get(scanner.keyword())
        if item is None:
            raise CommandError
        items[item] = None
        more = scanner.more()
    return tuple(items)


def parse_uid_expunge(scanner: Scanner) -> Expunge:
    """UID EXPUNGE (RFC 4315 2.1)."""
    scanner.space()
    uids = scanner.set_or_saved()
    scanner.end()
    return Expunge(uids, saved=uids is None)


def copying(*, uid: bool, move: bool) -> Callable[[Scanner], Copy]:
    """The parser of COPY, MOVE or one of their UID forms."""

    def parse(scanner: Scanner) -> Copy:
        scanner.space()
        numbers = scanner.set_or_saved()
        scanner.space()
        name = scanner.mailbox()
        scanner.end()
        return Copy(numbers, name, uid, move)

    return parse
