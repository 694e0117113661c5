"""STORE (RFC 9051 6.4.6), with UNCHANGEDSINCE (RFC 7162 3.1.3)."""

from array import array
from functools import partial
from typing import Literal, cast

from estafeta.mailboxes.storing import StoreFlags
from estafeta.mailboxes.values import Ranges, Stored, ranges_of
from estafeta.protocols.imap.commands import Store
from estafeta.protocols.imap.encode import encode_ranges
from estafeta.protocols.imap.fetchitems import FetchItem, Item
from estafeta.protocols.imap.replies import Reply, no, ok
from estafeta.protocols.imap.values import FlagList
from estafeta.servers.imap.condstore import use_condstore
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.fetching import send_messages
from estafeta.servers.imap.flaglines import tell_new_keywords
from estafeta.servers.imap.flagrights import ALL_FLAGS, allowed_flags
from estafeta.servers.imap.selected import Selected
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import finished, in_ranges, need_right, selected_of

Mode = Literal["add", "remove", "replace"]

# One commit for so many: others, who wait for theirs, have their turn in between.
_AT_ONCE = 20_000


async def store(session: ImapSession, event: Store) -> Reply:
    """STORE and UID STORE."""
    selected = selected_of(session)
    if event.unchanged_since is not None:
        use_condstore(session)
    need_right(selected, "")
    changes = _changes(selected, cast(Mode, event.mode), event.flags)
    uids, code = await selected.resolve(event.numbers, uid=event.uid), b""
    if not uids:
        return finished("STORE", 0, uid=True)
    conflicts: Ranges = ()
    for start in range(0, len(uids), _AT_ONCE):
        portion = uids[start : start + _AT_ONCE]
        ranges = await session.made(len(portion), partial(ranges_of, portion))
        conflicts += await _store(session, selected, event, changes, ranges)
    tell_new_keywords(
        session, selected, [word for mode, flags in changes if mode != "remove" for word in flags.keywords]
    )
    if conflicts:
        left = frozenset(in_ranges(uids, conflicts))
        code = _modified(selected, event, left)
        uids = array("I", [uid for uid in uids if uid not in left])
    missing = await _tell(session, selected, event, uids)
    if conflicts and not missing:
        return ok("Some messages were changed by others since and are as they were.", code)
    return finished("STORE", missing, uid=event.uid, code=code)


def _changes(selected: Selected, mode: Mode, wanted: FlagList) -> list[tuple[Mode, FlagList]]:
    """What to do, as far as the rights go.

    RFC 4314 4: of several flags those are set for which there is a right; only who has it for none is refused. To
    replace means to leave alone the flags for which there is none.
    """
    flags, keywords = allowed_flags(selected.folder.rights)
    may = FlagList(wanted.flags & flags, wanted.keywords if keywords else ())
    asked = bool(wanted.flags or wanted.keywords)
    if not (flags or keywords) or (asked and mode != "replace" and not (may.flags or may.keywords)):
        raise ReplyError(no("You may not set these flags in this mailbox.", b"NOPERM"))
    if mode != "replace" or (flags == ALL_FLAGS and keywords):
        return [(mode, may)]
    others = FlagList(flags & ~may.flags, ())
    if keywords:
        mine = {word.lower() for word in may.keywords}
        others = FlagList(
            others.flags, tuple(word for word in selected.folder.status.keywords.split() if word.lower() not in mine)
        )
    return [("remove", others), ("add", may)]


async def _store(
    session: ImapSession, selected: Selected, event: Store, changes: list[tuple[Mode, FlagList]], ranges: Ranges
) -> Ranges:
    """Do it; the result is what was left alone for UNCHANGEDSINCE."""
    folder = selected.folder
    conflicts: Ranges = ()
    unchanged_since = event.unchanged_since
    for mode, (flags, keywords) in changes:
        stored: Stored = await session.mailboxes.store_flags(
            StoreFlags(
                folder.account_id,
                folder.mailbox_id,
                ranges,
                mode,
                flags,
                frozenset(keywords),
                unchanged_since,
                session.reader,
            )
        )
        # What the client is told of the flags now, the end need not repeat. RFC 9051 6.4.6: with .SILENT it is told
        # all the same when somebody else was at work meanwhile, or it would never hear of what they changed.
        selected.touched(stored.modseq, silent=not event.silent or selected.knows(stored.before))
        if unchanged_since is not None:
            conflicts = stored.conflicts
            ranges = _without(ranges, conflicts)
            unchanged_since = None
    return conflicts


def _without(ranges: Ranges, conflicts: Ranges) -> Ranges:
    taken = frozenset(uid for low, high in conflicts for uid in range(low, high + 1))
    return ranges_of(uid for low, high in ranges for uid in range(low, high + 1) if uid not in taken)


def _modified(selected: Selected, event: Store, left: frozenset[int]) -> bytes:
    """RFC 7162 3.1.3: numbers as the command used them."""
    numbers = sorted(left) if event.uid else [selected.view.sequence(uid) for uid in sorted(left)]
    return b"MODIFIED " + encode_ranges(ranges_of(numbers))


async def _tell(session: ImapSession, selected: Selected, event: Store, uids: "array[int]") -> int:
    """Answer with the new flags of all that were named; how many of them are gone."""
    # RFC 7162 3.2.4: what STORE tells has the UID wherever it has the MODSEQ.
    with_uid = (event.uid or session.machine.condstore) and not session.machine.uid_only
    items: list[FetchItem] = [Item.UID] if with_uid else []
    if not event.silent:
        items.append(Item.FLAGS)
    if session.machine.condstore:
        items.append(Item.MODSEQ)
    if not uids or (event.silent and not session.machine.condstore):
        return 0
    trouble = await send_messages(session, selected, items, uids)
    return trouble.missing
