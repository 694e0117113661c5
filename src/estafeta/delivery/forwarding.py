"""The reverse-path of mail that is sent on for others: one of ours, so that it passes SPF (SRS, `trust.srs`).

It is made when the message is sent, for the recipients of one address at a time; the queue keeps the first sender, whom
notices go to. Which messages are concerned was decided when they were taken (`EntryFlag.FORWARDED`).
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from estafeta.directory.settings_source import SettingsSource
from estafeta.directory.sitesecrets import SRS, get_secret
from estafeta.mail.address import domain_key, parse_address
from estafeta.queue.values import EntryFlag, Waiting, Work
from estafeta.storage.database import Database
from estafeta.trust.srs import forward

_FORWARDED = int(EntryFlag.FORWARDED)


class Forwarding(NamedTuple):
    """What it needs: `is_local` asks the directory whether a domain is ours; `clock` gives epoch seconds."""

    database: Database
    settings: SettingsSource
    is_local: Callable[[str], bool]
    hostname: str
    clock: Callable[[], float]

    def concerns(self, work: Work) -> bool:
        """Whether a message has to get another sender."""
        return bool(int(work.flags) & _FORWARDED) and self.settings.current.srs.rewrite and bool(work.sender)

    async def split(self, work: Work) -> list[Work]:
        """The message for each of the senders that it gets. Raises EstafetaError where the database cannot be used."""
        return await asyncio.to_thread(self._split, work)

    def _split(self, work: Work) -> list[Work]:
        by_domain: dict[str, list[Waiting]] = {}
        for one in work.recipients:
            by_domain.setdefault(self._domain(one), []).append(one)
        return [
            work._replace(sender=self._rewritten(work.sender, domain), recipients=tuple(some))
            for domain, some in by_domain.items()
        ]

    def _domain(self, one: Waiting) -> str:
        """The domain that sends on: as settings say, or that of the address which did (every one of ours is as good,
        should a stranger have named another), or the nearest one above this host's name."""
        named = one.orcpt.rpartition("@")[2] if one.orcpt.lower().startswith("rfc822;") else ""
        for name in (self.settings.current.srs.domain, domain_key(named)):
            if name and self.is_local(name):
                return name
        name = domain_key(self.hostname)
        while name and not self.is_local(name):
            name = name.partition(".")[2]
        return name

    def _rewritten(self, sender: str, domain: str) -> str:
        if not domain:
            return sender  # nothing would find its way back
        path = forward(parse_address(sender), domain, [get_secret(self.database, SRS)], self.clock())
        return sender if path is None else str(path)
