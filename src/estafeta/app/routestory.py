"""Where mail for an address would go and why, as steps for a person: `estafeta route`.

The same parts decide as for real mail (rewriting rules, the directory, routes, hosts in DNS); nothing is sent. What the
directory says is told step by step: domain, alias, group, list, user, catch-all.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estafeta.app.node_key import load_node_key
from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.hosts import HostProblem, find_hosts
from estafeta.delivery.ownaddresses import OwnAddresses
from estafeta.directory.hostcredentials import HostCredentials
from estafeta.directory.model import ListTarget, LocalTarget, RemoteTarget, Status
from estafeta.directory.service import Directory
from estafeta.dns.resolver import DnsResolver
from estafeta.mail.address import Address, parse_address
from estafeta.routing.rewriting import Field, Rewriter, build_rewriter
from estafeta.routing.route import read_percent, route
from estafeta.routing.table import RouteTable, build_route_table
from estafeta.routing.values import HopKind, NextHop, Route, Step, parse_hop

if TYPE_CHECKING:
    from estafeta.app.stores import Site

_MAX_DEPTH = 10
_MAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class Leg:
    """One end of the way. `where`: `mailbox`, the key of a next hop, or `refused`. `login`: what is signed in with
    there. `hosts`: where DNS was asked, one line for each in their order."""

    address: str
    where: str
    steps: tuple[Step, ...] = ()
    refusal: str = ""
    source: str = ""
    login: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """The whole way: what was decided of the address itself, and an end for each that it leads to."""

    address: str
    sender: str
    steps: tuple[Step, ...]
    legs: tuple[Leg, ...]


class Storyteller:
    """Answers for one opened site. Synchronous but for `look_up_hosts`."""

    def __init__(self, site: "Site") -> None:
        self._directory = site.directory
        self._settings = site.settings.current
        self._hostname = site.node.config.hostname
        self._table: RouteTable = build_route_table(self._settings.routing, site.directory.is_local_domain)
        credentials = HostCredentials(site.database, load_node_key(site.node.home), time.time).list_credentials()
        self._logins = {(one.host, one.port): one.login for one in credentials}
        self.rewriter: Rewriter = build_rewriter(
            self._settings.rewrite, qualify_domain=self._settings.local.qualify_domain, host_name=self._hostname
        )

    def tell(self, text: str, sender_text: str = "") -> Story:
        """Where mail from `sender_text` ("": a notice) for `text` goes. EstafetaError INVALID for no address."""
        asked = self._directory.qualify(text, recipient=True)
        sender = self._directory.qualify(sender_text) if sender_text else None
        steps: list[Step] = []
        address = self._as_it_is_read(asked, steps)
        steps.extend(_DirectorySteps(self._directory).tell(address))
        resolution = self._directory.resolve(address)
        legs: list[Leg] = []
        if resolution.status in (Status.NOT_OURS, Status.UNKNOWN):
            legs.append(self._leg(route(address, self._table, sender=sender), resolution.reason, sender))
        else:
            for target in resolution.targets:
                legs.append(self._leg_of(target, sender))
            if not legs:
                legs.append(Leg(str(address), "refused", (), resolution.reason))
        return Story(str(asked), "" if sender is None else str(sender), tuple(steps), tuple(legs))

    async def look_up_hosts(self, leg: Leg) -> Leg:
        """The leg with the hosts that DNS gives for it, or the reason why there are none."""
        if leg.where in ("mailbox", "refused") or leg.where.startswith(f"{HopKind.LIST}:"):
            return leg
        resolver = DnsResolver()
        resolver.use(self._settings.dns, self._settings.routing.host_table)
        found = await find_hosts(
            parse_hop(leg.where),
            resolver,
            self._settings.delivery,
            own_names=(self._hostname, *self._settings.local.host_names),
            own_addresses=OwnAddresses(self._settings.local.addresses),
            mail_router=self._settings.routing.mail_router,
        )
        if isinstance(found, HostProblem):
            when = "for good" if found.permanent else "until the next try"
            lines: tuple[str, ...] = (f"none, {when}: {found.status} {found.text}",)
        else:
            lines = tuple(
                f"{host.endpoint.words}{f', preference {host.preference}' if found.mx else ''}"
                f"{', DNSSEC' if host.secure else ''}"
                for host in found.candidates
            )
        return Leg(leg.address, leg.where, (*leg.steps, *found.steps), leg.refusal, leg.source, leg.login, lines)

    def _as_it_is_read(self, address: Address, steps: list[Step]) -> Address:
        """After rewriting rules for recipients, and the percent sign."""
        rewritten = self.rewriter.rewrite_address(address, Field.ENVELOPE_TO)
        if rewritten is not address:
            steps.append(Step("rewrite.address_rules", f"{address} is rewritten to {rewritten}"))
        plain = read_percent(rewritten, self._table)
        if plain is not rewritten:
            steps.append(Step("routing.percent_sign", f"{rewritten} is read as {plain}, from who may relay"))
        return plain

    def _leg_of(self, target: LocalTarget | RemoteTarget | ListTarget, sender: Address | None) -> Leg:
        if isinstance(target, LocalTarget):
            person = self._directory.person(target.account_id)
            return Leg(str(person.address) if person is not None else f"account {target.account_id}", "mailbox")
        if isinstance(target, ListTarget):
            problem = self._directory.check_post(target.key, sender) if target.restricted else ""
            if problem:
                return Leg(str(target.address), "refused", (), problem)
            return Leg(str(target.address), NextHop(HopKind.LIST, target.key).key)
        return self._leg(route(target.address, self._table, sender=sender), "", sender)

    def _leg(self, found: Route, reason: str, sender: Address | None) -> Leg:
        if found.hop is None:
            text = f"{found.code} {found.status} {found.text}" if found.code else reason
            return Leg(str(found.address), "refused", found.steps, text)
        source = " ".join(filter(None, self._table.find_source(sender)))
        return Leg(str(found.address), found.hop.key, found.steps, "", source, self._login(found.hop))

    def _login(self, hop: NextHop) -> str:
        wanted = ((hop.name, hop.port or 25), (hop.name, 0))
        return next((self._logins[key] for key in wanted if key in self._logins), "")


class _DirectorySteps:
    """What the directory has for an address, followed through aliases and groups."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._seen: set[str] = set()
        self._told = 0

    def tell(self, address: Address, depth: int = 0) -> Iterator[Step]:
        """Steps for one address and all that it stands for; each is told once."""
        if address.key in self._seen or depth > _MAX_DEPTH or self._told > _MAX_STEPS:
            return
        self._seen.add(address.key)
        self._told += 1
        if not self._directory.is_local_domain(address.domain):
            if depth:
                yield Step("directory", f"{address} is elsewhere")
            return
        words, targets = self._find(address)
        yield Step("directory", words)
        for target in targets:
            yield from self.tell(target, depth + 1)

    def _find(self, address: Address) -> tuple[str, list[Address]]:
        """What an address of ours is, and what it stands for."""
        found = self._named(str(address))
        if found is None:
            for base in self._bases(address):
                found = self._named(base)
                if found is not None:
                    return f"{address} is {base} with an extension; {found[0]}", found[1]
        return found or self._nobody(address)

    def _bases(self, address: Address) -> Iterator[str]:
        """The address with ever longer extensions cut off."""
        resolution = self._directory.resolve(address)
        extensions = {target.extension for target in resolution.targets if isinstance(target, LocalTarget)}
        for extension in filter(None, extensions):
            if address.local.endswith(extension):
                yield str(Address(address.local[: -len(extension) - 1], address.domain))

    def _named(self, text: str) -> tuple[str, list[Address]] | None:
        """What has this very name."""
        for kind in (self._alias, self._group, self._list, self._user):
            try:
                return kind(text)
            except EstafetaError as error:
                if error.kind not in (Kind.NOT_FOUND, Kind.INVALID):
                    raise
        return None

    def _alias(self, text: str) -> tuple[str, list[Address]]:
        alias = self._directory.get_alias(text)
        return f"{text} is an alias for {', '.join(alias.targets[:20])}", list(map(parse_address, alias.targets))

    def _group(self, text: str) -> tuple[str, list[Address]]:
        group = self._directory.get_group(text)
        return f"{text} is a group of {len(group.members)}", list(map(parse_address, group.members))

    def _list(self, text: str) -> tuple[str, list[Address]]:
        return f"{self._directory.get_list(text).address} is a distribution list", []

    def _user(self, text: str) -> tuple[str, list[Address]]:
        user = self._directory.get_user(text)
        name = f"{text} is an address of {user.address}" if text != user.address else f"{text} is a user"
        if user.redirect_mode == "none":
            return f"{name}, {user.state}", []
        copy = ", and a copy stays" if user.redirect_mode == "copy" else ""
        return f"{name}, whose mail goes to {', '.join(user.redirect)}{copy}", list(map(parse_address, user.redirect))

    def _nobody(self, address: Address) -> tuple[str, list[Address]]:
        try:
            catch_all = self._directory.get_domain(address.domain).catch_all
        except EstafetaError:
            catch_all = ""
        if address.local.lower() == "postmaster":
            return f"{address} always exists: local.postmaster, else the first user", []
        if catch_all:
            return f"nobody has {address}: the catch-all of the domain is {catch_all}", [parse_address(catch_all)]
        return f"nobody has {address}", []
