"""From recipients to what is committed: deliveries here, an entry of the queue, and records of the journal.

`Planner.place` says where one recipient goes; it asks the directory's answer and the routes, both in memory. `arrange`
makes the `Acceptance` of a message whose content was scanned. `plan` does all of it for a message of our own: a notice,
a message of a list, one that was waiting. Nothing is written from here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from estafeta.core.backoff import RetryRules, parse_retry_rules
from estafeta.directory.model import ListTarget, LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_outward import JournalLevel
from estafeta.intake.conditions import PLAIN, Conditions, Message, Onward, Origin, Recipient
from estafeta.intake.deliveries import deliveries_for, sorted_out
from estafeta.intake.idents import Idents
from estafeta.intake.records import kept, reception, resolved
from estafeta.intake.sendingon import is_forwarded
from estafeta.journal.filtering import Recording
from estafeta.journal.records import Code, Record, detail
from estafeta.mail.address import Address, domain_key, parse_address
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.values import Arrival
from estafeta.policy.content import Content
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Action, Verdict, rejected
from estafeta.queue.values import Acceptance, EntryFlag, Hold, Lane, NewEntry, NewRecipient
from estafeta.routing.rewriting import Rewriter, build_rewriter
from estafeta.routing.route import read_percent, route
from estafeta.routing.table import RouteTable
from estafeta.routing.values import HERE, HopKind, NextHop, Route
from estafeta.trust.requiretls import tls_not_required

# The header of a message of our own is in its first octets, or it is cut there.
_HEAD_BYTES = 256 << 10
_DAY_MS = 86_400_000

_NO_WAY_OUT = rejected(
    "This server does not send mail to other servers; use an address of its own domains", "outward", 550, "5.3.2"
)

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Policies:
    """What the settings say, made ready."""

    retry: RetryRules
    warn_ms: int
    journal: JournalLevel
    subjects: bool
    outward: bool
    join: bool
    recording: Recording
    hold_ms: int

    @classmethod
    def of(cls, settings: Settings) -> "Policies":
        """From the settings of the site."""
        queue = settings.queue
        return cls(
            parse_retry_rules(queue.retry_rules),
            queue.warn_after_seconds * 1000,
            settings.journal.level,
            settings.journal.subjects,
            settings.routing.outward,
            settings.split.join,
            Recording(settings.journal.level, settings.journal.subjects),
            settings.quarantine.keep_days * _DAY_MS,
        )


class Planner:
    """Makes plans for one worker. `resolve` asks the directory (it may wait for the database)."""

    def __init__(
        self,
        settings: Settings,
        routes: RouteTable,
        hostname: str,
        resolve: Callable[[Address], Resolution],
        idents: Idents,
        clock: Clock = time.time,
    ) -> None:
        self._hostname = hostname
        self._resolve = resolve
        self._idents = idents
        self._clock = clock
        self.use(settings, routes)

    def use(self, settings: Settings, routes: RouteTable) -> None:
        """Take new settings."""
        self.policies = Policies.of(settings)
        self.rewriter: Rewriter = build_rewriter(
            settings.rewrite, qualify_domain=settings.local.qualify_domain, host_name=self._hostname
        )
        self.routes = routes

    # Where a recipient goes

    def place(self, address: Address, resolution: Resolution, sender: Address | None) -> Recipient | Verdict:
        """The mailboxes and next hops of a recipient that policy accepted, or why routing refuses it."""
        here = [target for target in resolution.targets if isinstance(target, LocalTarget)]
        if len(here) == len(resolution.targets) and here:
            return Recipient(address, tuple(here))
        onward = []
        for target in resolution.targets:
            if isinstance(target, LocalTarget):
                continue
            if isinstance(target, ListTarget):
                onward.append(Onward(NextHop(HopKind.LIST, target.key).key, str(target.address)))
                continue
            found = route(target.address, self.routes, sender=sender)
            if not self.policies.outward:
                return _NO_WAY_OUT
            if found.hop is None:
                if len(resolution.targets) == 1:
                    return _no_route(found)
                continue  # the others get it; an alias with one bad address is not refused
            onward.append(Onward(found.hop.key, str(found.address)))
        if not here and not onward:
            return rejected("None of the addresses that this one stands for can be reached", "no route", 550, "5.1.2")
        return Recipient(address, tuple(here), tuple(onward))

    def unhidden(self, address: Address, *, may_relay: bool) -> Address:
        """RFC 1123 5.2.16: `user@host` for `user%host@here`, where that is switched on and for who may relay."""
        return read_percent(address, self.routes) if may_relay and "%" in address.local else address

    def with_routes(self, address: Address, resolution: Resolution) -> Resolution:
        """The resolution, but for an address of our own domains that nobody has here and that a route leads elsewhere
        (a forwarding hub, or a rule)."""
        if resolution.status is not Status.UNKNOWN or read_percent(address, self.routes) is not address:
            # A percent sign that is still there came from somebody who may not relay: its route is not for them.
            return resolution
        if route(address, self.routes).hop is None:
            return resolution
        return Resolution(Status.REMOTE, (RemoteTarget(address),), resolution.reason)

    def is_backup_for(self, address: Address) -> bool:
        """Whether mail for this domain of others is taken from everybody, and passed on (row Q1)."""
        return domain_key(address.domain) in self.routes.backup_domains

    # What is committed

    def arrange(
        self,
        message: Message,
        recipients: Sequence[Recipient],
        origin: Origin,
        conditions: Conditions,
        *,
        quotas: bool = True,
        judgement: Judgement | None = None,
    ) -> tuple[Acceptance, list[tuple[int, ...]]]:
        """What to commit for a message, and for each recipient which deliveries are its. `quotas`: whether one may
        still be refused in the commit, where nobody but a waiting client would hear of it. `judgement`: what policy
        says of it."""
        held = judgement is not None and judgement.action is Action.QUARANTINE
        if held or conditions.release_ms > message.now_ms:
            recipients = [_waiting(recipient) for recipient in recipients]
        deliveries, places = deliveries_for(recipients, quotas)
        records = self._records(message, recipients, origin, conditions)
        if judgement is not None and judgement.verdicts:
            deliveries = sorted_out(deliveries, judgement)
            sender = "" if message.sender is None else str(message.sender)
            said = judgement.records(message.ident, sender, origin.peer)
            said += kept(message.ident, recipients, judgement.decisive.reason) if held else ()
            records += self.policies.recording.keep(said)
        if judgement is not None:
            # Of those who may send here there is nothing that others need to know.
            results = (conditions.results or bool(judgement.front)) and not conditions.trusted
            if results != conditions.results:
                conditions = conditions._replace(results=results)
        entry = self._entry(message, recipients, conditions)
        if entry is not None and judgement is not None and held:
            entry = entry._replace(lane=Lane.QUARANTINE, hold=self._hold(message, judgement.decisive))
        arrival = None
        if deliveries:
            here = records if entry is None else ()
            arrival = Arrival(message.summary, deliveries, message.now_ms, message.now_ms, here, message.ident)
            records = () if entry is None else records
        return Acceptance(message.summary, arrival, entry, records), places

    def plan(
        self,
        content: bytes,
        sender: Address | None,
        recipients: Sequence[Recipient | Address],
        origin: Origin,
        conditions: Conditions = PLAIN,
        *,
        skip: int = 0,
        ident: int = 0,
        urgent: bool = False,
        judgement: Judgement | None = None,
    ) -> tuple[Acceptance, list[tuple[Address, Verdict]]]:
        """A message of our own as it is committed, and the verdicts on recipients that cannot be reached.

        Asks the directory, so it belongs in a thread. Addresses are resolved and routed; `Recipient`s are taken as they
        are. `ident` 0: a new one. `judgement`: what policy says of it, where it was asked."""
        now = self._clock()
        scanner = MessageScanner()
        scanner.feed(content)
        placed: list[Recipient] = []
        refused: list[tuple[Address, Verdict]] = []
        for one in recipients:
            found = one if isinstance(one, Recipient) else self.find(one, sender)
            if isinstance(found, Recipient):
                placed.append(found)
            elif isinstance(one, Address):
                refused.append((one, found))
        message = Message(
            ident or self._idents.number(now),
            sender,
            scanner.close(),
            len(content),
            skip,
            int(now * 1000),
            eight_bit=not content.isascii(),
            urgent=urgent,
            tls_optional=tls_not_required(content[skip : skip + _HEAD_BYTES]),
            author=Content.of(content[: skip + _HEAD_BYTES]).fields.text("from") if judgement is not None else "",
        )
        acceptance, _ = self.arrange(message, placed, origin, conditions, quotas=False, judgement=judgement)
        return acceptance, refused

    def find(self, address: Address, sender: Address | None) -> Recipient | Verdict:
        """Resolve and place an address that one of our own parts writes to: any domain may be its."""
        resolution = self.with_routes(address, self._resolve(address))
        if resolution.targets:
            return self.place(address, resolution, sender)
        if resolution.status is Status.DISABLED:
            return Recipient(address, (), (Onward(HERE.key, str(address)),))
        return rejected(resolution.reason or f"There is no {address} here", str(resolution.status), 550, "5.1.1")

    def _entry(self, message: Message, recipients: Sequence[Recipient], conditions: Conditions) -> NewEntry | None:
        onward: dict[tuple[str, str, str], tuple[Recipient, Onward]] = {}
        for recipient in recipients:
            for one in recipient.onward:
                # Two aliases that lead to one address elsewhere: it gets one copy, like a mailbox here.
                onward.setdefault((one.hop, one.address, recipient.notify), (recipient, one))
        if not onward:
            return None
        sender = "" if message.sender is None else str(message.sender)
        flags = _flags(message, conditions)
        if is_forwarded(message.sender, onward.values(), self.routes.is_local):
            flags |= EntryFlag.FORWARDED
        due = max(message.now_ms, conditions.release_ms)
        return NewEntry(
            message.ident,
            sender,
            conditions.owner,
            tuple([self._queued(recipient, one, due, bool(sender)) for recipient, one in onward.values()]),
            message.size,
            message.now_ms,
            Lane.HIGH if message.urgent else Lane.NORMAL,
            flags,
            message.skip,
            conditions.envid,
            conditions.ret,
            conditions.language,
            message.summary.subject[:200] if self.policies.subjects else "",
        )

    def _hold(self, message: Message, verdict: Verdict) -> Hold:
        return Hold(
            verdict.tag or verdict.check,
            verdict.reason,
            message.author,
            message.summary.subject,
            message.now_ms + self.policies.hold_ms,
            verdict.by_users,
        )

    def _queued(self, recipient: Recipient, onward: Onward, due_ms: int, warn: bool) -> NewRecipient:
        policies, notify = self.policies, recipient.notify
        domain = onward.address.rpartition("@")[2]
        lifetime = policies.retry.find(domain, "*").lifetime_ms
        wanted = warn and policies.warn_ms and (not notify or "DELAY" in notify) and policies.warn_ms < lifetime
        return NewRecipient(
            onward.hop,
            onward.address,
            due_ms,
            due_ms + lifetime,
            due_ms + policies.warn_ms if wanted else 0,
            notify,
            recipient.orcpt
            or (f"rfc822;{recipient.address}" if notify or str(recipient.address) != onward.address else ""),
        )

    # What the journal says

    def _records(
        self, message: Message, recipients: Sequence[Recipient], origin: Origin, conditions: Conditions
    ) -> tuple[Record, ...]:
        level = self.policies.journal
        if level is JournalLevel.OFF:
            return ()
        onward = any(recipient.onward for recipient in recipients)
        records = [reception(message, recipients, origin, conditions, relayed=onward, subjects=self.policies.subjects)]
        if level is JournalLevel.FULL:
            for recipient in recipients:
                records.extend(resolved(message.ident, recipient))
                records.extend(
                    Record(message.ident, Code.QUEUED, one.address, detail=detail(hop=one.hop))
                    for one in recipient.onward
                )
        return tuple(records)


def _no_route(found: Route) -> Verdict:
    """Routing's own refusal; what DNS or a rule may say otherwise tomorrow is put off."""
    code, enhanced = found.code or 550, found.status or "5.1.2"
    return Verdict(Action.DEFER if code < 500 else Action.REJECT, "no route", found.text, code, enhanced)


def _waiting(recipient: Recipient) -> Recipient:
    """RFC 4865, and quarantine: nothing of it goes anywhere until it is released, and its address looked up anew."""
    return recipient._replace(targets=(), onward=(Onward(HERE.key, str(recipient.address)),))


def _flags(message: Message, conditions: Conditions) -> EntryFlag:
    wanted = (
        (message.eight_bit, EntryFlag.EIGHT_BIT),
        (conditions.utf8, EntryFlag.UTF8),
        (conditions.binary, EntryFlag.BINARY),
        (conditions.require_tls, EntryFlag.REQUIRE_TLS),
        (conditions.notice, EntryFlag.NOTICE),
        (not conditions.trusted, EntryFlag.FOREIGN),
        (conditions.verp, EntryFlag.VERP),
        (conditions.results, EntryFlag.RESULTS),
        (conditions.stranger, EntryFlag.STRANGER),
        (message.tls_optional, EntryFlag.TLS_OPTIONAL),
    )
    flags = EntryFlag.NONE
    for there, flag in wanted:
        if there:
            flags |= flag
    return flags


def sender_of(text: str) -> Address | None:
    """The reverse-path as the queue keeps it."""
    return parse_address(text) if text else None
