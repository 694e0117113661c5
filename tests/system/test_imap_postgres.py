"""IMAP over PostgreSQL: what a client does on an ordinary day, with the server's processes and the indexer."""

import imaplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_site import Site, append_all, letter, ok
from running import PASSWORD, free_base, make_home, start_server, wait_until


@pytest.fixture
def site(postgres_url: str, tmp_path: Path) -> Iterator[Site]:
    """A server on a database of its own; nothing in its log may be a traceback."""
    home, base = tmp_path / "home", free_base()
    make_home(home, base, "--database", postgres_url)
    server = start_server(home, base, "--workers", "2")
    certificate = home / "certificates" / "default.crt"
    yield Site("localhost", base + 143, base + 993, base + 24, "alice@example.test", PASSWORD, certificate)
    assert server.stop() == 0
    server.process.stdout.close()
    log = (home / "stderr.log").read_text()
    assert "Traceback" not in log
    assert "trace=" not in log


def test_an_ordinary_day(site: Site) -> None:
    with site.session() as session:
        append_all(session, "INBOX", [(letter(name, f"words of {name}", subject=name), "") for name in "abcdef"])
        site.deliver(letter("g", "delivered words", subject="Zebra"))
        ok(session.select())
        wait_until(lambda: ok(session.noop()) and ok(session.search(None, "ALL")) == [b"1 2 3 4 5 6 7"])
        ok(session.store("1:2", "+FLAGS", "(\\Flagged $Work)"))
        assert ok(session.search(None, "KEYWORD", "$Work")) == [b"1 2"]
        assert ok(session.uid("SORT", "(REVERSE SUBJECT)", "UTF-8", "1:*"))[0].startswith(b"7 ")
        ok(session.create("Kept"))
        ok(session.copy("1:3", "Kept"))
        ok(session.uid("MOVE", "4:5", "Kept"))
        ok(session.store("1", "+FLAGS", "(\\Deleted)"))
        ok(session.expunge())
        assert b"MESSAGES 5" in ok(session.status("Kept", "(MESSAGES)"))[0]
        wait_until(lambda: ok(session.search(None, "TEXT", '"words of c"')) == [b"2"])
        assert ok(session.search(None, "BODY", '"WORDS"')) == [b"1 2 3 4"]
        ok(session.setacl("Kept", "bob@example.test", "lr"))
        _what_bob_sees(site)


def _what_bob_sees(site: Site) -> None:
    with imaplib.IMAP4_SSL(site.host, site.tls_port, ssl_context=site.context()) as bob:
        bob.login("bob@example.test", PASSWORD)
        ok(bob.select('"#user/alice@example.test/Kept"', readonly=True))
        assert ok(bob.search(None, "ALL")) == [b"1 2 3 4 5"]
        assert bob.select('"#user/alice@example.test/INBOX"')[0] == "NO"
