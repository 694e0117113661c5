"""SORT (RFC 5256) with RETURN (ESORT, RFC 5267) and DISPLAYFROM, DISPLAYTO (RFC 5957)."""

from collections.abc import Sequence

from estafeta.protocols.imap.commands import Sort, SortKey
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.protocols.imap.searchkeys import SearchKey
from estafeta.servers.imap.condstore import note_modseq
from estafeta.servers.imap.contexts import keep_context, refuse_reuse
from estafeta.servers.imap.fixedkey import fixed
from estafeta.servers.imap.longwork import run_long
from estafeta.servers.imap.searching import Found, Searcher
from estafeta.servers.imap.searchresult import esearch, plain, returns_nothing, saved, sequence_numbers
from estafeta.servers.imap.searchscope import scope_of, searcher, sort_these
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import selected_of


async def sort(session: ImapSession, event: Sort) -> Reply:
    """What matches, in the order of the criteria."""
    selected = selected_of(session)
    refuse_reuse(session, selected, event.returning)
    note_modseq(session, event.key)
    keep = event.returning is not None and "SAVE" in event.returning.options
    scope = await scope_of(selected)
    if keep:
        # RFC 5182 2.1: should it fail, the result is empty.
        selected.saved = ()
    found = await run_long(
        session, lambda progress: find_sorted(searcher(session, scope, progress), event.key, event.criteria)
    )
    size, returning = len(found.uids), event.returning
    uids = await selected.uids()
    numbers = found.uids if event.uid else await session.made(size, lambda: sequence_numbers(uids, found.uids))
    if returning is None:
        highest = max(found.modseqs.values(), default=0)
        session.untagged(await session.made(size, lambda: plain(b"SORT", numbers, highest)))
        return ok("SORT completed.")
    if not returns_nothing(returning):
        tag = session.machine.tag
        session.untagged(await session.made(size, lambda: esearch(tag, numbers, found, returning, uid=event.uid)))
    if keep:
        selected.saved = await session.made(size, lambda: saved(found.uids, returning))
    if "UPDATE" in returning.options:
        key = fixed(event.key, scope)
        order, items = event.criteria, returning.update
        keep_context(session, selected, key, found.uids, uid=event.uid, criteria=order, items=items)
    return ok("SORT completed.")


def find_sorted(search: Searcher, key: SearchKey, criteria: Sequence[SortKey]) -> Found:
    """What matches, sorted. Runs in a thread."""
    found = search.find(key)
    return Found(sort_these(search, found.uids, criteria, found.relevancy), found.modseqs, found.relevancy)
