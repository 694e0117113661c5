"""NeoMutt reads, flags, saves, copies, deletes and searches; a second session resyncs what others changed meanwhile."""

import imaplib
import shutil
from pathlib import Path

import pytest
from imap_neomutt import COPY_ALL, NeoMutt
from imap_site import Site, append_all, letter, ok, quote
from imap_state import Item, in_maildirs, on_server


@pytest.fixture(params=[True, False], ids=["qresync", "plain"])
def neomutt(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> NeoMutt:
    with site.session() as session:
        append_all(session, "INBOX", [(letter(f"m{n}", subject=f"number {n}"), "") for n in range(12)])
    return NeoMutt(site, tmp_path, resync=request.param)


def contents(site: Site, folder: str) -> dict[str, frozenset[str]]:
    """The flags of each message in a folder."""
    return {item.message_id: item.flags for item in on_server(site) if item.folder == folder}


def test_a_session_and_a_resync(site: Site, neomutt: NeoMutt, tmp_path: Path) -> None:
    neomutt.press(
        "<display-message><exit>"  # m0 is read
        "<next-entry><flag-message>"  # m1
        "<next-entry><save-message><kill-line>=Saved/2026<enter>"  # m2
        "<next-entry><copy-message><kill-line>=Saved/2026<enter>"  # m3
        "<next-entry><delete-message>"  # m4
        "<tag-pattern>~s 'number [56]$'<enter><tag-prefix><set-flag>r<tag-prefix><save-message><kill-line>=Both<enter>"
        "<sync-mailbox>"
    )
    assert contents(site, "INBOX") == {
        "m0": {"\\Seen"},
        "m1": {"\\Flagged"},
        "m3": frozenset(),
        **{f"m{n}": frozenset() for n in range(7, 12)},
    }
    assert contents(site, "Saved/2026") == {"m2": frozenset(), "m3": frozenset()}
    assert contents(site, "Both") == {"m5": {"\\Seen", "\\Answered"}, "m6": {"\\Seen", "\\Answered"}}

    change_elsewhere(site)
    assert what_it_sees(neomutt, tmp_path) == [item for item in on_server(site) if item.folder == "INBOX"]
    change_elsewhere(site)
    assert what_it_sees(neomutt, tmp_path) == [item for item in on_server(site) if item.folder == "INBOX"]


def test_searches_on_the_server(site: Site, neomutt: NeoMutt, tmp_path: Path) -> None:
    with site.session() as session:
        append_all(
            session, "INBOX", [(letter("body", "One needle in a haystack.\r\n"), ""), (letter("needle", "no"), "")]
        )
    found = what_it_sees(neomutt, tmp_path, limit="=b needle")
    assert [item.message_id for item in found] == ["body"]
    found = what_it_sees(neomutt, tmp_path, limit="=B needle")
    assert [item.message_id for item in found] == ["body", "needle"]


def test_writes(site: Site, neomutt: NeoMutt) -> None:
    """A message and a reply, their copies in Sent, a draft, and a folder whose name is not ASCII."""
    neomutt.press(
        "<mail>friend@example.org<enter>Greetings<enter><send-message>"
        "<reply><send-message>"
        "<next-entry><reply><postpone-message>"
        "<next-entry><save-message><kill-line>=Entwürfe<enter>"
        "<sync-mailbox>"
    )
    assert contents(site, "INBOX")["m0"] == {"\\Seen", "\\Answered"}
    assert contents(site, "Entw&APw-rfe") == {"m2": frozenset()}
    neomutt.press("<delete-message><sync-mailbox>", folder="Entwürfe")
    assert contents(site, "Entw&APw-rfe") == {}
    with site.session() as session:
        assert subjects(session, "Sent") == ["Greetings", "Re: number 0"]
        assert subjects(session, "Drafts") == ["Re: number 1"]
        assert b"\\Draft" in ok(session.fetch("1", "(FLAGS)"))[0]


def what_it_sees(neomutt: NeoMutt, home: Path, limit: str = "~A") -> list[Item]:
    """What NeoMutt shows in INBOX."""
    maildir = home / "seen" / "INBOX"
    shutil.rmtree(maildir, ignore_errors=True)
    neomutt.press(f"<limit>{limit}<enter>" + COPY_ALL.format(maildir))
    return in_maildirs(maildir.parent)


def subjects(session: imaplib.IMAP4, folder: str) -> list[str]:
    """The subjects of a folder's messages, in order."""
    ok(session.select(quote(folder), readonly=True))
    fields = [line for line in ok(session.fetch("1:*", "(BODY[HEADER.FIELDS (SUBJECT)])")) if isinstance(line, tuple)]
    return [field.decode().removeprefix("Subject: ").strip() for _, field in fields]


def change_elsewhere(site: Site) -> None:
    number = len(on_server(site))
    site.deliver(letter(f"late{number}"))
    with site.session() as session:
        ok(session.select())
        ok(session.store("1", "+FLAGS", "(\\Answered)"))
        ok(session.store("2", "-FLAGS", "(\\Flagged)"))
        ok(session.store("3:4", "+FLAGS", "(\\Deleted)"))
        ok(session.expunge())
        append_all(session, "INBOX", [(letter(f"later{number}"), "(\\Flagged)")])
