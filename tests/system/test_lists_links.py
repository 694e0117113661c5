"""The pages of lists on a running server: joining from the web with the link of a letter, leaving by one click."""

import http.client
import re
import smtplib
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from lab_site import lab_node
from running import PASSWORD, Server, wait_until

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab import LabThread
from estafeta.app.stores import open_site
from estafeta.certificates.selfsigned import PemPair
from estafeta.certificates.store import CertificateStore


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def server(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its certificate is of an authority, so links come by themselves."""
    home = tmp_path_factory.mktemp("node") / "home"
    with lab_node(home, lab) as made:
        issued = lab.lab.authority.issue(("mail.example.test", "localhost"))
        CertificateStore(home / "certificates").save("default", PemPair(issued.pem, issued.key_pem))
        assert made.run("reload").returncode == 0
        with open_site(load_node(Home(home))) as site:
            site.directory.add_list("club@example.test", {"owners": "carol", "name": "Club", "personal": "full"})
        yield made


def trusting(lab: LabThread) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=lab.lab.authority.pem.decode())
    context.check_hostname = False
    return context


def ask(server: Server, method: str, path: str, body: str = "", *, tls: ssl.SSLContext | None) -> tuple[int, str]:
    """One request; status, and the place that it leads to or the page. `tls` None: in the clear."""
    made = (
        http.client.HTTPConnection("127.0.0.1", server.port(80), timeout=20)
        if tls is None
        else http.client.HTTPSConnection("127.0.0.1", server.port(443), context=tls, timeout=20)
    )
    try:
        made.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"} if body else {})
        answer = made.getresponse()
        return answer.status, answer.getheader("location", "") + answer.read().decode()
    finally:
        made.close()


def members(server: Server) -> list[str]:
    with open_site(load_node(Home(server.home))) as site:
        return [one.address for one in site.directory.list_members("club")]


def test_joining_and_leaving_with_a_browser_and_a_mail_program(server: Server, lab: LabThread) -> None:
    remote, tls = lab.site("far.test"), trusting(lab)
    status, page = ask(server, "GET", "/lists/club@example.test", tls=tls)
    assert (status, "<h1>Club</h1>" in page) == (200, True)
    assert ask(server, "POST", "/lists/club@example.test", "address=eva%40far.test&act=join", tls=tls)[0] == 200
    [letter] = remote.wait(1)
    link = urlsplit(re.search(r"https://\S+/lists/confirm/\S+", letter.content.decode())[0])  # type: ignore[index]
    assert link.netloc == f"mail.example.test:{server.port(443)}"
    assert ask(server, "GET", link.path, tls=tls)[0] == 200
    assert members(server) == []
    assert ask(server, "POST", link.path, "x=y", tls=tls)[0] == 200
    assert members(server) == ["eva@far.test"]
    assert b"Welcome to Club" in remote.wait(2)[1].content

    with smtplib.SMTP_SSL("localhost", server.port(465), context=tls, timeout=20) as client:
        client.login("carol@example.test", PASSWORD)
        client.sendmail("carol@example.test", ["club@example.test"], "From: carol@example.test\r\nSubject: n\r\n\r\nx")
    post = remote.wait(3)[2].content
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in post
    link = urlsplit(re.search(rb"<(https://\S+/lists/leave/\S+)>", post)[1].decode())  # type: ignore[index]
    status, target = ask(server, "GET", link.path, tls=None)
    assert (status, target) == (308, f"https://127.0.0.1:{server.port(443)}{link.path}")
    for _ in range(2):
        assert ask(server, "POST", link.path, "List-Unsubscribe=One-Click", tls=tls)[0] == 200
    assert members(server) == []
    assert b"You have left Club" in remote.wait(4)[3].content

    log = (server.home / "stderr.log").read_text()
    assert link.path.rpartition("/")[2] not in log
    assert "Traceback" not in log

    def told() -> bool:
        return "unsubscribe: by link" in server.run("message", "trace", "--full", "eva@far.test").stdout

    wait_until(told, 15)
