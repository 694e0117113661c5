"""imaplib, Python's own: every command that it knows, by STARTTLS and in TLS, and its habits of twenty years."""

import imaplib
import time
from collections.abc import Iterator

import pytest
from imap_site import SECONDS, Site, append_all, letter, ok, quote


@pytest.fixture
def session(site: Site) -> Iterator[imaplib.IMAP4]:
    with site.session() as session:
        ok(session.select())
        yield session


def test_starttls(site: Site) -> None:
    with imaplib.IMAP4(site.host, site.port, timeout=SECONDS) as session:
        assert "LOGINDISABLED" in session.capabilities
        assert "STARTTLS" in session.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            session.login(site.user, site.password)
        ok(session.starttls(site.context()))
        assert "STARTTLS" not in session.capabilities
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            session.login(site.user, "wrong")
        ok(session.authenticate("PLAIN", lambda challenge: f"\0{site.user}\0{site.password}".encode()))
        ok(session.select())


def test_folders(session: imaplib.IMAP4) -> None:
    ok(session.create("Projects"))
    ok(session.create("Projects/2026"))
    ok(session.subscribe("Projects/2026"))
    assert any(line.endswith((b'"/" Projects/2026', b'"/" "Projects/2026"')) for line in ok(session.lsub()))
    ok(session.rename("Projects", quote("Old projects")))
    assert any(b"Old projects/2026" in line for line in ok(session.list('""', quote("Old projects/%"))))
    ok(session.unsubscribe("Projects/2026"))
    ok(session.delete(quote("Old projects/2026")))
    assert ok(session.namespace())[0].startswith(b'(("" "/"))')
    assert ok(session.status("INBOX", "(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)"))[0].startswith(b'"INBOX" (')
    assert session.select("Missing")[0] == "NO"


def test_messages(session: imaplib.IMAP4) -> None:
    ok(session.create("Kept"))
    date = imaplib.Time2Internaldate(time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1)))
    for n in range(5):
        ok(session.append("INBOX", "(\\Draft)", date, letter(f"m{n}")))
    assert session.response("APPENDUID")[1] != [None]
    assert ok(session.fetch("1", "(RFC822)"))[0][1] == letter("m0")
    assert ok(session.fetch("2", "(RFC822.HEADER RFC822.TEXT)"))[0][1].endswith(b"\r\n\r\n")
    assert ok(session.search(None, "SEEN"))[0].split() == [b"1", b"2"]
    assert b"BADCHARSET" in session.search("no-such-charset", "TEXT", "x")[1][0]
    assert ok(session.search("UTF-8", "TEXT", quote("m3")))[0].split() == [b"4"]
    session.literal = "señas".encode()
    assert ok(session.search("UTF-8", "BODY"))[0].split() == [b"1", b"2", b"3", b"4", b"5"]
    ok(session.store("1:2", "-FLAGS", "(\\Draft)"))
    assert ok(session.search(None, "UNDRAFT"))[0].split() == [b"1", b"2"]
    ok(session.copy("1", "Kept"))
    ok(session.uid("MOVE", "2", "Kept"))
    ok(session.uid("STORE", "3", "+FLAGS.SILENT", "(\\Deleted)"))
    session.response("EXPUNGE")  # of the move
    assert ok(session.expunge()) == [b"2"]
    ok(session.check())
    ok(session.noop())
    assert ok(session.sort("(REVERSE DATE)", "UTF-8", "ALL"))[0].split()
    assert ok(session.thread("REFERENCES", "UTF-8", "ALL"))[0].startswith(b"(")
    assert b"(UID 5" in ok(session.uid("FETCH", "5", "(FLAGS)"))[0]
    ok(session.unselect())
    ok(session.select("Kept", readonly=True))
    session.store("1", "+FLAGS", "(\\Flagged)")
    assert ok(session.search(None, "FLAGGED")) == [b""], "it was opened to be read only"


def test_rights_and_quota(session: imaplib.IMAP4, site: Site) -> None:
    ok(session.create("Shared"))
    ok(session.setacl("Shared", "bob@example.test", "lr"))
    assert b"bob@example.test lr" in ok(session.getacl("Shared"))[0]
    ok(session.deleteacl("Shared", "bob@example.test"))
    assert b"bob" not in ok(session.getacl("Shared"))[0]
    assert ok(session.myrights("INBOX"))[0].startswith(b'"INBOX" ')
    roots, quotas = ok(session.getquotaroot("INBOX"))
    assert roots[0].startswith(b'"INBOX" ')
    assert b"STORAGE" in quotas[0]


def test_what_another_session_did_comes_with_noop(session: imaplib.IMAP4, site: Site) -> None:
    with site.session() as other:
        append_all(other, "INBOX", [(letter("one"), ""), (letter("two"), "")])
        ok(session.noop())
        assert session.response("EXISTS")[1][-1] == b"2"
        ok(other.select())
        ok(other.store("1", "+FLAGS", "(\\Deleted)"))
        ok(other.expunge())
        ok(session.noop())
        assert session.response("EXPUNGE")[1] == [b"1"]
    assert ok(session.search(None, "ALL"))[0] == b"1"


def test_utf8(site: Site) -> None:
    """RFC 6855: after ENABLE UTF8=ACCEPT names are UTF-8, and messages are shown as they are."""
    with site.session() as session:
        content = "Subject: schön\r\nFrom: jörg@example.org\r\n\r\nx\r\n".encode()
        ok(session.create("Entw&APw-rfe"))
        ok(session.append("Entw&APw-rfe", "", None, content))
        ok(session.enable("UTF8=ACCEPT"))
        ok(session.select(quote("Entwürfe")))
        assert ok(session.fetch("1", "(BODY.PEEK[])"))[0][1] == content
        assert any("Entwürfe" in line.decode() for line in ok(session.list()))
