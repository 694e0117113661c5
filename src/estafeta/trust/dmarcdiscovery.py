"""Where a domain's DMARC policy is, and which domains belong together: by the Public Suffix List (RFC 7489 6.6.3, 3.2,
with RFC 9091 for public suffixes), or by the tree walk of RFC 9989 4.10.

The list is the default: two questions at most, two owners below one private suffix (`github.io`) are never taken for
one, and a policy that was written for RFC 7489 means what its writer expects. The tree walk needs no list and lets a
domain be divided with `psd=n`; both find the same for nearly all domains there are.

One `Finder` serves one message and remembers what it was told for it.
"""

from enum import StrEnum
from typing import NamedTuple

from estafeta.trust.dmarcrecord import DmarcRecord, RecordError, SeveralRecordsError, choose_record, parse_record
from estafeta.trust.lookups import Lookups, Status
from estafeta.trust.publicsuffix import organizational_domain, public_suffix

MAX_WALK = 8
"""Questions of one tree walk; RFC 9989 4.10 asks for this number."""


class Discovery(StrEnum):
    """By which method, in the words of aggregate reports (RFC 9990 `discovery_method`)."""

    PSL = "psl"
    TREE_WALK = "treewalk"


class Found(NamedTuple):
    """A record, and the domain that publishes it."""

    record: DmarcRecord
    domain: str


class LookupFailedError(Exception):
    """DNS could not say; the message says what."""


class Finder:
    """Answers for one message."""

    def __init__(self, resolver: Lookups, discovery: Discovery = Discovery.PSL) -> None:
        self._resolver = resolver
        self._discovery = discovery
        self._known: dict[str, DmarcRecord | RecordError | None] = {}

    async def policy(self, domain: str) -> Found | None:
        """The policy for mail from `domain`. Raises RecordError for one that cannot be used, LookupFailedError."""
        if self._discovery is Discovery.PSL:
            return await self._policy_by_list(domain)
        walked = await self._walk(domain)
        if walked and walked[0].domain == domain:
            return walked[0]
        # RFC 9989 4.10.1: the organizational domain, then the public suffix domain.
        organization = _select(domain, walked)
        by_domain = {found.domain: found for found in walked}
        suffix = organization.partition(".")[2]
        return by_domain.get(organization) or by_domain.get(suffix)

    async def organization(self, domain: str) -> str:
        """The organizational domain of a domain. Raises LookupFailedError."""
        if self._discovery is Discovery.PSL:
            return organizational_domain(domain)
        try:
            return _select(domain, await self._walk(domain))
        except RecordError:
            return domain

    async def exists(self, domain: str) -> bool:
        """Whether DNS knows the name (RFC 9989 3.2.7: no NXDOMAIN); also where it could not say."""
        return (await self._resolver.ipv4(domain)).status != Status.NO_NAME

    async def _policy_by_list(self, domain: str) -> Found | None:
        record = await self._record(domain)
        if record is not None:
            return Found(record, domain)
        organization = organizational_domain(domain)
        if organization != domain:
            record = await self._record(organization)
            if record is not None:
                return Found(record, organization)
        # RFC 9091 3.5: the public suffix itself, where its record says that it is one.
        suffix = public_suffix(domain)
        if suffix in ("", domain):
            return None
        try:
            record = await self._record(suffix)
        except RecordError:
            return None
        return Found(record, suffix) if record is not None and record.psd == "y" else None

    async def _walk(self, domain: str) -> list[Found]:
        """The records from a domain upward (RFC 9989 4.10)."""
        found = []
        for name in _names(domain):
            try:
                record = await self._record(name)
            except SeveralRecordsError:
                continue  # RFC 9989 4.10: all are discarded
            except RecordError:
                if name == domain:
                    raise
                continue
            if record is None:
                continue
            found.append(Found(record, name))
            if record.psd == "n" or (record.psd == "y" and name != domain):
                break
        return found

    async def _record(self, name: str) -> DmarcRecord | None:
        if name not in self._known:
            self._known[name] = await self._ask(name)
        known = self._known[name]
        if isinstance(known, RecordError):
            raise known
        return known

    async def _ask(self, name: str) -> DmarcRecord | RecordError | None:
        answer = await self._resolver.txt(f"_dmarc.{name}")
        if answer.status == Status.FAILED:
            raise LookupFailedError(f"the DMARC record of {name} could not be looked up ({answer.reason})")
        try:
            text = choose_record(answer.records if answer.status == Status.OK else ())
            return None if text is None else parse_record(text)
        except RecordError as error:
            return error


def _names(domain: str) -> list[str]:
    """The names of a tree walk, at most `MAX_WALK`: of a long one only the last labels, after the whole."""
    labels = domain.split(".")
    first = 1 if len(labels) < MAX_WALK else len(labels) - MAX_WALK + 1
    return [domain, *(".".join(labels[at:]) for at in range(first, len(labels)))]


def _select(domain: str, walked: list[Found]) -> str:
    """RFC 9989 4.10.2: the organizational domain, of a walk that began at `domain`."""
    for found in walked:
        if found.record.psd == "n":
            return found.domain
        if found.record.psd == "y" and found.domain != domain:
            below = found.domain.count(".") + 2
            return ".".join(domain.split(".")[-below:])
    return walked[-1].domain if walked else domain
