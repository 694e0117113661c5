"""SEARCH (RFC 9051 6.4.4) with RETURN (RFC 4731, 5182, 5267, 9394)."""

from collections.abc import Awaitable

from estafeta.protocols.imap.commands import Search, SearchRefused, SearchReturn
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.condstore import note_modseq
from estafeta.servers.imap.contexts import keep_context, refuse_reuse
from estafeta.servers.imap.fixedkey import fixed
from estafeta.servers.imap.longwork import run_long
from estafeta.servers.imap.multisearch import correlator, multisearch
from estafeta.servers.imap.searchresult import esearch, plain, returns_nothing, saved, sequence_numbers
from estafeta.servers.imap.searchscope import scope_of, searcher
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import selected_of

_ALL = SearchReturn(frozenset({"ALL"}))


def search(session: ImapSession, event: Search) -> Awaitable[Reply]:
    """In the selected mailbox, or in those that ESEARCH names (RFC 7377)."""
    note_modseq(session, event.key)
    elsewhere = any(scope.filter != "SELECTED" for scope in event.scopes)
    return multisearch(session, event) if elsewhere else _search(session, event)


def refused(session: ImapSession, event: SearchRefused) -> Reply:
    """RFC 5182 2.1: no result is kept."""
    if session.selected is not None:
        session.selected.saved = ()
    return event.reply


async def _search(session: ImapSession, event: Search) -> Reply:
    selected = selected_of(session)
    refuse_reuse(session, selected, event.returning)
    keep = event.returning is not None and "SAVE" in event.returning.options
    if keep:
        # RFC 5182 2.1: should the search fail, the result is empty.
        before, selected.saved = selected.saved, ()
        scope = await scope_of(selected, saved_before=before)
    else:
        scope = await scope_of(selected)
    found = await run_long(session, lambda progress: searcher(session, scope, progress).find(event.key))
    size, returning = len(found.uids), event.returning
    uids = await selected.uids()
    numbers = found.uids if event.uid else await session.made(size, lambda: sequence_numbers(uids, found.uids))
    if returning is None and not session.machine.rev2:
        highest = max(found.modseqs.values(), default=0)
        session.untagged(await session.made(size, lambda: plain(b"SEARCH", numbers, highest)))
        return ok("SEARCH completed.")
    asked = returning or _ALL
    # RFC 7377 2.1: an ESEARCH command says nothing of a mailbox without results.
    if not returns_nothing(asked) and (numbers or not event.scopes):
        where = correlator(session, selected.folder) if event.scopes else b""
        tag = session.machine.tag
        line = await session.made(size, lambda: esearch(tag, numbers, found, asked, uid=event.uid, mailbox=where))
        session.untagged(line)
    if keep:
        selected.saved = await session.made(size, lambda: saved(found.uids, asked))
    if "UPDATE" in asked.options:
        keep_context(session, selected, fixed(event.key, scope), found.uids, uid=event.uid, items=asked.update)
    return ok("SEARCH completed.")
