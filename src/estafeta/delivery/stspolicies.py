"""The MTA-STS policies of other domains: announced in DNS, fetched by HTTPS, kept in the database (RFC 8461).

A policy that was fetched holds until `max_age` is over, even where DNS or the web server fail or fall silent: that is
what it is for (RFC 8461 10.2). Another id in DNS brings another document. While a policy is in use it is fetched again
before it expires. What was never fetched does not hold mail up.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from estafeta.core.errors import EstafetaError
from estafeta.delivery.stscache import (
    StoredPolicy,
    Used,
    keep_policy,
    note_used,
    read_expiring,
    read_policy,
)
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlsfetch import FETCH_SECONDS, FetchError, Source, fetch_policy, usable_addresses
from estafeta.directory.model import Clock
from estafeta.dns.values import DnsStatus, Resolver
from estafeta.mailboxes.service import Submit
from estafeta.storage.database import Database
from estafeta.trust.mtasts import Mode, StsPolicy, parse_announcement, parse_policy
from estafeta.trust.results import ResultType, TlsFailure

log = logging.getLogger("estafeta.delivery")

# Fetches at a time; servers that drip hold up only each other, and those who wait do not wait for long.
_THREADS = 8
_PATIENCE_SECONDS = FETCH_SECONDS + 5
# RFC 8461 3.3: not more often than every 5 minutes for one id after a failure.
_RETRY_SECONDS = 300
# Another worker may have fetched a policy meanwhile.
_LOOK_AGAIN_SECONDS = 600
_DAY = 86_400
_MAX_ENTRIES = 10_000
# What all policies in memory may weigh: theirs is about a hundred octets, as a rule, and at most 64 KiB.
_MAX_BYTES = 4 << 20
_REFRESHED_AT_ONCE = 200


class Held(NamedTuple):
    """A policy and what is known of it; `stored` without the document where it is in memory."""

    policy: StsPolicy
    stored: StoredPolicy

    def valid(self, now: float) -> bool:
        """Whether it still holds."""
        return now < self.stored.expires_seconds

    def stale(self, now: float) -> bool:
        """Whether it should be fetched again: after a day, or half its life."""
        return now >= self.stored.fetched_seconds + min(_DAY, self.policy.max_age_seconds // 2)


class StsAnswer(NamedTuple):
    """The policy that holds, None for none; and why a newer one could not be had, for reports."""

    policy: StsPolicy | None = None
    failure: TlsFailure | None = None


class _Seen(NamedTuple):
    held: Held | None
    again_seconds: float


class _Failed(NamedTuple):
    policy_id: str
    until_seconds: float
    failure: TlsFailure


class StsPolicies:
    """Finds policies. `port` gives the port of HTTPS."""

    def __init__(
        self,
        database: Database,
        submit: Submit,
        resolver: Resolver,
        contexts: TlsContexts,
        clock: Clock,
        port: Callable[[], int],
    ) -> None:
        self._database = database
        self._submit = submit
        self._resolver = resolver
        self._contexts = contexts
        self._clock = clock
        self._port = port
        self._seen: dict[str, _Seen] = {}
        self._seen_bytes = 0
        self._failed: dict[str, _Failed] = {}
        self._fetching: dict[str, asyncio.Task[Held]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "mta-sts")

    async def find(self, domain: str) -> StsAnswer:
        """The policy of a domain. Raises EstafetaError only where the database cannot be read."""
        now = self._clock()
        held = await self._known(domain, now)
        answer = await self._resolver.txt(f"_mta-sts.{domain}")
        announced = parse_announcement(answer.records) if answer.status is DnsStatus.OK else None
        if announced is None or (held is not None and held.stored.policy_id == announced):
            if announced is not None and held is not None and held.stale(now):
                self._begin(domain, announced)
            return StsAnswer(self._use(held, now))
        failed = self._failed.get(domain)
        if failed is not None and failed.policy_id == announced and now < failed.until_seconds:
            return StsAnswer(self._use(held, now), failed.failure)
        try:
            fetched = await asyncio.wait_for(asyncio.shield(self._begin(domain, announced)), _PATIENCE_SECONDS)
        except FetchError as error:
            return StsAnswer(self._use(held, now), error.failure)
        except TimeoutError:
            words = f"the MTA-STS policy of {domain} could not be fetched in time"
            return StsAnswer(self._use(held, now), TlsFailure(ResultType.STS_FETCH_ERROR, words))
        return StsAnswer(self._use(fetched, now))

    async def refresh(self) -> int:
        """Fetch again what expires in the next two days and was used in the last 30; how many were fetched."""
        now = int(self._clock())
        rows = await asyncio.to_thread(self._read_expiring, now)
        done = 0
        for row in rows:
            failed = self._failed.get(row.domain)
            if failed is None or now >= failed.until_seconds:
                results = await asyncio.gather(self._begin(row.domain, row.policy_id), return_exceptions=True)
                done += isinstance(results[0], Held)
        return done

    def close(self) -> None:
        """Fetch nothing more."""
        for task in self._fetching.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # What is known

    async def _known(self, domain: str, now: float) -> Held | None:
        """The policy that holds, from memory or from the database."""
        seen = self._seen.get(domain)
        if seen is None or (now >= seen.again_seconds and not (seen.held and seen.held.valid(now))):
            stored = await asyncio.to_thread(self._read, domain)
            seen = self._remember(domain, _parsed(stored), now)
        return seen.held if seen.held is not None and seen.held.valid(now) else None

    def _remember(self, domain: str, held: Held | None, now: float) -> _Seen:
        _make_room(self._seen)
        if held is not None:
            self._seen_bytes += len(held.stored.content)
            held = held._replace(stored=held.stored._replace(content=""))
        if self._seen_bytes > _MAX_BYTES:
            self._seen.clear()
            self._seen_bytes = 0
        self._seen[domain] = seen = _Seen(held, now + _LOOK_AGAIN_SECONDS)
        return seen

    def _read(self, domain: str) -> StoredPolicy | None:
        with self._database.read() as conn:
            return read_policy(conn, domain)

    def _read_expiring(self, now: int) -> list[StoredPolicy]:
        with self._database.read() as conn:
            return read_expiring(conn, now, now + 2 * _DAY, now - 30 * _DAY, _REFRESHED_AT_ONCE)

    def _use(self, held: Held | None, now: float) -> StsPolicy | None:
        if held is None:
            return None
        if now >= held.stored.used_seconds + _DAY:
            stored = held.stored._replace(used_seconds=int(now))
            self._remember(stored.domain, Held(held.policy, stored), now)
            self._submit(note_used, Used(stored.domain, int(now)), ()).add_done_callback(_log_failure)
        # RFC 8461 5: mode none is as no policy.
        return None if held.policy.mode is Mode.NONE else held.policy

    # Fetching

    def _begin(self, domain: str, policy_id: str) -> "asyncio.Task[Held]":
        """The fetch that is under way for a domain, or a new one."""
        task = self._fetching.get(domain)
        if task is None:
            task = self._fetching[domain] = asyncio.create_task(self._fetch(domain, policy_id))
            task.add_done_callback(lambda done: self._ended(domain, done))
        return task

    def _ended(self, domain: str, task: "asyncio.Task[Held]") -> None:
        self._fetching.pop(domain, None)
        # Whoever waits for it has the error; nobody may be waiting.
        if not task.cancelled():
            task.exception()

    async def _fetch(self, domain: str, policy_id: str) -> Held:
        """Fetch and keep. Raises FetchError, also where an earlier one failed shortly before."""
        try:
            content = await self._document(domain)
            held = _checked(domain, policy_id, content, int(self._clock()))
        except FetchError as error:
            _make_room(self._failed)
            self._failed[domain] = _Failed(policy_id, self._clock() + _RETRY_SECONDS, error.failure)
            log.info("no MTA-STS policy", extra={"domain": domain, "cause": error.failure.words})
            raise
        self._failed.pop(domain, None)
        self._remember(domain, held, self._clock())
        try:
            await self._submit(keep_policy, held.stored, ())
        except EstafetaError as error:
            # It holds in this worker all the same, and is fetched again after a restart.
            cause = error.private or error.public
            log.error("an MTA-STS policy was not kept", extra={"domain": domain, "cause": cause})
        return held

    async def _document(self, domain: str) -> bytes:
        host = f"mta-sts.{domain}"
        answers = await asyncio.gather(self._resolver.ipv4(host), self._resolver.ipv6(host))
        source = Source(host, usable_addresses([answer.records for answer in answers]), self._port())
        try:
            context = await self._contexts.for_https()
        except EstafetaError as error:
            raise FetchError(TlsFailure(ResultType.STS_FETCH_ERROR, error.public)) from None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, fetch_policy, source, context)


def _checked(domain: str, policy_id: str, content: bytes, now: int) -> Held:
    try:
        policy = parse_policy(content)
    except ValueError as error:
        failure = TlsFailure(ResultType.STS_INVALID, f"the MTA-STS policy of {domain} is no good: {error}")
        raise FetchError(failure) from None
    expires = now + policy.max_age_seconds
    text = content.decode("utf-8").replace("\0", "")
    return Held(policy, StoredPolicy(domain, policy_id, text, now, expires, now))


def _parsed(stored: StoredPolicy | None) -> Held | None:
    if stored is None:
        return None
    try:
        return Held(parse_policy(stored.content.encode("utf-8")), stored)
    except ValueError:
        return None


def _make_room(entries: "dict[str, _Seen] | dict[str, _Failed]") -> None:
    """What was entered first goes first."""
    if len(entries) >= _MAX_ENTRIES:
        for old in list(entries)[: _MAX_ENTRIES // 10]:
            entries.pop(old, None)


def _log_failure(done: "asyncio.Future[None]") -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.warning("use of an MTA-STS policy was not noted: %s", error)
