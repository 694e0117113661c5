"""What becomes of DKIM keys as time goes by: made, found in DNS, used, succeeded, removed.

`next_steps` decides for one domain and is pure; `KeyKeeper.tend` asks DNS and does it, for all domains. It may be
interrupted anywhere and run by several machines: each step is a transaction of its own that begins where the key is.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from estafeta.core.errors import EstafetaError
from estafeta.directory.keystates import LACKING, KeyState, Seen, StoredKey, of_state
from estafeta.directory.model import Clock
from estafeta.directory.settings_dkim import Dkim
from estafeta.directory.settings_source import SettingsSource
from estafeta.directory.signingkeys import SigningKeys
from estafeta.trust.dkimkeys import KeyRecordError, parse_key
from estafeta.trust.lookups import Lookups, Status
from estafeta.trust.signingkey import Algorithm

log = logging.getLogger("estafeta.dkim")

_DAY_SECONDS = 86_400
# The record of a removed key that DNS never lets go of is forgotten here all the same.
_FORGET_SECONDS = 400 * _DAY_SECONDS
_SOON = (KeyState.PREPARED, KeyState.PUBLISHED)
# Questions to DNS at the same time.
_AT_ONCE = 20


class Step(NamedTuple):
    """Bring `key` into `state`, or with `key` None make one of this kind; `state` None: forget it."""

    algorithm: Algorithm
    key: StoredKey | None
    state: KeyState | None


def next_steps(keys: Sequence[StoredKey], settings: Dkim, now: float, *, ours: bool) -> list[Step]:
    """What is due for the keys of one domain, which is `ours` and signed for, or not (any more)."""
    steps = [step for key in keys if (step := _due(key, settings, now, ours)) is not None]
    if ours and settings.make_keys:
        steps += [
            Step(one, None, KeyState.PREPARED) for one in settings.algorithms if _wants_new(keys, one, settings, now)
        ]
    for algorithm in dict.fromkeys(key.algorithm for key in keys):
        mine = [key for key in keys if key.algorithm == algorithm]
        ready = [key for key in of_state(mine, *_SOON) if key.seen is Seen.THERE]
        active = of_state(mine, KeyState.ACTIVE)
        # One without an active key before it need not wait.
        if ours and ready and all(_is_old(key, settings, now) for key in active):
            steps.append(Step(algorithm, ready[0], KeyState.ACTIVE))
    return steps


def is_asked(key: StoredKey, now: float) -> bool:
    """Whether DNS is asked about a key now: what we wait for, and what is in use without its record, each time; else
    once a day. A day that has not come yet was made up by a clock that was wrong."""
    if key.state in _SOON or (key.state is KeyState.ACTIVE and key.seen is not Seen.THERE):
        return True
    return key.state in (KeyState.ACTIVE, KeyState.REMOVED) and not 0 <= now - key.asked_seconds < _DAY_SECONDS


def _due(key: StoredKey, settings: Dkim, now: float, ours: bool) -> Step | None:
    age, state = now - key.changed_seconds, key.state
    to: KeyState | None
    if state is KeyState.REMOVED:
        if key.seen in (Seen.MISSING, Seen.REVOKED) or age > _FORGET_SECONDS:
            return Step(key.algorithm, key, None)
        return None
    if state is KeyState.RETIRED:
        to = KeyState.REMOVED if age >= settings.retired_days * _DAY_SECONDS else None
    elif state is KeyState.ACTIVE:
        to = None if ours else KeyState.RETIRED
    elif not ours:
        to = KeyState.REMOVED
    elif state is KeyState.PREPARED:
        to = KeyState.PUBLISHED if key.seen is Seen.THERE else None
    else:
        to = KeyState.PREPARED if key.seen in LACKING else None
    return None if to is None else Step(key.algorithm, key, to)


def _wants_new(keys: Sequence[StoredKey], algorithm: Algorithm, settings: Dkim, now: float) -> bool:
    mine = [key for key in keys if key.algorithm == algorithm]
    if of_state(mine, *_SOON):
        return False
    active = of_state(mine, KeyState.ACTIVE)
    if not active:
        return True
    before = max(0, settings.rotate_days - settings.announce_days) * _DAY_SECONDS
    return settings.rotate_days > 0 and all(now - key.changed_seconds >= before for key in active)


def _is_old(key: StoredKey, settings: Dkim, now: float) -> bool:
    return 0 < settings.rotate_days * _DAY_SECONDS <= now - key.changed_seconds


async def look_up(key: StoredKey, resolver: Lookups) -> Seen:
    """What DNS says of a key's record. Never raises."""
    answer = await resolver.txt(key.dns_record.name)
    if answer.status in (Status.NO_NAME, Status.NO_DATA):
        return Seen.MISSING
    if answer.status != Status.OK:
        return Seen.FAILED
    own = parse_key(key.record.encode()).public
    found = []
    for record in answer.records:
        try:
            found.append(parse_key(record).public)
        except KeyRecordError as error:
            if len(answer.records) == 1 and "revoked" in str(error):
                return Seen.REVOKED
    # RFC 6376 3.6.2.2: with several records it is undefined which one a verifier takes.
    return Seen.THERE if found == [own] else Seen.OTHER


class KeyKeeper:
    """See the module. `stopping` is asked between domains."""

    def __init__(
        self,
        keys: SigningKeys,
        resolver: Lookups,
        settings: SettingsSource,
        clock: Clock,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._keys = keys
        self._resolver = resolver
        self._settings = settings
        self._clock = clock
        self._stopping = stopping

    async def tend(self) -> None:
        """All that is due now. Raises EstafetaError where the database cannot be used."""
        own = await asyncio.to_thread(self._keys.own_domains)
        keys = await self.ask(await asyncio.to_thread(self._keys.list_keys))
        by_domain: dict[str, list[StoredKey]] = {name: [] for name in own}
        for key in keys:
            by_domain.setdefault(key.domain, []).append(key)
        # Sorted: machines that come at the same moment meet at the first step.
        for domain, mine in sorted(by_domain.items()):
            if self._stopping():
                return
            await asyncio.to_thread(self._tend_domain, domain, mine, set(own))

    async def ask(self, keys: Sequence[StoredKey], *, all_of_them: bool = False) -> list[StoredKey]:
        """Ask DNS about those for whom it is time, and note what it says; the keys with that."""
        now, turns = self._clock(), asyncio.Semaphore(_AT_ONCE)

        async def one(key: StoredKey) -> StoredKey:
            if not all_of_them and not is_asked(key, now):
                return key
            async with turns:
                seen = await look_up(key, self._resolver)
            if key.state is KeyState.ACTIVE and seen in LACKING and seen is not key.seen:
                log.warning("DNS lacks the record of a DKIM key that signs", extra={"record": key.dns_record.name})
            return await asyncio.to_thread(self._note, key, seen)

        return list(await asyncio.gather(*map(one, keys)))

    def _note(self, key: StoredKey, seen: Seen) -> StoredKey:
        # Its state may be another by now: the step that follows finds out.
        return replace(key, seen=seen, asked_seconds=self._keys.note_seen(key.domain, key.selector, seen))

    def _tend_domain(self, domain: str, keys: list[StoredKey], own: Collection[str]) -> None:
        settings = self._settings.current.dkim
        ours = domain in own and domain not in settings.unsigned_domains
        # What a step makes may be the ground for the next one: prepared, published, active.
        for step in next_steps(keys, settings, self._clock(), ours=ours):
            try:
                self._take(domain, step)
            except EstafetaError as error:
                # Another machine or a person was here first: the next time sees what is left to do.
                log.info("a DKIM key was left as it is", extra={"domain": domain, "reason": error.public})

    def _take(self, domain: str, step: Step) -> None:
        key = step.key
        if key is None:
            made = self._keys.create_key(domain, step.algorithm)
            log.warning("publish the record of a new DKIM key", extra={"record": made.dns_record.zone_line()})
            return
        known = {"domain": domain, "selector": key.selector, "state": str(step.state or "forgotten")}
        if step.state is None:
            self._keys.forget(domain, key.selector)
        elif step.state is KeyState.ACTIVE:
            self._keys.activate(domain, key.selector)
        else:
            self._keys.move(domain, key.selector, step.state)
        log.info("a DKIM key changed", extra=known)
