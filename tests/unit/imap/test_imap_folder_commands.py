"""CREATE, DELETE, RENAME, SUBSCRIBE, STATUS, NAMESPACE: what each answers, also on what is others'."""

import pytest
from imap_world import World

from estafeta.mailboxes import look
from estafeta.mailboxes.values import Flag


def names(world: World, who: str) -> list[str]:
    return [one.name for one in look.list_mailboxes(world.database, world.id_of(who))]


def test_create_tells_the_mailbox_id(world: World) -> None:
    ann = world.client("ann")
    assert ann.say("CREATE Work/2026") == ["OK [MAILBOXID (M1-2)] CREATE completed."]
    assert ann.say("CREATE Work/2026/") == ["NO [ALREADYEXISTS] There is a mailbox 'Work/2026' already."]
    assert names(world, "ann") == ["INBOX", "Work/2026"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("CREATE inbox", "ALREADYEXISTS"),
        ('CREATE ""', "CANNOT"),
        ('CREATE "a//b"', "CANNOT"),
        ('CREATE "#new"', "CANNOT"),
        ('CREATE "#shared/"', "CANNOT"),
        ("CREATE #user/ann@example.test/#x", "CANNOT"),
        ("CREATE #shared/New", "NOPERM"),
        ("CREATE #user/nobody@example.test/x", "NOPERM"),
        ("CREATE #user/ben@example.test/x", "NOPERM"),
        (r"CREATE x (USE (\All))", "USEATTR"),
        (r"CREATE x (USE (\Sent \Nonsense))", "USEATTR"),
        (f"CREATE {'x' * 1100}", "CANNOT"),
        ("DELETE INBOX", "CANNOT"),
        ("DELETE nothing", "NONEXISTENT"),
        ("RENAME nothing other", "NONEXISTENT"),
        ("RENAME INBOX #shared/x", "NOPERM"),
        ("RENAME INBOX INBOX", "ALREADYEXISTS"),
        ("STATUS nothing (MESSAGES)", "NONEXISTENT"),
        ("STATUS #user/ben@example.test/INBOX (MESSAGES)", "NONEXISTENT"),
    ],
)
def test_what_cannot_be_done_says_so(world: World, command: str, code: str) -> None:
    ann = world.client("ann")
    ann.say("CREATE first")
    [answer] = ann.say(command)
    assert answer.startswith(f"NO [{code}] "), answer


def test_special_uses_are_one_mailbox_each(world: World) -> None:
    ann = world.client("ann")
    assert ann.say(r"CREATE Papierkorb (USE (\trash \Junk))")[-1].startswith("OK ")
    assert ann.say(r"CREATE Trash (USE (\Trash))") == ["NO [USEATTR] Another mailbox has that special use."]
    status = look.find_mailbox(world.database, world.id_of("ann"), "Papierkorb")
    assert status is not None
    assert status.special_use == "Trash Junk"


def test_rename_takes_along_what_is_below_and_says_the_old_name_in_rev2(world: World) -> None:
    ann = world.client("ann")
    for name in ("a", "a/b", "ab"):
        ann.say(f"CREATE {name}")
    assert ann.say("RENAME a z/y") == ["OK RENAME completed."]
    assert names(world, "ann") == ["INBOX", "ab", "z/y", "z/y/b"]
    ann.say("ENABLE IMAP4rev2")
    assert ann.say("RENAME ab n") == ['* LIST () "/" "n" ("OLDNAME" ("ab"))', "OK RENAME completed."]


def test_rename_of_inbox_moves_its_messages(world: World) -> None:
    world.deliver("ann", count=2)
    ann = world.client("ann", enable="IMAP4rev2")
    assert ann.say("RENAME INBOX old") == ["OK RENAME completed."]
    assert ann.say("STATUS INBOX (MESSAGES)")[0] == '* STATUS "INBOX" (MESSAGES 0)'
    assert ann.say("STATUS old (MESSAGES)")[0] == '* STATUS "old" (MESSAGES 2)'


def test_names_are_composed_and_rev2_is_told(world: World) -> None:
    ann = world.client("ann", enable="IMAP4rev2")
    assert ann.say('CREATE "cafe\u0301"')[0] == '* LIST () "/" "café" ("OLDNAME" ("cafe\u0301"))'
    assert ann.say('STATUS "cafe\u0301" (MESSAGES)')[0] == '* STATUS "café" (MESSAGES 0)'


def test_names_outside_ascii_are_utf7_without_utf8(world: World) -> None:
    ann = world.client("ann")
    ann.say("CREATE Entw&APw-rfe")
    assert names(world, "ann") == ["Entwürfe", "INBOX"]
    assert ann.say("STATUS Entw&APw-rfe (MESSAGES)")[0] == '* STATUS "Entw&APw-rfe" (MESSAGES 0)'


def test_status_counts(world: World) -> None:
    ann = world.client("ann")
    world.deliver("ann", count=2)
    world.deliver("ann", flags=int(Flag.DELETED | Flag.SEEN))
    said = ann.say("STATUS inbox (MESSAGES RECENT UIDNEXT UNSEEN DELETED SIZE DELETED-STORAGE MAILBOXID APPENDLIMIT)")
    assert said == [
        '* STATUS "INBOX" (MESSAGES 3 RECENT 3 UIDNEXT 4 UNSEEN 2 DELETED 1 SIZE 141 DELETED-STORAGE 47 '
        "MAILBOXID (M1-1) APPENDLIMIT 52428800)",
        "OK STATUS completed.",
    ]
    assert not ann.session.machine.condstore
    assert ann.say("STATUS inbox (HIGHESTMODSEQ)")[0].startswith('* STATUS "INBOX" (HIGHESTMODSEQ ')
    assert ann.session.machine.condstore


def test_subscriptions_are_names(world: World) -> None:
    ann = world.client("ann")
    assert ann.say("SUBSCRIBE Nothing/There") == ["OK SUBSCRIBE completed."]
    assert ann.say("SUBSCRIBE inbox") == ["OK SUBSCRIBE completed."]
    assert ann.say('LSUB "" "*"')[:-1] == ['* LSUB () "/" "INBOX"', '* LSUB () "/" "Nothing/There"']
    assert ann.say('LSUB "" "%"')[:-1] == ['* LSUB () "/" "INBOX"', '* LSUB (\\Noselect) "/" "Nothing"']
    assert ann.say("UNSUBSCRIBE Nothing/There") == ["OK UNSUBSCRIBE completed."]
    assert ann.say('LSUB "" "*"')[:-1] == ['* LSUB () "/" "INBOX"']
    assert ann.say('LSUB "" ""') == ['* LSUB (\\Noselect) "/" ""', "OK LSUB completed."]


def test_namespace(world: World) -> None:
    assert world.client("ann").say("NAMESPACE")[0] == '* NAMESPACE (("" "/")) (("#user/" "/")) (("#shared/" "/"))'


def test_others_mailboxes_need_rights(world: World) -> None:
    world.mailbox("ann", "Seen", ben="l")
    world.mailbox("ann", "Read", ben="lr")
    world.mailbox("ann", "Full", ben="lrkx")
    world.mailbox("ann", "Hidden", ben="k")
    world.deliver("ben")
    ben = world.client("ben")
    top = "#user/ANN@Example.test"
    assert ben.say(f"STATUS {top}/Seen (MESSAGES)")[0].startswith("NO [NOPERM]")
    assert ben.say(f"STATUS {top}/Hidden (MESSAGES)")[0].startswith("NO [NONEXISTENT]")
    assert ben.say(f"STATUS {top}/Read (MESSAGES)")[0] == '* STATUS "#user/ann@example.test/Read" (MESSAGES 0)'
    assert ben.say(f"CREATE {top}/Read/x")[0].startswith("NO [NOPERM]")
    assert ben.say(f"CREATE {top}/Full/x/y")[0].startswith("OK [MAILBOXID (M1-")
    assert ben.say(f"RENAME {top}/Full/x/y {top}/Full/z")[0].startswith("OK ")
    assert ben.say(f"RENAME {top}/Full/z mine")[0].startswith("NO [CANNOT] A mailbox stays with its owner")
    assert ben.say(f"DELETE {top}/Read")[0].startswith("NO [NOPERM]")
    assert ben.say(f"DELETE {top}/Full/z") == ["OK DELETE completed."]
    assert ben.say("STATUS #user/ben@example.test/inbox (MESSAGES)")[0] == '* STATUS "INBOX" (MESSAGES 1)'


def test_rights_by_group_domain_anyone_and_taken_away(world: World) -> None:
    shared = world.mailbox("ann", "S")
    for identifier, rights in (("group:staff@example.test", "lr"), ("@other.test", "l"), ("-ben@example.test", "r")):
        world.grant("ann", shared, identifier, rights)
    name = "#user/ann@example.test/S"
    assert world.client("ben").say(f"MYRIGHTS {name}")[0] == f'* MYRIGHTS "{name}" l'
    assert world.client("dan").say(f"MYRIGHTS {name}")[0] == f'* MYRIGHTS "{name}" l'
    cat = world.client("cat")
    assert cat.say(f"MYRIGHTS {name}")[0].startswith("NO [NONEXISTENT]")
    world.directory.add_group("all@example.test", members=["staff@example.test"])
    world.directory.add_members("staff@example.test", ["cat@example.test"])
    assert cat.say(f"MYRIGHTS {name}")[0] == f'* MYRIGHTS "{name}" lr'
    world.directory.remove_members("staff@example.test", ["cat@example.test"])
    assert cat.say(f"MYRIGHTS {name}")[0].startswith("NO [NONEXISTENT]")


def test_administrators_look_after_shared_folders(world: World) -> None:
    root, ann = world.client("cat", administrator=True), world.client("ann")
    assert root.say("CREATE #shared/News")[0] == "OK [MAILBOXID (M0-2)] CREATE completed."
    assert ann.say("STATUS #shared/News (MESSAGES)")[0].startswith("NO [NONEXISTENT]")
    assert root.say("SETACL #shared/News anyone lrk") == ["OK SETACL completed."]
    assert ann.say("CREATE #shared/News/Sport")[0].startswith("OK ")
    assert ann.say("MYRIGHTS #shared/News/Sport")[0] == '* MYRIGHTS "#shared/News/Sport" lrkc'
    assert ann.say("DELETE #shared/News/Sport")[0].startswith("NO [NOPERM]")
    assert root.say("DELETE #shared/News/Sport") == ["OK DELETE completed."]
