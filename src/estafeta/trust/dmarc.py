"""DMARC (RFC 7489; `np`, `psd`, `t` and the tree walk of RFC 9989): does a domain stand behind the mail in its name?

In: the domains of From, what SPF and DKIM found, and somebody to ask DNS. Out: the result, what the domain wants done
with such mail, and the reason in words. What is done in fact is decided elsewhere.

Where From has several domains each is evaluated, and the worst counts (RFC 7489 6.6.1).
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from estafeta.trust.dmarcauthors import normal_domain
from estafeta.trust.dmarcdiscovery import Discovery, Finder, Found, LookupFailedError
from estafeta.trust.dmarcrecord import DmarcRecord, Policy, RecordError, ReportUri
from estafeta.trust.lookups import Lookups

MAX_AUTHOR_DOMAINS = 5
"""Each costs lookups, and no letter has authors of so many organizations."""
MAX_SIGNATURES = 20
"""Of results of DKIM that are looked at; whoever verifies has a lower limit."""


class DmarcOutcome(StrEnum):
    """RFC 7489 11.2. NONE: the domain has no policy. TEMPERROR: DNS failed. PERMERROR: there is nothing to go by."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Override(StrEnum):
    """Why less is asked for than the policy says, in the words of aggregate reports."""

    NONE = ""
    SAMPLED_OUT = "sampled_out"
    TEST_MODE = "policy_test_mode"


class Authenticated(NamedTuple):
    """What SPF (of MAIL FROM, or of HELO where that is empty) or one DKIM signature came to: the word of RFC 8601 for
    it, and the domain (`d=`)."""

    result: str
    domain: str


class DmarcResult(NamedTuple):
    """`domain`: the author's domain that decided, `organization` the domain that it belongs to. `policy`: what is
    published for such mail; `apply`: what is asked for of this message: none where it passes, and after sampling.
    `policy_domain`: whose `record` it is, "" for none. `reason`: a phrase for people, without a full stop."""

    outcome: DmarcOutcome
    reason: str
    domain: str = ""
    organization: str = ""
    policy: Policy = Policy.NONE
    apply: Policy = Policy.NONE
    override: Override = Override.NONE
    spf_aligned: bool = False
    dkim_aligned: bool = False
    policy_domain: str = ""
    record: DmarcRecord | None = None
    discovery: Discovery = Discovery.PSL

    def is_aligned(self, domain: str, *, strict: bool = False) -> bool:
        """Whether a domain that a signature or SPF is about is the author's, or of its organization (RFC 7489 3.1)."""
        if domain == self.domain:
            return bool(domain)
        within = domain == self.organization or domain.endswith(f".{self.organization}")
        return within and bool(self.organization) and not strict

    @property
    def rua(self) -> tuple[ReportUri, ...]:
        """Where aggregate reports are wanted; those of other organizations are to be asked first (`dmarcreceivers`)."""
        return self.record.rua if self.record else ()

    @property
    def ruf(self) -> tuple[ReportUri, ...]:
        """Where failure reports are wanted, likewise."""
        return self.record.ruf if self.record else ()


async def evaluate(
    from_domains: Iterable[str],
    spf: tuple[str, str],
    dkim: Sequence[tuple[str, str]],
    resolver: Lookups,
    *,
    draw: Callable[[], float],
    discovery: Discovery = Discovery.PSL,
) -> DmarcResult:
    """Evaluate a message. `from_domains` as `dmarcauthors.author_domains` gives them; `spf` and each of `dkim` are
    results with their domains; `draw` gives a number from 0 to below 1 for sampling (RFC 7489 6.6.4). Never raises."""
    domains = list(dict.fromkeys(filter(None, map(normal_domain, from_domains))))
    if not domains:
        return DmarcResult(DmarcOutcome.PERMERROR, "From has no domain", discovery=discovery)
    if len(domains) > MAX_AUTHOR_DOMAINS:
        # RFC 7489 6.6.1 has such mail typically rejected; lists of authors do exist, so that is not for us to say.
        return DmarcResult(
            DmarcOutcome.PERMERROR,
            f"From has authors of more than {MAX_AUTHOR_DOMAINS} domains",
            domains[0],
            apply=Policy.QUARANTINE,
            discovery=discovery,
        )
    finder = Finder(resolver, discovery)
    signatures = [Authenticated(*one) for one in dkim[:MAX_SIGNATURES]]
    evaluation = _Evaluation(finder, Authenticated(*spf), signatures, draw, discovery)
    results = [await evaluation.of_domain(domain) for domain in domains]
    return max(results, key=_severity)


_POLICIES = list(Policy)
_OUTCOMES = [DmarcOutcome.PASS, DmarcOutcome.NONE, DmarcOutcome.PERMERROR, DmarcOutcome.TEMPERROR, DmarcOutcome.FAIL]


def _severity(result: DmarcResult) -> tuple[int, int]:
    return _POLICIES.index(result.apply), _OUTCOMES.index(result.outcome)


class _Alignment(NamedTuple):
    """`unknown`: an identifier that would count could not be checked for now."""

    spf: bool
    dkim: bool
    unknown: bool


class _Evaluation(NamedTuple):
    finder: Finder
    spf: Authenticated
    dkim: Sequence[Authenticated]
    draw: Callable[[], float]
    discovery: Discovery

    async def of_domain(self, domain: str) -> DmarcResult:
        try:
            found = await self.finder.policy(domain)
            organization = await self.finder.organization(domain)
            if found is None:
                reason = f"{domain} has no DMARC policy"
                return DmarcResult(DmarcOutcome.NONE, reason, domain, organization, discovery=self.discovery)
            return await self._with_policy(domain, organization, found)
        except LookupFailedError as error:
            return DmarcResult(DmarcOutcome.TEMPERROR, str(error), domain, discovery=self.discovery)
        except RecordError as error:
            reason = f"the policy of {domain} cannot be used: {error}"
            return DmarcResult(DmarcOutcome.PERMERROR, reason, domain, discovery=self.discovery)

    async def _with_policy(self, domain: str, organization: str, found: Found) -> DmarcResult:
        record = found.record
        alignment = await self._align(domain, organization, record)
        policy = await self._published(domain, found)
        outcome, reason = self._outcome(domain, alignment, policy)
        apply, override = Policy.NONE, Override.NONE
        if outcome is DmarcOutcome.FAIL:
            apply, override = self._sample(policy, record)
        if override is Override.TEST_MODE:
            reason += ", but only tests that"
        elif override is Override.SAMPLED_OUT:
            reason += f" for {record.percent} % of such mail, and this one is not among it"
        return DmarcResult(
            outcome,
            reason,
            domain,
            organization,
            policy,
            apply,
            override,
            alignment.spf,
            alignment.dkim,
            found.domain,
            record,
            self.discovery,
        )

    async def _published(self, domain: str, found: Found) -> Policy:
        if found.domain == domain:
            return found.record.p
        exists = found.record.np is None or await self.finder.exists(domain)
        return found.record.for_subdomain(exists)

    async def _align(self, domain: str, organization: str, record: DmarcRecord) -> _Alignment:
        spf, unknown = await self._aligned([self.spf], domain, organization, record.strict_spf)
        dkim, unknown_dkim = await self._aligned(self.dkim, domain, organization, record.strict_dkim)
        return _Alignment(spf, dkim, unknown or unknown_dkim)

    async def _aligned(
        self, identifiers: Sequence[Authenticated], domain: str, organization: str, strict: bool
    ) -> tuple[bool, bool]:
        """Whether one that passes is aligned (RFC 7489 3.1), and whether one that may pass later would be."""
        unknown = False
        # Those that pass first: what they show needs no question about others.
        for result, name in sorted(identifiers, key=_is_no_pass):
            if result not in ("pass", "temperror"):
                continue
            name = normal_domain(name)
            try:
                aligned = name == domain or (
                    not strict and bool(name) and await self.finder.organization(name) == organization
                )
            except LookupFailedError:
                unknown = True
                continue
            if aligned and result == "pass":
                return True, unknown
            unknown = unknown or aligned
        return False, unknown

    def _outcome(self, domain: str, alignment: _Alignment, policy: Policy) -> tuple[DmarcOutcome, str]:
        if alignment.spf or alignment.dkim:
            by = " and ".join(name for name, yes in (("SPF", alignment.spf), ("DKIM", alignment.dkim)) if yes)
            return DmarcOutcome.PASS, f"{by} passed for {domain}"
        if alignment.unknown:
            # RFC 7489 6.6.2: a failure that may be temporary is no ground for the policy.
            return DmarcOutcome.TEMPERROR, f"SPF or DKIM of {domain} could not be checked for now"
        return DmarcOutcome.FAIL, f"{self._explain(domain)}; {_wish(domain, policy)}"

    def _explain(self, domain: str) -> str:
        return f"neither SPF ({_spf_words(self.spf)}) nor DKIM ({_dkim_words(self.dkim)}) speaks for {domain}"

    def _sample(self, policy: Policy, record: DmarcRecord) -> tuple[Policy, Override]:
        if policy is Policy.NONE:
            return policy, Override.NONE
        lower = _POLICIES[_POLICIES.index(policy) - 1]
        if record.testing:
            # RFC 9989 4.7 and A.6: as pct=0 was.
            return lower, Override.TEST_MODE
        if record.percent < 100 and self.draw() * 100 >= record.percent:
            # RFC 7489 6.6.4: what is left out gets the next lower policy.
            return lower, Override.SAMPLED_OUT
        return policy, Override.NONE


def _is_no_pass(one: Authenticated) -> bool:
    return one.result != "pass"


def _wish(domain: str, policy: Policy) -> str:
    if policy is Policy.NONE:
        return f"{domain} asks for nothing to be done"
    return f"{domain} asks to {policy} it"


def _spf_words(spf: Authenticated) -> str:
    return f"{spf.result} for {normal_domain(spf.domain) or 'no domain'}"


def _dkim_words(dkim: Sequence[Authenticated]) -> str:
    passed = list(dict.fromkeys(normal_domain(one.domain) for one in dkim if one.result == "pass"))
    if passed:
        return "pass for " + ", ".join(passed[:3])
    return f"{dkim[0].result} for {normal_domain(dkim[0].domain) or 'no domain'}" if dkim else "not signed"
