"""THREAD (RFC 5256): ORDEREDSUBJECT, REFERENCES and REFS."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence

from estafeta.mail.basesubject import BaseSubject
from estafeta.mail.threadid import message_ids
from estafeta.mail.threads import Algorithm, ThreadRow, encode_thread, thread_subject
from estafeta.mail.threads import thread as make_threads
from estafeta.mailboxes import look
from estafeta.mailboxes.values import ranges_of
from estafeta.protocols.imap.commands import Thread
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.protocols.imap.searchkeys import SearchKey
from estafeta.servers.imap.condstore import note_modseq
from estafeta.servers.imap.contentkeys import Kind, Messages
from estafeta.servers.imap.longwork import run_long
from estafeta.servers.imap.searching import Searcher
from estafeta.servers.imap.searchscope import scope_of, searcher, sent_or_arrived
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import selected_of

_COLUMNS = ("uid", "internal_date_ms", "content_id")
_IDS = Kind("ids", "structure", message_ids)
_SUBJECT = Kind("subject", "envelope", thread_subject)
_NO_IDS: tuple[str, tuple[str, ...]] = ("", ())
_NO_SUBJECT = BaseSubject("", False)


async def thread(session: ImapSession, event: Thread) -> Reply:
    """What matches, as trees of messages and their answers."""
    selected = selected_of(session)
    note_modseq(session, event.key)
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
    scope = search.scope
    rows = look.fetch_rows(search.database, scope.account_id, scope.mailbox_id, _COLUMNS, ranges_of(found.uids))
    if not rows:
        return b""
    uids, arrived_ms, content_ids = zip(*rows, strict=True)
    messages = Messages(scope.account_id, scope.mailbox_id, uids, content_ids)
    sent = sent_or_arrived(search, messages, arrived_ms)
    ids = [key or _NO_IDS for key in search.remembered.keys(search.database, messages, _IDS)]

    def subjects(wanted: Sequence[int]) -> list[BaseSubject]:
        contents = dict(zip(uids, content_ids, strict=True))
        these = messages._replace(uids=wanted, content_ids=[contents[uid] for uid in wanted])
        return [key or _NO_SUBJECT for key in search.remembered.keys(search.database, these, _SUBJECT)]

    made = [ThreadRow(uid, at, *named) for uid, at, named in zip(uids, sent, ids, strict=True)]
    return encode_thread(make_threads(made, algorithm, subjects), number)


def _same(uid: int) -> int:
    return uid


def _sequence_in(uids: "array[int]") -> Callable[[int], int]:
    return lambda uid: bisect_left(uids, uid) + 1
