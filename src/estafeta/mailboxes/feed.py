"""The change feed of one worker: who watches a mailbox is called when it changed, by whichever process.

The call says only that something changed; what, is read with `look.changes_since`. Announcements may be lost or come
twice, so watchers ask again from time to time, as NOOP and IDLE do. Nothing listens until the first watcher comes.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from estafeta.core.ids import AccountId, MailboxId
from estafeta.net import bus

Changed = Callable[[], None]


class ChangeFeed:
    """Watchers of mailboxes in one process, named `name` on the bus in `directory`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, directory: Path, name: str) -> None:
        self._loop = loop
        self._directory = directory
        self._name = name
        self._watchers: dict[str, list[Changed]] = {}
        self._ear: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()

    async def watch(self, account_id: AccountId, mailbox_id: MailboxId, changed: Changed) -> Changed:
        """Call `changed` on the event loop after each change of the mailbox, until what is returned is called."""
        topic = f"mailbox:{account_id}:{mailbox_id}"
        async with self._opening:
            if self._ear is None:
                bound = bus.bind(self._directory, self._name, bus.Channel.MAILBOX)
                self._ear = await bus.listen(self._loop, bound, self._heard)
        self._watchers.setdefault(topic, []).append(changed)
        return lambda: self._forget(topic, changed)

    def close(self) -> None:
        """Stop listening."""
        self._watchers.clear()
        self._hang_up()

    def _heard(self, topic: str) -> None:
        for changed in tuple(self._watchers.get(topic, ())):
            changed()

    def _forget(self, topic: str, changed: Changed) -> None:
        watchers = self._watchers.get(topic, [])
        if changed in watchers:
            watchers.remove(changed)
        if not watchers:
            self._watchers.pop(topic, None)
        if not self._watchers:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._ear is not None:
            self._ear.close()
            self._ear = None
            bus.socket_path(self._directory, self._name, bus.Channel.MAILBOX).unlink(missing_ok=True)
