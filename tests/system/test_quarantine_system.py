"""A running server: a filter holds a message, an operator looks and decides, the journal tells all of it."""

import http.client
import json
import poplib
import re
import smtplib
from email.message import EmailMessage
from pathlib import Path

from running import PASSWORD, Server, free_base, make_home, wait_until

from estafeta.app.config import load_node
from estafeta.app.crashtest.tree import Tree
from estafeta.app.home import Home
from estafeta.app.stores import open_site
from estafeta.queue.quarantinelinks import make_token
from estafeta.queue.quarantinelook import Choice, find_held

FILTERS = """
# what once was a worm
[[filter]]
name = "scripts"
action = "keep"
attachment = "*.vbs"

[[filter]]
name = "noise"
action = "discard"
subject = "*buy now*"

[[filter]]
name = "no pictures"
action = "reject"
type = "image/*"
text = "No pictures, please"

[[filter]]
name = "programs"
action = "reject"
subject = "job *"
direction = "local"
"""


def worm(subject: str = "ILOVEYOU \x1b]0;title\x07") -> bytes:
    message = EmailMessage()
    message["From"] = "Eva <eva@far.test>"
    message["Subject"] = "x"
    message.set_content("kindly check \x1b[31mthe attached\n")
    message.add_attachment(b"x", maintype="application", subtype="octet-stream", filename="LOVE-LETTER.TXT.vbs")
    return message.as_bytes().replace(b"Subject: x", b"Subject: " + subject.encode()).replace(b"\n", b"\r\n")


def send(server: Server, content: bytes, *to: str) -> str:
    """The server's last reply."""
    with smtplib.SMTP("127.0.0.1", server.port(25)) as client:
        client.ehlo("client.far.test")
        assert client.mail("eva@far.test")[0] == 250
        for address in to:
            assert client.rcpt(address)[0] == 250
        code, words = client.data(content)
        return f"{code} {words.decode()}"


def inbox(server: Server, name: str) -> list[bytes]:
    client = poplib.POP3_SSL("localhost", server.port(995), context=server.client_context())
    client.user(f"{name}@example.test")
    client.pass_(PASSWORD)
    found = [b"\n".join(client.retr(number + 1)[1]) for number in range(len(client.list()[1]))]
    client.quit()
    return found


def held(server: Server) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(server.run("quarantine", "list", "--json").stdout)
    return found


def test_a_message_is_held_looked_at_released_and_traced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "filters.toml").write_text(FILTERS)
    done = server.run("filter", "import", str(tmp_path / "filters.toml"))
    assert "4 filters hold now" in done.stdout, done.stderr
    wait_until(
        lambda: "Accepted" in send(server, worm(), "alice@example.test", "bob@example.test") and bool(held(server))
    )

    [one] = held(server)[:1]
    ident = str(one["ident"])
    assert one["rule"] == "scripts"
    assert [person["address"] for person in one["recipients"]] == ["alice@example.test", "bob@example.test"]

    looked = server.run("quarantine", "look", ident).stdout
    assert "LOVE-LETTER.TXT.vbs" in looked
    assert "kindly check" in looked
    assert "\x1b" not in looked
    assert "\x1b" not in server.run("quarantine", "list").stdout
    assert "filter scripts: attachment" in server.run("quarantine", "show", ident).stdout

    # Nothing but a decision lets it go.
    assert "Released" not in server.run("queue", "release", ident).stdout
    story = server.run("message", "trace", ident).stdout
    assert "held in quarantine for alice@example.test" in story

    done = server.run("quarantine", "release", ident, "--recipient", "alice@example.test")
    assert done.stdout == "Released: 1 recipient.\n"
    wait_until(lambda: len(inbox(server, "alice")) == 1)
    assert b"LOVE-LETTER" in inbox(server, "alice")[0]
    assert server.run("quarantine", "delete", ident, "--yes").stdout == "Deleted: 1 recipient.\n"
    assert server.run("quarantine", "delete", ident, "--yes").returncode == 1
    server.run("quarantine", "delete", "--all", "--yes")
    assert held(server) == []
    assert inbox(server, "bob") == []
    story = server.run("message", "trace", ident).stdout
    assert "alice@example.test was looked up anew, and it went on as" in story
    for words in ("released for alice", "removed from the queue for bob", "INBOX of alice@example.test"):
        assert words in story
    assert server.run("store", "verify").returncode == 0


def ask(server: Server, method: str, path: str, body: str = "") -> int:
    client = http.client.HTTPSConnection("127.0.0.1", server.port(443), context=server.client_context(), timeout=20)
    try:
        client.request(method, path, body)
        return client.getresponse().status
    finally:
        client.close()


def test_a_recipient_releases_by_the_link_of_a_letter(server: Server) -> None:
    """What the link of the daily letter does, on a running server, and once."""
    before = len(inbox(server, "bob"))
    send(server, worm("Plan"), "bob@example.test")
    with open_site(load_node(Home(server.home))) as site, site.database.read() as conn:
        [one] = [found for found in find_held(conn, Choice(recipient="bob@example.test")) if found.subject == "Plan"]
    path = f"/held/{make_token(one, one.recipients[0].number)}"
    assert [ask(server, "GET", path) for _ in range(2)] == [200, 200]
    assert ask(server, "POST", path) == 400
    assert len(inbox(server, "bob")) == before
    assert ask(server, "POST", path, "act=release") == 200
    assert ask(server, "POST", path, "act=release") == 404
    wait_until(lambda: len(inbox(server, "bob")) == before + 1)


def test_crashes_lose_nothing_and_deliver_once(tmp_path: Path) -> None:
    """Held before a crash, released while the server is down, delivered by one that dies again and again."""
    root, base, number = tmp_path / "home", free_base(), 5
    make_home(root, base)

    def start() -> Tree:
        tree = Tree(Home(root), 1, "", tmp_path / "log")
        tree.wait_ready()
        return tree

    tree = start()
    server = Server(root, base, tree._process)  # type: ignore[arg-type]
    assert server.run("filter", "add", "worms", "--attachment", "*.vbs").returncode == 0
    wait_until(lambda: "Accepted" in send(server, worm("first"), "alice@example.test") and bool(held(server)))
    server.run("quarantine", "delete", "--all", "--yes")
    for one in range(number):
        send(server, worm(f"worm {one}"), "alice@example.test")
    tree.kill()
    assert len(held(server)) == number
    assert server.run("quarantine", "release", "--all", "--yes").stdout == f"Released: {number} recipients.\n"
    for _ in range(3):
        start().kill()
    tree = start()
    wait_until(lambda: len(worms(server)) == number, 30)
    assert server.run("queue", "list", "--json").stdout.strip() == "[]"
    assert sorted(worms(server)) == [f"worm {one}" for one in range(number)]
    assert tree.stop() == 0
    assert server.run("store", "verify").returncode == 0


def worms(server: Server) -> list[str]:
    """Subjects of what arrived; none while the server is starting again."""
    try:
        return [found[1] for one in inbox(server, "alice") if (found := re.search(r"Subject: (worm \d)", one.decode()))]
    except (OSError, poplib.error_proto):
        return []


def test_discarded_and_refused(server: Server) -> None:
    discarded = send(server, b"Subject: Buy now, or never\r\n\r\nx\r\n", "carol@example.test")
    assert discarded.startswith("250 2.0.0 Accepted as ")
    picture = b"Subject: x\r\nContent-Type: image/gif\r\n\r\nGIF\r\n"
    assert send(server, picture, "carol@example.test") == "550 5.7.1 No pictures, please"
    assert inbox(server, "carol") == []
    wait_until(lambda: "discarded for carol@" in server.run("message", "trace", discarded.split()[-1]).stdout)


def test_mail_of_programs_is_asked_about_as_that_of_our_own(server: Server) -> None:
    done = server.run("sendmail", "-i", "-f", "bob@example.test", "carol@example.test", input="Subject: job 7\n\nx\n")
    assert done.returncode == 77, done.stderr
    assert "A filter of this site does not let this message in" in done.stderr


def test_hostile_mail_is_bounded_and_held(server: Server) -> None:
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    hostile = {
        "parts": b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 10_000 + b"--b--\r\n",
        "depth": b"Subject: depth\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 500 + b"x\r\n",
    }
    for content in hostile.values():
        assert send(server, content, "carol@example.test").startswith("250 ")
    header = b"".join(b"X-%d: y\r\n" % number for number in range(90_000))
    assert send(server, header + b"Subject: header\r\n\r\nx\r\n", "carol@example.test").startswith("552 5.3.4 ")
    rows = [one for one in held(server) if one["rule"] == "parts"]
    assert len(rows) == len(hostile)
    assert not any(one["by_users"] for one in rows)
    for one in rows:
        assert server.run("quarantine", "look", str(one["ident"])).returncode == 0
    assert server.run("quarantine", "delete", "--filter", "parts", "--yes").stdout == "Deleted: 2 recipients.\n"


def test_a_filter_is_tried_added_and_removed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "worm.eml").write_bytes(worm())
    tried = server.run("filter", "test", str(tmp_path / "worm.eml"), "--from", "eva@far.test")
    assert tried.stdout.startswith("scripts: keep: attachment 'LOVE-LETTER.TXT.vbs'")
    assert server.run("filter", "add", "far", "--originator", "*@far.test", "--action", "discard").returncode == 0
    names = [one["name"] for one in json.loads(server.run("filter", "list", "--json").stdout)]
    assert names == ["scripts", "noise", "no pictures", "programs", "far"]
    assert server.run("filter", "remove", "noise").returncode == 0
    exported = server.run("filter", "export").stdout
    assert "noise" not in exported
    assert "# what once was a worm" in exported
    (tmp_path / "bad.toml").write_text('[[filter]]\nname = "a"\naction = "keep"\nsubjetc = "x"\n')
    bad = server.run("filter", "check", str(tmp_path / "bad.toml"))
    assert bad.returncode == 1
    assert "line 4: filter 'a': 'subjetc' is not known; the nearest is 'subject'" in bad.stderr
