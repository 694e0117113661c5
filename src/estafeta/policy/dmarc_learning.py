"""From what checks found of a message to the facts that are counted for reports on DMARC (RFC 7489 7.2).

Not counted: what is put off (it comes again), and reports that come to us. Two domains that report on each other's
reports would do so every day for ever.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_source import SettingsSource
from estafeta.mail.address import domain_key
from estafeta.policy.authentication import dkim_of, dmarc_of, spf_of, trusted_sealer
from estafeta.policy.dmarc_counts import DmarcCounts
from estafeta.policy.dmarc_values import MAX_NAME, DmarcFacts, Signature
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner
from estafeta.policy.verdict import Action
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.dmarcrecord import Policy

# Of one message. RFC 9990 allows a hundred; a sender with ten has said enough.
_MAX_SIGNATURES = 10
_MAX_SELECTOR = 63


def counting(counts: DmarcCounts, settings: SettingsSource) -> Learner:
    """The learner that counts what came from strangers."""

    def judged(facts: Facts, judgement: Judgement) -> None:
        result = dmarc_of(facts)
        if result is None or not counts.wants(result) or judgement.action is Action.DEFER:
            return
        if client_address(facts.peer) and not _is_report(facts, result, settings.current):
            counts.note(result, dmarc_facts(facts, result, judgement, settings.current))

    return Learner(judged)


def dmarc_facts(facts: Facts, result: DmarcResult, judgement: Judgement, settings: Settings) -> DmarcFacts:
    """How the message went."""
    disposition = _disposition(judgement)
    override, comment = _override(facts, result, disposition, settings)
    spf = spf_of(facts)
    sender = "" if facts.sender is None else domain_key(facts.sender.domain)
    return DmarcFacts(
        source_ip=client_address(facts.peer),
        disposition=disposition,
        dkim=result.dkim_aligned,
        spf=result.spf_aligned,
        header_from=result.domain[:MAX_NAME],
        envelope_from=sender[:MAX_NAME],
        spf_domain=((spf.domain if spf is not None else "") or sender or facts.helo)[:MAX_NAME],
        spf_result=str(spf.result) if spf is not None else "none",
        spf_scope="mfrom" if sender else "helo",
        override=override,
        comment=comment[:MAX_NAME],
        signatures=_chosen(dkim_of(facts), result),
    )


def _disposition(judgement: Judgement) -> str:
    """What was done because of DMARC, whatever others said of the message."""
    for verdict in judgement.verdicts:
        if verdict.check == "dmarc":
            if verdict.action is Action.REJECT:
                return Policy.REJECT
            if verdict.tag == "dmarc-quarantine":
                return Policy.QUARANTINE
    return Policy.NONE


def _override(facts: Facts, result: DmarcResult, disposition: str, settings: Settings) -> tuple[str, str]:
    """Why less was done than the policy asks for, and a comment (RFC 7489 appendix C PolicyOverrideType)."""
    if disposition == result.apply:
        return str(result.override), ""
    if sealer := trusted_sealer(facts, settings):
        return "trusted_forwarder", f"ARC chain of {sealer}"
    return "local_policy", ""


def _chosen(found: Sequence[DkimResult], result: DmarcResult) -> tuple[Signature, ...]:
    """RFC 9990 3.1.3: those that pass before others, and of these the nearest to the author."""

    def order(one: Signature) -> tuple[bool, bool, bool]:
        return one.result != "pass", one.domain != result.domain, not result.is_aligned(one.domain)

    signatures = [
        Signature(one.domain[:MAX_NAME], one.selector[:_MAX_SELECTOR], str(one.word))
        for one in found
        if one.word is not DkimWord.NONE and one.domain
    ]
    return tuple(sorted(signatures, key=order)[:_MAX_SIGNATURES])


def _is_report(facts: Facts, result: DmarcResult, settings: Settings) -> bool:
    """Whether it is a report, or is for the address that takes them. The subject of a report (RFC 7489 7.2.1.1) counts
    only where DMARC passed: else forgeries could hide behind it."""
    if is_only_for(facts, settings.dmarc.reports_address):
        return True
    if result.outcome is not DmarcOutcome.PASS or facts.content is None:
        return False
    subjects: Iterable[bytes] = facts.content.fields.raw("subject")
    return any(subject.strip().lower().startswith(b"report domain:") for subject in subjects)


def is_only_for(facts: Facts, address: str) -> bool:
    """Whether this address is its only recipient."""
    recipients = {str(one).lower() for one, _ in facts.recipients}
    return bool(address) and recipients == {address.lower()}


def client_address(peer: str) -> str:
    """The client's address, without the zone of a link; "" for a Unix socket."""
    try:
        return str(ipaddress.ip_address(peer.partition("%")[0]))
    except ValueError:
        return ""
