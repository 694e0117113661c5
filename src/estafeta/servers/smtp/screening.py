"""The checks of one session: asked as its facts come in, waited for when their answer counts.

Verdicts of CONNECT, HELO and AUTH stay for the whole session, the others for their message. Lookups that take time run
besides the session until RCPT, so that a client with nothing to hide never waits for them.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from estafeta.mail.address import Address
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.front import write_front
from estafeta.policy.judgement import Judgement, judge
from estafeta.policy.names import takes_from_everybody
from estafeta.policy.verdict import Action, Verdict, passed, strongest

# Larger messages are judged in a thread.
_INLINE_BYTES = 64 << 10
_STAGES = tuple(Stage)
_OF_MESSAGE = (Stage.HEADERS, Stage.CONTENT)
_OF_TRANSACTION = (Stage.MAIL, Stage.RCPT, *_OF_MESSAGE)
_NOT_JUDGED = Judgement()


class Screening:
    """What the checks say of one session and of its message."""

    __slots__ = ("_chain", "_hostname", "_pending", "_said", "facts", "judgement")

    def __init__(self, chain: Chain, facts: Facts, hostname: str = "localhost") -> None:
        self._hostname = hostname
        self._chain = chain
        self.facts = facts
        #: Of the message that was looked at last.
        self.judgement = _NOT_JUDGED
        self._said: dict[Stage, list[Verdict]] = {}
        self._pending: dict[Stage, asyncio.Task[list[Verdict]]] = {}

    def ask(self, stage: Stage) -> Verdict | None:
        """Ask the checks of a stage. What needs no lookup is returned if it is a refusal; the rest counts at RCPT, also
        where the answer was remembered: postmaster must be reached all the same."""
        self._forget_all((stage,))
        found = self._chain.judge(stage, self.facts)
        if isinstance(found, list):
            if found:
                self._said[stage] = found
                return _refusal([verdict for verdict in found if self._chain.is_at_once(verdict)])
            return None
        self._pending[stage] = asyncio.get_running_loop().create_task(found)
        return None

    @property
    def waiting(self) -> bool:
        """Whether something is still being looked up."""
        return bool(self._pending)

    async def settle(self) -> None:
        """Wait for what is being looked up."""
        while self._pending:
            stage, task = next(iter(self._pending.items()))
            verdicts = await task
            if self._pending.get(stage) is task:
                del self._pending[stage]
                self._said[stage] = verdicts

    def refusal(self, recipient: Address | None = None) -> Verdict | None:
        """Why nothing is taken, of what is known by now; not said for mail to postmaster."""
        if recipient is not None and takes_from_everybody(recipient):
            return None
        return _refusal([verdict for stage in self._said for verdict in self._holding(stage)]) if self._said else None

    def begin_message(self) -> None:
        """A new transaction."""
        self.judgement = _NOT_JUDGED
        self.facts.begin_message()
        self._forget_all(_OF_TRANSACTION)

    def end_message(self) -> None:
        """It was judged: nothing of it is kept while the client thinks of its next one."""
        self.facts.end_message()
        self._forget_all(_OF_MESSAGE)

    def recipient(self) -> list[Verdict] | Coroutine[Any, Any, list[Verdict]]:
        """What the checks of stage RCPT say of `facts.recipient`: at once where nothing has to be waited for."""
        return self._chain.judge(Stage.RCPT, self.facts)

    def refused(self, verdicts: Sequence[Verdict]) -> Verdict | None:
        """Why the recipient of whom this was said is refused; None: it is not, and what was said counts."""
        refusal = _refusal(verdicts)
        if refusal is None and verdicts:
            self._said.setdefault(Stage.RCPT, []).extend(verdicts)
        return refusal

    async def inspect(self, content: Content) -> Judgement:
        """Ask the checks of the message, and judge all that was said."""
        self.facts.content = content
        if self._pending:
            await self.settle()
        aside = content.size > _INLINE_BYTES
        for stage in _OF_MESSAGE:
            found = self._chain.judge(stage, self.facts, aside=aside)
            said = found if isinstance(found, list) else await found
            if said:
                self._said[stage] = said
                if (refusal := _refusal(said)) is not None and refusal.action is Action.REJECT:
                    break
        said = [verdict for stage in _STAGES for verdict in self._counted(stage)] if self._said else []
        judgement = judge(said, self._chain.settings.policy)
        self.judgement = write_front(judgement, self.facts, self._chain.settings, self._hostname)
        return self.judgement

    def _counted(self, stage: Stage) -> list[Verdict]:
        """What was said at a stage, as it counts for the message. Who got this far in spite of a refusal writes to
        postmaster: that message counts for what it is."""
        said = self._holding(stage)
        if stage in _OF_MESSAGE:
            return said
        return [one if one.accepted else passed(one.reason)._replace(check=one.check) for one in said]

    def close(self) -> None:
        """The session is over."""
        for stage in list(self._pending):
            self.forget(stage)

    def _holding(self, stage: Stage) -> list[Verdict]:
        """What was said at a stage, without what is only for strangers once the client is known."""
        said = self._said.get(stage)
        return self._chain.concerning(said, self.facts) if said else []

    def _forget_all(self, stages: Sequence[Stage]) -> None:
        if self._said or self._pending or self.facts.found:
            for stage in stages:
                self.forget(stage)

    def forget(self, stage: Stage) -> None:
        """What was said and found at a stage counts no more."""
        self._said.pop(stage, None)
        self._chain.forget(stage, self.facts)
        task = self._pending.pop(stage, None)
        if task is not None:
            task.cancel()


def _refusal(verdicts: Sequence[Verdict]) -> Verdict | None:
    decisive = strongest(verdicts)
    return None if decisive is None or decisive.accepted else decisive
