"""LIST (RFC 9051 6.3.9), with what its return options add: RFC 5258, 5819 (STATUS), 6154, 8440 (MYRIGHTS), 9590
(METADATA). What is found is in `listing`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from estafeta.core.ids import AccountId
from estafeta.mailboxes.overview import annotations_in
from estafeta.protocols.imap.commands import List
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.protocols.imap.values import StatusItem
from estafeta.servers.imap.condstore import use_condstore
from estafeta.servers.imap.folders import SHARED_FOLDERS, USERS, Folder, Sight, sight_of
from estafeta.servers.imap.listing import Listed, Names, asks_for_others, read_names, special_uses
from estafeta.servers.imap.metadata import (
    check_entries,
    encode_values,
    full_entries,
    select_entries,
    special_use,
    stored_entry,
)
from estafeta.servers.imap.patterns import patterns_of
from estafeta.servers.imap.rights import encode_rights
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.status import status_list
from estafeta.storage.database import Database

# Names answered in one go of a thread: few enough that the answer stays small, annotations may be large.
_AT_ONCE = 500
_AT_ONCE_METADATA = 8


@dataclass(frozen=True, slots=True)
class _Asked:
    """A LIST and what the session knows about how to answer it."""

    event: List
    database: Database
    person_id: AccountId
    utf8: bool
    modern: bool
    append_limit: int


async def list_names(session: ImapSession, event: List) -> Reply:
    """Answer in portions, so that thousands of mailboxes keep nobody waiting."""
    if not event.extended and event.patterns == ("",):
        session.untagged(
            b'LIST (\\Noselect) "/" %b' % encode_mailbox(_root(event.reference), utf8=session.machine.utf8)
        )
        return ok("LIST completed.")
    check_entries(event.metadata, tops=True)
    if StatusItem.HIGHESTMODSEQ in event.status:
        use_condstore(session)
    database = session.mailboxes.database
    found = iter(await session.thread(_find, database, sight_of(session), event))
    machine = session.machine
    asked = _Asked(
        event,
        database,
        session.user.account_id,
        machine.utf8,
        machine.rev2 or event.extended,
        session.settings.max_append_bytes,
    )
    longest, at_once = 0, _AT_ONCE_METADATA if event.metadata else _AT_ONCE
    while portion := list(islice(found, at_once)):
        lines, left_out = await session.thread(_lines, asked, portion)
        longest = max(longest, left_out)
        await session.send(lines)
    return ok("LIST completed.", b"METADATA LONGENTRIES %d" % longest if longest else b"")


def _root(reference: str) -> str:
    """RFC 9051 6.3.9: an empty pattern asks for the delimiter and the root of the reference."""
    return next((prefix for prefix in (USERS, SHARED_FOLDERS) if reference.startswith(prefix)), "")


def _find(database: Database, sight: Sight, event: List) -> list[Listed]:
    # RFC 5258 3: in an extended LIST an empty pattern finds nothing.
    patterns = patterns_of(event.reference, [text for text in event.patterns if text])
    names: Names = read_names(database, sight, with_others=asks_for_others(patterns))
    return list(names.choose(patterns, event.selection))


def _lines(asked: _Asked, portion: Sequence[Listed]) -> tuple[bytes, int]:
    """The answers for some names, and the largest annotation left out."""
    event, lines, longest = asked.event, [], 0
    annotated = _annotations(asked, portion) if event.metadata else {}
    for one in portion:
        name = encode_mailbox(one.name, utf8=asked.utf8)
        lines.append(b'* LIST (%b) "/" %b%b\r\n' % (_attributes(asked, one), name, _child_info(one)))
        folder = one.folder
        # RFC 5819 2, RFC 8440 3, RFC 9590 3: only for what can be selected.
        if folder is None or "r" not in folder.rights:
            continue
        if "MYRIGHTS" in event.returning:
            lines.append(b"* MYRIGHTS %b %b\r\n" % (name, encode_rights(folder.rights)))
        if event.status:
            items = status_list(asked.database, folder.status, event.status, asked.append_limit)
            lines.append(b"* STATUS %b %b\r\n" % (name, items))
        if event.metadata:
            rows = annotated.get((folder.account_id, folder.mailbox_id), [])
            known = [*full_entries(rows), *special_use(folder, asked.person_id)]
            values, left_out = select_entries(known, event.metadata, event.metadata_options)
            longest = max(longest, left_out)
            if values:
                lines.append(b"* METADATA %b %b\r\n" % (name, encode_values(values)))
    return b"".join(lines), longest


def _attributes(asked: _Asked, one: Listed) -> bytes:
    found = []
    if one.folder is None:
        # RFC 9051 7.3.1, RFC 5258 3.4: implies \Noselect, which is what RFC 3501 knows.
        found.append(b"\\NonExistent" if asked.modern else b"\\Noselect")
    elif "r" not in one.folder.rights:
        found.append(b"\\Noselect")
    if one.subscribed and "SUBSCRIBED" in asked.event.selection | asked.event.returning:
        found.append(b"\\Subscribed")
    found.append(b"\\HasChildren" if one.children else b"\\HasNoChildren")
    found.extend(b"\\" + use.encode() for use in _uses(one.folder, asked.person_id))
    return b" ".join(found)


def _uses(folder: Folder | None, own: AccountId) -> list[str]:
    return [] if folder is None else special_uses(folder, own)


def _child_info(one: Listed) -> bytes:
    if not one.child_info:
        return b""
    return b' ("CHILDINFO" (%b))' % b" ".join(b'"%b"' % option.encode() for option in one.child_info)


def _annotations(asked: _Asked, portion: Sequence[Listed]) -> dict[tuple[int, int], list[tuple[int, str, bytes]]]:
    places = [(one.folder.account_id, one.folder.mailbox_id) for one in portion if one.folder is not None]
    persons = {stored_entry(entry, asked.person_id)[0] for entry in asked.event.metadata}
    return annotations_in(asked.database, places, sorted(persons)) if places else {}
