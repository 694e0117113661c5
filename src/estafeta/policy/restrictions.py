"""Who may connect, and who may relay: the restrictions of the i5/OS manual, alone and together (rows A2, A4 to A6).

The manual's order ("Using relay restriction and connection restriction functions together"): "first checks to see if
you configured the system to allow POP clients to relay messages for a specified period of time. Then, it checks for
restricted connections." So:

1. `restrict.override` and POP before SMTP: a client that read its mail a short while ago is past step 2.
2. Restricted connections: everything, or addresses, networks and names that are listed.
3. Authentication for local delivery (*LCLRLY): who did not sign in gets nothing in at all.
4. Relaying: who signed in may; else the relay restriction (`relay.allow`) decides.
5. Whoever relays must do so in the name of `relay.sender_domains`, also who signed in (Exim's sender_address_relay).

Departures. The manual restricts relaying only where authentication is none; here both hold together, as they do for
Exim (host_accept_relay beside host_auth_accept_relay), until `relay.without_sign_in` is off. Its "all" is an open
relay, which one mistyped value must never make: it needs `relay.open_relay` as well, and so do networks that are the
better part of the internet. "Both lists" means that either lets a message in.

Pure: `Restrictions` are the settings made ready; what had to be looked up is in `Facts.found`.
"""

import ipaddress
from typing import NamedTuple

from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_restrictions import Authentication, ConnectionRule, RelayRule
from estafeta.mail.address import Address
from estafeta.policy.facts import Facts
from estafeta.policy.names import Names, Senders
from estafeta.policy.networks import Networks
from estafeta.policy.verdict import Verdict, passed, rejected
from estafeta.protocols.smtp.limits import Mode
from estafeta.trust.iprev import ClientName, IprevStatus

#: In `Facts.found`: whether the client signed in to read mail a short while ago (POP before SMTP), and its name.
RECENT_READER, CLIENT_NAME = "recent-reader", "client-name"

#: Networks that let in more than this count only with `relay.open_relay`.
_WIDEST = {4: 8, 6: 16}

_OK = passed()
_CLOSED = rejected("No connections are taken here", "all connections are restricted", 554)
_SIGN_IN = rejected("Sign in first", "not signed in", 530, "5.7.0")
#: Said to who may not relay.
NO_RELAY = rejected("Relaying denied: sign in first, or send to an address of this server", "relay")
_WRONG_DOMAIN = rejected("Relaying denied: send from an address of this server", "relay: domain of the sender")


class Restrictions:
    """The restrictions of one state of the settings."""

    def __init__(self, settings: Settings) -> None:
        restrict, relay = settings.restrict, settings.relay
        self.authentication = restrict.authentication
        self.connections = restrict.connections
        self.refused = Networks(restrict.networks)
        self.refused_names = Names(restrict.names)
        self.allow = _allowed(settings)
        self.override = restrict.override and self.allow is RelayRule.POP_BEFORE_SMTP
        self.listed = Networks(network for network in relay.networks if relay.open_relay or not is_wide(network))
        self.listed_names = Names(relay.names)
        self.near_domains = Names(relay.near_domains)
        self.sender_domains = Names(relay.sender_domains)
        self.authorised = Senders(restrict.authorised) if restrict.verify_identity else None
        self.host_lookup = Networks(settings.smtp.host_lookup_networks)
        self.accept_senders = Senders(restrict.accept_senders)

    # what the client alone decides

    @property
    def uses_names(self) -> bool:
        """Whether names of clients have to be looked up."""
        refusing = self.connections is ConnectionRule.LISTED and bool(self.refused_names)
        return refusing or (self.allow in _BY_LIST and bool(self.listed_names))

    def wants_name(self, peer: str) -> bool:
        """Whether the name of a client is looked up (Exim's host_lookup)."""
        return self.uses_names or peer in self.host_lookup

    @property
    def uses_readers(self) -> bool:
        """Whether it has to be known who read mail a short while ago."""
        return self.allow is RelayRule.POP_BEFORE_SMTP

    def trusts(self, peer: str) -> bool:
        """Whether a client may relay by its address alone, as is known when it connects (`Facts.trusted`)."""
        return self.allow in _BY_LIST and peer in self.listed

    def refusal_at_once(self, facts: Facts) -> Verdict | None:
        """Why a client may not connect, as far as its address alone says so: that is told in the greeting."""
        verdict = _OK if self.override else self.check_connection(facts)
        return None if verdict.accepted else verdict

    def check_connection(self, facts: Facts) -> Verdict:
        """May this client connect at all (A5)? LMTP is for servers of ours and has a list of its own."""
        if self.connections is ConnectionRule.NONE or facts.mode is Mode.LMTP or facts.peer == "local":
            return _OK
        if self.override and is_recent_reader(facts):
            return passed("connections are restricted, but it read mail a short while ago")
        if self.connections is ConnectionRule.EVERYTHING:
            return _CLOSED
        if facts.peer in self.refused:
            return rejected(f"No connections are taken from {facts.peer}", "its address is restricted", 554)
        # Whoever has a bad name would not claim it: names that do not lead back count here.
        for name in client_name(facts).names:
            if name in self.refused_names:
                return rejected(f"No connections are taken from {name}", "its name is restricted", 554)
        return _OK

    def may_relay(self, facts: Facts) -> bool:
        """Whether it is the client who may relay, to wherever: signed in, listed, or a recent reader."""
        if facts.mode is Mode.LMTP:
            return False
        if facts.account is not None:
            return self.authentication is not Authentication.NONE
        match self.allow:
            case RelayRule.ALL:
                return True
            case RelayRule.ADDRESSES | RelayRule.BOTH:
                return facts.peer in self.listed or client_name(facts).name in self.listed_names
            case RelayRule.POP_BEFORE_SMTP:
                return is_recent_reader(facts)
        return False

    def is_trusted(self, facts: Facts) -> bool:
        """Whether it is asked as one of ours, not as a stranger. A recent reader is one only with the override: DNS
        lists are restrictions of connections, too."""
        if facts.account is not None:
            return True
        return self.may_relay(facts) and (self.allow in _BY_LIST or self.override)

    # with sender and recipient

    def check_relay(self, facts: Facts, recipient: Address) -> Verdict:
        """May this client give this recipient, which is at another server (A4, A6)?"""
        if not (self.may_relay(facts) or self._is_near(facts, recipient)):
            return NO_RELAY
        sender = facts.sender
        if self.sender_domains and sender is not None and sender.domain not in self.sender_domains:
            return _WRONG_DOMAIN
        return _OK

    def check_local(self, facts: Facts) -> Verdict:
        """May this client send to our own users (A2)? Who may relay may do that too."""
        wanted = self.authentication is Authentication.LOCAL_AND_RELAY and facts.mode is not Mode.LMTP
        return _SIGN_IN if wanted and not self.may_relay(facts) else _OK

    def check_identity(self, facts: Facts) -> Verdict:
        """May this user sign in to send (A2, "Verify IDs on local delivery")?"""
        if self.authorised is None or facts.account is None or facts.mode is Mode.LMTP:
            return _OK
        local, _, domain = facts.account.address.rpartition("@")
        if Address(local, domain) in self.authorised:
            return _OK
        return rejected("You may not send through this server", "not on the list of authorised users", 535, "5.7.8")

    def _is_near(self, facts: Facts, recipient: Address) -> bool:
        listed = self.allow in (RelayRule.NEAR_DOMAINS, RelayRule.BOTH) and facts.mode is not Mode.LMTP
        return listed and recipient.domain in self.near_domains and not is_routed(recipient)


class Prepared:
    """The restrictions of the settings at hand, made once: sessions under way may have older ones."""

    def __init__(self) -> None:
        self._made: list[tuple[Settings, Restrictions]] = []

    def __call__(self, settings: Settings) -> Restrictions:
        for known, restrictions in self._made:
            if known is settings:
                return restrictions
        restrictions = Restrictions(settings)
        self._made = [(settings, restrictions), *self._made[:1]]
        return restrictions


class Warnings(NamedTuple):
    """What is wrong with restrictions (`problems`), and what is only worth knowing (`notes`), in sentences."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]


def warnings(settings: Settings) -> Warnings:
    """What an operator should hear about these settings."""
    relay, problems, notes = settings.relay, [], []
    wide = [network for network in relay.networks if is_wide(network)]
    if relay.open_relay and relay.allow is RelayRule.ALL:
        problems.append(
            "This is an OPEN RELAY: anybody may send anything to anybody. Spammers will find it within hours and its "
            "mail will be refused everywhere. End that with `estafeta config unset relay.open_relay`."
        )
    elif relay.allow is RelayRule.ALL:
        notes.append("relay.allow = all would be an open relay and counts as `addresses`: relay.open_relay is off.")
    if wide and relay.open_relay:
        problems.append(
            f"{', '.join(wide)} in relay.networks makes this an OPEN RELAY for a large part of the internet."
            " End that with `estafeta config unset relay.open_relay`."
        )
    elif wide:
        notes.append(
            f"{', '.join(wide)} in relay.networks is too wide and counts for nothing: relay.open_relay is off."
        )
    if settings.restrict.override and relay.allow is not RelayRule.POP_BEFORE_SMTP:
        notes.append("restrict.override does nothing: relay.allow is not pop-before-smtp.")
    if settings.restrict.connections is ConnectionRule.EVERYTHING:
        notes.append("restrict.connections = everything: no mail is taken by SMTP.")
    return Warnings(tuple(problems), tuple(notes))


def is_wide(network: str) -> bool:
    """Whether a network is so wide that letting it relay is a mistake."""
    parsed = ipaddress.ip_network(network)
    return parsed.prefixlen < _WIDEST[parsed.version]


def is_routed(address: Address) -> bool:
    """Whether its local part looks like a way on from there: whose server still reads percent signs and bangs would
    send it anywhere (RFC 1123 5.2.16)."""
    return not _ROUTING.isdisjoint(address.local)


def is_recent_reader(facts: Facts) -> bool:
    """Whether the client read mail a short while ago, as far as that was looked up."""
    return facts.found.get(RECENT_READER) is True


def client_name(facts: Facts) -> ClientName:
    """The name of the client, as far as it was looked up."""
    found = facts.found.get(CLIENT_NAME)
    return found if isinstance(found, ClientName) else _NO_NAME


def _allowed(settings: Settings) -> RelayRule:
    """The relay restriction that holds for who did not sign in."""
    relay = settings.relay
    if settings.restrict.authentication is not Authentication.NONE and not relay.without_sign_in:
        return RelayRule.NONE
    return RelayRule.ADDRESSES if relay.allow is RelayRule.ALL and not relay.open_relay else relay.allow


_BY_LIST = (RelayRule.ADDRESSES, RelayRule.BOTH)
_ROUTING = frozenset("%!@:")
_NO_NAME = ClientName("", IprevStatus.PERMERROR)
