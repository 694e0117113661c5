"""SEARCH, ESEARCH, SORT, THREAD and CANCELUPDATE: what stands around the search keys.

RFC 9051 6.4.4, RFC 4731, 5182, 5256, 5267, 5957, 6203, 7377, 9394.
"""

from collections.abc import Callable

from estafeta.protocols.imap.commands import (
    CancelUpdate,
    Search,
    SearchRefused,
    SearchReturn,
    SearchScope,
    Sort,
    SortKey,
    Thread,
)
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.fetchitems import FetchItem
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.parse_fetch import parse_fetch_list
from estafeta.protocols.imap.parse_search import parse_program, parse_program_of
from estafeta.protocols.imap.replies import Reply, Status
from estafeta.protocols.imap.searchkeys import SearchKey

_RETURNS = frozenset((b"MIN", b"MAX", b"ALL", b"COUNT", b"SAVE", b"CONTEXT", b"UPDATE", b"RELEVANCY"))
_SORTS = frozenset(
    (
        b"ARRIVAL",
        b"CC",
        b"DATE",
        b"FROM",
        b"SIZE",
        b"SUBJECT",
        b"TO",
        b"DISPLAYFROM",
        b"DISPLAYTO",
        b"RELEVANCY",
    )
)
_THREADS = frozenset((b"ORDEREDSUBJECT", b"REFERENCES", b"REFS"))
_SCOPES = frozenset((b"SELECTED", b"INBOXES", b"PERSONAL", b"SUBSCRIBED", b"SUBTREE", b"SUBTREE-ONE", b"MAILBOXES"))
_NAMED_SCOPES = frozenset((b"SUBTREE", b"SUBTREE-ONE", b"MAILBOXES"))
_MOST_SCOPES = 100


def parse_search(scanner: Scanner) -> Search | SearchRefused:
    """SEARCH."""
    return _search(scanner, uid=False)


def parse_uid_search(scanner: Scanner) -> Search | SearchRefused:
    """UID SEARCH."""
    return _search(scanner, uid=True)


def _search(scanner: Scanner, *, uid: bool) -> Search | SearchRefused:
    scanner.space()
    returning = _returning(scanner)
    key = _program(scanner, parse_program, returning)
    return key if isinstance(key, SearchRefused) else Search(key, uid, returning)


def parse_esearch(scanner: Scanner) -> Search | SearchRefused:
    """ESEARCH (RFC 7377 2): answers are UIDs; without IN it looks into the selected mailbox, without RETURN for ALL."""
    scanner.space()
    scopes: tuple[SearchScope, ...] = (SearchScope("SELECTED"),)
    if scanner.peek_keyword() == b"IN":
        scanner.keyword()
        scanner.space()
        scopes = _scopes(scanner)
        scanner.space()
    returning = _returning(scanner) or SearchReturn(frozenset({"ALL"}))
    key = _program(scanner, parse_program, returning)
    return key if isinstance(key, SearchRefused) else Search(key, True, returning, scopes)


def parse_sort(scanner: Scanner) -> Sort | SearchRefused:
    """SORT."""
    return _sort(scanner, uid=False)


def parse_uid_sort(scanner: Scanner) -> Sort | SearchRefused:
    """UID SORT."""
    return _sort(scanner, uid=True)


def _sort(scanner: Scanner, *, uid: bool) -> Sort | SearchRefused:
    scanner.space()
    returning = _returning(scanner)
    scanner.open_list()
    criteria = [_criterion(scanner)]
    while scanner.more():
        criteria.append(_criterion(scanner))
    scanner.space()
    key = _program(scanner, parse_program_of, returning)
    return key if isinstance(key, SearchRefused) else Sort(tuple(dict.fromkeys(criteria)), key, uid, returning)


def _program(
    scanner: Scanner, parse: Callable[[Scanner], SearchKey], returning: SearchReturn | None
) -> SearchKey | SearchRefused:
    """The keys. RFC 5182 2.1: a search that is answered NO leaves `$` empty, so the session has to hear of it."""
    try:
        return parse(scanner)
    except CommandError as error:
        if error.status is not Status.NO or returning is None or "SAVE" not in returning.options:
            raise
        return SearchRefused(Reply(error.status, error.text, error.code))


def _criterion(scanner: Scanner) -> SortKey:
    name = scanner.keyword()
    reverse = name == b"REVERSE"
    if reverse:
        scanner.space()
        name = scanner.keyword()
    if name not in _SORTS:
        raise CommandError
    return SortKey(name.decode("ascii"), reverse)


def parse_thread(scanner: Scanner) -> Thread:
    """THREAD."""
    return _thread(scanner, uid=False)


def parse_uid_thread(scanner: Scanner) -> Thread:
    """UID THREAD."""
    return _thread(scanner, uid=True)


def _thread(scanner: Scanner, *, uid: bool) -> Thread:
    scanner.space()
    algorithm = scanner.keyword()
    if algorithm not in _THREADS:
        raise CommandError
    scanner.space()
    return Thread(algorithm.decode("ascii"), parse_program_of(scanner), uid)


def parse_cancel_update(scanner: Scanner) -> CancelUpdate:
    """CANCELUPDATE (RFC 5267 4.4)."""
    scanner.space()
    tags = [scanner.string()]
    while scanner.try_space():
        tags.append(scanner.string())
    scanner.end()
    return CancelUpdate(tuple(tags))


def _returning(scanner: Scanner) -> SearchReturn | None:
    """`search-return-opts` and the space behind them."""
    if scanner.peek_keyword() != b"RETURN":
        return None
    scanner.keyword()
    scanner.space()
    scanner.open_list()
    options: set[str] = set()
    partial = None
    update: tuple[FetchItem, ...] = ()
    more = not scanner.skip(b")")
    while more:
        name = scanner.keyword()
        if name == b"PARTIAL" and partial is None:
            scanner.space()
            partial = scanner.partial()
        elif name in _RETURNS:
            options.add(name.decode("ascii"))
        else:
            raise CommandError
        more = scanner.more()
        if more and name == b"UPDATE" and scanner.at(b"("):
            update = parse_fetch_list(scanner)
            more = scanner.more()
    scanner.space()
    if partial is not None and "ALL" in options:
        # RFC 9394 3.1: one or the other.
        raise CommandError
    if not options and partial is None:
        # RFC 4731 3.1: no options are ALL.
        options.add("ALL")
    return SearchReturn(frozenset(options), partial, update)


def _scopes(scanner: Scanner) -> tuple[SearchScope, ...]:
    """`"(" source-mbox [SP "(" scope-options ")"] ")"` (RFC 7377 2.2); no scope options are defined."""
    scanner.open_list()
    scopes = [_scope(scanner)]
    while scanner.more():
        if scanner.at(b"("):
            raise CommandError
        scopes.append(_scope(scanner))
    if len(scopes) > _MOST_SCOPES:
        raise CommandError
    return tuple(scopes)


def _scope(scanner: Scanner) -> SearchScope:
    name = scanner.keyword()
    if name not in _SCOPES:
        raise CommandError
    if name not in _NAMED_SCOPES:
        return SearchScope(name.decode("ascii"))
    scanner.space()
    return SearchScope(name.decode("ascii"), mailboxes_of(scanner))


def mailboxes_of(scanner: Scanner) -> tuple[str, ...]:
    """`one-or-more-mailbox` (RFC 5465 8)."""
    if not scanner.at(b"("):
        return (scanner.mailbox(),)
    scanner.open_list()
    names = [scanner.mailbox()]
    while scanner.more():
        names.append(scanner.mailbox())
    return tuple(names)
