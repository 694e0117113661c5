"""The fields that policy writes in front of a message that came in: Authentication-Results (RFC 8601) and our own."""

from collections.abc import Iterator

from estafeta.directory.model import LocalTarget
from estafeta.directory.settings_model import Settings
from estafeta.policy.authentication import arc_of, dkim_of, dmarc_of, name_of, spf_of
from estafeta.policy.bimi_check import bimi_words
from estafeta.policy.chain import Lost, who_is
from estafeta.policy.checks import Who
from estafeta.policy.facts import Facts
from estafeta.policy.forged import honest_header, own_name
from estafeta.policy.judgement import Judgement
from estafeta.policy.resultfield import encode_result
from estafeta.policy.scanners.milters import edited_header
from estafeta.trust.arc import ArcResult, ChainStatus
from estafeta.trust.authresults import MethodResult, Property, encode_auth_results
from estafeta.trust.dkim import DkimResult

# Those whose lookup may have been given up (RFC 8601 2.7): later it might have been otherwise.
_METHODS = ("spf", "dkim", "arc", "dmarc", "bimi")


def write_front(judgement: Judgement, facts: Facts, settings: Settings, hostname: str) -> Judgement:
    """With what is to be written, and without fields of others that claim to be ours (RFC 8601 5)."""
    content = facts.content
    if content is None:
        return judgement
    edited = edited_header(facts)
    header = honest_header(content.header, facts, settings, hostname) if edited is None else edited
    results = method_results(facts) if facts.found or facts.account is not None else []
    # "none" (RFC 8601 2.2) is a word about strangers: of whom nothing is asked, nothing is said.
    said = results or not facts.trusted
    front = encode_auth_results(own_name(settings, hostname), results, utf8=facts.smtputf8) if said else b""
    if who_is(facts) is Who.STRANGERS and settings.policy.result_field:
        front += encode_result(judgement, _accounts(facts), utf8=facts.smtputf8)
    forged = None if header is content.header else (header, len(content.header))
    if not front and forged is None:
        return judgement
    return judgement._replace(front=front, header=forged)


def _accounts(facts: Facts) -> Iterator[int]:
    """Whose mailboxes it goes to; who is elsewhere counts as one more, since it is told nothing of others."""
    for _, resolution in facts.recipients:
        for target in resolution.targets:
            yield target.account_id if isinstance(target, LocalTarget) else 0


def method_results(facts: Facts) -> list[MethodResult]:
    """What each method of authentication came to, with what it looked at (RFC 8601 2.7)."""
    results = []
    name = name_of(facts)
    if name is not None:
        properties = (Property("policy", "iprev", facts.peer), *_named("smtp", "client-name", name.name))
        results.append(MethodResult("iprev", str(name.result), name.problem, properties))
    if facts.account is not None:
        results.append(MethodResult("auth", "pass", properties=(Property("smtp", "auth", facts.account.address),)))
    spf = spf_of(facts)
    if spf is not None:
        said = _named("smtp", "mailfrom", str(facts.sender or "")) or _named("smtp", "helo", facts.helo)
        results.append(MethodResult("spf", str(spf.result), spf.problem, said))
    results += [_dkim(one) for one in dkim_of(facts)]
    chain = arc_of(facts)
    if chain is not None and chain.status is not ChainStatus.NONE:
        results.append(MethodResult("arc", str(chain.status), chain.reason, _arc(chain, facts.peer)))
    dmarc = dmarc_of(facts)
    if dmarc is not None:
        properties = (*_named("header", "from", dmarc.domain), *_named("policy", "dmarc", str(dmarc.policy)))
        results.append(MethodResult("dmarc", str(dmarc.outcome), dmarc.reason, properties))
    results += bimi_words(facts)
    return results + [
        MethodResult(method, "temperror", lost.reason)
        for method in _METHODS
        if isinstance(lost := facts.found.get(method), Lost)
    ]


def _arc(chain: ArcResult, peer: str) -> tuple[Property, ...]:
    """RFC 8617 10.2."""
    if chain.status is not ChainStatus.PASS:
        return ()
    return (Property("smtp", "remote-ip", peer), Property("header", "oldest-pass", str(chain.oldest_pass)))


def _dkim(one: DkimResult) -> MethodResult:
    said = (("d", one.domain), ("i", one.identity), ("s", one.selector), ("a", one.algorithm), ("b", one.mark))
    properties = tuple([Property("header", name, value) for name, value in said if value])
    return MethodResult("dkim", str(one.word), one.reason, properties)


def _named(ptype: str, name: str, value: str) -> tuple[Property, ...]:
    return (Property(ptype, name, value),) if value else ()
