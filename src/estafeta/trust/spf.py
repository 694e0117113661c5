"""SPF (RFC 7208, with RFC 8616 for names beyond ASCII): may this host send for this domain?

`check_host` does all of it, over a resolver that is handed in. It never raises: what others publish or fail to answer
ends in a result with words. Costs are bounded by `SpfLimits`, time by whoever asks (RFC 7208 4.6.4: at least 20 seconds
for all of it). Questions go out one after the other, as the results of a record depend on their order; answers that the
resolver remembers cost no turn of the event loop.
"""

import re
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple

from estafeta.core.clock import Clock
from estafeta.core.ip import find_ip
from estafeta.mail.address import domain_key
from estafeta.trust.lookups import LookupAnswer, Lookups, Status
from estafeta.trust.spfclient import SpfClient
from estafeta.trust.spfmacros import MacroString, Values, expand, parse_explanation, shorten_name
from estafeta.trust.spfrecord import Kind, Mechanism, SpfRecord, SpfStatus, parse_record, select_records

#: What fits in a line of a reply (RFC 5321 4.5.3.1.5) with our own words before it.
MAX_EXPLANATION = 400
_LONGEST_EXPLANATION_RECORD = 1024

# RFC 7208 4.3: labels of 1 to 63, at least two. Brackets are address literals.
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[!-\-/-?A-Z\\^-~]{1,63}\.)+[!-\-/-?A-Z\\^-~]{1,63}")
# What a question can be made of; 4.8: other target names exist nowhere.
_TARGET = re.compile(r"(?=.{1,253}\Z)[ -\-/-~]{1,63}(?:\.[ -\-/-~]{1,63})*")


class SpfLimits(NamedTuple):
    """RFC 7208 4.6.4: terms that ask DNS, those whose question has no answer, MX and PTR names of one question."""

    lookups: int = 10
    void_lookups: int = 2
    mx_names: int = 10
    ptr_names: int = 10


class SpfResult(NamedTuple):
    """What came of it. `domain` is the one that was asked about, as A-labels.

    `mechanism` is the way to what decided, as `include:_spf.example.net > ip4:192.0.2.0/24`, "" when nothing matched;
    `problem` says in words, without a full stop, why there is no verdict (none, temperror, permerror); `explanation`
    is the domain owner's text for a fail: printable ASCII, at most `MAX_EXPLANATION` characters, from a stranger;
    `lookups` is how many terms asked DNS."""

    result: SpfStatus
    domain: str
    mechanism: str = ""
    problem: str = ""
    explanation: str = ""
    lookups: int = 0


_LIMITS = SpfLimits()


async def check_host(
    ip: str,
    domain: str,
    sender: str,
    *,
    helo: str,
    resolver: Lookups,
    own_host: str = "unknown",
    limits: SpfLimits = _LIMITS,
    clock: Clock = time.time,
) -> SpfResult:
    """RFC 7208 4: whether the host at `ip` may use `domain`, which is that of `sender`.

    `sender` is an address, its local part without quotes. For the null reverse-path, and to check a HELO name, `domain`
    is the HELO name and `sender` the same, or "": its local part is then `postmaster` (2.4). `own_host` and `clock`
    are for explanations (%{r}, %{t})."""
    name = domain_key(domain).removesuffix(".")
    address = find_ip(ip)
    if address is None:
        return SpfResult(SpfStatus.NONE, name, problem="the client has no IP address")
    check = _Check(SpfClient(address, name, sender, helo, own_host, clock), name, resolver, limits)
    try:
        found = await check.run()
    except _StopError as stop:
        return SpfResult(stop.result, name, problem=stop.problem, lookups=check.lookups)
    return SpfResult(found.result, name, found.way, found.problem, check.explanation, check.lookups)


class _StopError(Exception):
    """The whole evaluation ends here: temperror or permerror, and they mean the same at any depth (RFC 7208 5.2)."""

    def __init__(self, result: SpfStatus, problem: str) -> None:
        super().__init__(problem)
        self.result = result
        self.problem = problem


class _Found(NamedTuple):
    """What one domain's record came to. `record` and `domain` are those that decided, after redirects."""

    result: SpfStatus
    way: str
    problem: str
    record: SpfRecord
    domain: str


_NO_RECORD = SpfRecord(())


class _Check:
    """One evaluation: what is fixed in it, and what it has used up."""

    def __init__(self, client: SpfClient, domain: str, resolver: Lookups, limits: SpfLimits) -> None:
        self._client = client
        self._domain = domain
        self._resolver = resolver
        self._limits = limits
        self._voids = 0
        self._names: tuple[str, ...] | None = None
        self.lookups = 0
        self.explanation = ""

    async def run(self) -> _Found:
        """What it came to; `explanation` is set when it is a fail. Raises _StopError."""
        found = await self._evaluate(self._domain)
        if found.result is SpfStatus.FAIL and found.record.explanation is not None:
            self.explanation = await self._explain(found.record.explanation, found.domain)
        return found

    async def _evaluate(self, domain: str) -> _Found:
        record = await self._find_record(domain)
        if isinstance(record, str):
            return _Found(SpfStatus.NONE, "", record, _NO_RECORD, domain)
        for mechanism in record.mechanisms:
            way = await self._matches(mechanism, domain)
            if way:
                return _Found(mechanism.result, way, "", record, domain)
        if record.redirect is None:
            return _Found(SpfStatus.NEUTRAL, "", "", record, domain)
        # RFC 7208 6.1
        self._count_lookup()
        target = await self._name(record.redirect, domain) or ""
        found = await self._evaluate(target)
        if found.result is SpfStatus.NONE:
            raise _StopError(SpfStatus.PERMERROR, f"{domain} redirects, but {found.problem}")
        return found._replace(way=f"redirect={target} > {found.way}" if found.way else "")

    async def _find_record(self, domain: str) -> SpfRecord | str:
        """RFC 7208 4.3 to 4.6; words when there is none."""
        if not _DOMAIN.fullmatch(domain):
            return f"{domain[:80]!r} is no full domain name"
        answer = await self._resolver.txt(domain)
        self._no_failure(answer, domain)
        records = select_records(answer.records)
        if not records:
            return f"{domain} has no SPF record"
        if len(records) > 1:
            raise _StopError(SpfStatus.PERMERROR, f"{domain} has several SPF records")
        try:
            return parse_record(records[0])
        except ValueError as error:
            raise _StopError(SpfStatus.PERMERROR, f"the SPF record of {domain} is wrong: {error}") from None

    async def _matches(self, mechanism: Mechanism, domain: str) -> str:
        """How it matches, in its own words and those of an included record; "" when it does not."""
        kind = mechanism.kind
        if kind is Kind.IP4:
            return mechanism.text if self._client.four and self._client.within(mechanism.network, mechanism) else ""
        if kind is Kind.IP6:
            return mechanism.text if not self._client.four and self._client.within(mechanism.network, mechanism) else ""
        if kind is Kind.ALL:
            return mechanism.text
        self._count_lookup()
        target = domain if mechanism.target is None else await self._name(mechanism.target, domain)
        if target is None:
            return ""
        if kind is Kind.INCLUDE:
            return await self._include(mechanism, domain, target)
        if not _TARGET.fullmatch(target):
            return ""
        if kind is Kind.A:
            matched = await self._a(mechanism, target)
        elif kind is Kind.MX:
            matched = await self._mx(mechanism, target)
        elif kind is Kind.EXISTS:
            # RFC 7208 5.7: type A also for IPv6.
            matched = self._answered(await self._resolver.ipv4(target), target)
        else:
            matched = _best_name(await self._client_names(), target.lower()) != ""
        return mechanism.text if matched else ""

    async def _include(self, mechanism: Mechanism, domain: str, target: str) -> str:
        """RFC 7208 5.2: matches on a pass; no record there is an error here."""
        found = await self._evaluate(target)
        if found.result is SpfStatus.NONE:
            raise _StopError(SpfStatus.PERMERROR, f"{domain} includes {target[:80]}, but {found.problem}")
        return f"{mechanism.text} > {found.way}" if found.result is SpfStatus.PASS else ""

    async def _a(self, mechanism: Mechanism, target: str) -> bool:
        """RFC 7208 5.3."""
        answer = await self._addresses(target)
        return self._answered(answer, target) and self._client.among(answer.records, mechanism)

    async def _mx(self, mechanism: Mechanism, target: str) -> bool:
        """RFC 7208 5.4. The limit is on names, whatever their order: another day's order gives no other result."""
        answer = await self._resolver.mx(target)
        if not self._answered(answer, target):
            return False
        names = [record.exchange for record in answer.records if record.exchange]
        if len(names) > self._limits.mx_names:
            raise _StopError(SpfStatus.PERMERROR, f"{target} has more than {self._limits.mx_names} mail exchangers")
        for name in names:
            addresses = await self._addresses(name)
            # Hosts without an address of this kind are usual, so they are not counted as void.
            self._no_failure(addresses, name)
            if self._client.among(addresses.records, mechanism):
                return True
        return False

    def _addresses(self, name: str) -> Coroutine[Any, Any, LookupAnswer[str]]:
        return self._resolver.ipv4(name) if self._client.four else self._resolver.ipv6(name)

    async def _client_names(self, counted: bool = True) -> tuple[str, ...]:
        """The names of the client that lead back to it (RFC 7208 5.5), asked for once."""
        if self._names is None:
            answer = await self._resolver.ptr(self._client.text)
            # 5.5: what cannot be looked up is as what is not there.
            if counted and answer.status != Status.FAILED:
                self._answered(answer, self._client.text)
            names: list[str] = []
            # 4.6.4: what is above the limit is left out, as it is not the domain's fault.
            for name in answer.records[: self._limits.ptr_names]:
                if self._client.text in (await self._addresses(name)).records:
                    names.append(name.lower())
            self._names = tuple(names)
        return self._names

    async def _name(self, spec: MacroString, domain: str, counted: bool = True) -> str | None:
        """The name that a domain-spec stands for (RFC 7208 7.3)."""
        if spec.plain is not None:
            return shorten_name(spec.plain)
        text = expand(spec, await self._values(spec, domain, counted))
        return None if text is None else shorten_name(text)

    async def _values(self, string: MacroString, domain: str, counted: bool) -> Values:
        """RFC 7208 7.2. Finding %{p} is a lookup, where those of terms are counted (4.6.4)."""
        client = ""
        if "p" in string.letters:
            if self._names is None and counted:
                self._count_lookup()
            client = _best_name(await self._client_names(counted), domain.lower(), any_name=True) or "unknown"

        def value(letter: str) -> str | None:
            return client if letter == "p" else domain if letter == "d" else self._client.value(letter)

        return value

    async def _explain(self, spec: MacroString, domain: str) -> str:
        """RFC 7208 6.2: the text, or "" when there is anything wrong with it. Counts against no limit."""
        name = await self._name(spec, domain, counted=False)
        if name is None or not _TARGET.fullmatch(name):
            return ""
        answer = await self._resolver.txt(name)
        if len(answer.records) != 1 or len(answer.records[0]) > _LONGEST_EXPLANATION_RECORD:
            return ""
        try:
            string = parse_explanation(answer.records[0].decode("ascii"))
        except ValueError:
            return ""
        text = expand(string, await self._values(string, domain, counted=False)) or ""
        # 11.5: a stranger's text; senders put what they like into the macros.
        return re.sub(r"[^ -~]", "?", text[:MAX_EXPLANATION])

    def _answered(self, answer: LookupAnswer[object], name: str) -> bool:
        """Whether there are records. Counts a question of a term without (RFC 7208 4.6.4, 11.1). Raises _StopError."""
        self._no_failure(answer, name)
        if answer.records:
            return True
        self._voids += 1
        if self._voids > self._limits.void_lookups:
            words = f"more than {self._limits.void_lookups} names in the SPF record of {self._domain} do not exist"
            raise _StopError(SpfStatus.PERMERROR, words)
        return False

    def _no_failure(self, answer: LookupAnswer[object], name: str) -> None:
        if answer.status == Status.FAILED:
            reason = f": {answer.reason}" if answer.reason else ""
            raise _StopError(SpfStatus.TEMPERROR, f"{name} cannot be looked up{reason}")

    def _count_lookup(self) -> None:
        self.lookups += 1
        if self.lookups > self._limits.lookups:
            words = f"the SPF record of {self._domain} needs more than {self._limits.lookups} lookups"
            raise _StopError(SpfStatus.PERMERROR, words)


def _best_name(names: tuple[str, ...], domain: str, any_name: bool = False) -> str:
    """RFC 7208 5.5, 7.3 for %{p}: the domain itself, else one below it, else with `any_name` another; "" for none."""
    if domain in names:
        return domain
    below = next((name for name in names if name.endswith(f".{domain}")), "")
    return below or (names[0] if any_name and names else "")
