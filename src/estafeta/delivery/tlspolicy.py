"""How much TLS mail to a host must have: the operator's rules, then DANE, then MTA-STS, then the general setting.

    rules       delivery.tls_rules, the first that matches the next hop's name or the host's
    DANE        the MX and address records are secure, and so are TLSA records (RFC 7672); goes before MTA-STS, which
                must not override it (RFC 8461 2)
    MTA-STS     enforce: hosts that the policy names, certificates that the CAs vouch for; testing: reports only
    setting     delivery.tls_level

A message may ask for more (REQUIRETLS) or for less (TLS-Required: No), RFC 8689.
"""

from dataclasses import dataclass

from estafeta.core.errors import EstafetaError
from estafeta.delivery.stspolicies import StsPolicies
from estafeta.delivery.tlscontexts import TlsContexts
from estafeta.delivery.tlsdemand import Level, TlsDemand, TlsNeed, TlsRefusal, missing_starttls
from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.dns.values import DnsStatus, Resolver, Tlsa
from estafeta.mailboxes.service import Submit
from estafeta.routing.values import HopKind, NextHop
from estafeta.storage.database import Database
from estafeta.trust.dane import usable
from estafeta.trust.mtasts import Mode, StsPolicy
from estafeta.trust.results import AppliedPolicy, PolicyKind, ResultType, TlsFailure
from estafeta.trust.tlsrules import TlsRule, find_rule, parse_tls_rule

# How long a host whose handshake failed is not asked for TLS again, where TLS was only a wish.
_CLEAR_SECONDS = 3600
_MAX_CLEAR = 10_000
_SMTP_PORT = 25
# RFC 3463 3.8: X.7.5 cryptographic failure. RFC 8689 6: X.7.30 REQUIRETLS support required.
_FAILED = "4.7.5"
_NOT_OFFERED = "5.7.30"


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """What holds for all hosts of a next hop. `failure`: a policy was announced and could not be had. `refusal`:
    nothing can be said now, so nothing is sent now."""

    hop: NextHop
    sts: StsPolicy | None = None
    failure: TlsFailure | None = None
    refusal: TlsRefusal | None = None


class TlsPolicies:
    """Decides. One for each worker; `close` ends its threads."""

    def __init__(
        self,
        database: Database,
        submit: Submit,
        resolver: Resolver,
        settings: SettingsSource,
        clock: Clock,
        contexts: TlsContexts,
    ) -> None:
        self._resolver = resolver
        self._settings = settings
        self._clock = clock
        self._sts = StsPolicies(database, submit, resolver, contexts, clock, self._https_port)
        self._lines: tuple[str, ...] = ()
        self._rules: tuple[TlsRule, ...] = ()
        self._clear: dict[str, tuple[float, str]] = {}

    async def find(self, hop: NextHop) -> DestinationPolicy:
        """What holds for a next hop. Never raises. Rarely it takes up to 35 seconds: a policy is fetched."""
        rule = find_rule(self._current_rules(), hop.name)
        wanted = self._settings.current.delivery.mta_sts and hop.kind is HopKind.MX
        if not wanted or (rule is not None and rule.level is not None):
            return DestinationPolicy(hop)
        try:
            answer = await self._sts.find(hop.name)
        except EstafetaError as error:
            text = f"the MTA-STS policy of {hop.name} cannot be looked up now: {error.public.rstrip('.')}"
            return DestinationPolicy(hop, refusal=TlsRefusal(False, "4.3.0", text))
        return DestinationPolicy(hop, answer.policy, answer.failure)

    async def demand(
        self, policy: DestinationPolicy, host: str, port: int, *, secure: bool, need: TlsNeed = TlsNeed.USUAL
    ) -> TlsDemand | TlsRefusal:
        """What a connection to `host` must have, or why it must not be used.

        `secure`: DNSSEC vouches for the host's name (MX) and addresses. `port` 0 is the usual one."""
        if policy.refusal is not None:
            return policy.refusal
        found = await self._usual(policy, host, port, secure, need)
        if need is TlsNeed.REQUIRED and isinstance(found, TlsDemand):
            found = _required(found, policy, host, secure)
        return found if isinstance(found, TlsRefusal) else self._remembered(found, host)

    def handshake_failed(self, demand: TlsDemand, host: str, words: str) -> None:
        """Where TLS is only a wish, the host gets clear text for an hour.

        A server that just does not offer STARTTLS may offer it the next time."""
        if demand.level is not Level.MAY or demand.testing or words == missing_starttls(demand).words:
            return
        if len(self._clear) >= _MAX_CLEAR:
            self._clear.clear()
        self._clear[host] = (self._clock() + _CLEAR_SECONDS, words)

    async def refresh(self) -> int:
        """Fetch policies again that are about to expire (RFC 8461 10.2). For an hourly job; how many were fetched."""
        return await self._sts.refresh() if self._settings.current.delivery.mta_sts else 0

    def close(self) -> None:
        """End what is under way."""
        self._sts.close()

    async def _usual(
        self, policy: DestinationPolicy, host: str, port: int, secure: bool, need: TlsNeed
    ) -> TlsDemand | TlsRefusal:
        rule = find_rule(self._current_rules(), policy.hop.name, host)
        if rule is not None and rule.level is not None:
            return _by_rule(rule, policy, host)
        if need is TlsNeed.OPTIONAL:
            # RFC 8689 3: policies of the other side are not obeyed.
            found: TlsDemand | TlsRefusal = TlsDemand(Level.MAY, (host,), (), "TLS-Required: No", _no_policy(policy))
        else:
            found = await self._by_dane(policy, host, port, secure) or self._by_sts(policy, host)
        if rule is not None and isinstance(found, TlsDemand):
            found = found._replace(ca_file=rule.ca, certificate=rule.cert)
        return found

    async def _by_dane(
        self, policy: DestinationPolicy, host: str, port: int, secure: bool
    ) -> TlsDemand | TlsRefusal | None:
        settings = self._settings.current
        if not (secure and settings.delivery.dane and settings.dns.validating):
            return None
        for base in await self._bases(host):
            answer = await self._resolver.tlsa(f"_{port or _SMTP_PORT}._tcp.{base}")
            if answer.status is DnsStatus.FAILED:
                # RFC 7672 2.1.3: whoever cannot tell whether there are records must not send.
                text = f"TLSA records of {base} cannot be looked up: {answer.reason or 'no answer'}"
                applied = AppliedPolicy(PolicyKind.TLSA, policy.hop.name)
                return TlsRefusal(False, _FAILED, text, TlsFailure(ResultType.DNSSEC_INVALID, text), applied, dns=True)
            if answer.status is DnsStatus.OK and answer.secure:
                return _dane(policy, base, answer.records)
        return None

    async def _bases(self, host: str) -> list[str]:
        """RFC 7672 2.2.2: the name behind a CNAME first, then the host's own."""
        for answer in (await self._resolver.ipv4(host), await self._resolver.ipv6(host)):
            if answer.status is DnsStatus.OK and answer.secure and answer.name not in ("", host):
                return [answer.name, host]
        return [host]

    def _by_sts(self, policy: DestinationPolicy, host: str) -> TlsDemand | TlsRefusal:
        sts = policy.sts
        if sts is None:
            return self._by_setting(policy, host)
        source, applied = f"the MTA-STS policy of {policy.hop.name}", _sts_policy(policy, sts)
        failure = None
        if not sts.allows(host):
            words = f"{source} does not name the host {host}"
            failure = TlsFailure(ResultType.VALIDATION_FAILURE, words, "mx-mismatch")
        if sts.mode is Mode.ENFORCE:
            if failure is not None:
                return TlsRefusal(False, _FAILED, failure.words, failure, applied)
            return TlsDemand(Level.VERIFY, (host,), (), source, applied)
        usual = self._by_setting(policy, host)._replace(policy=applied, known=failure)
        if usual.level not in (Level.NONE, Level.MAY) or failure is not None:
            return usual
        return usual._replace(level=Level.MAY, source=f"{source}, which is being tested", testing=True)

    def _by_setting(self, policy: DestinationPolicy, host: str) -> TlsDemand:
        level = Level(str(self._settings.current.delivery.tls_level))
        if policy.hop.name.startswith("/"):
            # A Unix socket.
            return TlsDemand(Level.NONE)
        applied = _no_policy(policy)
        if policy.failure is not None:
            applied = AppliedPolicy(PolicyKind.STS, policy.hop.name)
        return TlsDemand(level, (host,), (), "the setting delivery.tls_level", applied, known=policy.failure)

    def _remembered(self, demand: TlsDemand, host: str) -> TlsDemand:
        """Clear text for a host whose handshake failed a short time ago, if it may be."""
        if demand.level is not Level.MAY or demand.testing or host not in self._clear:
            return demand
        until, words = self._clear[host]
        if self._clock() >= until:
            del self._clear[host]
            return demand
        return demand.fall_back(words) or demand

    def _https_port(self) -> int:
        return self._settings.current.delivery.https_port

    def _current_rules(self) -> tuple[TlsRule, ...]:
        lines = self._settings.current.delivery.tls_rules
        if lines is not self._lines:
            self._rules, self._lines = tuple(map(parse_tls_rule, lines)), lines
        return self._rules


def _by_rule(rule: TlsRule, policy: DestinationPolicy, host: str) -> TlsDemand:
    source = f"the TLS rule for {rule.pattern}"
    names = (rule.name or host,)
    return TlsDemand(
        rule.level or Level.MAY, names, (), source, _no_policy(policy), ca_file=rule.ca, certificate=rule.cert
    )


def _dane(policy: DestinationPolicy, base: str, records: tuple[Tlsa, ...]) -> TlsDemand:
    """RFC 7672 2.2: secure records that are all unusable still demand TLS."""
    lines = tuple(f"{one.usage} {one.selector} {one.matching} {one.data.hex()}" for one in records)
    applied = AppliedPolicy(PolicyKind.TLSA, policy.hop.name, lines)
    good = usable(records)
    source = f"the TLSA records of {base}"
    # RFC 7672 3.2.2: the TLSA base domain, which is also the SNI, and the next hop's own name.
    names = tuple(dict.fromkeys((base, policy.hop.name)))
    if good:
        return TlsDemand(Level.DANE, names, good, source, applied)
    known = TlsFailure(ResultType.TLSA_INVALID, f"none of {source} can be used")
    return TlsDemand(Level.ENCRYPT, names, (), source, applied, known=known)


def _required(demand: TlsDemand, policy: DestinationPolicy, host: str, secure: bool) -> TlsDemand | TlsRefusal:
    """RFC 8689 4.2.1: the host's name must be sure (DNSSEC, MTA-STS, or because we were told), and its certificate."""
    if demand.level is Level.DANE:
        return demand._replace(require_tls=True)
    named = policy.sts is not None and policy.sts.allows(host)
    told = policy.hop.kind is not HopKind.MX or (demand.names and demand.names[0] != host)
    if not (named or secure or told):
        text = (
            f"the message asks for REQUIRETLS, and neither DNSSEC nor MTA-STS says that {host} is the right host for"
            f" {policy.hop.name}"
        )
        return TlsRefusal(True, _NOT_OFFERED, text)
    names = demand.names[:1] or (host,)
    return demand._replace(level=Level.VERIFY, names=names, testing=False, known=None, require_tls=True)


def _sts_policy(policy: DestinationPolicy, sts: StsPolicy) -> AppliedPolicy:
    return AppliedPolicy(PolicyKind.STS, policy.hop.name, sts.lines, sts.mx)


def _no_policy(policy: DestinationPolicy) -> AppliedPolicy:
    return AppliedPolicy(PolicyKind.NONE, policy.hop.name)
