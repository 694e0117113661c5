"""BIMI (draft-brand-indicators-for-message-identification): where a domain's logo is, if DMARC vouches for the mail.

In: the result of DMARC, and somebody to ask DNS. Out: a result in the words of the draft. Only the assertion record of
the selector `default` is looked up, at the author's domain, then at the organization's. Neither the logo nor the
certificate is fetched: whoever shows a logo has to check both. BIMI-Selector is not obeyed, since nothing says that it
is from the author.
"""

from enum import StrEnum
from typing import NamedTuple

from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.dmarcrecord import DmarcRecord, Policy, RecordError, choose_record, parse_record
from estafeta.trust.lookups import Lookups, Status
from estafeta.trust.tags import TagError, parse_tags

SELECTOR = "default"
_MAX_URI = 255
"""Octets, as many as Authentication-Results takes whole."""


class BimiStatus(StrEnum):
    """PASS: the domain has a logo. NONE: it has none. DECLINED: it does not want one shown. SKIPPED: DMARC does not
    vouch for the author, so nothing was looked up. FAIL: its record cannot be used. TEMPERROR: DNS could not tell."""

    PASS = "pass"  # noqa: S105 - a result
    NONE = "none"
    FAIL = "fail"
    TEMPERROR = "temperror"
    DECLINED = "declined"
    SKIPPED = "skipped"


class BimiResult(NamedTuple):
    """`domain`: where the record is. `location`, `evidence`: the addresses of logo and certificate (`l=`, `a=`), "" for
    none. `reason`: a phrase without a full stop."""

    status: BimiStatus
    reason: str = ""
    domain: str = ""
    location: str = ""
    evidence: str = ""


async def find_bimi(dmarc: DmarcResult, resolver: Lookups) -> BimiResult:
    """Look up the logo of a message's author. Never raises."""
    if dmarc.outcome is not DmarcOutcome.PASS or dmarc.record is None:
        return BimiResult(BimiStatus.SKIPPED, f"DMARC {dmarc.outcome}")
    # The record's own policy, and what it says of such mail (sp=).
    if not (_is_enforced(dmarc.record, dmarc.record.p) and _is_enforced(dmarc.record, dmarc.policy)):
        return BimiResult(BimiStatus.SKIPPED, f"the policy of {dmarc.domain} is not enforced")
    if dmarc.organization not in ("", dmarc.policy_domain):
        refusal = await _check_organization(dmarc.organization, resolver)
        if refusal is not None:
            return refusal
    for domain in dict.fromkeys((dmarc.domain, dmarc.organization or dmarc.domain)):
        found = await _look_up(domain, resolver)
        if found is not None:
            return found
    return BimiResult(BimiStatus.NONE)


def _is_enforced(record: DmarcRecord, policy: Policy) -> bool:
    """Quarantine or reject, for all mail: of a part of it, or of a test, nobody can tell forgeries."""
    return policy is not Policy.NONE and record.percent == 100 and not record.testing


async def _check_organization(domain: str, resolver: Lookups) -> BimiResult | None:
    """A subdomain's own policy is not enough: the organization's must be enforced as well. None: it is."""
    answer = await resolver.txt(f"_dmarc.{domain}")
    if answer.status == Status.FAILED:
        return BimiResult(BimiStatus.TEMPERROR, f"the DMARC record of {domain} could not be looked up")
    try:
        text = choose_record(answer.records if answer.status == Status.OK else ())
        record = None if text is None else parse_record(text)
    except RecordError:
        record = None
    if record is not None and _is_enforced(record, record.p):
        return None
    return BimiResult(BimiStatus.SKIPPED, f"the policy of {domain} is not enforced")


async def _look_up(domain: str, resolver: Lookups) -> BimiResult | None:
    """The record of one domain; None where it has none."""
    answer = await resolver.txt(f"{SELECTOR}._bimi.{domain}")
    if answer.status == Status.FAILED:
        return BimiResult(BimiStatus.TEMPERROR, f"the BIMI record could not be looked up ({answer.reason})", domain)
    if answer.status != Status.OK:
        return None
    found = [record for record in answer.records if record.lstrip()[:2].lower() == b"v="]
    texts = [record for record in found if b"BIMI1" in record.partition(b";")[0]]
    if not texts:
        return None
    if len(texts) > 1:
        return BimiResult(BimiStatus.FAIL, "there are several BIMI records", domain)
    return _read(texts[0], domain)


def _read(text: bytes, domain: str) -> BimiResult:
    try:
        tags = parse_tags(text)
    except TagError as error:
        return BimiResult(BimiStatus.FAIL, str(error), domain)
    if next(iter(tags.items())) != ("v", "BIMI1"):
        return BimiResult(BimiStatus.FAIL, "the BIMI record does not begin with v=BIMI1", domain)
    if "l" not in tags:
        return BimiResult(BimiStatus.FAIL, "the BIMI record names no location", domain)
    location, evidence = tags["l"], tags.get("a", "")
    if not location and not evidence:
        return BimiResult(BimiStatus.DECLINED, "", domain)
    for uri in (location, evidence):
        if uri and not _is_https(uri):
            return BimiResult(BimiStatus.FAIL, "an address in the BIMI record is not one of https", domain)
    return BimiResult(BimiStatus.PASS, "", domain, location, evidence)


def _is_https(uri: str) -> bool:
    return uri[:8].lower() == "https://" and len(uri) <= _MAX_URI and uri.isascii() and " " not in uri
