"""Every combination of the manual's restrictions: relay x connection x authentication, and what each client may do."""

import itertools

import pytest

from estafeta.core.ids import AccountId
from estafeta.directory.model import ALL_SERVICES, Account, LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_restrictions import Authentication, ConnectionRule, RelayRule, Restrict
from estafeta.directory.settings_smtp import Relay
from estafeta.mail.address import Address
from estafeta.policy.facts import Facts
from estafeta.policy.recipient import check_address, check_recipient
from estafeta.policy.restrictions import CLIENT_NAME, RECENT_READER, Prepared, Restrictions, is_routed, warnings
from estafeta.protocols.smtp.limits import Mode
from estafeta.trust.iprev import ClientName, IprevStatus

ANA = Account(AccountId(1), "ana@example.test", "Ana", "es", ALL_SERVICES)
OURS, NEAR, FAR = Address("bob", "example.test"), Address("x", "near.test"), Address("x", "far.test")
HERE = LocalTarget(AccountId(2), 0)

#: What a client is: its address, its name, whether it read mail lately, whether it tries to sign in.
CLIENTS = {
    "stranger": ("203.0.113.9", "mx.far.test", False, False),
    "listed": ("192.0.2.5", "", False, False),
    "named": ("203.0.113.20", "pc.friends.test", False, False),
    "reader": ("203.0.113.30", "", True, False),
    "user": ("203.0.113.40", "", False, True),
    "bad": ("198.51.100.7", "", False, False),
    "bad name": ("203.0.113.50", "pc.bad.test", False, False),
    "bad reader": ("198.51.100.8", "", True, False),
    "bad user": ("198.51.100.9", "", False, True),
}


def settings_of(
    relay: str, connection: str, authentication: str, *, override: bool = False, **more: object
) -> Settings:
    return Settings(
        restrict=Restrict(
            authentication=Authentication(authentication),
            connections=ConnectionRule(connection),
            networks=("198.51.100.0/24",),
            names=(".bad.test",),
            override=override,
        ),
        relay=Relay(
            allow=RelayRule(relay),
            open_relay=True,
            networks=("192.0.2.0/24",),
            names=(".friends.test",),
            near_domains=("near.test",),
            **more,
        ),
    )


def facts_of(client: str, settings: Settings, sender: Address | None = None) -> Facts:
    peer, name, recent, signs_in = CLIENTS[client]
    facts = Facts(peer, sender=sender)
    if signs_in and settings.restrict.authentication is not Authentication.NONE:
        facts.account = ANA
    facts.found[CLIENT_NAME] = ClientName(name, IprevStatus.PASS if name else IprevStatus.PERMERROR, (name,))
    facts.found[RECENT_READER] = recent
    return facts


def answer(client: str, settings: Settings) -> str:
    """`x`: it may not connect. Else to whom it may write: Local, Near, Far; `-`: to nobody."""
    rules, facts = Restrictions(settings), facts_of(client, settings)
    if not rules.check_connection(facts).accepted:
        return "x"
    said = (
        ("L", OURS, Resolution(Status.LOCAL, (HERE,))),
        ("N", NEAR, Resolution(Status.NOT_OURS, (RemoteTarget(NEAR),))),
        ("F", FAR, Resolution(Status.NOT_OURS, (RemoteTarget(FAR),))),
    )
    letters = [letter for letter, address, found in said if check_recipient(facts, address, found, rules).accepted]
    return "".join(letters) or "-"


TABLE = """\
relay | connections | sign-in | stranger | listed | named | reader | user | bad | bad name | bad reader | bad user
all             | none       | none            | LNF | LNF | LNF | LNF | LNF | LNF | LNF | LNF | LNF
all             | none       | relay           | LNF | LNF | LNF | LNF | LNF | LNF | LNF | LNF | LNF
all             | none       | local-and-relay | LNF | LNF | LNF | LNF | LNF | LNF | LNF | LNF | LNF
all             | listed     | none            | LNF | LNF | LNF | LNF | LNF | x   | x   | x   | x
all             | listed     | relay           | LNF | LNF | LNF | LNF | LNF | x   | x   | x   | x
all             | listed     | local-and-relay | LNF | LNF | LNF | LNF | LNF | x   | x   | x   | x
all             | everything | none            | x   | x   | x   | x   | x   | x   | x   | x   | x
all             | everything | relay           | x   | x   | x   | x   | x   | x   | x   | x   | x
all             | everything | local-and-relay | x   | x   | x   | x   | x   | x   | x   | x   | x
none            | none       | none            | L   | L   | L   | L   | L   | L   | L   | L   | L
none            | none       | relay           | L   | L   | L   | L   | LNF | L   | L   | L   | LNF
none            | none       | local-and-relay | -   | -   | -   | -   | LNF | -   | -   | -   | LNF
none            | listed     | none            | L   | L   | L   | L   | L   | x   | x   | x   | x
none            | listed     | relay           | L   | L   | L   | L   | LNF | x   | x   | x   | x
none            | listed     | local-and-relay | -   | -   | -   | -   | LNF | x   | x   | x   | x
none            | everything | none            | x   | x   | x   | x   | x   | x   | x   | x   | x
none            | everything | relay           | x   | x   | x   | x   | x   | x   | x   | x   | x
none            | everything | local-and-relay | x   | x   | x   | x   | x   | x   | x   | x   | x
near-domains    | none       | none            | LN  | LN  | LN  | LN  | LN  | LN  | LN  | LN  | LN
near-domains    | none       | relay           | LN  | LN  | LN  | LN  | LNF | LN  | LN  | LN  | LNF
near-domains    | none       | local-and-relay | -   | -   | -   | -   | LNF | -   | -   | -   | LNF
near-domains    | listed     | none            | LN  | LN  | LN  | LN  | LN  | x   | x   | x   | x
near-domains    | listed     | relay           | LN  | LN  | LN  | LN  | LNF | x   | x   | x   | x
near-domains    | listed     | local-and-relay | -   | -   | -   | -   | LNF | x   | x   | x   | x
near-domains    | everything | none            | x   | x   | x   | x   | x   | x   | x   | x   | x
near-domains    | everything | relay           | x   | x   | x   | x   | x   | x   | x   | x   | x
near-domains    | everything | local-and-relay | x   | x   | x   | x   | x   | x   | x   | x   | x
addresses       | none       | none            | L   | LNF | LNF | L   | L   | L   | L   | L   | L
addresses       | none       | relay           | L   | LNF | LNF | L   | LNF | L   | L   | L   | LNF
addresses       | none       | local-and-relay | -   | LNF | LNF | -   | LNF | -   | -   | -   | LNF
addresses       | listed     | none            | L   | LNF | LNF | L   | L   | x   | x   | x   | x
addresses       | listed     | relay           | L   | LNF | LNF | L   | LNF | x   | x   | x   | x
addresses       | listed     | local-and-relay | -   | LNF | LNF | -   | LNF | x   | x   | x   | x
addresses       | everything | none            | x   | x   | x   | x   | x   | x   | x   | x   | x
addresses       | everything | relay           | x   | x   | x   | x   | x   | x   | x   | x   | x
addresses       | everything | local-and-relay | x   | x   | x   | x   | x   | x   | x   | x   | x
both            | none       | none            | LN  | LNF | LNF | LN  | LN  | LN  | LN  | LN  | LN
both            | none       | relay           | LN  | LNF | LNF | LN  | LNF | LN  | LN  | LN  | LNF
both            | none       | local-and-relay | -   | LNF | LNF | -   | LNF | -   | -   | -   | LNF
both            | listed     | none            | LN  | LNF | LNF | LN  | LN  | x   | x   | x   | x
both            | listed     | relay           | LN  | LNF | LNF | LN  | LNF | x   | x   | x   | x
both            | listed     | local-and-relay | -   | LNF | LNF | -   | LNF | x   | x   | x   | x
both            | everything | none            | x   | x   | x   | x   | x   | x   | x   | x   | x
both            | everything | relay           | x   | x   | x   | x   | x   | x   | x   | x   | x
both            | everything | local-and-relay | x   | x   | x   | x   | x   | x   | x   | x   | x
pop-before-smtp | none       | none            | L   | L   | L   | LNF | L   | L   | L   | LNF | L
pop-before-smtp | none       | relay           | L   | L   | L   | LNF | LNF | L   | L   | LNF | LNF
pop-before-smtp | none       | local-and-relay | -   | -   | -   | LNF | LNF | -   | -   | LNF | LNF
pop-before-smtp | listed     | none            | L   | L   | L   | LNF | L   | x   | x   | x   | x
pop-before-smtp | listed     | relay           | L   | L   | L   | LNF | LNF | x   | x   | x   | x
pop-before-smtp | listed     | local-and-relay | -   | -   | -   | LNF | LNF | x   | x   | x   | x
pop-before-smtp | everything | none            | x   | x   | x   | x   | x   | x   | x   | x   | x
pop-before-smtp | everything | relay           | x   | x   | x   | x   | x   | x   | x   | x   | x
pop-before-smtp | everything | local-and-relay | x   | x   | x   | x   | x   | x   | x   | x   | x"""


def rows() -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.splitlines()[1:]]


def test_the_table_has_every_combination():
    wanted = itertools.product(RelayRule, ConnectionRule, Authentication)
    assert [row[:3] for row in rows()] == [tuple(map(str, row)) for row in wanted]


@pytest.mark.parametrize("row", rows(), ids=lambda row: "-".join(row[:3]))
def test_every_combination(row):
    settings = settings_of(*row[:3])
    assert [answer(client, settings) for client in CLIENTS] == list(row[3:])


@pytest.mark.parametrize("connection", ["listed", "everything"])
@pytest.mark.parametrize("authentication", list(Authentication))
def test_override_lets_only_readers_past_restricted_connections(connection, authentication):
    settings = settings_of("pop-before-smtp", connection, authentication, override=True)
    assert answer("bad reader", settings) == "LNF"
    assert answer("reader", settings) == "LNF"
    assert {answer(client, settings) for client in ("bad", "bad name", "bad user")} == {"x"}
    assert (answer("stranger", settings) == "x") is (connection == "everything")


@pytest.mark.parametrize("relay", [rule for rule in RelayRule if rule is not RelayRule.POP_BEFORE_SMTP])
def test_override_does_nothing_without_pop_before_smtp(relay):
    settings = settings_of(relay, "listed", "relay", override=True)
    assert answer("bad reader", settings) == "x"
    assert any("override" in note for note in warnings(settings).notes)


@pytest.mark.parametrize("relay", list(RelayRule))
def test_as_in_the_manual_relay_restrictions_hold_only_without_sign_in(relay):
    for authentication in (Authentication.RELAY, Authentication.LOCAL_AND_RELAY):
        settings = settings_of(relay, "none", authentication, without_sign_in=False)
        open_to = "L" if authentication is Authentication.RELAY else "-"
        assert [answer(client, settings) for client in ("stranger", "listed", "named", "reader")] == [open_to] * 4
        assert answer("user", settings) == "LNF"
    with_none = settings_of(relay, "none", Authentication.NONE, without_sign_in=False)
    assert [answer(client, with_none) for client in CLIENTS] == [
        answer(client, settings_of(relay, "none", Authentication.NONE)) for client in CLIENTS
    ]


def test_an_open_relay_needs_its_second_key():
    settings = Settings(relay=Relay(allow=RelayRule.ALL, networks=("0.0.0.0/0", "::/0", "192.0.2.0/24")))
    assert answer("stranger", settings) == "L"
    assert answer("listed", settings) == "LNF"
    assert not warnings(settings).problems
    assert len(warnings(settings).notes) == 2
    opened = Settings(relay=Relay(allow=RelayRule.ALL, open_relay=True))
    assert answer("stranger", opened) == "LNF"
    assert "OPEN RELAY" in warnings(opened).problems[0]
    wide = Settings(relay=Relay(open_relay=True, networks=("0.0.0.0/1",)))
    assert "OPEN RELAY" in warnings(wide).problems[0]


@pytest.mark.parametrize(
    ("network", "counts"),
    [("10.0.0.0/8", True), ("0.0.0.0/7", False), ("2001::/16", True), ("2000::/15", False), ("::/0", False)],
)
def test_networks_too_wide_to_relay_count_for_nothing(network, counts):
    rules = Restrictions(Settings(relay=Relay(networks=(network,))))
    assert rules.trusts(network.partition("/")[0]) is counts


@pytest.mark.parametrize(
    ("sender", "client", "relays"),
    [
        (Address("ana", "example.test"), "user", True),
        (Address("ana", "sub.example.test"), "user", True),
        (Address("ana", "home.test"), "user", False),
        (Address("ana", "evil-example.test"), "user", False),
        (Address("ana", "home.test"), "listed", False),
        (Address("ana", "EXAMPLE.TEST"), "listed", True),
        (Address("ana", "example.test"), "stranger", False),
        (None, "user", True),
    ],
)
def test_who_relays_does_so_from_our_domains(sender, client, relays):
    """Exim's sender_address_relay, even for who signed in; mail for our own users may come from anywhere."""
    settings = settings_of("addresses", "none", "relay", sender_domains=("example.test", ".example.test"))
    rules, facts = Restrictions(settings), facts_of(client, settings, sender)
    assert rules.check_relay(facts, FAR).accepted is relays
    assert check_recipient(facts, OURS, Resolution(Status.LOCAL, (HERE,)), rules).accepted


@pytest.mark.parametrize("local", ["x%far.test", "far.test!x", "x@far.test", "@far.test:x"])
def test_a_way_on_from_a_near_domain_is_no_local_part(local):
    settings = settings_of("both", "none", "relay")
    address, rules = Address(local, "near.test"), Restrictions(settings)
    assert is_routed(address)
    assert not rules.check_relay(facts_of("stranger", settings), address).accepted
    assert rules.check_relay(facts_of("listed", settings), address).accepted
    backup = Resolution(Status.NOT_OURS, (RemoteTarget(address),))
    assert not check_recipient(facts_of("stranger", settings), address, backup, rules, backup=True).accepted
    # Nor from a domain of ours whose unknown addresses a hub takes.
    hub = Resolution(Status.REMOTE, (RemoteTarget(address),))
    assert not check_recipient(facts_of("stranger", settings), address, hub, rules).accepted
    assert check_recipient(facts_of("user", settings), address, hub, rules).accepted


def test_a_backup_takes_mail_of_its_domains_from_everybody_but_where_all_sign_in():
    found = Resolution(Status.NOT_OURS, (RemoteTarget(FAR),))
    for authentication, takes in (("none", True), ("relay", True), ("local-and-relay", False)):
        settings = settings_of("none", "none", authentication)
        rules, facts = Restrictions(settings), facts_of("stranger", settings)
        assert check_recipient(facts, FAR, found, rules, backup=True).accepted is takes


def test_who_must_sign_in_learns_nothing_of_addresses():
    settings = settings_of("none", "none", "local-and-relay")
    rules, facts = Restrictions(settings), facts_of("stranger", settings)
    said = {check_recipient(facts, OURS, Resolution(status), rules) for status in Status}
    assert {verdict.code for verdict in said} == {530}


def test_names_count_for_relaying_only_when_they_lead_back():
    settings = settings_of("addresses", "none", "relay")
    facts = facts_of("stranger", settings)
    facts.found[CLIENT_NAME] = ClientName("", IprevStatus.FAIL, ("pc.friends.test",))
    assert not Restrictions(settings).may_relay(facts)
    # But for refusing they do not have to: nobody claims a bad name.
    facts.found[CLIENT_NAME] = ClientName("", IprevStatus.FAIL, ("pc.bad.test",))
    assert not Restrictions(settings_of("none", "listed", "relay")).check_connection(facts).accepted


def test_lmtp_relays_nothing_and_is_not_asked_to_sign_in():
    settings = settings_of("all", "everything", "local-and-relay")
    rules, facts = Restrictions(settings), Facts("192.0.2.5", Mode.LMTP)
    assert rules.check_connection(facts).accepted
    assert not rules.may_relay(facts)
    assert check_recipient(facts, OURS, Resolution(Status.LOCAL, (HERE,)), rules).accepted
    assert not check_recipient(facts, FAR, Resolution(Status.NOT_OURS, (RemoteTarget(FAR),)), rules).accepted


@pytest.mark.parametrize(
    ("authorised", "accepted"),
    [((), False), (("ana@example.test",), True), (("@example.test",), True), (("bob@example.test",), False)],
)
def test_identities_are_verified_against_the_list(authorised, accepted):
    settings = Settings(restrict=Restrict(verify_identity=True, authorised=authorised))
    assert Restrictions(settings).check_identity(facts_of("user", settings)).accepted is accepted
    assert Restrictions(Settings()).check_identity(facts_of("user", Settings())).accepted


def test_recent_readers_stay_strangers_for_other_checks_without_the_override():
    for override in (False, True):
        settings = settings_of("pop-before-smtp", "listed", "relay", override=override)
        rules, facts = Restrictions(settings), facts_of("reader", settings)
        assert rules.may_relay(facts)
        assert rules.is_trusted(facts) is override


@pytest.mark.parametrize("relay", list(RelayRule))
def test_who_signed_in_is_no_stranger_and_an_open_relay_makes_nobody_a_friend(relay):
    settings = settings_of(relay, "none", "relay")
    rules = Restrictions(settings)
    assert rules.is_trusted(facts_of("user", settings))
    assert not rules.is_trusted(facts_of("stranger", settings))
    assert rules.is_trusted(facts_of("named", settings)) is (relay in (RelayRule.ADDRESSES, RelayRule.BOTH))


def test_only_what_the_settings_ask_for_is_looked_up():
    default = Restrictions(Settings())
    assert not default.uses_names
    assert not default.uses_readers
    assert Restrictions(settings_of("pop-before-smtp", "none", "relay")).uses_readers
    assert Restrictions(settings_of("addresses", "none", "relay")).uses_names
    assert Restrictions(settings_of("none", "listed", "relay")).uses_names


def test_names_of_clients_are_looked_up_where_that_is_wanted():
    quiet = {"smtp": {"host_lookup_networks": ("192.0.2.0/24",)}}
    rules = Restrictions(Settings.model_validate(quiet))
    assert [rules.wants_name(peer) for peer in ("192.0.2.1", "203.0.113.1")] == [True, False]
    needed = Restrictions(Settings.model_validate({**quiet, "restrict": {"names": ("bad.test",)}}))
    assert needed.wants_name("203.0.113.1")


def test_sessions_under_way_may_have_older_settings():
    prepared, one, other = Prepared(), Settings(), settings_of("none", "none", "none")
    assert prepared(one) is prepared(one)
    assert prepared(other) is prepared(other)
    assert prepared(one).authentication is Authentication.RELAY


def test_anybody_is_told_the_same_of_addresses_of_others():
    assert check_address(Resolution(Status.NOT_OURS, (RemoteTarget(FAR),))).code == 550
