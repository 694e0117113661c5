"""`DnsResolver`: answers from the host table, from memory, or from name servers. Never raises (but when cancelled).

- Replies are remembered for their time to live within bounds, negative ones as RFC 2308 has it, failures briefly.
- Who asks what is being asked already waits for the same reply.
- A name server that says nothing, lies or fails is followed by the next one; `timeout_seconds` is for all of them.
- `secure` is the AD flag of a server that the operator vouches for (`validating`), else never (RFC 7672 2.1.1).

For one event loop. `clock` gives seconds and only ever goes forward; a laboratory's may jump.
"""

import asyncio
import ipaddress
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import dns.name

from estafeta.core.ip import find_ip
from estafeta.dns.cache import AnswerCache, Key
from estafeta.dns.exchange import exchange
from estafeta.dns.hosttable import HostTable
from estafeta.dns.message import UNUSABLE, Reply, make_question, parse_name, read_reply
from estafeta.dns.servers import RESOLV_CONF, NameServer, find_name_servers
from estafeta.dns.values import Answer, DnsStatus, Mx, Tlsa
from estafeta.mail.address import domain_key

LEAST_TTL, MOST_TTL = 5, 86_400
MOST_NEGATIVE_TTL = 10_800
"""RFC 2308 5: one to three hours are enough."""
FAILURE_TTL = 10
"""RFC 2308 7.1 allows five minutes; the queue has a memory of its own."""
_MAX_AT_ONCE = 200
_LOOK_SECONDS = 15
"""How often /etc/resolv.conf is read again at most."""
_MAX_HOPS = 6
_LARGE = 4096
"""Replies above this size are read in a thread: thousands of records take more than a few milliseconds."""
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")

T = TypeVar("T")
Reader = Callable[[Any], T]


class DnsSettings(Protocol):
    """The section `dns` of the settings."""

    @property
    def servers(self) -> Sequence[str]: ...
    @property
    def timeout_seconds(self) -> int: ...
    @property
    def validating(self) -> bool: ...
    @property
    def max_cache_entries(self) -> int: ...


class DnsResolver:
    """See the module. `servers` as in the setting; empty: those of /etc/resolv.conf."""

    def __init__(
        self,
        servers: Sequence[str] = (),
        timeout_seconds: float = 10,
        validating: bool = False,
        max_entries: int = 50_000,
        clock: Callable[[], float] = time.monotonic,
        *,
        hosts: HostTable | None = None,
        resolv_conf: Path = RESOLV_CONF,
    ) -> None:
        """Raises EstafetaError INVALID for a server that is none."""
        self._clock = clock
        self._resolv_conf = resolv_conf
        self._asking: dict[Key, asyncio.Task[Answer[Any]]] = {}
        self._at_once = asyncio.Semaphore(_MAX_AT_ONCE)
        self._configure(servers, timeout_seconds, validating, max_entries, hosts or HostTable())

    def use(self, settings: DnsSettings, host_table: Sequence[str] = ()) -> None:
        """Take over changed settings and forget everything. Raises EstafetaError INVALID, and then changes nothing."""
        self._configure(
            settings.servers,
            settings.timeout_seconds,
            settings.validating,
            settings.max_cache_entries,
            HostTable(host_table),
        )

    def forget(self) -> None:
        """Drop what is remembered."""
        # What is being asked for now ends up in the old memory, which nobody reads again.
        self._cache = AnswerCache(self._max_entries)
        self._asking = {}

    def close(self) -> None:
        """Give up what is being asked for."""
        for task in list(self._asking.values()):
            task.cancel()

    async def mx(self, name: str) -> Answer[Mx]:
        """Mail exchangers, best first. None for a host of the host table."""
        key = host_name(name)
        if key in self._hosts:
            return Answer(DnsStatus.NO_DATA, name=key)
        return await self._find(key, "MX", _read_mx)

    async def ipv4(self, name: str) -> Answer[str]:
        """IPv4 addresses as text."""
        key = host_name(name)
        if key in self._hosts:
            return _of_table(key, self._hosts.ipv4(key))
        return await self._find(key, "A", _read_address)

    async def ipv6(self, name: str) -> Answer[str]:
        """IPv6 addresses as text."""
        key = host_name(name)
        if key in self._hosts:
            return _of_table(key, self._hosts.ipv6(key))
        return await self._find(key, "AAAA", _read_address)

    async def txt(self, name: str) -> Answer[bytes]:
        """Texts, the pieces of each put together (RFC 7208 3.3)."""
        return await self._find(host_name(name), "TXT", _read_txt)

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        """TLSA records (RFC 6698)."""
        return await self._find(host_name(name), "TLSA", _read_tlsa)

    async def ptr(self, address: str) -> Answer[str]:
        """Names of an IP address, which is given as text."""
        ip = find_ip(address)
        if ip is None:
            return _no_name(address)
        names = self._hosts.ptr(ip.text)
        if names:
            return _of_table(address, names)
        return await self._find(ip.reverse, "PTR", _read_ptr)

    def _configure(
        self, servers: Sequence[str], seconds: float, validating: bool, max_entries: int, hosts: HostTable
    ) -> None:
        self._servers = find_name_servers(servers, self._resolv_conf)
        self._from_system = not servers
        self._looked = time.monotonic()
        self._seconds = seconds
        self._validating = validating
        self._max_entries = max_entries
        self._hosts = hosts
        self._best = 0
        self.forget()

    async def _find(self, name: str, kind: str, read: Reader[T]) -> Answer[T]:
        if not name:
            return _no_name(name)
        key = (kind, name)
        known = self._cache.find(key, self._clock())
        if known is not None:
            return known
        task = self._asking.get(key)
        if task is None:
            # Not the caller's own: the reply is remembered though the caller is cancelled.
            task = asyncio.create_task(self._ask_and_remember(key, parse_name(name), read))
            asking = self._asking
            asking[key] = task
            task.add_done_callback(lambda _: asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask_and_remember(self, key: Key, name: dns.name.Name, read: Reader[T]) -> Answer[T]:
        cache, clock = self._cache, self._clock
        async with self._at_once:
            answer = await self._answer(name, key[0], read)
        now = clock()
        cache.add(key, answer, now + answer.ttl_seconds, now)
        return answer

    async def _answer(self, name: dns.name.Name, kind: str, read: Reader[T]) -> Answer[T]:
        """Ask, and once more at the end of a chain of CNAMEs that a server left open."""
        ttl, secure = MOST_TTL, self._validating
        until = time.monotonic() + self._seconds
        for _ in range(_MAX_HOPS):
            reply = await self._ask(name, kind, until)
            secure = secure and reply.vouched
            if not reply.open_end:
                return _translate(reply, read, secure, ttl)
            name, ttl = reply.name, min(ttl, reply.ttl_seconds)
        return _failed(f"{_text(name)} leads through too many CNAME records")

    async def _ask(self, name: dns.name.Name, kind: str, until: float) -> Reply:
        """The reply of the first name server that gives a usable one; each is asked again, with more patience."""
        servers, validating = self._current_servers(), self._validating
        first, edns, patience = self._best, True, max(1.0, self._seconds / 8)
        problems: dict[NameServer, str] = {}
        silent = True
        while silent and time.monotonic() < until:
            silent = False
            for turn in range(len(servers)):
                place = (first + turn) % len(servers)
                server = servers[place]
                seconds = min(patience, until - time.monotonic())
                if seconds <= 0:
                    break
                try:
                    reply = await self._ask_one(server, name, kind, seconds, validating, edns)
                except TimeoutError:
                    silent = True
                    problems[server] = "gives no answer"
                    continue
                except OSError as error:
                    problems[server] = (error.strerror or str(error) or "cannot be reached").lower()
                    continue
                if reply.status is not DnsStatus.FAILED:
                    self._best = place if servers is self._servers else self._best
                    return reply
                problems[server] = reply.reason
                if reply.no_edns and edns:
                    edns, silent = False, True
            patience *= 2
        told = "; ".join(f"{server} {problem}" for server, problem in problems.items())
        return Reply(DnsStatus.FAILED, reason=f"no name server could say ({told})")

    def _current_servers(self) -> tuple[NameServer, ...]:
        """Those of the settings; those of the system may change while we run, or come only after us at start."""
        now = time.monotonic()
        if self._from_system and now - self._looked > _LOOK_SECONDS:
            self._looked = now
            found = find_name_servers((), self._resolv_conf)
            if found != self._servers:
                self._servers, self._best = found, 0
        return self._servers

    async def _ask_one(
        self, server: NameServer, name: dns.name.Name, kind: str, seconds: float, validating: bool, edns: bool
    ) -> Reply:
        question = make_question(name, kind, validating=validating, edns=edns)
        data = await exchange(server, question, seconds)
        if len(data) > _LARGE:
            return await asyncio.to_thread(read_reply, data, question)
        return read_reply(data, question)


def host_name(text: str) -> str:
    """A name as it is asked for: lower case, A-labels, no final dot; "" for what can be no name in DNS."""
    name = text if text.isascii() and text.islower() else domain_key(text)
    name = name.removesuffix(".")
    return name if _NAME.fullmatch(name) else ""


def _translate(reply: Reply, read: Reader[T], secure: bool, ttl: int) -> Answer[T]:
    if reply.status is DnsStatus.FAILED:
        return _failed(reply.reason)
    name = _text(reply.name)
    if reply.status is not DnsStatus.OK:
        seconds = _within(min(ttl, reply.ttl_seconds), MOST_NEGATIVE_TTL)
        return Answer(reply.status, (), secure, name, seconds)
    records = tuple(sorted(dict.fromkeys(map(read, reply.records)), key=_order))
    return Answer(DnsStatus.OK, records, secure, name, _within(min(ttl, reply.ttl_seconds), MOST_TTL))


def _order(record: object) -> int:
    return record.preference if isinstance(record, Mx) else 0


def _within(seconds: int, most: int) -> int:
    return max(LEAST_TTL, min(seconds, most))


def _failed(reason: str) -> Answer[Any]:
    return Answer(DnsStatus.FAILED, ttl_seconds=FAILURE_TTL, reason=reason)


def _no_name(name: str) -> Answer[Any]:
    return Answer(DnsStatus.NO_NAME, name=name, reason="it can be no name in DNS")


def _of_table(name: str, records: tuple[str, ...]) -> Answer[str]:
    return Answer(DnsStatus.OK if records else DnsStatus.NO_DATA, records, name=name)


def _text(name: dns.name.Name) -> str:
    """A name as text; "" for the root."""
    text = name.to_text(omit_final_dot=True).lower()
    return "" if text == "." else text


def _read_mx(record: Any) -> Mx:
    return Mx(int(record.preference), _text(record.exchange))


def _read_address(record: Any) -> str:
    return str(ipaddress.ip_address(record.address))


def _read_txt(record: Any) -> bytes:
    return b"".join(record.strings)


def _read_tlsa(record: Any) -> Tlsa:
    if record is UNUSABLE:
        return Tlsa(255, 255, 255, b"")
    return Tlsa(int(record.usage), int(record.selector), int(record.mtype), bytes(record.cert))


def _read_ptr(record: Any) -> str:
    return _text(record.target)
