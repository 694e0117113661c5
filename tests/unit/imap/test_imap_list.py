"""LIST as clients send it: plain, extended, with everything that may be asked along."""

from dataclasses import replace

import pytest
from imap_world import Client, World

from estafeta.mailboxes.annotations import SetAnnotations, set_annotations
from estafeta.servers.imap.furnish import ensure_folders
from estafeta.servers.imap.people import People


def listed(client: Client, arguments: str, command: str = "LIST") -> list[str]:
    """The answers, shortened: attributes and what follows the delimiter."""
    *lines, last = client.say(f"{command} {arguments}")
    assert last == f"OK {command} completed.", last
    return [line.removeprefix(f"* {command} ").replace(' "/" ', " ") for line in lines]


@pytest.fixture
def ann(world: World) -> Client:
    """INBOX, a, a/b, c/d (c is only in names), Sent."""
    for name in ("a", "a/b", "c/d"):
        world.mailbox("ann", name)
    world.mailbox("ann", "Sent", "Sent")
    return world.client("ann")


NONE = "\\HasNoChildren"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ('"" ""', ['(\\Noselect) ""']),
        ('"#user/" ""', ['(\\Noselect) "#user/"']),
        (
            '"" "*"',
            [
                f'({NONE}) "INBOX"',
                f'({NONE} \\Sent) "Sent"',
                '(\\HasChildren) "a"',
                f'({NONE}) "a/b"',
                f'({NONE}) "c/d"',
            ],
        ),
        (
            '"" %',
            [f'({NONE}) "INBOX"', f'({NONE} \\Sent) "Sent"', '(\\HasChildren) "a"', '(\\Noselect \\HasChildren) "c"'],
        ),
        ("a/ %", [f'({NONE}) "a/b"']),
        ('"" inbox', [f'({NONE}) "INBOX"']),
        ('"" c', ['(\\Noselect \\HasChildren) "c"']),
        ('"" "c*"', [f'({NONE}) "c/d"']),
        ('"" nothing', []),
        ('() "" c', ['(\\NonExistent \\HasChildren) "c"']),
        ('"" (c "" %/b)', [f'({NONE}) "a/b"', '(\\NonExistent \\HasChildren) "c"']),
        ('"" "" RETURN ()', []),
        ('(SPECIAL-USE) "" *', [f'({NONE} \\Sent) "Sent"']),
        ('(REMOTE) "" a', ['(\\HasChildren) "a"']),
        ('"" a RETURN (CHILDREN SPECIAL-USE SUBSCRIBED)', ['(\\HasChildren) "a"']),
        ('"" "" RETURN (STATUS (MESSAGES))', []),
    ],
)
def test_list(ann: Client, arguments: str, lines: list[str]) -> None:
    assert listed(ann, arguments) == lines


def test_rev2_says_nonexistent(ann: Client) -> None:
    ann.say("ENABLE IMAP4rev2")
    assert listed(ann, '"" c') == ['(\\NonExistent \\HasChildren) "c"']


def test_example_9_of_rfc_5258(world: World) -> None:
    """Section 5, 9: which of the parents are told, and why."""
    for name in ("foo2", "foo2/bar1", "foo2/bar2", "baz2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2"):
        world.mailbox("ann", name)
    for name in ("eps2/mamba", "qux2/bar2"):
        world.mailbox("ann", name)
    ann = world.client("ann")
    for name in ("foo2/bar1", "foo2/bar2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2", "eps2/mamba", "qux2/bar2"):
        ann.say(f"SUBSCRIBE {name}")
    info = '("CHILDINFO" ("SUBSCRIBED"))'
    assert listed(ann, '(RECURSIVEMATCH SUBSCRIBED) "" "*2"') == [
        f'(\\Subscribed {NONE}) "baz2/bar2"',
        f'(\\Subscribed {NONE}) "baz2/bar22"',
        f'(\\Subscribed {NONE}) "baz2/bar222"',
        f'(\\Subscribed \\HasChildren) "eps2" {info}',
        f'(\\HasChildren) "foo2" {info}',
        f'(\\Subscribed {NONE}) "foo2/bar2"',
        f'(\\Subscribed {NONE}) "qux2/bar2"',
    ]
    assert listed(ann, '(RECURSIVEMATCH SUBSCRIBED) "" "%2"') == [
        f'(\\HasChildren) "baz2" {info}',
        f'(\\Subscribed \\HasChildren) "eps2" {info}',
        f'(\\HasChildren) "foo2" {info}',
        f'(\\NonExistent \\HasChildren) "qux2" {info}',
    ]


def test_subscribed_names_need_no_mailbox(ann: Client) -> None:
    ann.say("UNSUBSCRIBE inbox")
    ann.say("SUBSCRIBE Gone")
    ann.say("SUBSCRIBE a")
    assert listed(ann, '(SUBSCRIBED) "" *') == [
        f'(\\NonExistent \\Subscribed {NONE}) "Gone"',
        '(\\Subscribed \\HasChildren) "a"',
    ]
    assert listed(ann, '(SUBSCRIBED SPECIAL-USE) "" *') == []
    ann.say("SUBSCRIBE Sent")
    assert listed(ann, '(SUBSCRIBED SPECIAL-USE) "" *') == [f'(\\Subscribed {NONE} \\Sent) "Sent"']
    assert listed(ann, '"" (a Sent) RETURN (SUBSCRIBED)')[1] == '(\\Subscribed \\HasChildren) "a"'


def test_status_rights_and_metadata_come_along(world: World, ann: Client) -> None:
    world.deliver("ann")
    mine = world.id_of("ann")
    world.group.run(set_annotations, SetAnnotations(mine, 1, 0, (("/color", b"red"), ("/long", b"x" * 2000))))
    world.group.run(set_annotations, SetAnnotations(mine, 1, mine, (("/note", b"a\0b"),)))
    said = ann.octets(
        '"" (INBOX c) RETURN (MYRIGHTS STATUS (MESSAGES UNSEEN) METADATA (MAXSIZE 1000 DEPTH 1) '
        "(/shared /private/note))".join(["LIST ", ""])
    )
    assert said.decode().split("\r\n") == [
        '* LIST (\\HasNoChildren) "/" "INBOX"',
        '* MYRIGHTS "INBOX" lrswipkxteacd',
        '* STATUS "INBOX" (MESSAGES 1 UNSEEN 1)',
        '* METADATA "INBOX" (/shared/color "red" /private/note ~{3}',
        "a\0b)",
        '* LIST (\\NonExistent \\HasChildren) "/" "c"',
        "OK [METADATA LONGENTRIES 2000] LIST completed.",
        "",
    ]
    assert ann.say('LIST "" Sent RETURN (METADATA (/shared/color))')[1] == '* METADATA "Sent" (/shared/color NIL)'


def test_others_mailboxes_are_listed_as_far_as_they_may_be_seen(world: World, ann: Client) -> None:
    world.mailbox("ben", "Projects", "Archive", ann="lr")
    world.mailbox("ben", "Projects/New", ann="l")
    world.mailbox("ben", "Secret", ann="r")
    news = world.mailbox("shared", "News", anyone="lr")
    world.mailbox("shared", "Gone", anyone="lr", **{"-ann@example.test": "l"})
    world.deliver("shared", news)
    assert listed(ann, '"" #*') == [
        f'({NONE}) "#shared/News"',
        '(\\HasChildren) "#user/ben@example.test/Projects"',
        f'(\\Noselect {NONE}) "#user/ben@example.test/Projects/New"',
    ]
    assert listed(ann, '"" #%') == ['(\\Noselect \\HasChildren) "#shared"', '(\\Noselect \\HasChildren) "#user"']
    assert listed(ann, "#user/ %") == ['(\\Noselect \\HasChildren) "#user/ben@example.test"']
    assert len(listed(ann, '"" *')) == 8
    assert listed(ann, "#shared/ * RETURN (STATUS (MESSAGES))")[1] == '* STATUS "#shared/News" (MESSAGES 1)'
    ann.say("SUBSCRIBE #user/ben@example.test/Secret")
    assert listed(ann, '(SUBSCRIBED) "" *')[1:] == [
        f'(\\NonExistent \\Subscribed {NONE}) "#user/ben@example.test/Secret"'
    ]
    root = world.client("cat", administrator=True)
    assert listed(root, '"#shared/" *') == [f'({NONE}) "#shared/Gone"', f'({NONE}) "#shared/News"']


def test_a_thousand_mailboxes_with_status(world: World) -> None:
    for number in range(1000):
        world.mailbox("ann", f"f/{number:04}")
    said = world.client("ann").say('LIST "" * RETURN (STATUS (MESSAGES))')
    assert len(said) == 2003
    assert said[-2] == '* STATUS "f/0999" (MESSAGES 0)'


def test_first_folders_are_made_once(world: World) -> None:
    world.mailbox("ann", "Sent")
    world.mailbox("ann", "Papierkorb", "Trash")
    folders = ("Drafts", "Sent", "Trash", "Templates")
    world.settings = replace(world.settings, default_folders=folders)
    first = world.client("ann")
    first.run(ensure_folders)
    assert listed(first, '(SUBSCRIBED) "" *') == [
        f'(\\Subscribed {NONE}) "INBOX"',
        f'(\\Subscribed {NONE} \\Drafts) "Drafts"',
        f'(\\Subscribed {NONE} \\Sent) "Sent"',
        f'(\\Subscribed {NONE}) "Templates"',
    ]
    first.say("DELETE Drafts")
    assert ensure_folders(first.session) is None
    world.people = People(world.directory)
    world.client("ann").run(ensure_folders)
    assert listed(first, '"" Drafts') == []
