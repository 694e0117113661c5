"""Who gets reports on DMARC: of the addresses that a policy names, those that may have them (RFC 7489 7.1).

Without this anybody could have reports sent to whom he likes. Never raises.
"""

from collections.abc import Iterable
from typing import NamedTuple

from estafeta.trust.dmarcrecord import ReportUri, is_record, parse_tags, parse_uris
from estafeta.trust.lookups import Lookups, Status
from estafeta.trust.publicsuffix import organizational_domain


class Receivers(NamedTuple):
    """Who may have reports, who does not want them, and whether DNS could not say of some."""

    allowed: tuple[ReportUri, ...]
    refused: tuple[ReportUri, ...] = ()
    unknown: bool = False


async def find_receivers(
    uris: Iterable[ReportUri], policy_domain: str, resolver: Lookups, *, tag: str = "rua"
) -> Receivers:
    """Of the addresses that `policy_domain` names in its tag `tag`, those of its own organization and those whose
    domains agree (RFC 7489 7.1). A domain that agrees may name another address of its own instead."""
    allowed: dict[str, ReportUri] = {}
    refused: list[ReportUri] = []
    unknown = False
    for uri in uris:
        if organizational_domain(uri.host) == organizational_domain(policy_domain):
            allowed[uri.address] = uri
            continue
        name = f"{policy_domain}._report._dmarc.{uri.host}"
        # RFC 7489 7.1 (4): longer than DNS allows is as refused.
        answer = await resolver.txt(name) if len(name) <= 253 else None
        if answer is not None and answer.status == Status.FAILED:
            unknown = True
            continue
        records = answer.records if answer is not None and answer.status == Status.OK else ()
        agreed = _agreed(uri, records, tag)
        if not agreed:
            refused.append(uri)
        for one in agreed:
            allowed.setdefault(one.address, one)
    return Receivers(tuple(allowed.values()), tuple(refused), unknown)


def _agreed(uri: ReportUri, records: Iterable[bytes], tag: str) -> tuple[ReportUri, ...]:
    found = [record for record in records if is_record(record)]
    if not found:
        return ()
    instead = [one for record in found for one in parse_uris(parse_tags(record).get(tag, ""))]
    if any(one.host != uri.host for one in instead):
        # RFC 7489 7.1: who names another host in its stead gets nothing, nor does the other.
        return ()
    return tuple(instead) or (uri,)
