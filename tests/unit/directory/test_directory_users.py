"""Users, domains, aliases and groups: what may be done, and the sentence for what may not."""

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Alias, DomainState, Group, RedirectMode, Service, Status, UserState
from estafeta.mail.address import Address


def refused(kind: Kind, part: str | None = None):
    return pytest.raises(EstafetaError, match=part, check=lambda error: error.kind is kind)


def test_a_user_is_added_and_shown(site):
    user = site.directory.add_user(
        "Ana@Example.org",
        password="correct horse",
        display_name="Ana García",
        quota_bytes=1000,
        language="es",
        services=[Service.POP3, Service.SUBMISSION],
    )
    assert (user.address, user.addresses) == ("Ana@example.org", ("Ana@example.org",))
    assert user.preferred_address == "Ana@example.org"
    assert (user.display_name, user.language, user.quota_bytes) == ("Ana García", "es", 1000)
    assert user.services == {Service.SUBMISSION, Service.POP3}
    assert user.state is UserState.ACTIVE
    assert user.has_password
    assert site.directory.get_user("ana") == user
    assert site.directory.list_users() == [user]
    assert site.announced.count("directory") == 3


BAD_USERS = [
    ({"address": "ana@nowhere.test"}, Kind.NOT_FOUND, "not one of our domains"),
    ({"address": "ana@@example.org"}, Kind.INVALID, None),
    ({"address": ""}, Kind.INVALID, None),
    ({"address": "taken@example.org"}, Kind.EXISTS, "an alias"),
    ({"address": "luis"}, Kind.EXISTS, "a user"),
    ({"address": "LUIS"}, Kind.EXISTS, "a user"),
    ({"address": "ana", "password": "short"}, Kind.INVALID, "at least 8"),
    ({"address": "ana", "password": "x" * 2000}, Kind.INVALID, "longer"),
    ({"address": "ana", "password": "line\nend-end"}, Kind.INVALID, "control"),
    ({"address": "ana", "password_hash": "{PLAIN}secret"}, Kind.INVALID, "clear"),
    ({"address": "ana", "language": "fr"}, Kind.INVALID, "en, es, ja"),
    ({"address": "ana", "quota_bytes": -5}, Kind.INVALID, "quota"),
    ({"address": "ana", "display_name": "a\nb"}, Kind.INVALID, "one line"),
]


@pytest.mark.parametrize(("arguments", "kind", "part"), BAD_USERS)
def test_a_user_that_cannot_be_is_refused_in_a_sentence(site, arguments, kind, part):
    site.directory.add_alias("taken@example.org", ["x@elsewhere.test"])
    site.directory.add_user("luis")
    with refused(kind, part) as caught:
        site.directory.add_user(**arguments)
    assert caught.value.public.endswith(".")
    assert "\n" not in caught.value.public
    assert [user.address for user in site.directory.list_users()] == ["luis@example.org"]


def test_account_ids_are_never_used_again(site):
    first = site.directory.add_user("ana").account_id
    site.directory.remove_user("ana")
    assert site.directory.purge_user("ana") == first
    assert site.directory.add_user("ana").account_id == first + 1


def test_a_removed_user_keeps_its_mailbox_until_purged(site):
    directory = site.directory
    account_id = directory.add_user("ana", password="correct horse").account_id
    with refused(Kind.IN_USE, "remove the user first"):
        directory.purge_user("ana")
    directory.remove_user("ana")
    assert directory.resolve(Address("ana", "example.org")).status is Status.REMOVED
    assert directory.list_users() == []
    assert directory.get_removed_user("ana").account_id == account_id
    with refused(Kind.NOT_FOUND):
        directory.get_user("ana")
    restored = directory.restore_user("ana")
    assert (restored.account_id, restored.has_password) == (account_id, False)
    directory.remove_user("ana")
    assert directory.purge_user("ana") == account_id
    assert directory.resolve(Address("ana", "example.org")).status is Status.UNKNOWN
    with refused(Kind.NOT_FOUND):
        directory.purge_user("ana")


def test_the_address_of_a_removed_user_is_free_for_others(site):
    directory = site.directory
    first = directory.add_user("ana").account_id
    directory.remove_user("ana")
    directory.add_user("luis")
    directory.add_alias("ana", ["luis"])
    with refused(Kind.EXISTS):
        directory.restore_user("ana")
    assert directory.purge_user("ana") == first
    assert directory.resolve(Address("ana", "example.org")).status is Status.LOCAL


def test_a_domain_limits_its_users(site):
    site.directory.change_domain("example.org", max_users=1)
    site.directory.add_user("ana")
    with refused(Kind.LIMIT, "1 users"):
        site.directory.add_user("luis")


def test_domains(site):
    directory = site.directory
    assert directory.add_domain("Español.example.").name == "xn--espaol-zwa.example"
    assert [domain.name for domain in directory.list_domains()] == [
        "example.org",
        "other.example",
        "xn--espaol-zwa.example",
    ]
    directory.add_user("ana@example.org")
    assert directory.get_domain("EXAMPLE.org").users == 1
    assert directory.change_domain("example.org", state=DomainState.DISABLED).state is DomainState.DISABLED
    for name in ("", "two words", "-x", "a..b", "[192.0.2.1]", "a@b", "x" * 64 + ".org"):
        with refused(Kind.INVALID, "not a domain name"):
            directory.add_domain(name)
    with refused(Kind.EXISTS):
        directory.add_domain("example.org")
    with refused(Kind.IN_USE, "1 addresses"):
        directory.remove_domain("example.org")
    with refused(Kind.NOT_FOUND):
        directory.remove_domain("nowhere.test")
    with refused(Kind.NOT_FOUND):
        directory.add_domain("x.test", alias_of="nowhere.test")
    with refused(Kind.INVALID):
        directory.change_domain("example.org", max_message_bytes=-1)
    directory.add_domain("alias.example", alias_of="other.example")
    with refused(Kind.IN_USE, "alias of other.example"):
        directory.remove_domain("other.example")
    directory.remove_domain("alias.example")
    directory.remove_domain("other.example")


def test_further_addresses(site):
    directory = site.directory
    directory.add_user("ana")
    directory.add_user("luis")
    user = directory.add_address("ana", "ana.garcia@other.example")
    assert user.addresses == ("ana.garcia@other.example", "ana@example.org")
    assert directory.get_user("ana.garcia@other.example").account_id == user.account_id
    directory.change_user("ana", preferred_address="ana.garcia@other.example", display_name="Ana")
    with refused(Kind.EXISTS):
        directory.add_address("luis", "ana.garcia@other.example")
    with refused(Kind.INVALID, "stays"):
        directory.remove_address("ana", "ana@example.org")
    with refused(Kind.NOT_FOUND):
        directory.remove_address("luis", "ana@example.org")
    user = directory.remove_address("ana", "ana.garcia@other.example")
    assert (user.addresses, user.preferred_address) == (("ana@example.org",), "ana@example.org")


def test_redirects(site):
    directory = site.directory
    directory.add_user("ana")
    user = directory.set_redirect("ana", ["a@elsewhere.test", "A@elsewhere.test", "b@elsewhere.test"])
    assert user.redirect == ("A@elsewhere.test", "b@elsewhere.test")
    assert user.redirect_mode is RedirectMode.ONLY
    assert directory.set_redirect("ana", ["ana", "a@elsewhere.test"]).redirect_mode is RedirectMode.COPY
    assert directory.set_redirect("ana", ["a@elsewhere.test"], keep_copy=True).redirect_mode is RedirectMode.COPY
    assert directory.set_redirect("ana", []).redirect_mode is RedirectMode.NONE
    assert directory.set_redirect("ana", ["ana+x"]).redirect == ("ana+x@example.org",)


def test_aliases(site):
    directory = site.directory
    assert directory.add_alias("Info", ["ana", "b@elsewhere.test"]) == Alias(
        "Info@example.org", ("ana@example.org", "b@elsewhere.test")
    )
    assert len(directory.add_alias("info", ["c@elsewhere.test"]).targets) == 3
    directory.remove_alias("info", ["ana", "C@elsewhere.test"])
    assert directory.get_alias("info").targets == ("b@elsewhere.test",)
    assert len(directory.list_aliases("example.org")) == 1
    assert directory.list_aliases("other.example") == []
    with refused(Kind.NOT_FOUND, "does not lead"):
        directory.remove_alias("info", ["x@elsewhere.test"])
    with refused(Kind.INVALID, "itself"):
        directory.add_alias("info", ["INFO@example.org"])
    with refused(Kind.INVALID, "needs an address"):
        directory.add_alias("nobody", [])
    directory.remove_alias("info")
    with refused(Kind.NOT_FOUND):
        directory.get_alias("info")
    with refused(Kind.NOT_FOUND):
        directory.list_aliases("nowhere.test")


def test_groups(site):
    directory = site.directory
    group = directory.add_group("staff", display_name="Staff", members=["ana", "luis@elsewhere.test"])
    assert group == Group("staff@example.org", "Staff", ("ana@example.org", "luis@elsewhere.test"))
    assert len(directory.add_members("staff", ["ANA", "eva"]).members) == 3
    assert directory.remove_members("staff", ["eva", "ana"]).members == ("luis@elsewhere.test",)
    with refused(Kind.NOT_FOUND):
        directory.remove_members("staff", ["eva"])
    with refused(Kind.EXISTS, "a group"):
        directory.add_alias("staff", ["ana"])
    with refused(Kind.INVALID):
        directory.add_members("staff", ["staff"])
    assert directory.list_groups() == [directory.get_group("staff")]
    directory.remove_group("staff")
    assert directory.list_groups() == []


def test_two_who_add_the_same_name_at_once(site, monkeypatch):
    from estafeta.directory import accounts

    first = site.directory.add_user("ana")
    monkeypatch.setattr(accounts, "find_address", lambda conn, key: None)
    with refused(Kind.EXISTS, "at this moment"):
        site.directory.add_user("ana")
    monkeypatch.undo()
    assert site.directory.list_users() == [first]


def test_bare_names_are_completed(site):
    site.set("local.qualify_domain", "other.example")
    site.set("local.qualify_recipient", "mx.elsewhere.test")
    assert site.directory.qualify("ana") == Address("ana", "other.example")
    assert site.directory.qualify("ana", recipient=True) == Address("ana", "mx.elsewhere.test")
    assert site.directory.is_local_domain("OTHER.example")
    assert not site.directory.is_local_domain("elsewhere.test")


def test_without_any_domain_a_bare_name_is_refused(site):
    site.directory.remove_domain("example.org")
    site.directory.remove_domain("other.example")
    with refused(Kind.INVALID, "has no domain"):
        site.directory.add_user("ana")
    assert site.directory.resolve(Address("postmaster", "")).status is Status.NOT_OURS


def test_quota_of_messages_is_inherited_like_that_of_octets(site):
    site.directory.add_user("ana@example.org")
    assert site.directory.get_user("ana").quota_messages == 0
    site.set("limits.default_quota_messages", "1000")
    assert site.directory.get_user("ana").quota_messages == 1000
    site.directory.change_domain("example.org", default_quota_messages=50)
    [target] = site.directory.resolve(Address("ana", "example.org")).targets
    assert target.quota_messages == 50
    user = site.directory.change_user("ana", quota_messages=7)
    assert (user.quota_messages, user.quota_messages_inherited) == (7, False)
    [target] = site.directory.resolve(Address("ana", "example.org")).targets
    assert target.quota_messages == 7
    for wrong in (-2, 1 << 41):
        with pytest.raises(EstafetaError):
            site.directory.change_user("ana", quota_messages=wrong)
    with pytest.raises(EstafetaError):
        site.directory.change_domain("example.org", default_quota_messages=-1)
