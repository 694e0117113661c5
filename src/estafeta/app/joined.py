"""Messages that were joined from pieces, and what filters and scanners say of one: only now it is whole."""

import asyncio
from collections.abc import Callable, Sequence

from estafeta.delivery.joining import Joiner
from estafeta.directory.model import Resolution
from estafeta.directory.settings_source import SettingsSource
from estafeta.intake.joining import Inspect, WholePost
from estafeta.intake.posting import Posting
from estafeta.mail.address import Address, parse_address
from estafeta.mailboxes.service import Mailboxes
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Check, Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement, judge
from estafeta.queue.values import EntryFlag, Work

#: Those that look at what a message carries. Of the session in which it came nothing is known any more.
CHECKS = frozenset({"clamav", "hook", "parts", "filters"})


class JoinedInspector:
    """For one worker. `checks` are all of its table; `resolve` asks the directory."""

    def __init__(
        self,
        checks: Sequence[Check],
        settings: SettingsSource,
        resolve: Callable[[Address], Resolution],
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._checks = [check for check in checks if check.name in CHECKS]
        self._settings = settings
        self._resolve = resolve
        self._clock = clock
        self._loop = loop

    def __call__(self, work: Work, whole: bytes) -> Judgement:
        """Their judgement of a message to the recipients of `work`. In a thread."""
        settings = self._settings.current
        facts = Facts("", now=self._clock(), trusted=not work.flags & EntryFlag.FOREIGN)
        facts.sender = parse_address(work.sender) if work.sender else None
        addresses = [parse_address(one.address) for one in work.recipients]
        facts.recipients = [(address, self._resolve(address)) for address in addresses]
        facts.content = Content.of(whole)
        chain = Chain(self._checks, settings)

        async def ask() -> Judgement:
            said = chain.judge(Stage.CONTENT, facts, aside=True)
            return judge(said if isinstance(said, list) else await said, settings.policy)

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()


def join_agent(
    mailboxes: Mailboxes, settings: SettingsSource, posting: Posting, inspect: Inspect, clock: Callable[[], float]
) -> Joiner:
    """The part of ourselves that joins pieces (`HopKind.JOIN`)."""
    whole = WholePost(posting, inspect)
    return Joiner(mailboxes, settings, posting.relocate, whole, lambda: int(clock() * 1000))
