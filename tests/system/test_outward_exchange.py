"""Two whole servers and the world of a lab: mail both ways, notices, any script, REQUIRETLS, lists, and the story."""

import re
from collections.abc import Iterator

import pytest
from outward_site import Node, letter, running_node, send
from running import wait_until

from estafeta.app.lab import Behaviour, LabThread
from estafeta.app.lab.behaviours import refuse


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def north(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running_node(tmp_path_factory.mktemp("north") / "home", lab, "north.test") as node:
        yield node


@pytest.fixture(scope="module")
def south(lab: LabThread, north: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running_node(tmp_path_factory.mktemp("south") / "home", lab, "ejemplo.test") as node:
        yield node


def test_mail_goes_both_ways_in_tls(north: Node, south: Node) -> None:
    north.submit("there", south.at("bob"))
    got = south.wait_for("bob", "Subject: there")
    assert "early-talker" not in got  # BDAT and its content at once are no haste
    assert got.startswith(f"Return-Path: <{north.at('ana')}>\r\nReceived: from mx.north.test ([{north.address}])")
    assert "with ESMTPS id " in got
    assert "(using TLSv1.3 " in got
    south.submit("and back", north.at("ana"), user="bob", head={"Subject": "Re: there"})
    assert f"Return-Path: <{south.at('bob')}>" in north.wait_for("ana", "Subject: Re: there")


def test_success_is_confirmed_by_the_server_that_has_the_mailbox(north: Node, south: Node) -> None:
    north.submit(
        "confirm",
        south.at("carol"),
        mail=["RET=HDRS", "ENVID=QQ+2B314"],
        rcpt=["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{south.at('carol')}"],
    )
    notice = north.wait_for("ana", "multipart/report", "Action: delivered")
    assert notice.startswith("Return-Path: <>\r\n")
    assert "Reporting-MTA: dns; mx.ejemplo.test" in notice
    assert "Original-Envelope-Id: QQ+314" in notice
    assert "Original-Recipient: rfc822; carol@ejemplo.test" in notice


def test_a_user_here_confirms_too(north: Node) -> None:
    ident = north.submit("here", north.at("carol"), user="bob", rcpt=["NOTIFY=SUCCESS"])
    notice = north.wait_for("bob", "Action: delivered", north.at("carol"))
    assert f"In-Reply-To: <{ident}@{north.host}>" in notice


def test_a_loop_between_two_servers_ends_in_a_notice(north: Node, south: Node) -> None:
    with north.site() as site:
        site.directory.add_alias("round@north.test", ["round@ejemplo.test"])
    with south.site() as site:
        site.directory.add_alias("round@ejemplo.test", ["round@north.test"])
    north.submit("round and round", north.at("round"))
    notice = north.wait_for("ana", "Action: failed", "round and round")
    assert "Status: 5.4.6" in notice
    assert "went round in circles" in notice


def test_a_recipient_that_the_other_side_refuses_comes_back(north: Node, south: Node) -> None:
    ident = north.submit("nobody there", south.at("nobody"), south.at("bob"))
    notice = north.wait_for("ana", "Action: failed", "nobody@ejemplo.test")
    assert notice.startswith("Return-Path: <>\r\n")
    assert "Reporting-MTA: dns; mx.north.test" in notice
    assert "Remote-MTA: dns; mx.ejemplo.test" in notice
    assert re.search(r"Diagnostic-Code: smtp; 550[- ]5\.1\.1 ", notice)
    assert "Subject: nobody there" in notice.split("Action: failed")[1]
    south.wait_for("bob", "Subject: nobody there")
    assert ident in north.story("nobody there")


def test_three_hosts_get_a_transaction_each(north: Node, south: Node, lab: LabThread) -> None:
    one, two = lab.site("one.test"), lab.site("two.test")
    north.submit("three", "a@one.test", "b@one.test", "c@two.test", south.at("bob"), "d@one.test")
    [first], [second] = one.wait(), two.wait()
    assert sorted(first.addresses) == ["a@one.test", "b@one.test", "d@one.test"]
    assert second.addresses == ("c@two.test",)
    assert first.peer.startswith(north.address)
    south.wait_for("bob", "Subject: three")


def test_addresses_in_any_script(north: Node, south: Node) -> None:
    for one, other, subject in ((north, south, "привет"), (south, north, "también")):
        one.submit(subject, other.at("ñandú"), user="ñandú", mail=["SMTPUTF8", "BODY=8BITMIME"])
        got = other.wait_for("ñandú", f"Subject: {subject}")
        assert got.startswith(f"Return-Path: <{one.at('ñandú')}>\r\n")
        assert "with UTF8SMTPS id " in got
        assert f"for <{other.at('ñandú')}>;" in got


def test_a_server_without_smtputf8_means_a_clear_notice(north: Node, lab: LabThread) -> None:
    remote = lab.site("old.test", Behaviour(without=("SMTPUTF8",)))
    with north.client() as client:
        send(client, letter("x", "ana@north.test", "ñandú@old.test"), ["ñandú@old.test"], ["SMTPUTF8"])
    notice = north.wait_for("ana", "Action: failed", "=C3=B1and=C3=BA@old.test")
    assert "Status: 5.6.7" in notice
    assert "message/global-delivery-status" in notice
    assert remote.messages == []


def test_requiretls_goes_on_to_who_promises_it_and_comes_back_from_who_does_not(
    north: Node, south: Node, lab: LabThread
) -> None:
    north.submit("strict", south.at("bob"), mail=["REQUIRETLS"])
    got = south.wait_for("bob", "Subject: strict")
    assert "TLSv1.3" in got
    lax = lab.site("lax.test", Behaviour(tls="none"))
    north.submit("too strict", "bob@lax.test", mail=["REQUIRETLS"])
    notice = north.wait_for("ana", "Action: failed", "bob@lax.test")
    assert re.search(r"Status: 5\.7\.(10|30)", notice)
    assert lax.messages == []


def test_a_list_with_members_here_and_there(north: Node, south: Node, lab: LabThread) -> None:
    world = lab.site("world.test", Behaviour(recipients={"gone@*": "550 5.1.1 Gone away"}))
    run = north.server.run
    assert run("list", "add", "news@north.test", "--owner", "carol@north.test").returncode == 0
    members = ["bob@north.test", south.at("carol"), "eva@world.test", "gone@world.test"]
    made = run("list", "subscribe", "news@north.test", *members)
    assert made.returncode == 0, made.stderr
    north.submit("to all", "news@north.test", user="bob")
    for got in (north.wait_for("bob", "Subject: ", "to all"), south.wait_for("carol", "Subject: ", "to all")):
        assert "List-Id: <news.north.test>" in got
        assert "List-Unsubscribe: <mailto:news-" in got
        assert "Precedence: list" in got
    [taken] = world.wait()
    assert taken.addresses == ("eva@world.test",)
    assert taken.sender.startswith("news-bounces")

    def bounces() -> list[int]:
        with north.site() as site:
            found = site.directory.list_members("news@north.test")
        return [one.bounces for one in found if one.address == "gone@world.test"]

    wait_until(lambda: bounces() == [1])
    assert all("gone@world.test" not in text for text in north.inbox("bob"))


def test_the_story_of_a_message_that_came_back(north: Node, lab: LabThread) -> None:
    remote = lab.site("strict.test", refuse("rcpt", "550 5.7.1 We do not know you"))
    ident = north.submit("Invoice 4711", "boss@strict.test", user="bob")
    notice = re.search(r"\nMessage-ID: <(\w+)\.notice@", north.wait_for("bob", "Action: failed", "boss@strict.test"))
    assert notice is not None
    north.read("bob")
    told = north.story(ident)
    summary, message, about = told.split("\n\nMessage ", 2)
    assert summary.endswith(f'{ident}  bob@north.test -> boss@strict.test  "Invoice 4711"  failed')
    lines = [line.strip() for line in message.splitlines()]
    assert lines[0] == ident
    assert lines[1:4] == ["Subject     Invoice 4711", "From        bob@north.test", "To          boss@strict.test"]
    assert "Fate        failed" in lines
    words = [line.split("  ", 2)[2] for line in lines[8:] if line]
    host = f"mx.strict.test[{remote.address}]:{lab.port}"
    assert words[0].startswith("received from [127.0.0.1] [127.0.0.1], signed in as bob@north.test, by ESMTPSA, ")
    assert words[1:] == [
        "queued for boss@strict.test, to go to the mail exchangers of strict.test",
        f'given up for boss@strict.test at {host}: it said "550 5.7.1 We do not know you"',
        f"notice of non-delivery sent about boss@strict.test (message {notice[1]}): 550 5.7.1 We do not know you",
    ]
    assert about.startswith(f"{notice[1]}, notice about it\n  Subject     Not delivered: Invoice 4711\n")
    assert "filed for bob@north.test in INBOX of bob@north.test as message " in about
    assert "read by bob@north.test with IMAP" in about
    # By whatever a person has in hand.
    assert north.story("boss@strict.test") == told
    assert north.story("Invoice", "4711").endswith(told.partition("\n\n")[2])


def test_the_story_of_one_with_many_recipients(north: Node, lab: LabThread) -> None:
    others = {"r3@*": "452 4.2.2 Full", "r4@*": "550 5.1.1 None"}
    remote = lab.site("many.test", Behaviour(max_recipients=10, recipients=others))
    ident = north.submit("many", *(f"r{number}@many.test" for number in range(35)), user="carol")
    north.wait_for("carol", "Action: failed", "r4@many.test")
    wait_until(lambda: len(north.queued("*@many.test")) == 1)
    assert sum(len(message.addresses) for message in remote.messages) == 33
    told = north.story(ident)
    assert "r11@many.test and 23 more" in told
    assert "Fate        33 delivered, 1 waiting, 1 failed\n" in told
    assert f'put off for r3@many.test at mx.many.test[{remote.address}]:{lab.port}: it said "452 4.2.2 Full"' in told
