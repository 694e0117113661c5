"""Failure reports of one worker (RFC 7489 7.3, RFC 9991): noted by a learner, limited, and sent some seconds later.

No session waits for them. What waits is in memory alone: a worker that stops or dies loses it, at most `MAX_WAITING`
reports, and nothing goes twice.
"""

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Callable

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.policy.authentication import dmarc_of
from estafeta.policy.dmarc_failing import failure_of, is_due
from estafeta.policy.dmarc_failure import Failure, Letterhead, encode_failure
from estafeta.policy.dmarc_redaction import MAX_DOMAINS
from estafeta.policy.dmarc_reports import MAX_REPORT_BYTES, Post
from estafeta.policy.facts import Facts
from estafeta.policy.forged import own_name
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner
from estafeta.trust.dmarcreceivers import find_receivers
from estafeta.trust.lookups import Lookups, Status
from estafeta.trust.publicsuffix import organizational_domain
from estafeta.trust.spfrecord import select_records

log = logging.getLogger("estafeta.policy")

MAX_HOURLY = 10
"""To one organization, of one worker: whoever is forged learns how from a few. RFC 7489 7.3 asks for a limit."""
MAX_DAILY = 50
"""Likewise."""
MAX_HOURLY_ALL = 200
"""Of one worker to everybody: a flood of forgeries is not to become one of reports."""
MAX_WAITING = 100
"""Reports that wait to be sent; with their headers 2 MiB."""
MAX_SECONDS = 60
"""Of one report, which waits for name servers: others wait behind it."""
_HOUR, _DAY = 3600, 86_400


class _Limits:
    """Reports of this hour and this day, by organization. What is refused is not remembered."""

    def __init__(self) -> None:
        self._hour = self._day = -1
        self._hourly: Counter[str] = Counter()
        self._daily: Counter[str] = Counter()

    def take(self, organization: str, now: float) -> bool:
        """Whether one more may go, which then counts."""
        hour, day = int(now // _HOUR), int(now // _DAY)
        if hour != self._hour:
            self._hour = hour
            self._hourly.clear()
        if day != self._day:
            self._day = day
            self._daily.clear()
        if self._hourly[organization] >= MAX_HOURLY or self._daily[organization] >= MAX_DAILY:
            return False
        if self._hourly.total() >= MAX_HOURLY_ALL:
            return False
        self._hourly[organization] += 1
        self._daily[organization] += 1
        return True


class FailureReporter:
    """Of one worker. `hostname` is ours; `contact` gives the address that reports come from."""

    def __init__(
        self,
        resolver: Lookups,
        post: Post,
        settings: SettingsSource,
        *,
        hostname: str,
        contact: Callable[[], str],
        clock: Clock,
    ) -> None:
        self._resolver = resolver
        self._post = post
        self._settings = settings
        self._hostname = hostname
        self._contact = contact
        self._clock = clock
        self._limits = _Limits()
        self._waiting: deque[Failure] = deque()
        self.learner = Learner(self._judged)

    @property
    def waiting(self) -> int:
        """Reports that are to be sent."""
        return len(self._waiting)

    def _judged(self, facts: Facts, judgement: Judgement) -> None:
        result, settings = dmarc_of(facts), self._settings.current
        content = facts.content
        if result is None or content is None or not is_due(facts, result, judgement, settings):
            return
        if len(self._waiting) >= MAX_WAITING or len({one.domain.lower() for one, _ in facts.recipients}) > MAX_DOMAINS:
            return
        if self._limits.take(organizational_domain(result.policy_domain), self._clock()):
            name = own_name(settings, self._hostname)
            self._waiting.append(failure_of(facts, content, result, judgement, name))

    async def send(self) -> int:
        """Send what waits; how many reports went out."""
        sent = 0
        try:
            contact = await asyncio.to_thread(self._contact) if self._waiting else ""
        except Exception:
            # Without an address to come from none of them can go; else each tick would try again.
            self._waiting.clear()
            raise
        while self._waiting:
            sent += await self._try(self._waiting.popleft(), contact)
        return sent

    async def _try(self, failure: Failure, contact: str) -> bool:
        cause = ""
        try:
            async with asyncio.timeout(MAX_SECONDS):
                return await self._send(failure, contact)
        except TimeoutError:
            cause = "name servers did not answer in time"
        except EstafetaError as error:
            cause = error.private or error.public
        except Exception:  # one report must not keep others from being sent
            log.exception("DMARC failure report not sent", extra={"domain": failure.policy_domain})
            return False
        log.warning("DMARC failure report not sent", extra={"domain": failure.policy_domain, "cause": cause})
        return False

    async def _send(self, failure: Failure, contact: str) -> bool:
        # Nobody of another organization gets one who did not say so, as with aggregate reports (RFC 7489 7.1).
        found = await find_receivers(failure.ruf, failure.policy_domain, self._resolver, tag="ruf")
        receivers = tuple(uri.address for uri in found.allowed)
        if not receivers:
            return False
        spf = await self._spf_record(failure.spf_domain)
        unique = secrets.token_hex(12)
        letter = Letterhead(self._hostname, contact, receivers, unique, self._clock())
        content = await asyncio.to_thread(encode_failure, failure, spf, letter)
        fitting = tuple(uri.address for uri in found.allowed if len(content) <= (uri.max_bytes or MAX_REPORT_BYTES))
        if not fitting:
            return False
        await self._post(contact, fitting, content)
        log.info("DMARC failure report sent", extra={"domain": failure.policy_domain, "report": unique})
        return True

    async def _spf_record(self, domain: str) -> str | None:
        """What the domain publishes, "" for nothing, None where DNS cannot say."""
        answer = await self._resolver.txt(domain) if domain else None
        if answer is None or answer.status == Status.FAILED:
            return None
        records = select_records(answer.records) if answer.status == Status.OK else []
        return records[0].decode("ascii", "replace") if records else ""
