"""Work that may take long: in threads of its own, few at a time, with word to the client how far it is (RFC 9585)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from estafeta.mail.imaptext import quote
from estafeta.protocols.imap.replies import ok
from estafeta.servers.imap.session import ImapSession

# RFC 9585 3: not more often than a person wants to hear it.
_WORD_SECONDS = 5.0

R = TypeVar("R")


@dataclass(slots=True)
class Progress:
    """How far the work is, written by its thread, read by the event loop."""

    session: ImapSession
    done: int = 0
    total: int = 0

    def note(self, done: int, total: int) -> None:
        """So much of so much is done."""
        self.done, self.total = done, total

    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more."""
        return self.session.gone


async def run_long(session: ImapSession, work: Callable[[Progress], R]) -> R:
    """The result of `work`; says how it goes while the client waits. A client that has gone away ends it."""
    progress = Progress(session)
    future = asyncio.ensure_future(_in_turn(session, work, progress))
    while True:
        done, _ = await asyncio.wait({future}, timeout=_WORD_SECONDS)
        if session.gone:
            future.add_done_callback(_forget)
            raise ConnectionResetError
        if done:
            return future.result()
        await _say(session, progress)


async def _in_turn(session: ImapSession, work: Callable[[Progress], R], progress: Progress) -> R:
    """One at a time for each user, so that whoever asks for much at once waits behind themselves."""
    shared = session.service.shared
    # Held here for as long as anybody waits for it.
    turn = shared.turns.setdefault(session.user.account_id, asyncio.Lock())
    async with turn:
        if session.gone:
            raise ConnectionResetError
        return await asyncio.get_running_loop().run_in_executor(shared.long_work, work, progress)


async def _say(session: ImapSession, progress: Progress) -> None:
    counts = b"%d %d" % (progress.done, progress.total) if progress.total else b"NIL NIL"
    session.machine.condition(ok("Still at it.", b"INPROGRESS (%b %b)" % (quote(session.machine.tag), counts)))
    await session.flush()


def _forget(future: "asyncio.Future[R]") -> None:
    """Take note of what nobody waits for, so that nothing is logged as never looked at."""
    if not future.cancelled():
        future.exception()
