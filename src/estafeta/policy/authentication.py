"""Who sent it, as far as that can be proved: the client's name, SPF, DKIM, ARC and DMARC as checks.

Each leaves its result in `Facts.found` under its name. Only DMARC refuses anything, and only as far as the domain of
the author asks for it and `dmarc.obey` lets it; the others give points to what is wrong.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar, cast

from estafeta.directory.settings_dmarc import DmarcObedience
from estafeta.directory.settings_model import Settings
from estafeta.policy.checks import Check, Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.points import points_of
from estafeta.policy.verdict import Verdict, passed, rejected, scored
from estafeta.trust import arc, dkim, dmarc
from estafeta.trust.arc import ArcResult, ChainStatus
from estafeta.trust.authresults import MethodResult, parse_auth_results
from estafeta.trust.canonical import BodyDigest, BodyKey, hash_bodies
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.dkimkeys import KeyCache
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.dmarcauthors import author_domains, normal_domain
from estafeta.trust.dmarcrecord import Policy
from estafeta.trust.fields import Fields as SignedFields
from estafeta.trust.iprev import ClientName, IprevStatus, find_client_name
from estafeta.trust.lookups import Lookups
from estafeta.trust.spf import SpfResult, check_host

# What is larger is read and hashed in a thread: 64 KiB take 0.2 ms.
_INLINE_BYTES = 64 << 10
# Longer chains as well: two signatures for each set, of up to 0.1 ms.
_INLINE_SETS = 5
#: Points, unless spam.points_rules says otherwise.
POINTS = {
    "spf-fail": 2.5,
    "spf-softfail": 0.8,
    "spf-permerror": 0.5,
    "spf-none": 0.3,
    "dkim-invalid": 0.5,
    "dmarc-fail": 1.5,
}

Draw = Callable[[], float]
Found = TypeVar("Found")
Wanted = Callable[[Facts, Settings], bool]


def checks(
    resolver: Lookups,
    hostname: str,
    draw: Draw = random.random,
    *,
    name_wanted: Wanted = lambda facts, settings: True,
) -> tuple[Check, ...]:
    """The five, in their order. `draw` as of `dmarc.evaluate`; `name_wanted`: whether a client's name is looked up."""
    keys = KeyCache()
    return (
        Check("client-name", Stage.CONNECT, "the name of the client, confirmed both ways (iprev)", judge_name,
              partial(_find_client_name, resolver, name_wanted), light=True),
        Check("spf", Stage.MAIL, "SPF of the sender's domain, or of HELO (RFC 7208)", judge_spf,
              partial(_find_spf, resolver, hostname), light=True),
        Check("dkim", Stage.HEADERS, "DKIM signatures (RFC 6376)", judge_dkim, partial(_find_dkim, resolver, keys),
              light=True),
        Check("arc", Stage.HEADERS, "ARC: what earlier servers found, sealed (RFC 8617)", judge_arc,
              partial(_find_arc, resolver, keys), light=True),
        Check("dmarc", Stage.CONTENT, "DMARC: what the author's domain wants done (RFC 7489)", judge_dmarc,
              partial(find_dmarc, resolver, draw), on=lambda settings: settings.dmarc.check, light=True),
    )  # fmt: skip


def spf_of(facts: Facts) -> SpfResult | None:
    """The result of SPF, when there is one."""
    found = facts.found.get("spf")
    return found if isinstance(found, SpfResult) else None


def dkim_of(facts: Facts) -> Sequence[DkimResult]:
    """The results of DKIM, one for each signature."""
    found = facts.found.get("dkim")
    return cast("Sequence[DkimResult]", found) if isinstance(found, list) else ()


def arc_of(facts: Facts) -> ArcResult | None:
    """The result of ARC, when there is one."""
    found = facts.found.get("arc")
    return found if isinstance(found, ArcResult) else None


def dmarc_of(facts: Facts) -> DmarcResult | None:
    """The result of DMARC, when there is one."""
    found = facts.found.get("dmarc")
    return found if isinstance(found, DmarcResult) else None


def name_of(facts: Facts) -> ClientName | None:
    """The client's name, when it was looked up."""
    found = facts.found.get("client-name")
    return found if isinstance(found, ClientName) else None


# Lookups


async def _find_client_name(resolver: Lookups, wanted: Wanted, facts: Facts, settings: Settings) -> ClientName | None:
    return await find_client_name(facts.peer, resolver) if wanted(facts, settings) else None


async def _find_spf(resolver: Lookups, hostname: str, facts: Facts, settings: Settings) -> SpfResult:
    # RFC 7208 2.4: with a null reverse-path it is postmaster of the HELO name that sends.
    domain = facts.helo if facts.sender is None else facts.sender.domain
    sender = "" if facts.sender is None else f"{facts.sender.local}@{facts.sender.domain}"
    return await check_host(facts.peer, domain, sender or domain, helo=facts.helo, resolver=resolver, own_host=hostname)


async def _find_dkim(resolver: Lookups, keys: KeyCache, facts: Facts, settings: Settings) -> list[DkimResult]:
    content = _content(facts)
    case = await dkim.prepare(await _signed_fields(facts, content), resolver, now=facts.now, keys=keys)
    return await _hashed(content, case.bodies, partial(dkim.judge, case))


async def _find_arc(resolver: Lookups, keys: KeyCache, facts: Facts, settings: Settings) -> ArcResult:
    content = _content(facts)
    if "arc-seal" not in content.fields:
        return ArcResult(ChainStatus.NONE)
    case = await arc.prepare(await _signed_fields(facts, content), resolver, keys=keys)
    return await _hashed(content, case.bodies, partial(arc.judge, case), aside=len(case.links) > _INLINE_SETS)


async def _hashed(
    content: Content,
    bodies: frozenset[BodyKey],
    judge: Callable[[Mapping[BodyKey, BodyDigest]], Found],
    *,
    aside: bool = False,
) -> Found:
    """What comes of it, in a thread where there is much to do."""

    def work() -> Found:
        return judge(hash_bodies(bodies, content.pieces()))

    return await asyncio.to_thread(work) if aside or content.size > _INLINE_BYTES else work()


async def find_dmarc(resolver: Lookups, draw: Draw, facts: Facts, settings: Settings) -> DmarcResult:
    """Evaluate DMARC from what SPF and DKIM found."""
    spf, authors = spf_of(facts), _content(facts).fields.raw("from")
    large = sum(map(len, authors)) > _INLINE_BYTES
    read = await asyncio.to_thread(author_domains, authors) if large else author_domains(authors)
    return await dmarc.evaluate(
        read.domains,
        (str(spf.result), spf.domain) if spf is not None else ("none", ""),
        [(str(one.word), one.domain) for one in dkim_of(facts)],
        resolver,
        draw=draw,
        discovery=settings.dmarc.discovery,
    )


def _content(facts: Facts) -> Content:
    assert facts.content is not None
    return facts.content


async def _signed_fields(facts: Facts, content: Content) -> SignedFields:
    """Read once for both: DKIM and ARC sign the same fields."""
    found = facts.found.get("signed-fields")
    if not isinstance(found, tuple) or found[0] is not content:
        header = content.header
        large = len(header) > _INLINE_BYTES
        fields = await asyncio.to_thread(SignedFields, header) if large else SignedFields(header)
        found = facts.found["signed-fields"] = (content, fields)
    return cast("SignedFields", found[1])


# Verdicts


def judge_name(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """No points: what a missing name is worth is for the checks of spam to say."""
    name = name_of(facts)
    if name is None or name.result is not IprevStatus.PASS:
        return ()
    return (passed(f"the client is {name.name}"),)


def judge_spf(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Points for a sender whose domain does not let this client send."""
    spf = spf_of(facts)
    if spf is None:
        return ()
    words = f"SPF {spf.result} of {spf.domain or 'no domain'}"
    if spf.problem or spf.explanation:
        words += f": {spf.problem or f'it says {spf.explanation!r}'}"
    points = points_of(f"spf-{spf.result}", POINTS.get(f"spf-{spf.result}", 0.0), settings)
    return (scored(points, words, f"spf-{spf.result}"),) if points else (passed(words),)


def judge_dkim(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Points only where there are signatures and none is right: a mailing list does no worse."""
    results = [one for one in dkim_of(facts) if one.word is not DkimWord.NONE]
    if not results:
        return ()
    right = [one for one in results if one.word is DkimWord.PASS]
    if right:
        return (passed(f"DKIM pass of {', '.join(dict.fromkeys(one.domain for one in right))}"),)
    first = results[0]
    words = f"DKIM {first.word} of {first.domain or 'a domain that cannot be read'}: {first.reason}"
    # RFC 6376 3.6.1 t=y: a signer who is still testing does no worse than one who does not sign.
    if first.word is DkimWord.TEMPERROR or first.testing:
        return (passed(words),)
    points = points_of("dkim-invalid", POINTS["dkim-invalid"], settings)
    return (scored(points, words, "dkim-invalid"),)


def judge_arc(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Nothing is gained by a chain: anybody can seal. Whom to believe is for `dmarc.trusted_sealers`."""
    result = arc_of(facts)
    if result is None or result.status is ChainStatus.NONE:
        return ()
    sealers = ", ".join(one.domain for one in result.sets)
    return (passed(f"ARC {result.status}{f', sealed by {sealers}' if sealers else ''}"),)


def judge_dmarc(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """What the author's domain asks for, as far as it is obeyed."""
    result = dmarc_of(facts)
    if result is None:
        return ()
    words = f"DMARC {result.outcome}: {result.reason}"
    if result.apply is Policy.NONE:
        points = points_of("dmarc-fail", POINTS["dmarc-fail"], settings) if result.outcome is DmarcOutcome.FAIL else 0.0
        return (scored(points, words, "dmarc-fail"),) if points else (passed(words),)
    if sealer := trusted_sealer(facts, settings):
        return (passed(f"{words}; {sealer}, whose seals are believed here, found that it passed"),)
    obey = settings.dmarc.obey
    if obey is DmarcObedience.MARK:
        return (passed(words),)
    if result.apply is Policy.REJECT and obey is DmarcObedience.REJECT:
        text = f"{result.policy_domain or result.domain} does not want mail in its name from where this came (DMARC)"
        return (rejected(text, words, 550, "5.7.26"),)  # RFC 7372 3.3
    return (scored(settings.policy.junk_score, words, "dmarc-quarantine"),)


def trusted_sealer(facts: Facts, settings: Settings) -> str:
    """The domain of a believed server whose seal says that DMARC passed there for this author (RFC 8617 7.2.1); "" for
    none.

    A chain holds whatever later sealers changed of the message, From included. So they must be believed as well, unless
    the message is unchanged since (RFC 8617 9: seals say who, not that it is true)."""
    result, dmarc = arc_of(facts), dmarc_of(facts)
    if result is None or result.status is not ChainStatus.PASS or dmarc is None:
        return ""
    later_believed = True
    for one in reversed(result.sets):
        if not later_believed and one.instance < result.oldest_pass:
            break
        believed = one.domain in settings.dmarc.trusted_sealers
        if believed and _says_pass(one.results, dmarc.domain):
            return one.domain
        later_believed = later_believed and believed
    return ""


def _says_pass(results: str, domain: str) -> bool:
    """Whether all that results say about DMARC is that it passed for this domain."""
    read = parse_auth_results(results.encode())
    said = [one for one in read.results if one.method == "dmarc"] if read is not None else []
    return bool(said) and all(one.result == "pass" and domain in _authors(one) for one in said)


def _authors(result: MethodResult) -> list[str]:
    return [normal_domain(value) for ptype, name, value in result.properties if (ptype, name) == ("header", "from")]
