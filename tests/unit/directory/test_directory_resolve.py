"""Where an address leads: the order of lookup, expansion, loops, limits, and what is remembered."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estafeta.directory.model import DomainState, LocalTarget, RemoteTarget, Resolution, Status
from estafeta.mail.address import Address, parse_address


def resolve(site, text: str) -> Resolution:
    return site.directory.resolve(Address(text, "") if "@" not in text else parse_address(text))


def told(site, text: str) -> tuple[str, list[str]]:
    """The status and the targets as text: the user's address with the extension, or the address elsewhere."""
    resolution = resolve(site, text)
    names = {user.account_id: user.address for user in site.directory.list_users(include_removed=True)}
    shown = [
        names[target.account_id] + (f" ({target.extension})" if target.extension else "")
        if isinstance(target, LocalTarget)
        else str(target.address)
        for target in resolution.targets
    ]
    return resolution.status.value, shown


@pytest.fixture
def town(site):
    """Users ana, luis and root; aliases and groups between them; a host name and an address of its own."""
    directory = site.directory
    for name in ("ana", "luis", "root", "gone", "asleep", "away", "both"):
        directory.add_user(f"{name}@example.org")
    directory.add_user("ana@other.example")
    directory.add_address("ana@example.org", "Ana.Garcia@example.org")
    directory.add_alias("info@example.org", ["ana", "luis@example.org", "boss@elsewhere.test"])
    directory.add_alias("far@example.org", ["x@elsewhere.test"])
    directory.add_alias("deep@example.org", ["info@example.org", "ana@example.org"])
    directory.add_alias("half@example.org", ["ana", "nobody@example.org"])
    directory.add_alias("one@example.org", ["two@example.org"])
    directory.add_alias("two@example.org", ["one@example.org"])
    directory.add_group("staff@example.org", members=["luis", "info@example.org"])
    directory.remove_user("gone@example.org")
    directory.disable_user("asleep@example.org")
    directory.set_redirect("away@example.org", ["away@elsewhere.test"])
    directory.set_redirect("both@example.org", ["both@elsewhere.test"], keep_copy=True)
    site.settings.set_setting("local.host_names", "mx.example.net", "test")
    site.settings.set_setting("local.addresses", "192.0.2.1, 2001:db8::1", "test")
    directory.forget()
    return site


CASES = [
    ("ana@example.org", "local", ["ana@example.org"]),
    ("ANA@Example.ORG", "local", ["ana@example.org"]),
    ("ana@other.example", "local", ["ana@other.example"]),
    ("ana.garcia@example.org", "local", ["ana@example.org"]),
    ("ana+Lists@example.org", "local", ["ana@example.org (Lists)"]),
    ("ana+a+b@example.org", "local", ["ana@example.org (a+b)"]),
    ("ana+@example.org", "local", ["ana@example.org"]),
    ("+ana@example.org", "unknown", []),
    ("info+x@example.org", "local", ["ana@example.org (x)", "luis@example.org (x)", "boss@elsewhere.test"]),
    ("far@example.org", "remote", ["x@elsewhere.test"]),
    ("deep@example.org", "local", ["ana@example.org", "luis@example.org", "boss@elsewhere.test"]),
    ("staff@example.org", "local", ["ana@example.org", "luis@example.org", "boss@elsewhere.test"]),
    ("half@example.org", "local", ["ana@example.org"]),
    ("one@example.org", "denied", []),
    ("gone@example.org", "removed", []),
    ("asleep@example.org", "disabled", []),
    ("away@example.org", "remote", ["away@elsewhere.test"]),
    ("both@example.org", "local", ["both@example.org", "both@elsewhere.test"]),
    ("root@example.org", "denied", []),
    ("root+x@example.org", "denied", []),
    ("ROOT@other.example", "denied", []),
    ("nobody@example.org", "unknown", []),
    ("ana@elsewhere.test", "not_ours", ["ana@elsewhere.test"]),
    ("ana@mx.example.net", "local", ["ana@example.org"]),
    ("ana@[192.0.2.1]", "local", ["ana@example.org"]),
    ("ana@[IPv6:2001:db8:0::1]", "local", ["ana@example.org"]),
    ("ana@[192.0.2.9]", "not_ours", ["ana@[192.0.2.9]"]),
    ("postmaster@example.org", "local", ["ana@example.org"]),
    ("postmaster@mx.example.net", "local", ["ana@example.org"]),
    ("PostMaster", "local", ["ana@example.org"]),
    ("ana", "local", ["ana@example.org"]),
]


@pytest.mark.parametrize(("address", "status", "targets"), CASES)
def test_an_address_leads_where_the_directory_says(town, address, status, targets):
    found_status, found = told(town, address)
    assert (found_status, sorted(found)) == (status, sorted(targets))


def test_the_reason_names_what_could_not_be_reached(town):
    assert resolve(town, "half@example.org").reason == "There is no nobody@example.org here."
    assert "back to itself" in resolve(town, "one@example.org").reason


def test_the_account_is_that_of_the_address_itself(town):
    ana = town.directory.get_user("ana@example.org").account_id
    assert resolve(town, "ana+x@example.org").account_id == ana
    assert resolve(town, "info@example.org").account_id is None
    assert resolve(town, "postmaster@example.org").account_id is None


def test_postmaster_prefers_an_alias_then_the_setting_then_the_first_user(town):
    town.set("local.postmaster", "luis@example.org")
    assert told(town, "postmaster@example.org")[1] == ["luis@example.org"]
    town.directory.add_alias("postmaster@example.org", ["both@example.org"])
    assert told(town, "postmaster@example.org")[1][0] == "both@example.org"
    assert told(town, "postmaster@other.example")[1] == ["luis@example.org"]


def test_an_alias_lets_a_never_user_have_mail(site):
    site.directory.add_user("ana@example.org")
    site.directory.set_catch_all("example.org", "ana@example.org")
    assert resolve(site, "root@example.org").status is Status.DENIED
    site.directory.add_alias("root@example.org", ["ana"])
    assert told(site, "root@example.org") == ("local", ["ana@example.org"])


def test_the_catch_all_takes_what_nobody_has(site):
    site.directory.add_user("ana@example.org")
    site.directory.add_alias("typo@example.org", ["missing@example.org"])
    site.directory.set_catch_all("example.org", "ana+other")
    assert told(site, "anything@example.org") == ("local", ["ana@example.org (other)"])
    assert told(site, "typo@example.org") == ("local", ["ana@example.org (other)"])
    assert told(site, "anything@other.example") == ("unknown", [])
    site.directory.set_catch_all("example.org", "missing@example.org")
    assert told(site, "anything@example.org") == ("unknown", [])


def test_alias_domains_and_disabled_domains(site):
    site.directory.add_user("ana@example.org")
    site.directory.add_domain("example.com", alias_of="example.org")
    site.directory.add_domain("español.example", alias_of="example.org")
    assert told(site, "ana+x@example.com") == ("local", ["ana@example.org (x)"])
    assert told(site, "ana@ESPAÑOL.example") == ("local", ["ana@example.org"])
    assert told(site, "ana@xn--espaol-zwa.example") == ("local", ["ana@example.org"])
    site.directory.change_domain("example.org", state=DomainState.DISABLED)
    assert resolve(site, "ana@example.com").status is Status.DISABLED


def test_separators_are_a_setting(site):
    site.directory.add_user("ana@example.org")
    site.directory.add_user("ana-maria@example.org")
    site.set("local.extension_separators", "-+")
    assert told(site, "ana-maria-x@example.org")[1] == ["ana-maria@example.org (x)"]
    assert told(site, "ana-x+y@example.org")[1] == ["ana@example.org (x+y)"]
    site.set("local.extension_separators", "")
    assert told(site, "ana+x@example.org")[0] == "unknown"


def test_a_host_stands_for_the_first_of_its_qualifying_domains_that_is_ours(site):
    site.directory.add_user("ana@example.org")
    site.directory.add_user("ana@other.example")
    site.set("local.host_names", "mx.example.net")
    site.set("local.qualify_domain", "elsewhere.test")
    assert told(site, "ana@mx.example.net") == ("local", ["ana@example.org"])
    assert told(site, "postmaster") == ("local", ["ana@example.org"])
    site.set("local.qualify_recipient", "other.example")
    assert told(site, "ana@mx.example.net") == ("local", ["ana@other.example"])
    site.directory.add_domain("mx.example.net")
    assert told(site, "ana@mx.example.net") == ("unknown", [])


def test_limits_end_an_expansion(site):
    site.directory.add_group("all@example.org", members=[f"u{n}@elsewhere.test" for n in range(30)])
    assert len(resolve(site, "all@example.org").targets) == 30
    site.set("limits.max_expansion", "29")
    assert resolve(site, "all@example.org").status is Status.DENIED
    site.set("limits.max_expansion_depth", "3")
    for n in range(6):
        site.directory.add_alias(f"a{n}@example.org", [f"a{n + 1}@example.org"])
    site.directory.add_alias("a6@example.org", ["x@elsewhere.test"])
    assert resolve(site, "a0@example.org").status is Status.DENIED
    assert resolve(site, "a3@example.org").status is Status.REMOTE


def test_the_quota_is_the_users_else_the_domains_else_the_sites(site):
    site.directory.add_user("ana@example.org")

    def quota() -> int:
        (target,) = resolve(site, "ana@example.org").targets
        assert isinstance(target, LocalTarget)
        return target.quota_bytes

    assert quota() == 0
    site.set("limits.default_quota_bytes", "1 GiB")
    assert quota() == 1 << 30
    site.directory.change_domain("example.org", default_quota_bytes=5_000_000, max_message_bytes=70_000)
    assert quota() == 5_000_000
    assert resolve(site, "ana@example.org").max_message_bytes == 70_000
    site.directory.change_user("ana@example.org", quota_bytes=0)
    assert quota() == 0


def test_answers_are_remembered_until_a_change(site):
    site.directory.add_user("ana@example.org")
    ana, stranger = Address("ana", "example.org"), Address("x", "elsewhere.test")
    assert site.directory.cached(ana) is None
    first = site.directory.resolve(ana)
    assert site.directory.cached(ana) is first
    assert site.directory.resolve(stranger).targets == (RemoteTarget(stranger),)
    assert site.directory.cached(stranger) is not None
    site.directory.disable_user("ana@example.org")
    assert site.directory.cached(ana) is None
    assert site.directory.resolve(ana).status is Status.DISABLED


def test_a_change_elsewhere_is_seen_by_polling(site):
    from estafeta.directory.service import Directory

    other = Directory(site.database, site.clock, site.settings)
    ana = Address("ana", "example.org")
    other.poll_version()
    assert other.resolve(ana).status is Status.UNKNOWN
    assert not other.poll_version()
    site.directory.add_user("ana@example.org")
    assert other.cached(ana) is not None
    assert other.poll_version()
    assert other.resolve(ana).status is Status.LOCAL


def test_an_answer_read_before_a_change_is_not_remembered(site, monkeypatch):
    from estafeta.directory import resolver

    real = resolver.Expansion.expand

    def expand_while_changing(self, address):
        resolution = real(self, address)
        site.directory.forget()
        return resolution

    monkeypatch.setattr(resolver.Expansion, "expand", expand_while_changing)
    ana = Address("ana", "example.org")
    site.directory.resolve(ana)
    assert site.directory.cached(ana) is None


def test_the_memory_is_bounded(site):
    from estafeta.directory.service import Directory

    small = Directory(site.database, site.clock, site.settings, max_remembered=20)
    for number in range(100):
        small.resolve(Address(f"u{number}", "example.org"))
    kept = [number for number in range(100) if small.cached(Address(f"u{number}", "example.org"))]
    assert len(kept) <= 20
    assert kept[-1] == 99


def test_a_remembered_answer_costs_little(site):
    site.directory.add_user("ana@example.org")
    ana = Address("ana", "example.org")
    site.directory.resolve(ana)
    best = min(_seconds(lambda: [site.directory.cached(ana) for _ in range(1000)]) for _ in range(5))
    assert best / 1000 < 10e-6  # 0.3 µs on an idle machine; far above it means a query


def _seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=40), st.sampled_from(["example.org", "", "mx.example.net", "[192.0.2.1]", "x.test", "."]))
def test_resolving_never_raises(town, local, domain):
    resolution = town.directory.resolve(Address(local, domain))
    assert isinstance(resolution.status, Status)


NAMES = [f"n{n}" for n in range(6)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "ana"]), min_size=1, max_size=4)))
def test_any_tangle_of_aliases_ends(site, tangle):
    if not site.directory.list_users():
        site.directory.add_user("ana@example.org")
    for alias in site.directory.list_aliases():
        site.directory.remove_alias(alias.address)
    for name, targets in tangle.items():
        others = [target for target in targets if target != name]
        if others:
            site.directory.add_alias(name, others)
    for name in NAMES:
        resolution = resolve(site, f"{name}@example.org")
        assert len(resolution.targets) <= 1
        assert (resolution.status is Status.LOCAL) == bool(resolution.targets)
