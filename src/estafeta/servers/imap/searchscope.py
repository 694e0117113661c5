"""What SEARCH, SORT, THREAD and contexts have in common: the scope that a session searches, and sorting."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from estafeta.mail.sorting import Criterion, SortBy, SortRow, sort_uids
from estafeta.mailboxes import look
from estafeta.mailboxes.values import Ranges, ranges_of
from estafeta.protocols.imap.commands import SortKey
from estafeta.servers.imap.searching import Scope, Searcher
from estafeta.servers.imap.selected import Selected

if TYPE_CHECKING:
    from estafeta.servers.imap.longwork import Progress
    from estafeta.servers.imap.session import ImapSession

_NONE: Mapping[int, int] = MappingProxyType({})
_COLUMNS = ("uid", "internal_date_ms", "size", "envelope")


def selected_of(session: "ImapSession") -> Selected:
    """The selected mailbox; the machine lets these commands come only where there is one."""
    if session.selected is None:
        raise RuntimeError("no mailbox is selected")
    return session.selected


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
        scope,
        int(time.time() * 1000),
        None if progress is None else progress.note,
        None if progress is None else progress.cancelled,
    )


def sort_these(
    search: Searcher, uids: Sequence[int], criteria: Sequence[SortKey], relevancy: Mapping[int, int] = _NONE
) -> list[int]:
    """These UIDs, sorted. Runs in a thread."""
    scope, wanted = search.scope, set(uids)
    rows = look.fetch_rows(search.database, scope.account_id, scope.mailbox_id, _COLUMNS, ranges_of(uids))
    sorted_rows = [
        SortRow(uid, arrived_ms / 1000, size, envelope, relevancy.get(uid, 100))
        for uid, arrived_ms, size, envelope in rows
        if uid in wanted
    ]
    return sort_uids(sorted_rows, [Criterion(SortBy(key.name), key.reverse) for key in criteria])
