"""`route`: where mail for one address goes that the directory does not deliver here, and why.

The order, which is that of the i5/OS manual where it names one:

1. No domain: ours. The percent sign, where switched on: `user%host@here` becomes `user@host` (RFC 1123 5.2.16).
2. Our own domains (of which only addresses come here that the directory does not know): a rule of `route_rules` that
   names the domain, the forwarding hub, else `local`: the directory has the last word.
3. Address literals, where they are not taken.
4. `route_rules` by recipient, then `sender_route_rules` by sender; `direct` goes on with step 8.
5. Domains that we are a backup MX for: by their own MX.
6. The firewall: everything through the mail router but the domains excepted, which go on with step 8.
7. The forwarding hub, which takes all that is not local; then the smarthost.
8. Directly: the host table, then MX, then addresses. If DNS has none, the mail router (estafeta.delivery.hosts).

Pure, and never raises: whoever calls has asked the directory before, and checks who may relay to the answer's address.
"""

from estafeta.core.errors import EstafetaError
from estafeta.mail.address import Address, domain_key, parse_path
from estafeta.routing.parsing import find_ip
from estafeta.routing.table import Decision, RouteTable, written
from estafeta.routing.values import HopKind, NextHop, Route, Step

_MAX_PERCENT_SIGNS = 5
_NO_SENDER = Address("", "")


def route(address: Address, table: RouteTable, *, sender: Address | None = None) -> Route:
    """Where mail from `sender` (None: the null reverse-path) for `address` goes."""
    asked = address
    if table.percent_sign and "%" in address.local:
        address = read_percent(address, table)
    key = (
        address.domain,
        address.local if table.rules.of_addresses else "",
        _sender_key(sender, table) if table.sender_rules else "",
    )
    decision = table.memory.find(key)
    if decision is None:
        decision = _decide(address, table, sender or _NO_SENDER)
        table.memory.add(key, decision)
    if address is not asked:
        step = Step("routing.percent_sign", f"{asked} is read as {address}")
        return Route(address, *decision[:5], (step, *decision.steps))
    return Route(address, *decision)


def read_percent(address: Address, table: RouteTable) -> Address:
    """`user@host` for `user%host@here`, as often as that leads back here; the address itself where the percent sign is
    not switched on, the domain is not ours, or what comes out would be no address."""
    for _ in range(_MAX_PERCENT_SIGNS):
        local, percent, domain = address.local.rpartition("%")
        if not (table.percent_sign and percent and local and domain and _is_local(address, table)):
            return address
        try:
            found = parse_path(str(Address(local, domain)).encode(), smtputf8=True)
        except EstafetaError:
            return address
        if found is None or not found.domain:
            return address
        address = found
    return address


def _sender_key(sender: Address | None, table: RouteTable) -> str:
    if sender is None:
        return ""
    return str(sender) if table.sender_rules.of_addresses else sender.domain


def _is_local(address: Address, table: RouteTable) -> bool:
    return not address.domain or table.is_local(address.domain)


def _decide(address: Address, table: RouteTable, sender: Address) -> Decision:
    steps: list[Step] = []
    if _is_local(address, table):
        return _decide_own(address, table, steps)
    steps.append(Step("local", f"{address.domain} is not one of our domains"))
    refusal = _check_literal(address, table, steps)
    if refusal is not None:
        return refusal
    direct, hop = _ask_rules(address, table, sender, steps)
    if hop is None and not direct:
        hop = _find_way(address, table, steps)
    return _taken(hop or _find_direct(address, table, steps), steps)


def _decide_own(address: Address, table: RouteTable, steps: list[Step]) -> Decision:
    if not address.domain:
        steps.append(Step("local", "without a domain it is for this host"))
        return Decision(None, True, 0, "", "", tuple(steps))
    steps.append(Step("local", f"{address.domain} is one of our domains"))
    found = table.own_rules.find(address)
    if found is not None and found[1].hop is not None:
        steps.append(Step("routing.route_rules", f"the first rule that matches is `{written(found)}`"))
        return _taken(found[1].hop, steps)
    if table.hub is not None:
        steps.append(Step("routing.hub", f"what nobody has here goes to {table.hub.key}"))
        return _taken(table.hub, steps)
    return Decision(None, True, 0, "", "", tuple(steps))


def _ask_rules(address: Address, table: RouteTable, sender: Address, steps: list[Step]) -> tuple[bool, NextHop | None]:
    """What the rules say: that it goes directly, or a next hop, or neither."""
    asked = (
        ("routing.route_rules", table.rules, address),
        ("routing.sender_route_rules", table.sender_rules, sender),
    )
    for name, rules, subject in asked:
        if not rules:
            continue
        found = rules.find(subject)
        if found is not None:
            steps.append(Step(name, f"the first rule that matches is `{written(found)}`"))
            return found[1].hop is None, found[1].hop
        steps.append(Step(name, f"no rule matches {subject if subject.local else 'the null sender'}"))
    return False, None


def _check_literal(address: Address, table: RouteTable, steps: list[Step]) -> Decision | None:
    """The refusal of an address literal, or None."""
    if not address.domain.startswith("["):
        return None
    if not table.address_literals:
        text = "Addresses with an IP address in brackets are not taken."
        steps.append(Step("routing.address_literals", "they are switched off"))
    elif not find_ip(address.domain):
        text = "The kind of address in brackets is not known."  # RFC 5321 4.1.3 General-address-literal
        steps.append(Step("routing.address_literals", f"{address.domain} is no IP address"))
    else:
        return None
    return Decision(None, False, 550, "5.1.2", text, tuple(steps))


def _find_way(address: Address, table: RouteTable, steps: list[Step]) -> NextHop | None:
    """The server that takes everything, or everything but some; None: directly."""
    domain = domain_key(address.domain)
    if domain in table.backup_domains:
        steps.append(Step("routing.backup_mx_domains", f"we are a backup MX for {domain}: on to its other MX"))
        return NextHop(HopKind.MX, domain)
    if table.firewall:
        direct, hop = _ask_firewall(address, table, steps)
        if direct or hop is not None:
            return hop
    for name, hop in (("routing.hub", table.hub), ("routing.smarthost", table.smarthost)):
        if hop is not None:
            steps.append(Step(name, f"takes all mail for others: {hop.key}"))
            return hop
    return None


def _ask_firewall(address: Address, table: RouteTable, steps: list[Step]) -> tuple[bool, NextHop | None]:
    """Whether it goes directly, or to the mail router, or neither."""
    name = "routing.firewall"
    if table.router is None:
        steps.append(Step(name, "is on, but there is no routing.mail_router: it does not count"))
        return False, None
    excepted = table.firewall_except.find(address)
    if excepted is not None:
        steps.append(Step(name, f"`{excepted[0].text}` in firewall_except_domains matches: not through the router"))
        return True, None
    steps.append(Step(name, f"all mail for others goes through the mail router {table.router.key}"))
    return False, table.router


def _find_direct(address: Address, table: RouteTable, steps: list[Step]) -> NextHop:
    literal = find_ip(address.domain) if address.domain.startswith("[") else ""
    if literal:
        steps.append(Step("routing.address_literals", f"straight to {literal}"))
        return NextHop(HopKind.HOST, literal)
    domain = domain_key(address.domain)
    if domain in table.hosts:
        steps.append(Step("routing.host_table", f"{domain} is in the host table: DNS is not asked"))
    else:
        steps.append(Step("dns", f"the mail exchangers of {domain}, else its addresses"))
        if table.router is not None:
            steps.append(Step("routing.mail_router", f"where DNS has no address, {table.router.key}"))
    return NextHop(HopKind.MX, domain)


def _taken(hop: NextHop, steps: list[Step]) -> Decision:
    return Decision(hop, False, 0, "", "", tuple(steps))
