"""Of which messages a failure report is made (RFC 7489 7.3, RFC 9991), and what is kept of them: pure.

None is made of mail whose sender is null, of mail that says that a machine wrote it, and of reports: whoever answers
reports with reports does so for ever. None of what is put off (it comes again), of what a believed forwarder vouches
for, and none to a public suffix, which is not the author's.
"""

from estafeta.directory.settings_model import Settings
from estafeta.mail.address import domain_key
from estafeta.policy.authentication import dkim_of, spf_of, trusted_sealer
from estafeta.policy.chain import who_is
from estafeta.policy.checks import Who
from estafeta.policy.content import Content
from estafeta.policy.dmarc_failure import DkimFailure, Failure
from estafeta.policy.dmarc_learning import client_address, is_only_for
from estafeta.policy.dmarc_redaction import MAX_HEADER_OCTETS
from estafeta.policy.facts import Facts
from estafeta.policy.front import method_results
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Action
from estafeta.trust.authresults import encode_auth_results
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.dmarcauthors import normal_domain
from estafeta.trust.spf import SpfResult
from estafeta.trust.spfrecord import SpfStatus

_SPF_FAILED = frozenset([SpfStatus.FAIL, SpfStatus.SOFTFAIL, SpfStatus.PERMERROR, SpfStatus.NEUTRAL])
_DKIM_FAILED = frozenset([DkimWord.FAIL, DkimWord.PERMERROR, DkimWord.NEUTRAL, DkimWord.POLICY])


def is_due(facts: Facts, result: DmarcResult, judgement: Judgement, settings: Settings) -> bool:
    """Whether a report on this message is asked for, and may be made."""
    if not settings.dmarc.failure_reports or not settings.routing.outward or who_is(facts) is not Who.STRANGERS:
        return False
    if judgement.action is Action.DEFER or not client_address(facts.peer) or not _is_asked_for(facts, result):
        return False
    return not (_is_of_a_machine(facts) or is_only_for(facts, settings.dmarc.reports_address)) and not trusted_sealer(
        facts, settings
    )


def _is_asked_for(facts: Facts, result: DmarcResult) -> bool:
    """RFC 7489 6.3 `fo`, `rf`; RFC 9991 2: never where `psd=y`. Of mail that passes there are no reports, whatever `fo`
    says: 1, d and s would tell of the mail of honest users."""
    record = result.record
    if result.outcome is not DmarcOutcome.FAIL or record is None or not record.ruf or not record.afrf:
        return False
    if record.psd == "y":
        return False
    if record.fo & {"0", "1"}:
        return True
    spf = spf_of(facts)
    return ("d" in record.fo and any(one.word in _DKIM_FAILED for one in dkim_of(facts))) or (
        "s" in record.fo and spf is not None and spf.result in _SPF_FAILED
    )


def _is_of_a_machine(facts: Facts) -> bool:
    content = facts.content
    if facts.sender is None or content is None:
        return True
    submitted = content.fields.text("auto-submitted").partition(";")[0].strip().lower()
    kind = "".join(content.fields.text("content-type").lower().split())
    subject = content.fields.text("subject").strip().lower()
    return submitted not in ("", "no") or kind.startswith("multipart/report") or subject.startswith("report domain:")


def failure_of(facts: Facts, content: Content, result: DmarcResult, judgement: Judgement, authserv_id: str) -> Failure:
    """What is kept of the message."""
    spf, results = spf_of(facts), method_results(facts)
    domains = {one.domain.lower() for one, _ in facts.recipients}
    return Failure(
        policy_domain=result.policy_domain,
        ruf=result.ruf,
        domain=result.domain,
        source_ip=client_address(facts.peer),
        arrived=facts.now,
        sender=str(facts.sender or ""),
        spf_domain=_spf_domain(facts, spf),
        dmarc=encode_auth_results(authserv_id, [one for one in results if one.method == "dmarc"]),
        results=encode_auth_results(authserv_id, results),
        delivery=_delivery(judgement),
        failed=_failed(facts, result, spf),
        dkim=_signature(facts, result),
        header=content.header[: MAX_HEADER_OCTETS + 1],
        recipients=tuple(domains | {domain_key(one) for one in domains}),
    )


def _failed(facts: Facts, result: DmarcResult, spf: SpfResult | None) -> tuple[str, ...]:
    """The methods that failed for a domain of the author (RFC 9991 4)."""
    record, failed = result.record, []
    strict_dkim, strict_spf = (record.strict_dkim, record.strict_spf) if record is not None else (False, False)
    if any(one.word in _DKIM_FAILED and result.is_aligned(one.domain, strict=strict_dkim) for one in dkim_of(facts)):
        failed.append("dkim")
    if spf is not None and spf.result in _SPF_FAILED and result.is_aligned(spf.domain, strict=strict_spf):
        failed.append("spf")
    return tuple(failed)


def _spf_domain(facts: Facts, spf: SpfResult | None) -> str:
    return normal_domain((spf.domain if spf is not None else "") or (facts.sender.domain if facts.sender else ""))


def _delivery(judgement: Judgement) -> str:
    """RFC 6591 3.2.2."""
    if judgement.action is Action.REJECT:
        return "reject"
    if judgement.action >= Action.QUARANTINE:
        return "policy"
    return "spam" if judgement.score >= judgement.junk_score else "delivered"


def _signature(facts: Facts, result: DmarcResult) -> DkimFailure | None:
    """The one that could have made it pass, if any: RFC 9991 4 wants one that failed for a domain of the author, RFC
    7489 7.3.1 one of any signed message."""

    def order(one: DkimResult) -> tuple[bool, bool]:
        return one.domain != result.domain, not result.is_aligned(one.domain)

    found = [one for one in dkim_of(facts) if one.word is not DkimWord.NONE and one.domain]
    chosen = min(found, key=order, default=None)
    return DkimFailure(chosen.domain, chosen.identity, chosen.selector) if chosen is not None else None
