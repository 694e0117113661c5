"""mbsync and OfflineIMAP keep a copy: a full sync, changes on both sides, a resync, and the same on both sides."""

import imaplib
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from imap_site import Site, append_all, letter, ok, quote
from imap_state import files, folders, in_maildirs, maildirs, on_server, statuses
from imap_sync import Mbsync, OfflineImap, Syncer

#: Modified UTF-7 (RFC 3501 5.1.3) of Entwürfe.
UMLAUT = "Entw&APw-rfe"


def mbsync(site: Site, home: Path) -> Syncer:
    return Mbsync(site, home, site.port, "SSLType STARTTLS")


def mbsync_without_extensions(site: Site, home: Path) -> Syncer:
    """Synchronizing literals, one command at a time, uploads found by a search."""
    options = "SSLType IMAPS\nAuthMechs LOGIN\nPipelineDepth 1\nDisableExtension LITERAL+ UIDPLUS MOVE NAMESPACE"
    return Mbsync(site, home, site.tls_port, options)


@pytest.fixture(params=[mbsync, mbsync_without_extensions, OfflineImap])
def syncer(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Syncer:
    make: Callable[[Site, Path], Syncer] = request.param
    return make(site, tmp_path)


def test_a_copy_is_kept_the_same_both_ways(site: Site, syncer: Syncer) -> None:
    fill_server(site)
    sync(site, syncer)
    assert len(in_maildirs(syncer.root)) == 26
    validities = {folder: status.uidvalidity for folder, status in statuses(site).items()}

    change_server(site)
    change_copy(syncer)
    sync(site, syncer)
    flags = {(item.folder, item.message_id): item.flags for item in on_server(site)}
    assert flags["INBOX", "m2"] == {"\\Flagged", "\\Seen", "\\Answered"}, "one flag set there, one here"
    assert flags["INBOX", "m3"] == {"\\Flagged"}, "unset here"
    assert not flags.keys() & {("INBOX", "m0"), ("INBOX", "m1"), ("INBOX", "m10")}, "expunged there, removed here"
    assert flags["INBOX", "news"] == frozenset()
    assert flags["INBOX", "written"] == {"\\Seen", "\\Flagged"}
    assert flags["Projects/Made here", "made"] == {"\\Seen", "\\Draft"}
    assert flags["Projects/Made there", "m12"] == frozenset(), "moved there"
    assert flags[UMLAUT, "m13"] == {"\\Seen"}, "moved here"

    after = statuses(site)
    if syncer.removes_folders:
        assert "Empty" not in after
        assert "Empty" not in maildirs(syncer.root)
    del validities["Empty"]
    assert {folder: after[folder].uidvalidity for folder in validities} == validities
    syncer.run()
    assert statuses(site) == after, "a run with nothing to do does nothing"


def test_many_messages_in_one_run(site: Site, syncer: Syncer) -> None:
    with site.session() as session:
        append_all(session, "INBOX", [(letter(f"there{n}"), "") for n in range(40)])
    sync(site, syncer)
    for n in range(40):
        put(syncer.root / "INBOX", letter(f"here{n}"), "S")
    sync(site, syncer)
    for path in list(files(syncer.root, "INBOX"))[::2]:
        path.unlink()
    sync(site, syncer)
    assert len(on_server(site)) == 40


def test_copies_of_several_clients_that_run_at_once(site: Site, tmp_path: Path) -> None:
    """They all change the same mailbox; once that is over, one more run of each makes all copies the same."""
    copies = []
    for number, make in enumerate([mbsync, mbsync, OfflineImap]):
        home = tmp_path / str(number)
        home.mkdir()
        copies.append(make(site, home))
    with site.session() as session:
        append_all(session, "INBOX", [(letter(f"m{n}"), "") for n in range(30)])
    for copy in copies:
        copy.run()
    for turn in range(2):
        with ThreadPoolExecutor() as pool:
            running = [pool.submit(change_and_run, copy, turn, number) for number, copy in enumerate(copies)]
            site.deliver(letter(f"delivered{turn}"))
        for future in running:
            future.result()
    for copy in [*copies, *copies]:
        copy.run()
    there = on_server(site)
    assert [in_maildirs(copy.root) for copy in copies] == [there] * 3
    kept = {item.message_id: item.flags for item in there}
    assert len(kept) == len(there) == 30 - 6 + 6 + 2, "6 removed, 6 written, 2 delivered; none twice"
    assert sum("\\Flagged" in flags for flags in kept.values()) == 6
    assert sum("\\Answered" in flags for flags in kept.values()) == 6


def change_and_run(copy: Syncer, turn: int, number: int) -> None:
    """Each client has messages of its own to remove and to flag, and writes one."""
    first = turn * 12 + number * 4
    inbox = copy.root / "INBOX"
    find(inbox, f"m{first}").unlink()
    mark(find(inbox, f"m{first + 1}"), "F")
    mark(find(inbox, f"m{first + 2}"), "RS")
    put(inbox, letter(f"written{turn}.{number}"), "S")
    copy.run()


def sync(site: Site, syncer: Syncer) -> None:
    """A run, after which both sides have the same."""
    syncer.run()
    assert in_maildirs(syncer.root) == on_server(site)
    with site.session() as session:
        there = set(folders(session))
    assert there <= set(maildirs(syncer.root))


def fill_server(site: Site) -> None:
    site.deliver(*(letter(f"m{n}") for n in range(4)))
    with site.session() as session:
        append_all(session, "INBOX", [(letter(f"m{n}"), "") for n in range(4, 19)])
        for folder in ("Projects", "Projects/2026", UMLAUT, "Empty", "Quite (odd) &- so"):
            ok(session.create(quote(folder)))
        append_all(session, "Projects/2026", [(letter(f"p{n}"), "(\\Seen)") for n in range(5)])
        append_all(session, UMLAUT, [(letter("draft"), "(\\Draft \\Seen)"), (letter("large", "x" * 70 * 9999), "")])
        ok(session.select())
        ok(session.store("3", "+FLAGS", "(\\Answered)"))
        ok(session.store("4:5", "FLAGS", "(\\Seen \\Flagged $Label1)"))


def change_server(site: Site) -> None:
    site.deliver(letter("news"))
    with site.session() as session:
        ok(session.create(quote("Projects/Made there")))
        ok(session.select())
        ok(session.store("3", "+FLAGS", "(\\Flagged)"))
        ok(session.store("4", "-FLAGS", "(\\Seen)"))
        ok(session.uid("MOVE", uid_of(session, "m12"), quote("Projects/Made there")))
        ok(session.store("1:2", "+FLAGS", "(\\Deleted)"))
        ok(session.expunge())
        ok(session.delete("Empty"))


def uid_of(session: imaplib.IMAP4, message_id: str) -> str:
    uids: str = ok(session.uid("SEARCH", "HEADER", "Message-ID", quote(f"<{message_id}@client.test>")))[0].decode()
    return uids


def change_copy(syncer: Syncer) -> None:
    inbox = syncer.root / "INBOX"
    mark(find(inbox, "m2"), "RS")
    find(inbox, "m10").unlink()
    put(inbox, letter("written"), "FS")
    put(syncer.root / "Projects" / "Made here", letter("made"), "DS")
    put(syncer.root / UMLAUT, find(inbox, "m13").read_bytes(), "S")
    find(inbox, "m13").unlink()


def find(folder: Path, message_id: str) -> Path:
    needle = f"<{message_id}@client.test>".encode()
    (path,) = [path for path in files(folder.parent, folder.name) if needle in path.read_bytes()]
    return path


def put(folder: Path, content: bytes, flags: str) -> None:
    """A new message in a Maildir, which is made when it is not there."""
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    number = sum(1 for _ in files(folder.parent, folder.name))
    path = folder / "tmp" / f"1790000000.{number}_{id(content)}.here"
    path.write_bytes(content.replace(b"\r\n", b"\n"))
    shutil.move(path, folder / "cur" / f"{path.name}:2,{flags}")


def mark(path: Path, flags: str) -> None:
    """A message with other flags."""
    path.rename(path.parent.parent / "cur" / f"{path.name.partition(':2,')[0]}:2,{flags}")
