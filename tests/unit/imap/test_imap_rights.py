"""Access control lists by IMAP (RFC 4314): what is shown, changed, refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_world import World

from estafeta.core.errors import EstafetaError
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.rights import ALL_RIGHTS, encode_rights, parse_rights

ALL = "lrswipkxteacd"


@pytest.mark.parametrize(
    ("text", "rights", "shown"),
    [
        ("lrs", "lrs", "lrs"),
        ("lrswida", "lrswitea", "lrswitead"),
        ("c", "kx", "kxc"),
        ("d", "te", "ted"),
        ("x", "x", "xc"),
        ("", "", ""),
    ],
)
def test_old_rights_stand_for_new_ones(text: str, rights: str, shown: str) -> None:
    assert parse_rights(text) == frozenset(rights)
    assert encode_rights(frozenset(rights)).decode() == shown


@given(st.text())
def test_any_text_gives_rights_or_bad(text: str) -> None:
    if set(text) <= set("lrswipkxteacd"):
        assert parse_rights(text) <= ALL_RIGHTS
    else:
        with pytest.raises(ReplyError):
            parse_rights(text)


def test_the_owner_shares_and_takes_back(world: World) -> None:
    world.mailbox("ann", "S")
    ann, ben = world.client("ann"), world.client("ben")
    name = "#user/ann@example.test/S"
    assert ann.say("GETACL S")[0] == f'* ACL "S" ann@example.test {ALL}'
    assert ann.say("SETACL S BEN@example.test lr") == ["OK SETACL completed."]
    assert ann.say("SETACL S ben +sd") == ["OK SETACL completed."]
    assert ann.say("SETACL S ben@example.test -r") == ["OK SETACL completed."]
    assert ann.say("SETACL S -anyone e") == ["OK SETACL completed."]
    assert ann.say("SETACL S group:staff@example.test a") == ["OK SETACL completed."]
    assert ann.say("GETACL S")[0] == (
        f'* ACL "S" ann@example.test {ALL} -anyone ed ben@example.test lsted group:staff@example.test a'
    )
    assert ben.say(f"MYRIGHTS {name}")[0] == f'* MYRIGHTS "{name}" lstad'
    assert ben.say(f"DELETEACL {name} -anyone") == ["OK DELETEACL completed."]
    assert ben.say(f"SETACL {name} ben lr") == ["OK SETACL completed."]
    assert ann.say('SETACL S group:staff@example.test ""') == ["OK SETACL completed."]
    assert ben.say(f"GETACL {name}")[0].startswith("NO [NOPERM]")
    assert ann.say("DELETEACL S ben@example.test") == ["OK DELETEACL completed."]
    assert ben.say(f"GETACL {name}")[0].startswith("NO [NONEXISTENT]")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("SETACL S ann@example.test lr", "NO [CANNOT] The owner of a mailbox"),
        ("SETACL S -ann@example.test r", "NO [CANNOT] The owner of a mailbox"),
        ("DELETEACL S ann", "NO [CANNOT] The owner of a mailbox"),
        ("SETACL S nobody@example.test lr", "NO [CANNOT] That is nobody here. Rights are for"),
        ("SETACL S x@elsewhere.test lr", "NO [CANNOT] That is nobody here."),
        ("SETACL S @elsewhere.test lr", "NO [CANNOT] That domain is not ours."),
        ("SETACL S @ lr", "NO [CANNOT] "),
        ("SETACL S - lr", "NO [CANNOT] "),
        ('SETACL S "" lr', "NO [CANNOT] "),
        ("SETACL S group:ben@example.test lr", "NO [CANNOT] "),
        ("SETACL S ben lrq", "BAD "),
        ("SETACL S ben L", "BAD "),
        ("SETACL nothing ben lr", "NO [NONEXISTENT] "),
        ("GETACL #user/ben@example.test/INBOX", "NO [NONEXISTENT] "),
        ("MYRIGHTS nothing", "NO [NONEXISTENT] "),
        (f"SETACL S {'x' * 400}@example.test l", "NO [CANNOT] "),
    ],
)
def test_refusals_say_what_is_possible(world: World, command: str, answer: str) -> None:
    world.mailbox("ann", "S")
    [said] = world.client("ann").say(command)
    assert said.startswith(answer), said


def test_groups_and_domains_are_kept_as_the_directory_has_them(world: World) -> None:
    world.directory.add_domain("alias.test", alias_of="example.test")
    world.mailbox("ann", "S")
    ann = world.client("ann")
    for identifier in ("staff@alias.test", "@ALIAS.test", "Cat@Alias.test"):
        assert ann.say(f"SETACL S {identifier} l") == ["OK SETACL completed."]
    assert ann.say("GETACL S")[0].endswith(
        f"ann@example.test {ALL} @example.test l cat@example.test l group:staff@example.test l"
    )


def test_entries_of_people_who_are_gone_can_be_removed(world: World) -> None:
    world.mailbox("ann", "S", cat="lr")
    world.directory.remove_user("cat@example.test")
    ann = world.client("ann")
    assert ann.say("DELETEACL S cat@example.test") == ["OK DELETEACL completed."]
    assert "cat" not in ann.say("GETACL S")[0]


def test_listrights(world: World) -> None:
    world.mailbox("ann", "S")
    ann = world.client("ann")
    assert ann.say("LISTRIGHTS S ben")[0] == '* LISTRIGHTS "S" ben "" l r s w i p k x t e a c d'
    assert ann.say("LISTRIGHTS S ann")[0] == f'* LISTRIGHTS "S" ann {ALL}'
    assert ann.say("LISTRIGHTS S nobody")[0].startswith("NO [CANNOT]")


def test_removed_owners_have_nothing_to_show(world: World) -> None:
    world.mailbox("ann", "S", ben="lr")
    ben = world.client("ben")
    assert ben.say("STATUS #user/ann@example.test/S (MESSAGES)")[-1].startswith("OK")
    world.directory.remove_user("ann@example.test")
    assert ben.say("STATUS #user/ann@example.test/S (MESSAGES)")[0].startswith("NO [NONEXISTENT]")
    assert ben.say('LIST "" "#*"') == ["OK LIST completed."]


def test_people_forget_when_the_directory_changes(world: World) -> None:
    people = world.people
    ann = world.id_of("ann")
    assert people.quota(ann) is None
    assert people.person(ann) is not None
    assert people.quota(ann) == (0, 0)
    world.directory.change_user("ann@example.test", quota_bytes=5000, quota_messages=7)
    assert people.quota(ann) is None
    person = people.person(ann)
    assert person is not None
    assert (person.quota_bytes, person.quota_messages) == (5000, 7)
    assert people.find("nobody@example.test") is None
    with pytest.raises(EstafetaError):
        world.directory.check_identifier("nobody")
