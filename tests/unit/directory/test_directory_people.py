"""Who is meant by an address or an identifier, and what means somebody: what shared folders ask the directory."""

import pytest

from estafeta.core.errors import EstafetaError, Kind


@pytest.fixture
def people(site):
    directory = site.directory
    directory.add_domain("alias.example", alias_of="example.org")
    directory.add_user("Ana@example.org")
    directory.add_user("bo@example.org")
    directory.add_address("ana", "ana.g@other.example")
    directory.add_alias("info@example.org", ["ana@example.org"])
    directory.add_group("team@example.org", members=["ANA@alias.example", "x@elsewhere.example"])
    directory.add_group("all@example.org", members=["team@alias.example"])
    directory.add_group("rest@example.org", members=["bo@example.org"])
    directory.add_members("team@example.org", ["all@example.org"])
    return site


def test_identifiers_of_a_user(people) -> None:
    ana = people.directory.find_person("ana")
    assert ana is not None
    assert people.directory.identifiers_of(ana.account_id) == (
        "ana.g@other.example",
        "ana@example.org",
        "@example.org",
        "group:all@example.org",
        "group:team@example.org",
        "anyone",
    )


def test_people_are_found_by_any_of_their_addresses(people) -> None:
    directory = people.directory
    ana = directory.find_person("ana@example.org")
    assert ana is not None
    assert ana.address == "ana@example.org"
    for text in ("ANA", "Ana@ALIAS.example", "ana.g@other.example"):
        assert directory.find_person(text) == ana
    assert directory.person(ana.account_id) == ana
    for text in ("info@example.org", "team@example.org", "nobody@example.org", "x@elsewhere.example", "", "@", "a b"):
        assert directory.find_person(text) is None
    directory.remove_user("ana")
    assert directory.find_person("ana") is None
    assert directory.person(ana.account_id) is None
    assert directory.identifiers_of(ana.account_id) == ()


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("ana", "ana@example.org"),
        ("ana.g@other.example", "ana@example.org"),
        ("-Ana@Alias.example", "-ana@example.org"),
        ("team@example.org", "group:team@example.org"),
        ("Group:team@ALIAS.example", "group:team@example.org"),
        ("-@alias.example", "-@example.org"),
        ("ANYONE", "anyone"),
        ("-anyone", "-anyone"),
    ],
)
def test_identifiers_are_stored_in_one_form(people, text: str, identifier: str) -> None:
    assert people.directory.check_identifier(text) == identifier


@pytest.mark.parametrize(
    "text",
    ["", "-", "--anyone", "@", "@elsewhere.example", "info@example.org", "group:ana@example.org", "group:", "a b"],
)
def test_what_cannot_have_rights(people, text: str) -> None:
    with pytest.raises(EstafetaError) as caught:
        people.directory.check_identifier(text)
    assert caught.value.kind is Kind.INVALID
    assert "anyone" in caught.value.public


def test_every_change_is_another_generation(people) -> None:
    before = people.directory.generation
    people.directory.add_user("cy@example.org")
    assert people.directory.generation != before
