"""IMAPClient: folders, messages, searches, IDLE, and a copy kept by CONDSTORE; all that this library offers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest
from imap_site import SECONDS, Site, letter
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError
from running import wait_until


@contextmanager
def connected(site: Site, *, starttls: bool = False) -> Iterator[IMAPClient]:
    """Not signed in."""
    port = site.port if starttls else site.tls_port
    client = IMAPClient(site.host, port, ssl=not starttls, ssl_context=site.context(), timeout=SECONDS)
    with client:
        if starttls:
            client.starttls(site.context())
        yield client


@contextmanager
def signed_in(site: Site, folder: str = "") -> Iterator[IMAPClient]:
    with connected(site) as client:
        client.login(site.user, site.password)
        if folder:
            client.select_folder(folder)
        yield client


@pytest.fixture
def client(site: Site) -> Iterator[IMAPClient]:
    with signed_in(site, "INBOX") as client:
        yield client


@pytest.mark.parametrize("starttls", [False, True])
def test_signing_in(site: Site, starttls: bool) -> None:
    with connected(site, starttls=starttls) as client:
        with pytest.raises(LoginError, match="AUTHENTICATIONFAILED"):
            client.login(site.user, "wrong")
        client.plain_login(site.user, site.password)
        assert client.noop()[0]
    with connected(site, starttls=starttls) as client:
        client.sasl_login("PLAIN", lambda challenge: f"\0{site.user}\0{site.password}".encode())
        assert client.has_capability("IMAP4rev1")
        assert b"IDLE" in client.capabilities()
        assert client.id_({"name": "a test"}) is not None


def test_folders(client: IMAPClient) -> None:
    for name in ("Projects", "Projects/2026", "Entwürfe & 日本語", 'A "quoted" \\ name'):
        client.create_folder(name)
        assert client.folder_exists(name)
        client.append(name, letter("x"))
        assert client.select_folder(name)[b"EXISTS"] == 1
        assert client.folder_status(name, ["MESSAGES", "UIDNEXT", "UNSEEN"]) == {
            b"MESSAGES": 1,
            b"UIDNEXT": 2,
            b"UNSEEN": 1,
        }
    listed = {name: flags for flags, delimiter, name in client.list_folders() if delimiter == b"/"}
    assert b"\\HasChildren" in listed["Projects"]
    assert b"\\HasNoChildren" in listed["Projects/2026"]
    assert [name for _, _, name in client.list_folders("", "Projects/%")] == ["Projects/2026"]
    client.subscribe_folder("Projects/2026")
    assert "Projects/2026" in [name for _, _, name in client.list_sub_folders()]
    client.unsubscribe_folder("Projects/2026")
    assert "Projects/2026" not in [name for _, _, name in client.list_sub_folders()]
    client.rename_folder("Projects", "Entwürfe/Projekte")
    assert client.folder_exists("Entwürfe/Projekte/2026")
    client.delete_folder("Entwürfe/Projekte/2026")
    assert not client.folder_exists("Entwürfe/Projekte/2026")
    with pytest.raises(IMAPClientError, match="ALREADYEXISTS"):
        client.create_folder("Entwürfe & 日本語")
    with pytest.raises(IMAPClientError, match=r"NONEXISTENT|doesn't exist"):
        client.select_folder("No such folder")


def test_special_folders_and_namespace(client: IMAPClient) -> None:
    assert client.namespace().personal[0] == ("", "/")
    for use, name in [(b"\\Drafts", "Drafts"), (b"\\Sent", "Sent"), (b"\\Junk", "Junk"), (b"\\Trash", "Trash")]:
        assert client.find_special_folder(use) == name
        assert use in next(flags for flags, _, listed in client.list_folders() if listed == name)


def test_appending_and_fetching(client: IMAPClient, site: Site) -> None:
    when = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    content = letter("one", "Ein schöner Tag.\r\n", subject="=?utf-8?q?sch=C3=B6n?=", reply_to="zero")
    assert b"APPENDUID" in client.append("INBOX", content, ["\\Seen", "$Work"], when)
    client.multiappend("INBOX", [{"msg": letter("two"), "flags": ["\\Flagged"], "date": when}, letter("three")])
    site.deliver(letter("four"))
    client.normalise_times = False
    client.noop()
    wanted = ["UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY[TEXT]<4.7>"]
    got = client.fetch([1, 2, 3, 4], [*wanted, "BODY.PEEK[]", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
    assert list(got) == [1, 2, 3, 4]
    first = got[1]
    assert (first[b"BODY[]"], first[b"RFC822.SIZE"], first[b"SEQ"]) == (content, len(content), 1)
    assert {b"\\Seen", b"$Work"} <= set(first[b"FLAGS"])
    assert first[b"INTERNALDATE"] == got[2][b"INTERNALDATE"] == when
    assert first[b"BODY[TEXT]<4>"] == "schöne".encode()
    assert first[b"BODY[HEADER.FIELDS (SUBJECT)]"] == b"Subject: =?utf-8?q?sch=C3=B6n?=\r\n\r\n"
    envelope = first[b"ENVELOPE"]
    assert envelope.subject == b"=?utf-8?q?sch=C3=B6n?="
    assert (str(envelope.from_[0]), envelope.message_id) == ("One <one@example.org>", b"<one@client.test>")
    assert envelope.in_reply_to == b"<zero@client.test>"
    structure = first[b"BODYSTRUCTURE"]
    assert structure[:3] == (b"text", b"plain", (b"charset", b"utf-8")) or structure[0].lower() == b"text"
    assert b"\\Flagged" in got[2][b"FLAGS"]
    assert got[3][b"BODY[]"] == letter("three")


def test_flags(client: IMAPClient) -> None:
    client.multiappend("INBOX", [letter("one"), letter("two")])
    assert plain(client.add_flags([1, 2], ["\\Flagged", "$Todo"])) == {
        1: {"\\Flagged", "$Todo"},
        2: {"\\Flagged", "$Todo"},
    }
    assert plain(client.remove_flags(1, "$Todo")) == {1: {"\\Flagged"}}
    assert plain(client.set_flags(2, ["\\Seen"])) == {2: {"\\Seen"}}
    assert client.add_flags(1, ["\\Answered"], silent=True) is None
    assert plain(client.get_flags([1, 2])) == {1: {"\\Flagged", "\\Answered"}, 2: {"\\Seen"}}


def plain(flags: dict[int, tuple[bytes, ...]]) -> dict[int, set[str]]:
    """As text, and without \\Recent."""
    return {uid: {flag.decode() for flag in some} - {"\\Recent"} for uid, some in flags.items()}


def test_copying_moving_and_expunging(client: IMAPClient) -> None:
    client.create_folder("Kept")
    client.multiappend("INBOX", [letter(f"m{n}") for n in range(6)])
    client.copy([1, 2], "Kept")
    client.move([3], "Kept")
    client.delete_messages([4, 5])
    client.uid_expunge([4])
    assert client.search() == [1, 2, 5, 6]
    assert (3, b"EXPUNGE") in client.expunge()[1]
    assert client.search() == [1, 2, 6]
    with pytest.raises(IMAPClientError, match="TRYCREATE"):
        client.copy([1], "No such folder")
    client.add_flags(6, ["\\Deleted"])
    client.close_folder()
    assert client.select_folder("INBOX", readonly=True)[b"EXISTS"] == 2
    assert client.unselect_folder()
    assert client.select_folder("Kept")[b"EXISTS"] == 3
    assert [m[b"BODY[]"] for m in client.fetch([1, 2, 3], ["BODY.PEEK[]"]).values()] == [
        letter("m0"),
        letter("m1"),
        letter("m2"),
    ]


def test_searching(client: IMAPClient) -> None:
    client.multiappend(
        "INBOX",
        [
            letter("one", "A needle.\r\n", subject="=?iso-8859-1?q?Gr=FC=DFe?= aus Wien"),
            letter("two", "Ein Grüßen.\r\n", subject="Plain"),
            {"msg": letter("three", "x" * 3000), "flags": ["\\Flagged", "$Work"], "date": datetime(2020, 5, 6)},
        ],
    )
    assert client.search("ALL") == [1, 2, 3]
    assert client.search(["SUBJECT", "grüße"], charset="UTF-8") == [1]
    assert client.search(["TEXT", "grüße"], charset="UTF-8") == [1, 2]
    assert client.search(["BODY", "NEEDLE"]) == [1]
    assert client.search(["OR", "FLAGGED", "FROM", "two"]) == [2, 3]
    assert client.search(["NOT", ["KEYWORD", "$Work", "LARGER", 2000]]) == [1, 2]
    assert client.search(["BEFORE", date(2020, 5, 7)]) == [3]
    assert client.search(["SENTSINCE", date(2026, 3, 1), "UID", "2:3"]) == [2, 3]
    assert client.search(["HEADER", "Message-ID", "<two@client.test>"]) == [2]
    assert client.search(["TEXT", "no such words"]) == []
    client.add_flags([2], ["\\Answered"])
    found = client.search(["MODSEQ", 1])
    assert (list(found), found.modseq) == (
        [1, 2, 3],
        client.folder_status("INBOX", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"],
    )


def test_sorting_and_threading(client: IMAPClient) -> None:
    client.multiappend(
        "INBOX",
        [
            {"msg": letter("b", subject="Zebra"), "date": datetime(2026, 5, 1)},
            {"msg": letter("a", "x" * 3000, subject="Re: zebra", reply_to="b"), "date": datetime(2026, 5, 2)},
            {"msg": letter("c", subject="apple"), "date": datetime(2026, 5, 3)},
        ],
    )
    assert client.sort("SUBJECT") in ([3, 1, 2], [3, 2, 1])
    assert client.sort(["REVERSE SIZE"])[0] == 2
    assert client.sort(["FROM"]) == [2, 1, 3]
    assert client.sort(["REVERSE ARRIVAL"], ["NOT", "SUBJECT", "apple"]) == [2, 1]
    assert set(client.thread()) == {(1, 2), (3,)}
    assert set(client.thread("ORDEREDSUBJECT")) in ({(1, 2), (3,)}, {(2, 1), (3,)})


def test_idle_sees_what_another_session_does(client: IMAPClient, site: Site) -> None:
    client.append("INBOX", letter("one"))
    client.noop()
    client.idle()
    with signed_in(site, "INBOX") as other:
        assert (2, b"EXISTS") in pushed(client, lambda: site.deliver(letter("two")), (2, b"EXISTS"))
        (change,) = pushed(client, lambda: other.add_flags(1, ["\\Flagged"]), b"FETCH")[-1:]
        items = dict(zip(change[2][::2], change[2][1::2], strict=True))
        assert (change[0], b"\\Flagged" in items[b"FLAGS"]) == (1, True)
        other.delete_messages(1, silent=True)
        pushed(client, other.expunge, (1, b"EXPUNGE"))
    assert client.idle_done()[0]
    assert client.search() == [2]


def pushed(client: IMAPClient, act: Callable[[], object], expected: object) -> list[tuple]:
    """What an idling client is told until `expected` comes: a response, or one of that name."""
    act()
    told: list[tuple] = []

    def told_of_it() -> bool:
        told.extend(client.idle_check(timeout=0.1))
        return any(expected == one or expected == one[1] for one in told)

    wait_until(told_of_it)
    return [one for one in told if expected in (one, one[1])]


def test_rights_and_quota(client: IMAPClient, site: Site) -> None:
    client.create_folder("Shared")
    client.setacl("Shared", "bob@example.test", "lrs")
    rights = {name.decode(): rights.decode() for name, rights in client.getacl("Shared")}
    assert set(rights["bob@example.test"]) == set("lrs")
    assert set("lrswipte") <= set(rights[site.user])
    client.setacl("Shared", "bob@example.test", '""')
    assert site.user in [name.decode() for name, _ in client.getacl("Shared")]
    root, quotas = client.get_quota_root("INBOX")
    assert root.mailbox == "INBOX"
    assert {quota.resource for quota in quotas} >= {"STORAGE"}
    assert client.get_quota("INBOX") == quotas


def test_a_copy_kept_by_modification_sequences(site: Site) -> None:
    """A full sync, changes on both sides, a resync, and the same on both sides."""
    with signed_in(site) as client:
        assert b"CONDSTORE" in client.enable("CONDSTORE")
        keep_a_copy(client, site)


def keep_a_copy(client: IMAPClient, site: Site) -> None:
    client.multiappend("INBOX", [letter(f"m{n}") for n in range(20)])
    modseq = client.select_folder("INBOX")[b"HIGHESTMODSEQ"]
    copy = plain(client.get_flags(range(1, 30)))
    with signed_in(site, "INBOX") as other:
        other.add_flags([3, 5], ["\\Flagged"])
        other.delete_messages([7])
        other.expunge()
        site.deliver(letter("late"))
    copy |= plain(client.add_flags([4, 5], ["\\Seen"]))
    client.noop()
    changes = client.fetch(range(1, 30), ["FLAGS"], [f"CHANGEDSINCE {modseq}"])
    assert set(changes) == {3, 4, 5, 21}
    copy |= plain({uid: items[b"FLAGS"] for uid, items in changes.items()})
    there = set(client.search())
    copy = {uid: flags for uid, flags in copy.items() if uid in there}
    with signed_in(site, "INBOX") as other:
        assert copy == plain(other.get_flags(range(1, 30)))
    assert copy[5] == {"\\Flagged", "\\Seen"}
