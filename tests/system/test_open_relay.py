"""The tricks by which a relay is found open, against a real server of a lab: whatever it says, nothing leaves it.

Each trick is a session of its own from an address that may not relay. A trick is harmless when the server refuses it or
takes it for one of its own users; what counts is that nothing is queued and that no other server hears of it.
"""

import json
import socket
from collections.abc import Iterator
from typing import IO

import pytest
from lab_site import lab_node
from running import Server, wait_until

from estafeta.app.lab import LabThread
from estafeta.app.lab.remote import Remote

#: Not in relay.networks.
STRANGER = "127.3.3.3"
FAR, NEAR, BACKUP = "far.test", "near.test", "backup.test"

#: RCPT, as it is said; the sender is a stranger's.
RECIPIENTS = [
    "<victim@far.test>",
    "victim@far.test",
    "<victim@FAR.TEST>",
    "<victim@far.test.>",
    # percent signs, bangs, and both
    "<victim%far.test@example.test>",
    "<victim%far.test@mail.example.test>",
    "<victim%far.test@[127.0.0.1]>",
    "<victim%far.test@localhost>",
    "<victim%far.test@>",
    "<victim%far.test>",
    "<victim%far.test%example.test@example.test>",
    "<victim%far.test@near.test>",
    "<victim%far.test@backup.test>",
    "<victim%%far.test@example.test>",
    "<alice%example.test@far.test>",
    "<far.test!victim@example.test>",
    "<far.test!victim>",
    "<far.test!victim@[127.0.0.1]>",
    "<example.test!far.test!victim>",
    "<far.test!victim%example.test@example.test>",
    "<far.test!victim@near.test>",
    "<far.test!victim@backup.test>",
    "<example.test!victim@far.test>",
    # quotes
    '<"victim@far.test"@example.test>',
    '<"victim@far.test">',
    '<"victim@far.test"@[127.0.0.1]>',
    '<"victim%far.test"@example.test>',
    '<"far.test!victim"@example.test>',
    '<"victim@far.test"@near.test>',
    '<"victim@far.test"@backup.test>',
    '<"victim"@far.test>',
    "<victim\\@far.test@example.test>",
    '<"victim@far.test>"@example.test>',
    '"<victim@far.test>"',
    "<<victim@far.test>>",
    "<<victim@far.test>@example.test>",
    # several at signs and colons
    "<victim@far.test@example.test>",
    "<victim@example.test@far.test>",
    "<victim:far.test@example.test>",
    "<victim@far.test:example.test>",
    "<victim@far.test:25@example.test>",
    # source routes (RFC 5321 C)
    "<@example.test:victim@far.test>",
    "<@mail.example.test:victim@far.test>",
    "<@far.test:victim@example.test>",
    "<@example.test,@far.test:victim@far.test>",
    "<@[127.0.0.1]:victim@far.test>",
    "<@example.test:victim%far.test@example.test>",
    "<@example.test:@far.test:victim@far.test>",
    # literals
    "<victim@[127.0.0.1]>",
    "<victim@[192.0.2.1]>",
    "<victim@[IPv6:::1]>",
    "<victim@[IPv6:2001:db8::1]>",
    "<victim@2130706433>",
    "<victim@127.0.0.1>",
    "<victim@#2130706433>",
    # names that look like ours or like nothing
    "<victim@evil-example.test>",
    "<victim@xexample.test>",
    "<victim@far.example.test>",
    "<victim@example.test.far.test>",
    "<victim@ex\u0430mple.test>",
    "<victim@\uff45xample.test>",
    "<victim@far\u3002test>",
    "<victim\uff20far.test@example.test>",
    "<victim\uff05far.test@example.test>",
    "<victim@xn--exmple-4nf.test>",
    # octets that others cut at
    "<victim@far.test\x00@example.test>",
    "<victim@far.test\t@example.test>",
    "<victim@far.test @example.test>",
    "<victim@far.test;@example.test>",
    "<victim@far.test,alice@example.test>",
    "<victim@far.test>,<alice@example.test>",
    "<victim@far.test> NOTIFY=NEVER ORCPT=rfc822;alice@example.test",
    "<alice@example.test> ORCPT=rfc822;victim@far.test",
    "<alice+victim=far.test@example.test>",
    "<|/bin/mail victim@far.test@example.test>",
    "<victim(@example.test)@far.test>",
    "<victim@(example.test)far.test>",
    # recipients of ours that are no mailbox, and local parts that mean more elsewhere
    "<postmaster@far.test>",
    "<abuse@far.test>",
    "<postmaster%far.test@example.test>",
    "<postmaster>",
]
#: MAIL, and what may come before it, for the plain recipient.
SENDERS = [
    "<>",
    "<x@remote.test>",
    "<alice@example.test>",
    "<postmaster@example.test>",
    "<root@localhost>",
    "<victim@far.test>",
    "<alice@[127.0.0.1]>",
    "<@example.test:alice@example.test>",
    "<alice@example.test> AUTH=<alice@example.test>",
    "<alice@example.test> AUTH=<>",
    "<alice@example.test> BODY=8BITMIME SIZE=1",
    '<"alice@example.test"@remote.test>',
    "<alice%example.test@remote.test>",
]
#: Commands that other servers take from their own proxies, and names that ours might be taken for.
PRELUDES = [
    [],
    ["XCLIENT ADDR=127.0.0.1 NAME=localhost LOGIN=alice@example.test"],
    ["XFORWARD ADDR=127.0.0.1 NAME=localhost"],
    ["PROXY TCP4 127.0.0.1 127.0.0.1 25 25"],
    ["AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAA="],
    ["AUTH EXTERNAL ="],
    ["AUTH ANONYMOUS"],
    ["HELO localhost"],
    ["EHLO mail.example.test"],
    ["EHLO [127.0.0.1]"],
    ["LHLO mail.example.test"],
    ["TURN"],
    ["MAIL FROM:<x@remote.test>", "RCPT TO:<alice@example.test>"],
    ["MAIL FROM:<x@remote.test>", "RCPT TO:<postmaster@example.test>", "RSET"],
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


#: As set up, and with everything on that passes mail on: none of it is for strangers' tricks.
SITES = {
    "as set up": {},
    "everything on": {
        "routing.percent_sign": "on",
        "relay.allow": "both",
        "relay.near_domains": NEAR,
        "routing.backup_mx_domains": BACKUP,
        "routing.hub": "[mx.hub.test]",
        "restrict.authentication": "none",
    },
}


@pytest.fixture(scope="module", params=list(SITES))
def server(
    request: pytest.FixtureRequest, lab: LabThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("relay") / "home"
    usual = {"relay.networks": "127.0.0.1/32", "smtp.max_unknown_recipients": "1000", "spam.greylist": "off"}
    settings = usual | SITES[request.param]
    with lab_node(home, lab, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def world(lab: LabThread) -> list[Remote]:
    """Everybody to whom something might be relayed."""
    return [lab.site(domain) for domain in (FAR, NEAR, BACKUP, "hub.test", "remote.test")]


def play(server: Server, lines: list[str]) -> list[str]:
    """Say these lines, each after the answer to the last, then a message; the answers."""
    with socket.create_connection(("127.0.0.1", server.port(25)), 10, source_address=(STRANGER, 0)) as connection:
        replies = connection.makefile("rb")
        answers = [_answer(replies)]
        for line in ["EHLO client.test", *lines, "DATA"]:
            try:
                connection.sendall(line.encode() + b"\r\n")
                answers.append(_answer(replies))
            except OSError:
                break
        if answers[-1].startswith("354"):
            connection.sendall(b"Subject: relayed\r\n\r\nbuy\r\n.\r\n")
            answers.append(_answer(replies))
    return answers


def _answer(replies: IO[bytes]) -> str:
    last = b""
    for line in replies:
        last = line
        if line[3:4] != b"-":
            break
    return last.decode("utf-8", "replace").strip()


def waiting(server: Server) -> list[dict[str, object]]:
    found = json.loads(server.run("queue", "list", "--json").stdout)
    return found if isinstance(found, list) else found["messages"]


def relayed(world: list[Remote]) -> list[tuple[str, ...]]:
    """To whom anything went, besides the proof, and besides the hub's own users: it has those that we have not."""
    taken = [one.addresses for site in world for one in site.messages]
    return [addresses for addresses in taken if addresses not in (("proof@far.test",), ("victim@example.test",))]


def test_the_server_does_send_for_who_may(server: Server, world: list[Remote]) -> None:
    """Else nothing below would mean anything."""
    with socket.create_connection(("127.0.0.1", server.port(25)), 10) as connection:
        replies = connection.makefile("rb")
        for line in ("", "EHLO x", "MAIL FROM:<alice@example.test>", "RCPT TO:<proof@far.test>", "DATA"):
            if line:
                connection.sendall(line.encode() + b"\r\n")
            _answer(replies)
        connection.sendall(b"Subject: proof\r\n\r\nx\r\n.\r\n")
        assert _answer(replies).startswith("250")
    far, hub = world[0], world[3]
    wait_until(lambda: any("proof@far.test" in one.addresses for one in (*far.messages, *hub.messages)))


def test_no_trick_relays(server: Server, world: list[Remote]) -> None:
    said = {}
    for recipient in RECIPIENTS:
        said[recipient] = play(server, ["MAIL FROM:<x@remote.test>", f"RCPT TO:{recipient}"])
    for sender in SENDERS:
        said[sender] = play(server, [f"MAIL FROM:{sender}", "RCPT TO:<victim@far.test>"])
    for prelude in PRELUDES:
        lines = [*prelude, "MAIL FROM:<alice@example.test>", "RCPT TO:<victim@far.test>"]
        said[str(prelude)] = play(server, lines)
    assert len(said) >= 100
    # Nothing waits, nothing left: what was taken is in mailboxes here.
    assert waiting(server) == [], said
    assert relayed(world) == []
    # The plain ones are refused with the code for that.
    assert said["<victim@far.test>"][-2].startswith("550 5.7.1")


def test_what_a_refused_recipient_leaves_behind_is_not_sent(server: Server, world: list[Remote]) -> None:
    """The accepted recipient gets it, the refused one does not, in whatever order they come."""
    ours, theirs = "RCPT TO:<alice@example.test>", "RCPT TO:<victim@far.test>"
    for lines in ([ours, theirs], [theirs, ours], [theirs, ours, theirs]):
        answers = play(server, ["MAIL FROM:<x@remote.test>", *lines])
        assert answers[-1].startswith("250")
        assert [answer[:3] for answer in answers[3:-2]] == ["250" if line == ours else "550" for line in lines]
    assert waiting(server) == []
    assert relayed(world) == []
