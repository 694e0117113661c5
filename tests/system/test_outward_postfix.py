"""Estafeta and Postfix send each other mail: TLS, DSN and SMTPUTF8, both ways."""

import re
import smtplib
from collections.abc import Iterator

import pytest
from outward_postfix import Postfix, check, running_postfix
from outward_site import Node, letter, running_node, send
from running import wait_until

from estafeta.app.lab import LabThread

USERS = ("pia", "pedro", "ñoño")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    check()
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def node(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running_node(tmp_path_factory.mktemp("node") / "home", lab, "estafeta.test") as made:
        yield made


@pytest.fixture(scope="module")
def postfix(lab: LabThread, node: Node) -> Iterator[Postfix]:
    address = lab.lab.next_address()
    lab.names.add("mx.postfix.test", a=[address])
    lab.names.add("postfix.test", mx=[(10, "mx.postfix.test")])
    issued = lab.lab.authority.issue(("mx.postfix.test",), "self-signed")
    routes = f"estafeta.test smtp:[{node.address}]:{lab.port}\n"
    certificate = issued.key_pem + issued.pem
    with running_postfix(
        "postfix.test", address, lab.port, users=USERS, certificate=certificate, routes=routes
    ) as made:
        yield made


def wait_for(postfix: Postfix, user: str, words: str) -> str:
    found: list[str] = []

    def came() -> bool:
        found[:] = [text for text in postfix.messages(user) if words in text]
        return bool(found)

    try:
        wait_until(came, 15)
    except BaseException:
        print(postfix.log(), *postfix.messages(user), sep="\n-----\n")
        raise
    return re.sub("\n[ \t]+", " ", found[-1])


def from_postfix(postfix: Postfix, user: str, to: str, subject: str, *mail: str, rcpt: tuple[str, ...] = ()) -> None:
    """Hand Postfix a letter of one of its users."""
    with smtplib.SMTP(postfix.address, postfix.port, source_address=(postfix.address, 0), timeout=20) as client:
        client.ehlo()
        sender = f"{user}@postfix.test"
        content = letter(subject, sender, to)
        if not (sender + to).isascii():
            client.command_encoding = "utf-8"
        assert client.mail(sender, list(mail))[0] == 250
        assert client.rcpt(to, list(rcpt))[0] == 250
        assert client.data(content)[0] == 250


def test_mail_goes_both_ways_in_tls(node: Node, postfix: Postfix) -> None:
    node.submit("to Postfix", "pia@postfix.test")
    got = wait_for(postfix, "pia", "Subject: to Postfix")
    assert got.startswith("Return-Path: <ana@estafeta.test>\n")
    assert "(using TLSv1.3 with cipher" in got
    from_postfix(postfix, "pia", "ana@estafeta.test", "to Estafeta")
    got = node.wait_for("ana", "Subject: to Estafeta")
    assert got.startswith("Return-Path: <pia@postfix.test>\r\nReceived: from mx.postfix.test ")
    assert "with ESMTPS id " in got
    assert "(using TLSv1.3 " in got


def test_postfix_confirms_what_estafeta_sent(node: Node, postfix: Postfix) -> None:
    node.submit(
        "confirm",
        "pedro@postfix.test",
        user="bob",
        mail=["RET=HDRS", "ENVID=one+2Btwo"],
        rcpt=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Pedro+2Bx@postfix.test"],
    )
    notice = node.wait_for("bob", "multipart/report", "Action: delivered")
    assert "Reporting-MTA: dns; mx.postfix.test" in notice
    assert "Original-Envelope-Id: one+two" in notice
    assert "Original-Recipient: rfc822;Pedro+x@postfix.test" in notice


def test_estafeta_confirms_what_postfix_sent(node: Node, postfix: Postfix) -> None:
    wanted = ("NOTIFY=SUCCESS", "ORCPT=rfc822;Carol+2Bx@estafeta.test")
    from_postfix(postfix, "pedro", "carol@estafeta.test", "confirm that", "RET=HDRS", "ENVID=three+2Bfour", rcpt=wanted)
    notice = wait_for(postfix, "pedro", "Action: delivered")
    assert "Reporting-MTA: dns; mx.estafeta.test" in notice
    assert "Original-Envelope-Id: three+four" in notice
    assert "Original-Recipient: rfc822; Carol+x@estafeta.test" in notice


def test_refusals_come_back_on_both_sides(node: Node, postfix: Postfix) -> None:
    node.submit("wrong", "nobody@postfix.test", user="carol")
    notice = node.wait_for("carol", "Action: failed", "nobody@postfix.test")
    assert "Remote-MTA: dns; mx.postfix.test" in notice
    assert re.search(r"Diagnostic-Code: smtp; 550 5\.1\.1 .*User unknown", notice)
    from_postfix(postfix, "pia", "nobody@estafeta.test", "wrong too")
    notice = wait_for(postfix, "pia", "Action: failed")
    assert re.search(r"Diagnostic-Code: smtp; 550 5\.1\.1 There is no such address here", notice)


def test_addresses_in_any_script_both_ways(node: Node, postfix: Postfix) -> None:
    node.submit("año", "ñoño@postfix.test", user="ñandú", mail=["SMTPUTF8"])
    got = wait_for(postfix, "ñoño", "Subject: año")
    assert got.startswith("Return-Path: <ñandú@estafeta.test>\n")
    from_postfix(postfix, "ñoño", "ñandú@estafeta.test", "mañana", "SMTPUTF8")
    got = node.wait_for("ñandú", "Subject: mañana")
    assert got.startswith("Return-Path: <ñoño@postfix.test>\r\n")
    assert "with UTF8SMTPS id " in got


def test_a_large_message_and_many_recipients(node: Node, postfix: Postfix) -> None:
    body = b"".join(b"%06d a line of a large message, dots too\r\n.\r\n" % number for number in range(20_000))
    recipients = [f"{user}@postfix.test" for user in USERS[:2]]
    with node.client() as client:
        send(client, letter("large", node.at("ana"), *recipients) + body, recipients)
    for user in USERS[:2]:
        assert wait_for(postfix, user, "Subject: large").endswith(body.decode().replace("\r\n", "\n"))
