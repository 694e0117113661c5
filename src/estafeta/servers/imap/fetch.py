"""FETCH (RFC 9051 6.4.5), with CHANGEDSINCE and VANISHED (RFC 7162), PARTIAL (RFC 9394) and UIDFETCH (RFC 9586).

Who fetches a body without PEEK has seen it: \\Seen is set first, and FLAGS are in the answers when that changed any.
"""

from array import array
from functools import partial

from estafeta.mailboxes import look
from estafeta.mailboxes.storing import StoreFlags
from estafeta.mailboxes.values import ranges_of
from estafeta.protocols.imap.commands import Fetch
from estafeta.protocols.imap.encode import encode_ranges
from estafeta.protocols.imap.fetchitems import FetchItem, Item
from estafeta.protocols.imap.replies import Reply, no
from estafeta.protocols.imap.values import SEEN, SequenceSet
from estafeta.servers.imap.condstore import use_condstore
from estafeta.servers.imap.fetching import send_messages
from estafeta.servers.imap.fetchplan import sets_seen
from estafeta.servers.imap.portion import Trouble
from estafeta.servers.imap.selected import Selected
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import finished, in_ranges, keep, selected_of, take_partial

# Flags are looked at in portions.
_AT_ONCE = 10_000


async def fetch(session: ImapSession, event: Fetch) -> Reply:
    """FETCH and UID FETCH."""
    selected = selected_of(session)
    items = _items(session, event)
    uids = await selected.resolve(event.numbers, uid=event.uid)
    if event.changed_since is not None:
        uids = await _changed(session, selected, event, uids)
    if event.partial is not None:
        uids = take_partial(uids, event.partial)
    if sets_seen(event.items) and await _mark_seen(session, selected, uids):
        items = _with_flags(session, items)
    if not uids:
        return finished("FETCH", 0, uid=True)
    return _reply(event, await send_messages(session, selected, items, uids))


def _items(session: ImapSession, event: Fetch) -> tuple[FetchItem, ...]:
    """What to answer: also what RFC 9051 6.4.9 and RFC 7162 3.1.4.1 add to what was asked."""
    items = event.items
    if event.changed_since is not None:
        items = _with(items, Item.MODSEQ)
    if Item.MODSEQ in items:
        use_condstore(session)
    # RFC 9586 3.3: UIDFETCH has the UID in front.
    if event.uid and not session.machine.uid_only and Item.UID not in items:
        return (Item.UID, *items)
    return items


def _with_flags(session: ImapSession, items: tuple[FetchItem, ...]) -> tuple[FetchItem, ...]:
    """The flags in front, where clients look that stop at the first literal; with MODSEQ and UID, as changes that the
    client is told have them once CONDSTORE is on (RFC 7162 3.2.4)."""
    machine = session.machine
    with_uid = Item.UID in items or (machine.condstore and not machine.uid_only)
    new = (*((Item.UID,) if with_uid else ()), Item.FLAGS, *((Item.MODSEQ,) if machine.condstore else ()))
    return (*new, *items)


def _with(items: tuple[FetchItem, ...], *more: Item) -> tuple[FetchItem, ...]:
    return (*items, *(item for item in more if item not in items))


async def _changed(session: ImapSession, selected: Selected, event: Fetch, uids: "array[int]") -> "array[int]":
    """RFC 7162 3.1.4.1, 3.2.6: of these only messages changed since; with VANISHED, word of what is gone since."""
    folder, since = selected.folder, event.changed_since or 0
    changes = await session.thread(
        look.changes_since, session.mailboxes.database, folder.account_id, folder.mailbox_id, since
    )
    if event.vanished:
        await _send_vanished(session, selected, event.numbers, changes.expunged)
    size = max(len(uids), len(changes.changed))
    return await session.made(size, lambda: keep(uids, {change.uid for change in changes.changed}))


async def _send_vanished(
    session: ImapSession, selected: Selected, numbers: SequenceSet | None, gone: tuple[int, ...]
) -> None:
    """RFC 7162 3.2.10.1: what the client may know of from earlier. What is in its view still is told in its turn."""
    asked = selected.saved if numbers is None else numbers.resolve(max(1, selected.view.uid_next - 1))
    here = selected.view
    earlier = [uid for uid in in_ranges(gone, asked) if uid < here.uid_next and not here.sequence(uid)]
    if earlier:
        await session.send(b"* VANISHED (EARLIER) %b\r\n" % encode_ranges(ranges_of(earlier)))


async def _mark_seen(session: ImapSession, selected: Selected, uids: "array[int]") -> bool:
    """Set \\Seen where it is not set; whether that changed anything."""
    if selected.read_only or "s" not in selected.folder.rights or not uids:
        return False
    folder = selected.folder
    unseen = await session.thread(_unseen, session, selected, uids)
    if not unseen:
        return False
    ranges = partial(ranges_of, unseen)
    made = await session.made(len(unseen), ranges)
    stored = await session.mailboxes.store_flags(
        StoreFlags(folder.account_id, folder.mailbox_id, made, "add", SEEN, reader=session.reader)
    )
    selected.touched(stored.modseq, silent=True)
    return bool(stored.modseq)


def _unseen(session: ImapSession, selected: Selected, uids: "array[int]") -> list[int]:
    folder, found = selected.folder, []
    for start in range(0, len(uids), _AT_ONCE):
        ranges = ranges_of(uids[start : start + _AT_ONCE])
        rows = look.fetch_rows(
            session.mailboxes.database, folder.account_id, folder.mailbox_id, ("uid", "flags"), ranges
        )
        found += [uid for uid, flags in rows if not flags & SEEN]
    return found


def _reply(event: Fetch, trouble: Trouble) -> Reply:
    if trouble.unknown_encoding:
        # RFC 3516 4.3.
        return no("Some parts have an unknown transfer encoding.", b"UNKNOWN-CTE")
    if trouble.damaged and not trouble.answered:
        return no("The message is damaged in the store; the operator can repair it.", b"UNAVAILABLE")
    return finished("FETCH", trouble.missing, uid=event.uid)
