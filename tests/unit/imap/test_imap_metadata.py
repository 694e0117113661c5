"""Annotations of mailboxes and the server (RFC 5464), and special uses by way of them (RFC 6154 4)."""

import pytest
from imap_world import World

from estafeta.servers.imap.metadata import MAX_BYTES, MAX_ENTRIES


def test_set_get_remove(world: World) -> None:
    world.deliver("ann")
    ann = world.client("ann")
    assert ann.say('SETMETADATA INBOX (/private/Comment "mine" /shared/comment "ours")') == [
        "OK SETMETADATA completed."
    ]
    assert ann.say("GETMETADATA INBOX (/shared/comment /private/comment /shared/x)")[0] == (
        '* METADATA "INBOX" (/shared/comment "ours" /private/comment "mine" /shared/x NIL)'
    )
    assert ann.say("SETMETADATA INBOX (/private/comment NIL)") == ["OK SETMETADATA completed."]
    assert ann.say("GETMETADATA INBOX /private/comment")[0] == '* METADATA "INBOX" (/private/comment NIL)'


def test_octets_survive(world: World) -> None:
    world.deliver("ann")
    ann = world.client("ann")
    assert ann.octets(b"SETMETADATA INBOX (/private/a ~{4+}\r\n\0\xff\r\n /private/b {3+}\r\n\xc3\xa9x)")[:2] == b"OK"
    assert ann.octets("GETMETADATA INBOX (/private/a /private/b)").startswith(
        b'* METADATA "INBOX" (/private/a ~{4}\r\n\0\xff\r\n /private/b {3}\r\n\xc3\xa9x)\r\n'
    )


def test_depth_and_maxsize(world: World) -> None:
    world.deliver("ann")
    ann = world.client("ann")
    ann.say('SETMETADATA INBOX (/shared/v/a "1" /shared/v/a/b "22" /shared/v/a/b/c "333" /shared/v/ab "x")')
    assert ann.say("GETMETADATA (DEPTH 1) INBOX /shared/v/a")[0].endswith('(/shared/v/a "1" /shared/v/a/b "22")')
    assert ann.say("GETMETADATA (DEPTH infinity) INBOX /shared")[0].count("/shared") == 4
    assert ann.say("GETMETADATA (DEPTH 1) INBOX /private") == ["OK GETMETADATA completed."]
    assert ann.say("GETMETADATA (DEPTH infinity MAXSIZE 1) INBOX /shared/v/a") == [
        '* METADATA "INBOX" (/shared/v/a "1")',
        "OK [METADATA LONGENTRIES 3] GETMETADATA completed.",
    ]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("GETMETADATA INBOX /other/x", "BAD "),
        ("GETMETADATA INBOX /privatex", "BAD "),
        ("GETMETADATA INBOX /private/a//b", "BAD "),
        ("GETMETADATA INBOX /private/a/", "BAD "),
        ('GETMETADATA INBOX "/private/a*"', "BAD "),
        ("GETMETADATA nothing /private/a", "NO [NONEXISTENT]"),
        ('SETMETADATA INBOX (/private "x")', "BAD "),
        (
            f"SETMETADATA INBOX (/private/x {{{MAX_BYTES + 1}+}}\r\n{'x' * (MAX_BYTES + 1)})",
            f"NO [METADATA MAXSIZE {MAX_BYTES}]",
        ),
        ('SETMETADATA "" (/shared/comment "x")', "NO [NOPERM]"),
        ('SETMETADATA INBOX (/private/specialuse "\\\\Nothing")', "NO [CANNOT]"),
    ],
)
def test_refusals(world: World, command: str, answer: str) -> None:
    world.deliver("ann")
    assert world.client("ann").say(command)[0].startswith(answer)


def test_too_many(world: World) -> None:
    world.deliver("ann")
    ann = world.client("ann")
    for start in range(0, MAX_ENTRIES, 50):
        pairs = " ".join(f'/private/e{number} "x"' for number in range(start, start + 50))
        assert ann.say(f"SETMETADATA INBOX ({pairs})") == ["OK SETMETADATA completed."]
    assert ann.say('SETMETADATA INBOX (/private/more "x")')[0].startswith("NO [METADATA TOOMANY]")
    assert ann.say('SETMETADATA INBOX (/private/e1 NIL /private/more "x")') == ["OK SETMETADATA completed."]


def test_the_server_has_annotations_too(world: World) -> None:
    root, ann, ben = world.client("cat", administrator=True), world.client("ann"), world.client("ben")
    assert root.say('SETMETADATA "" (/shared/comment "Be kind.")') == ["OK SETMETADATA completed."]
    assert root.say('SETMETADATA "" (/shared/admin "mailto:x@y")')[0].startswith("NO [NOPERM]")
    assert root.say('GETMETADATA "" (/shared/admin)')[0] == '* METADATA "" (/shared/admin "mailto:cat@example.test")'
    assert ann.say('SETMETADATA "" (/private/vendor/x/y "z")') == ["OK SETMETADATA completed."]
    wanted = 'GETMETADATA "" (/shared/comment /private/vendor/x/y)'
    assert ann.say(wanted)[0] == '* METADATA "" (/shared/comment "Be kind." /private/vendor/x/y "z")'
    assert ben.say(wanted)[0] == '* METADATA "" (/shared/comment "Be kind." /private/vendor/x/y NIL)'


def test_rights_on_annotations(world: World) -> None:
    world.mailbox("ann", "R", ben="lr")
    world.mailbox("ann", "W", ben="lw")
    world.mailbox("ann", "L", ben="lka")
    ann, ben = world.client("ann"), world.client("ben")
    top = "#user/ann@example.test"
    ann.say('SETMETADATA R (/private/note "secret" /shared/note "open")')
    assert ben.say(f"GETMETADATA {top}/R (/private/note /shared/note)")[0] == (
        f'* METADATA "{top}/R" (/private/note NIL /shared/note "open")'
    )
    assert ben.say(f'SETMETADATA {top}/R (/private/note "mine")') == ["OK SETMETADATA completed."]
    assert ben.say(f'SETMETADATA {top}/R (/shared/note "mine")')[0].startswith("NO [NOPERM]")
    assert ben.say(f'SETMETADATA {top}/W (/shared/note "mine")') == ["OK SETMETADATA completed."]
    assert ben.say(f"GETMETADATA {top}/L /shared/note")[0].startswith("NO [NOPERM]")
    assert ann.say("GETMETADATA R /private/note")[0] == '* METADATA "R" (/private/note "secret")'


def test_special_uses_move(world: World) -> None:
    world.mailbox("ann", "Sent", "Sent")
    world.mailbox("ann", "Outbox")
    ann = world.client("ann")
    assert ann.say("GETMETADATA Sent /private/specialuse")[0] == '* METADATA "Sent" (/private/specialuse "\\\\Sent")'
    assert ann.say(r'SETMETADATA Outbox (/private/specialuse "\\sent")')[0].startswith("NO [INUSE]")
    assert ann.say("SETMETADATA Sent (/private/specialuse NIL)") == ["OK SETMETADATA completed."]
    assert ann.say(r'SETMETADATA Outbox (/private/specialuse "\\sent \\Archive")') == ["OK SETMETADATA completed."]
    assert ann.say('LIST (SPECIAL-USE) "" *')[:-1] == ['* LIST (\\HasNoChildren \\Sent \\Archive) "/" "Outbox"']
