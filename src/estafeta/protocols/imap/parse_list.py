"""LIST, plain and extended, and LSUB (RFC 9051 6.3.9; RFC 5258, 5819, 6154, 8440, 9590)."""

from dataclasses import dataclass, field

from estafeta.protocols.imap.commands import List, Lsub, MetadataOptions
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.parse_mailbox import status_items
from estafeta.protocols.imap.parse_rights import metadata_entries, metadata_options
from estafeta.protocols.imap.values import StatusItem

_SELECTIONS = frozenset((b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"))
_RETURNS = frozenset((b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE", b"MYRIGHTS"))
_MOST_PATTERNS = 100


@dataclass(slots=True)
class _Returning:
    flags: set[str] = field(default_factory=set)
    status: tuple[StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()
    options: MetadataOptions = field(default_factory=MetadataOptions)


def parse_list(scanner: Scanner) -> List:
    """LIST."""
    scanner.space()
    extended = scanner.at(b"(")
    selection = _selection(scanner) if extended else frozenset()
    reference = scanner.mailbox()
    scanner.space()
    extended = extended or scanner.at(b"(")
    patterns = _patterns(scanner)
    returning = _Returning()
    if scanner.try_space():
        extended = True
        _return_options(scanner, returning)
    scanner.end()
    return List(
        reference,
        patterns,
        selection,
        frozenset(returning.flags),
        returning.status,
        returning.metadata,
        returning.options,
        extended,
    )


def parse_lsub(scanner: Scanner) -> Lsub:
    """LSUB."""
    scanner.space()
    reference = scanner.mailbox()
    scanner.space()
    pattern = scanner.list_mailbox()
    scanner.end()
    return Lsub(reference, pattern)


def _selection(scanner: Scanner) -> frozenset[str]:
    """`list-select-opts` and the space behind them."""
    scanner.open_list()
    found: set[str] = set()
    more = not scanner.skip(b")")
    while more:
        name = scanner.keyword()
        if name not in _SELECTIONS:
            raise CommandError
        found.add(name.decode("ascii"))
        more = scanner.more()
    scanner.space()
    if "RECURSIVEMATCH" in found and not found - {"RECURSIVEMATCH", "REMOTE"}:
        # RFC 5258 3.1: it needs an option that can match.
        raise CommandError
    return frozenset(found)


def _patterns(scanner: Scanner) -> tuple[str, ...]:
    if not scanner.at(b"("):
        return (scanner.list_mailbox(),)
    scanner.open_list()
    patterns = [scanner.list_mailbox()]
    while scanner.more():
        patterns.append(scanner.list_mailbox())
    if len(patterns) > _MOST_PATTERNS:
        raise CommandError
    return tuple(patterns)


def _return_options(scanner: Scanner, returning: _Returning) -> None:
    if scanner.keyword() != b"RETURN":
        raise CommandError
    scanner.space()
    scanner.open_list()
    more = not scanner.skip(b")")
    while more:
        name = scanner.keyword()
        if name == b"STATUS":
            scanner.space()
            returning.status = status_items(scanner)
        elif name == b"METADATA":
            scanner.space()
            returning.options = metadata_options(scanner)
            returning.metadata = metadata_entries(scanner)
        elif name in _RETURNS:
            returning.flags.add(name.decode("ascii"))
        else:
            raise CommandError
        more = scanner.more()
