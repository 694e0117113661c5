"""What to do next about DMARC of a domain of ours: from its record and from the reports of others, in words.

The way is from p=none, where others only report, over p=quarantine to p=reject (docs/guides/dmarc.md). Whether a source
that fails is ours nobody can tell but its owner: advice says what it looks like, and what to do if it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from estafeta.policy.dmarc_received import DomainSum
from estafeta.policy.dmarc_sources import Source
from estafeta.trust.dmarcrecord import DmarcRecord, Policy, RecordError, choose_record, parse_record, parse_tags
from estafeta.trust.lookups import Lookups, Status
from estafeta.trust.publicsuffix import organizational_domain

#: So long reports are to be looked at before the policy becomes stricter: monthly mailings show only then.
WATCH_DAYS = 30
_DAY_SECONDS = 86_400
_NEXT = {Policy.NONE: Policy.QUARANTINE, Policy.QUARANTINE: Policy.REJECT}


class Published(NamedTuple):
    """What is in DNS at `_dmarc.DOMAIN`: `record` None with `problem` in words, or with neither where there is none.
    `known`: DNS could tell."""

    text: str = ""
    record: DmarcRecord | None = None
    problem: str = ""
    known: bool = True


class Txt(NamedTuple):
    """A TXT record to publish."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Advice:
    """`publish`: the records as they should be, none where nothing is to be changed."""

    words: tuple[str, ...]
    publish: tuple[Txt, ...] = ()


async def find_published(domain: str, resolver: Lookups) -> Published:
    """Ask DNS for a domain's own record."""
    answer = await resolver.txt(f"_dmarc.{domain}")
    if answer.status == Status.FAILED:
        return Published(problem=f"DNS could not tell ({answer.reason})", known=False)
    try:
        text = choose_record(answer.records if answer.status == Status.OK else ())
        if text is None:
            return Published()
        return Published(text.decode("utf-8", "replace"), parse_record(text))
    except RecordError as error:
        return Published(problem=str(error))


def what_it_is(source: Source) -> str:
    """What a source looks like, and what to do about it if it is ours."""
    if not source.source_ip:
        return "what is beyond the limits of reports that are kept"
    if not source.failed:
        return "passes"
    own = organizational_domain(source.domain)
    if source.dkim:
        return "signs, not always: a forwarder, or a part of it that does not sign"
    if source.passed:
        return "is in SPF, and does not sign: what is forwarded on its way fails"
    others = [name for name in source.signed_by if organizational_domain(name) != own]
    if len(others) < len(source.signed_by):
        return "a signature of yours that does not hold: a list or a forwarder, or a wrong key in DNS"
    if others:
        return f"signs as {others[0]}: if you use it, have it sign as {source.domain}"
    if any(organizational_domain(name) == own for name in source.envelope):
        return "uses your domain, is not in SPF: if it is yours, add it, and have it sign"
    return "nothing of it is yours: a forgery, unless you know it"


def failing(sources: Iterable[Source]) -> list[Source]:
    """Those of which messages failed."""
    return [source for source in sources if source.failed]


def advise(
    domain: str,
    published: Published,
    reports: DomainSum | None,
    sources: Sequence[Source],
    *,
    address: str,
    now: float,
) -> Advice:
    """The next step. `address`: where reports are to go, "" for none of ours; `sources` as `read_sources` gives them,
    of the time that `reports` is about."""
    name = f"_dmarc.{domain}"
    if not published.known:
        return Advice((f"Without {name} nothing can be said.",))
    if published.problem:
        problem = f"What is at {name} cannot be used: {published.problem}."
        return Advice((problem,), _records(domain, Policy.NONE, address, published))
    record = published.record
    if record is None:
        return Advice(
            ("Nothing is published: others do not know what to do with forgeries, and report nothing.",),
            _records(domain, Policy.NONE, address, published),
        )
    if address and not _comes_to(address, record):
        return Advice(
            (f"Reports do not come to {address}, where they would be read.",),
            _records(domain, record.p, address, published),
        )
    if reports is None:
        return Advice(("No reports have come yet. The first come a day or two after the record is published.",))
    words = _of_sources(domain, failing(sources))
    if record.p is Policy.REJECT:
        return Advice((*words, "The policy is reject: nothing more is to be published."))
    # What a report says of its time anybody can write; when it came is known.
    days = max(0, int(now - reports.came_seconds)) // _DAY_SECONDS
    if days < WATCH_DAYS:
        return Advice(
            (*words, f"Reports have come for {days} days: wait until it is {WATCH_DAYS} before the policy changes.")
        )
    return Advice(
        (*words, f"If none of what fails is yours, the next step is p={_NEXT[record.p]}."),
        _records(domain, _NEXT[record.p], address, published),
    )


def _of_sources(domain: str, failed: Sequence[Source]) -> tuple[str, ...]:
    if not failed:
        return ("All messages that were reported passed.",)
    messages = sum(source.failed for source in failed)
    return (f"{messages} messages of {len(failed)} sources failed: estafeta dmarc show {domain}",)


def _records(domain: str, policy: Policy, address: str, now: Published) -> tuple[Txt, ...]:
    """The record of a domain with this policy, what else it says as it is, and the one that another organization needs
    for taking its reports (RFC 7489 7.1)."""
    tags = parse_tags(now.text.encode("utf-8")) if now.record is not None else {}
    uris = [uri for uri in [tags.get("rua", "")] if uri]
    if address and not _comes_to(address, now.record):
        uris.insert(0, f"mailto:{address}")
    # RFC 9989 A.6: pct is no more; a step is taken for all mail at once.
    tags = {"p": str(policy)} | {name: value for name, value in tags.items() if name not in ("p", "rua", "pct")}
    if uris:
        tags["rua"] = ",".join(uris)
    text = "; ".join(["v=DMARC1", *[f"{name}={value}" for name, value in tags.items()]])
    records = [Txt(f"_dmarc.{domain}", text)]
    host = address.rpartition("@")[2].lower()
    if host and organizational_domain(host) != organizational_domain(domain):
        records.append(Txt(f"{domain}._report._dmarc.{host}", "v=DMARC1"))
    return tuple(records)


def _comes_to(address: str, record: DmarcRecord | None) -> bool:
    return record is not None and any(uri.address.lower() == address.lower() for uri in record.rua)
