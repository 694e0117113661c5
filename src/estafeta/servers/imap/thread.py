"""THREAD (RFC 5256): ORDEREDSUBJECT, REFERENCES and REFS."""

from array import array
from bisect import bisect_left
from collections.abc import Callable

from estafeta.mail.threadid import message_ids
from estafeta.mail.threads import Algorithm, ThreadRow, encode_thread
from estafeta.mail.threads import thread as make_threads
from estafeta.mailboxes import look
from estafeta.mailboxes.values import ranges_of
from estafeta.protocols.imap.commands import Thread
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.protocols.imap.searchkeys import SearchKey
from estafeta.servers.imap.longwork import run_long
from estafeta.servers.imap.searching import Searcher
from estafeta.servers.imap.searchscope import scope_of, searcher, selected_of
from estafeta.servers.imap.session import ImapSession

_COLUMNS = ("uid", "internal_date_ms", "envelope", "structure")


async def thread(session: ImapSession, event: Thread) -> Reply:
    """What matches, as trees of messages and their answers."""
    selected = selected_of(session)
    scope = await scope_of(selected)
    number = _same if event.uid else _sequence_in(await selected.uids())
    algorithm = Algorithm(event.algorithm)
    text = await run_long(
        session, lambda progress: _find(searcher(session, scope, progress), event.key, algorithm, number)
    )
    session.untagged(b"THREAD " + text if text else b"THREAD")
    return ok("THREAD completed.")


def _find(search: Searcher, key: SearchKey, algorithm: Algorithm, number: Callable[[int], int]) -> bytes:
    found = search.find(key)
    if not found.uids:
        return b""
    scope, wanted = search.scope, set(found.uids)
    rows = look.fetch_rows(search.database, scope.account_id, scope.mailbox_id, _COLUMNS, ranges_of(found.uids))
    threads = make_threads(
        [
            ThreadRow(uid, arrived_ms / 1000, envelope, *message_ids(structure))
            for uid, arrived_ms, envelope, structure in rows
            if uid in wanted
        ],
        algorithm,
    )
    return encode_thread(threads, number)


def _same(uid: int) -> int:
    return uid


def _sequence_in(uids: "array[int]") -> Callable[[int], int]:
    return lambda uid: bisect_left(uids, uid) + 1
