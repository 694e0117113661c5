"""Lists of a running server, the world in a lab: posts, bounces, joining and moderation by mail, links to leave."""

import imaplib
import re
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_site import lab_node
from running import PASSWORD, Server, wait_until

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab import LabThread
from estafeta.app.lab.behaviours import refuse
from estafeta.app.stores import open_site
from estafeta.directory.listvalues import NewMember

POST = "From: {0}\r\nTo: {1}\r\nSubject: {2}\r\nMessage-ID: <{2}@x.test>\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def server(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("node") / "home"
    with lab_node(home, lab, settings={"lists.max_bounce_days": "2"}) as made:
        yield made


def add_list(server: Server, where: str, members: list[str], **options: str) -> None:
    with open_site(load_node(Home(server.home))) as site:
        site.directory.add_list(f"{where}@example.test", {"owners": "carol", **options})
        site.directory.subscribe(where, [NewMember(one) for one in members])


def members(server: Server, name: str) -> list[str]:
    with open_site(load_node(Home(server.home))) as site:
        return [one.address for one in site.directory.list_members(name)]


def write(server: Server, to: str, subject: str, sender: str = "alice@example.test") -> None:
    """Somebody here, signed in."""
    with smtplib.SMTP_SSL("localhost", server.port(465), context=server.client_context(), timeout=20) as client:
        client.login(sender, PASSWORD)
        client.sendmail(sender, [to], POST.format(sender, to, subject))


def outside(server: Server, to: str, subject: str, sender: str) -> None:
    """Somebody elsewhere."""
    with smtplib.SMTP("127.0.0.1", server.port(25), "client.test", timeout=20) as client:
        client.sendmail(sender, [to], POST.format(sender, to, subject))


def inbox(server: Server, person: str) -> list[str]:
    with imaplib.IMAP4_SSL("localhost", server.port(993), ssl_context=server.client_context()) as client:
        client.login(f"{person}@example.test", PASSWORD)
        client.select("INBOX", readonly=True)
        found = client.search(None, "ALL")[1][0].split()
        return [client.fetch(one.decode(), "BODY[]")[1][0][1].decode() for one in found]  # type: ignore[index]


def wait_for(server: Server, person: str, subject: str) -> str:
    """The message with this in its subject; folds are undone."""
    found: list[str] = []

    def came() -> bool:
        unfolded = [text.replace("\r\n ", " ") for text in inbox(server, person)]
        found[:] = [text for text in unfolded if re.search(f"^Subject:.*{re.escape(subject)}", text, re.MULTILINE)]
        return bool(found)

    wait_until(came, 15)
    return found[-1]


def test_a_post_reaches_members_here_and_elsewhere_each_with_their_own_copy(server: Server, lab: LabThread) -> None:
    server.run("config", "set", "lists.link_base", "https://lists.example.test")
    add_list(server, "news", ["bob", "one@far.test", "two@far.test"], post="anyone", personal="full", name="News")
    remote = lab.site("far.test")
    write(server, "news@example.test", "first")
    taken = remote.wait(2)
    assert sorted((one.sender, *one.addresses) for one in taken) == [
        ("news-bounces+one=far.test@example.test", "one@far.test"),
        ("news-bounces+two=far.test@example.test", "two@far.test"),
    ]
    links = {link for one in taken for link in re.findall(rb"<(https://lists\S+/lists/leave/\S+)>", one.content)}
    assert len(links) == 2
    assert all(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in one.content for one in taken)
    assert "List-Id: News <news.example.test>" in wait_for(server, "bob", "first")
    address = re.search(rb"<mailto:(news-unsubscribe\+\S+)>", taken[0].content)
    assert address is not None
    outside(server, address[1].decode(), "unsubscribe", "robot@far.test")
    gone = taken[0].addresses[0]
    wait_until(lambda: gone not in members(server, "news"), 15)


def test_verp_is_made_at_delivery(server: Server, lab: LabThread) -> None:
    add_list(server, "verp", ["one@verp.test", "two@verp.test"], post="anyone", personal="verp")
    remote = lab.site("verp.test")
    write(server, "verp@example.test", "each")
    assert sorted((one.sender, *one.addresses) for one in remote.wait(2)) == [
        ("verp-bounces+one=verp.test@example.test", "one@verp.test"),
        ("verp-bounces+two=verp.test@example.test", "two@verp.test"),
    ]


def test_a_member_whose_mail_comes_back_on_two_days_is_out(server: Server, lab: LabThread) -> None:
    add_list(server, "club", ["eva@bounce.test", "bob"], post="anyone", name="Club")
    remote = lab.site("bounce.test", refuse())
    write(server, "club@example.test", "day-one")
    remote.wait_command("RCPT", 1)

    def bounces() -> list[int]:
        with open_site(load_node(Home(server.home))) as site:
            return [one.bounces for one in site.directory.list_members("club") if one.address == "eva@bounce.test"]

    wait_until(lambda: bounces() == [1], 15)
    lab.clock.jump("26h")
    write(server, "club@example.test", "day-two")
    wait_until(lambda: members(server, "club") == ["bob@example.test"], 15)
    assert "no such user" in wait_for(server, "carol", "eva@bounce.test was taken out").lower()


def test_joining_by_mail(server: Server, lab: LabThread) -> None:
    add_list(server, "open", [])
    remote = lab.site("join.test")
    outside(server, "open-subscribe@example.test", "hi", "eva@join.test")
    [asked] = remote.wait(1)
    assert asked.sender == ""
    address = re.search(rb"Reply-To: (open-confirm\S+)", asked.content)
    assert address is not None
    outside(server, address[1].decode(), "Re: hi", "eva@join.test")
    wait_until(lambda: members(server, "open") == ["eva@join.test"], 15)
    assert b"Welcome" in remote.wait(2)[1].content


def test_a_stranger_is_held_until_a_moderator_answers(server: Server, lab: LabThread) -> None:
    add_list(server, "held", ["bob"], name="Held")
    outside(server, "held@example.test", "question", "who@elsewhere.test")
    letter = wait_for(server, "carol", "Approve for Held? question")
    address = re.search(r"Reply-To: (held-confirm\S+)", letter)
    assert address is not None
    assert "question" in server.run("list", "moderate", "held").stdout
    write(server, address[1], "Re: Approve", "carol@example.test")
    assert "X-Loop: held@example.test" in wait_for(server, "bob", "question")
    assert server.run("list", "moderate", "held").stdout == ""


def test_strangers_are_refused_at_once(server: Server) -> None:
    add_list(server, "team", ["bob"], others="refuse")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        outside(server, "team@example.test", "x", "who@elsewhere.test")
    [(code, text)] = caught.value.recipients.values()
    assert (code, b"Only its members" in text) == (550, True)


def test_the_tests_leave_nothing_in_the_queue(server: Server, tmp_path: Path) -> None:
    with open_site(load_node(Home(server.home))) as site:
        from sqlalchemy import select

        from estafeta.queue.tables import recipients

        def waiting() -> list[str]:
            with site.database.read() as conn:
                return list(conn.execute(select(recipients.c.address)).scalars())

        wait_until(lambda: waiting() == [], 15)
