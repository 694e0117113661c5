"""What SEARCH, SORT, THREAD and contexts have in common: the scope that a session searches, and sorting."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from estafeta.mail.sorting import Keys, SortBy, envelope_key, sort_uids
from estafeta.mailboxes import look
from estafeta.mailboxes.values import Ranges, ranges_of
from estafeta.protocols.imap.commands import SortKey
from estafeta.servers.imap.contentkeys import Kind, Messages
from estafeta.servers.imap.searching import Scope, Searcher
from estafeta.servers.imap.selected import Selected

if TYPE_CHECKING:
    from estafeta.servers.imap.longwork import Progress
    from estafeta.servers.imap.session import ImapSession

_NONE: Mapping[int, int] = MappingProxyType({})
_COLUMNS = ("uid", "internal_date_ms", "size", "content_id")
_KINDS = {by: Kind(by.value, "envelope", made) for by in SortBy if (made := envelope_key(by)) is not None}


async def scope_of(selected: Selected, saved_before: Ranges | None = None) -> Scope:
    """The selected mailbox as the session sees it."""
    folder = selected.folder
    uids = await selected.uids()
    kept = selected.saved if saved_before is None else saved_before
    return Scope(folder.account_id, folder.mailbox_id, uids, kept, selected.view.recent_from)


def searcher(session: "ImapSession", scope: Scope, progress: "Progress | None" = None) -> Searcher:
    """What searches `scope`."""
    return Searcher(
        session.mailboxes.database,
        session.service.shared.search,
        session.service.shared.keys,
        scope,
        int(time.time() * 1000),
        None if progress is None else progress.note,
        None if progress is None else progress.cancelled,
    )


def sort_these(
    search: Searcher, uids: Sequence[int], criteria: Sequence[SortKey], relevancy: Mapping[int, int] = _NONE
) -> list[int]:
    """These UIDs, sorted. Runs in a thread."""
    scope = search.scope
    rows = look.fetch_rows(search.database, scope.account_id, scope.mailbox_id, _COLUMNS, ranges_of(uids))
    if not rows:
        return []
    found, arrived_ms, sizes, content_ids = zip(*rows, strict=True)
    messages = Messages(scope.account_id, scope.mailbox_id, found, content_ids)

    def keys(by: SortBy) -> Keys:
        match by:
            case SortBy.ARRIVAL:
                return arrived_ms
            case SortBy.SIZE:
                return sizes
            case SortBy.RELEVANCY:
                # The best come first.
                return [-relevancy.get(uid, 100) for uid in found]
            case SortBy.DATE:
                return sent_or_arrived(search, messages, arrived_ms)
        return [key or "" for key in search.remembered.keys(search.database, messages, _KINDS[by])]

    return sort_uids(found, [(keys(SortBy(key.name)), key.reverse) for key in criteria])


def sent_or_arrived(search: Searcher, messages: Messages, arrived_ms: Sequence[int]) -> list[float]:
    """RFC 5256 2.2: when messages were sent, else their internal dates, in seconds since 1970. In a thread."""
    sent = search.remembered.keys(search.database, messages, _KINDS[SortBy.DATE])
    return [at_ms / 1000 if key is None else key for key, at_ms in zip(sent, arrived_ms, strict=True)]
