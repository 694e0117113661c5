"""What NOTIFY asked to be told unasked (RFC 5465): which mailboxes, which events, and the lines that say it.

Whatever changes in the accounts concerned is heard on the change feed, as "look again". What it was is found by
comparing the names and counters that the client was told last with those of now, so nothing is told twice and an
announcement more or less does no harm.

Departure from RFC 5465 5: what happens in the selected mailbox and was not asked for is still told, with what was, or
at the end of the next command, as without NOTIFY.
"""

import asyncio
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.annotations import annotations_of
from estafeta.mailboxes.values import MailboxStatus
from estafeta.protocols.imap.commands import NotifyGroup
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.fetchitems import Item
from estafeta.protocols.imap.replies import ok
from estafeta.servers.imap.fetching import send_messages
from estafeta.servers.imap.folders import Folder, sight_of
from estafeta.servers.imap.listing import Names, read_names
from estafeta.servers.imap.mailboxfilter import filtered
from estafeta.servers.imap.session import ImapSession

# RFC 5465 5.8: with more mailboxes than this, the server gives up telling.
_MOST = 20_000
_MESSAGES = frozenset({"MESSAGENEW", "MESSAGEEXPUNGE"})
_SELECTED = frozenset({"SELECTED", "SELECTED-DELAYED"})
_NOTHING: frozenset[str] = frozenset()

R = TypeVar("R")
Key = tuple[AccountId, MailboxId]
Entries = dict[Key, frozenset[tuple[int, str, bytes]]]
Meant = dict[Key, tuple[Folder, frozenset[str]]]


class _Seen(NamedTuple):
    """How everything was at one moment. `meant`: the mailboxes asked about, each with the events asked for; `all`:
    every mailbox that there is."""

    names: Names
    meant: Meant
    all: dict[Key, Folder]
    accounts: frozenset[AccountId]


class Notices:
    """The notifications of one session."""

    def __init__(self, session: ImapSession, groups: tuple[NotifyGroup, ...]) -> None:
        self._session = session
        self._groups = [group for group in groups if group.filter not in _SELECTED]
        self._selected = next((group for group in groups if group.filter in _SELECTED), None)
        self._seen: _Seen
        self._entries: Entries = {}
        self._changed: set[Key] = set()
        self._unwatch: dict[AccountId, Callable[[], None]] = {}
        self._closed = False

    async def start(self, *, tell_status: bool) -> None:
        """Begin to listen; with `tell_status` say first how all these mailboxes are (RFC 5465 3.1)."""
        await self._watch(self._session.user.account_id)
        self._seen = await self._in_turn(self._look)
        await self._watch_all()
        self._entries = await self._annotations(self._seen.all)
        await self._send(await self._in_turn(self._without_access))
        if tell_status:
            await self._send(await self._in_turn(self._all_counters))

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        for unwatch in self._unwatch.values():
            unwatch()
        self._unwatch.clear()

    async def tell(self) -> None:
        """Say what changed since it was said last."""
        await self._tell_selected()
        changed, self._changed = self._changed, set()
        if not changed:
            return
        before, self._seen = self._seen, await self._in_turn(self._look)
        if len(self._seen.all) > _MOST:
            # RFC 5465 5.8
            self._session.machine.condition(ok("Too many mailboxes to tell of.", b"NOTIFICATIONOVERFLOW"))
            self._session.notices = None
            self.close()
            return
        await self._watch_all()
        await self._send(await self._in_turn(partial(self._news, before, self._seen, changed)))
        await self._tell_entries(changed)

    # the selected mailbox

    async def _tell_selected(self) -> None:
        selected, group = self._session.selected, self._selected
        if selected is None or group is None or not group.events or not selected.dirty:
            return
        delta = await selected.sync()
        if delta is not None and delta.added and group.fetch and "MESSAGENEW" in group.events:
            # RFC 5465 5.2: with the UID, whatever was asked for.
            items = group.fetch if Item.UID in group.fetch else (Item.UID, *group.fetch)
            await send_messages(self._session, selected, items, array("I", delta.added))

    def _is_selected(self, folder: Folder) -> bool:
        selected = self._session.selected
        return selected is not None and (
            (selected.folder.account_id, selected.folder.mailbox_id) == (folder.account_id, folder.mailbox_id)
        )

    # the others

    def _news(self, before: _Seen, now: _Seen, changed: Iterable[Key]) -> list[bytes]:
        """In a thread: what is to be said of names, subscriptions and counters."""
        return [*self._of_names(before, now), *self._of_subscriptions(before, now), *self._of_counters(before, changed)]

    def _of_names(self, before: _Seen, now: _Seen) -> Iterator[bytes]:
        """Mailboxes made, renamed, removed (RFC 5465 5.4)."""
        for key, (folder, events) in now.meant.items():
            told = before.all.get(key)
            if "MAILBOXNAME" in events and (told is None or told.name != folder.name):
                yield self._list(folder.name, b"", told.name if told is not None else "")
        for key, (folder, events) in before.meant.items():
            if "MAILBOXNAME" in events and key not in now.meant and folder.name not in now.names.folders:
                yield self._list(folder.name, b"\\NonExistent")

    def _of_subscriptions(self, before: _Seen, now: _Seen) -> Iterator[bytes]:
        """RFC 5465 5.5."""
        switched = now.names.subscribed ^ before.names.subscribed
        if not switched:
            return
        for folder, events in now.meant.values():
            if "SUBSCRIPTIONCHANGE" in events and folder.name in switched:
                subscribed = folder.name in now.names.subscribed
                yield self._list(folder.name, b"\\Subscribed" if subscribed else b"")

    def _of_counters(self, before: _Seen, changed: Iterable[Key]) -> Iterator[bytes]:
        """Messages that came, went or changed in mailboxes that are not selected (RFC 5465 5.2, 5.3)."""
        for key in sorted(changed):
            if key not in self._seen.meant:
                continue
            folder, events = self._seen.meant[key]
            told = before.all.get(key)
            if self._is_selected(folder) or told is None:
                continue
            if events & _MESSAGES and _content(told.status) != _content(folder.status):
                yield self._status(folder, full=True)
            elif "FLAGCHANGE" in events and told.status.modseq != folder.status.modseq:
                yield self._status(folder, full=False)

    def _all_counters(self) -> list[bytes]:
        return [
            self._status(folder, full=True)
            for folder, events in self._seen.meant.values()
            if events & _MESSAGES and not self._is_selected(folder)
        ]

    async def _send(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            await self._session.send(line)

    async def _tell_entries(self, changed: Iterable[Key]) -> None:
        """Metadata (RFC 5465 5.6, 5.7; RFC 5464 4.4.2: names of entries, without values)."""
        groups = self._seen.meant
        own = self._session.user.account_id
        concerned: dict[Key, Folder | None] = {
            key: groups[key][0] for key in changed if key in groups and "MAILBOXMETADATACHANGE" in groups[key][1]
        }
        if any("SERVERMETADATACHANGE" in group.events for group in self._groups):
            concerned |= {key: None for key in changed if key == (own, 0)}
        for key, entries in (await self._annotations(concerned)).items():
            before, self._entries[key] = self._entries.get(key, frozenset()), entries
            names = sorted({(person, entry) for person, entry, _ in entries ^ before})
            folder = concerned[key]
            if names:
                name = b'""' if folder is None else self._encoded(folder.name)
                shown = b" ".join(_entry_name(person, entry) for person, entry in names)
                await self._session.send(b"* METADATA %b %b\r\n" % (name, shown))

    # what there is

    async def _in_turn(self, look: Callable[[], R]) -> R:
        """In a thread. A user with many sessions that all ask for much waits for themselves, not everybody for them."""
        session = self._session
        async with session.service.shared.looks.setdefault(session.user.account_id, asyncio.Lock()):
            return await session.thread(look)

    def _look(self) -> _Seen:
        """In a thread: how everything is now."""
        session = self._session
        names = read_names(session.mailboxes.database, sight_of(session))
        every = {(folder.account_id, folder.mailbox_id): folder for folder in names.folders.values()}
        return _Seen(names, self._meant(names), every, frozenset(account_id for account_id, _ in every))

    def _meant(self, names: Names) -> Meant:
        """Each mailbox that is meant, with the events asked for: those of all groups that mean it (RFC 5465 6), up to
        one that wants NONE. RFC 5465 5: who may not read it hears of nothing in it."""
        found: Meant = {}
        settled: set[Key] = set()
        for group in self._groups:
            for folder in filtered(names, group.filter, group.mailboxes):
                key = folder.account_id, folder.mailbox_id
                if key in settled or "r" not in folder.rights:
                    continue
                _, events = found.get(key, (folder, _NOTHING))
                found[key] = folder, events | group.events
                if not group.events:
                    settled.add(key)
        return found

    def _without_access(self) -> list[bytes]:
        """RFC 5465 3.1: those meant that the person sees and may not read."""
        names = self._seen.names
        meant = (folder for group in self._groups for folder in filtered(names, group.filter, group.mailboxes))
        closed = {folder.name for folder in meant if "r" not in folder.rights}
        return [self._list(name, b"\\NoAccess") for name in sorted(closed)]

    async def _annotations(self, keys: Iterable[Key]) -> Entries:
        if not any(group.events & {"MAILBOXMETADATACHANGE", "SERVERMETADATACHANGE"} for group in self._groups):
            return {}
        session, own = self._session, self._session.user.account_id

        def read() -> Entries:
            database = session.mailboxes.database
            return {key: frozenset(annotations_of(database, *key, (AccountId(0), own))) for key in keys}

        return await self._in_turn(read)

    async def _watch_all(self) -> None:
        for account_id in self._seen.accounts:
            await self._watch(account_id)

    async def _watch(self, account_id: AccountId) -> None:
        if account_id not in self._unwatch:

            def heard(mailbox_id: MailboxId) -> None:
                self._changed.add((account_id, mailbox_id))
                self._session.poke()

            unwatch = await self._session.service.shared.feed.watch_account(account_id, heard)
            self._unwatch[account_id] = unwatch
            if self._closed:
                # The session ended meanwhile.
                self.close()

    # lines

    def _status(self, folder: Folder, *, full: bool) -> bytes:
        status = folder.status
        items = [b"MESSAGES %d" % status.messages, b"UIDNEXT %d" % status.uid_next] if full else []
        items += [b"UNSEEN %d" % status.unseen, b"UIDVALIDITY %d" % status.uid_validity]
        if self._session.machine.condstore:
            items.append(b"HIGHESTMODSEQ %d" % status.modseq)
        return b"* STATUS %b (%b)\r\n" % (self._encoded(folder.name), b" ".join(items))

    def _list(self, name: str, attributes: bytes, old: str = "") -> bytes:
        # RFC 5465 5.4, RFC 9051 6.3.9.7.
        renamed = b' ("OLDNAME" (%b))' % self._encoded(old) if old else b""
        return b'* LIST (%b) "/" %b%b\r\n' % (attributes, self._encoded(name), renamed)

    def _encoded(self, name: str) -> bytes:
        return encode_mailbox(name, utf8=self._session.machine.utf8)


def _content(status: MailboxStatus) -> tuple[int, int]:
    return status.messages, status.uid_next


def _entry_name(person: int, entry: str) -> bytes:
    return f"/{'private' if person else 'shared'}{entry}".encode("utf-8", "replace")
