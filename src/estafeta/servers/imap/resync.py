"""Quick resynchronization: what changed since a client was last here (RFC 7162 3.2.5, 3.2.6)."""

from collections.abc import Iterator, Sequence

from estafeta.mailboxes import look
from estafeta.mailboxes.values import Change, ranges_of
from estafeta.protocols.imap.commands import QResync
from estafeta.protocols.imap.encode import encode_ranges
from estafeta.protocols.imap.fetchitems import Item
from estafeta.servers.imap.fetchlines import render
from estafeta.servers.imap.fetchplan import Plan, make_plan
from estafeta.servers.imap.portion import Portion, Trouble
from estafeta.servers.imap.selected import Selected
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.wanted import in_ranges, sequences

_COLUMNS = ("uid", "modseq", "flags", "keywords")
_AT_ONCE = 1000


async def resync(session: ImapSession, selected: Selected, known: QResync) -> None:
    """VANISHED (EARLIER) of what is gone, FETCH of what is new or changed, as far as the client knows these UIDs.

    The numbers that it sent to narrow down what may be gone (`seq-match-data`) are not needed: tombstones are kept for
    good, so everything that is gone is known.
    """
    folder, view = selected.folder, selected.view
    changes = await session.thread(
        look.changes_since, session.mailboxes.database, folder.account_id, folder.mailbox_id, known.modseq
    )
    gone, changed = list(changes.expunged), [change for change in changes.changed if change.uid < view.uid_next]
    if known.known_uids is not None:
        ranges = known.known_uids.resolve(max(1, view.uid_next - 1))
        gone = in_ranges(gone, ranges)
        mine = frozenset(in_ranges((change.uid for change in changed), ranges))
        changed = [change for change in changed if change.uid in mine]
    if changes.modseq != view.modseq:
        # Others were at work since: what is in the view still is told at the end of the command.
        await selected.uids()
        gone = [uid for uid in gone if uid < view.uid_next and not view.sequence(uid)]
        changed = [change for change in changed if view.sequence(change.uid)]
    if gone:
        await session.send(b"* VANISHED (EARLIER) %b\r\n" % encode_ranges(ranges_of(gone)))
    if changed:
        await _send_changed(session, selected, changed)


async def _send_changed(session: ImapSession, selected: Selected, changed: Sequence[Change]) -> None:
    machine = session.machine
    items = (Item.FLAGS, Item.MODSEQ) if machine.uid_only else (Item.UID, Item.FLAGS, Item.MODSEQ)
    recent_from = (1 << 32) if machine.rev2 else selected.view.recent_from
    plan = make_plan(items, uid_only=machine.uid_only, recent_from=recent_from)
    view = None if machine.uid_only else await selected.uids()

    def lines() -> Iterator[list[bytes]]:
        for start in range(0, len(changed), _AT_ONCE):
            rows = changed[start : start + _AT_ONCE]
            uids = [row.uid for row in rows]
            yield render(plan, _portion(plan, rows, uids if view is None else sequences(view, uids)))

    made = lines()
    while pieces := await session.thread(next, made, None):
        await session.send(*pieces)


def _portion(plan: Plan, rows: Sequence[Change], numbers: Sequence[int]) -> Portion:
    return Portion(_COLUMNS, rows, numbers, Trouble())
