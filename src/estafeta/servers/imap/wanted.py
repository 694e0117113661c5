"""Which messages a command means, and what is said when not all of them could be done (RFC 2180, RFC 9738).

UIDs come as ascending arrays, as `Selected.resolve` gives them.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence

from estafeta.protocols.imap.replies import Reply, bad, no, ok
from estafeta.protocols.imap.values import Partial, Ranges
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.selected import Selected
from estafeta.servers.imap.session import ImapSession


def selected_of(session: ImapSession) -> Selected:
    """The selected mailbox; the machine lets no command in that needs one before there is one."""
    if session.selected is None:
        raise ReplyError(bad("No mailbox is selected."))
    return session.selected


def need_right(selected: Selected, rights: str) -> None:
    """Refuse unless the mailbox was opened for writing and all of these rights are there (RFC 4314 4)."""
    if selected.examined:
        raise ReplyError(no("The mailbox was opened for reading only."))
    if selected.read_only or not selected.folder.rights.issuperset(rights):
        raise ReplyError(no("You may not do that in this mailbox.", b"NOPERM"))


def refuse_too_many(uids: "array[int]", most: int) -> None:
    """RFC 9738: COPY and MOVE, which do all or nothing, hold up everybody else's commits.

    Other commands have no limit, since they go in portions: a client that does not know of it would take what was not
    done for done, or what was not told for gone.
    """
    if most and len(uids) > most:
        raise ReplyError(no(f"At most {most} messages at once.", b"MESSAGELIMIT %d" % most))


def take_partial(uids: "array[int]", partial: Partial) -> "array[int]":
    """RFC 9394 3.3: the messages from the first to the last of these places, counted from 1, or backwards from -1."""
    if partial.first > 0:
        return uids[partial.first - 1 : partial.last]
    count = len(uids)
    return uids[max(0, count + partial.last) : max(0, count + partial.first + 1)]


def sequences(view: "array[int]", uids: Sequence[int]) -> Sequence[int]:
    """The sequence numbers of `uids`, all of which are in the view; a range where they are neighbours."""
    if not uids:
        return range(0)
    first, count = bisect_left(view, uids[0]), len(uids)
    if view[first + count - 1] == uids[-1]:
        return range(first + 1, first + count + 1)
    found, at = [], first
    for uid in uids:
        at = bisect_left(view, uid, at)
        found.append(at + 1)
    return found


def in_ranges(uids: Iterable[int], ranges: Ranges) -> list[int]:
    """Those of ascending `uids` that are in the ranges."""
    found, at = [], 0
    for uid in uids:
        while at < len(ranges) and ranges[at][1] < uid:
            at += 1
        if at == len(ranges):
            break
        if ranges[at][0] <= uid:
            found.append(uid)
    return found


def keep(uids: "array[int]", those: Collection[int]) -> "array[int]":
    """The UIDs that are among `those`."""
    wanted = those if isinstance(those, (set, frozenset)) else frozenset(those)
    return array("I", [uid for uid in uids if uid in wanted])


def finished(command: str, missing: int, *, uid: bool, code: bytes = b"") -> Reply:
    """How a command ends when `missing` of its messages were expunged by others meanwhile.

    RFC 2180 4.1.2, RFC 5530 3: who asked by sequence number hears of it; among UIDs what is gone is passed over.
    """
    if missing and not uid:
        return no("Some of these messages are no longer there.", b"EXPUNGEISSUED")
    return ok(f"{command} completed.", code)
