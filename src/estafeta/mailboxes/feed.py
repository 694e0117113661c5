"""The change feed of one worker: who watches a mailbox is called when it changed, by whichever process.

The call says only that something changed; what, is read with `look.changes_since`. Announcements may be lost or come
twice, so the worker has `look_again` called from time to time. Nothing listens until the first watcher comes.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.look import modseqs_of
from estafeta.net import bus
from estafeta.storage.database import Database

Changed = Callable[[], None]
MailboxChanged = Callable[[MailboxId], None]
_Key = TypeVar("_Key")
_Told = TypeVar("_Told")


class ChangeFeed:
    """Watchers of mailboxes in one process, named `name` on the bus in `directory`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, directory: Path, name: str) -> None:
        self._loop = loop
        self._directory = directory
        self._name = name
        # By topic, and by account: what is heard finds its watchers without looking at others.
        self._watchers: dict[str, dict[object, Changed]] = {}
        self._accounts: dict[int, dict[object, MailboxChanged]] = {}
        self._ear: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()
        self._modseqs: dict[tuple[int, int], int] = {}

    async def watch(self, account_id: AccountId, mailbox_id: MailboxId, changed: Changed) -> Changed:
        """Call `changed` on the event loop after each change of the mailbox, until what is returned is called."""
        topic = f"mailbox:{account_id}:{mailbox_id}"
        await self._open()
        mark = object()
        self._watchers.setdefault(topic, {})[mark] = changed
        return lambda: self._forget(self._watchers, topic, mark)

    async def watch_account(self, account_id: AccountId, changed: MailboxChanged) -> Changed:
        """Call `changed` with the mailbox after each change of any mailbox of the account (NOTIFY, RFC 5465), and with
        0 after one that concerns the whole account."""
        await self._open()
        mark = object()
        self._accounts.setdefault(account_id, {})[mark] = changed
        return lambda: self._forget(self._accounts, account_id, mark)

    async def look_again(self, database: Database) -> None:
        """Call those whose mailbox changed since this was called last: for announcements that were lost."""
        watched = [_mailbox_of(topic) for topic in self._watchers]
        if not watched:
            self._modseqs = {}
            return
        before, self._modseqs = self._modseqs, await asyncio.to_thread(modseqs_of, database, watched)
        for mailbox, modseq in self._modseqs.items():
            if before.get(mailbox, modseq) != modseq:
                self._heard("mailbox:{}:{}".format(*mailbox))

    def close(self) -> None:
        """Stop listening."""
        self._watchers.clear()
        self._accounts.clear()
        self._hang_up()

    async def _open(self) -> None:
        async with self._opening:
            if self._ear is None:
                bound = bus.bind(self._directory, self._name, bus.Channel.MAILBOX)
                self._ear = await bus.listen(self._loop, bound, self._heard)

    def _heard(self, topic: str) -> None:
        for changed in tuple(self._watchers.get(topic, {}).values()):
            changed()
        if not self._accounts:
            return
        _, account_id, mailbox_id = (*topic.split(":", 2), "", "")[:3]
        if account_id.isdecimal() and mailbox_id.isdecimal():
            for told in tuple(self._accounts.get(int(account_id), {}).values()):
                told(MailboxId(int(mailbox_id)))

    def _forget(self, watchers: dict[_Key, dict[object, _Told]], key: _Key, mark: object) -> None:
        mine = watchers.get(key, {})
        mine.pop(mark, None)
        if not mine:
            watchers.pop(key, None)
        if not self._watchers and not self._accounts:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._ear is not None:
            self._ear.close()
            self._ear = None
            bus.socket_path(self._directory, self._name, bus.Channel.MAILBOX).unlink(missing_ok=True)


def _mailbox_of(topic: str) -> tuple[int, int]:
    _, account_id, mailbox_id = topic.split(":")
    return int(account_id), int(mailbox_id)
