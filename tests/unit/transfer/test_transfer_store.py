"""Import and export over a real store: nothing lost, nothing twice, whatever interrupts; and what comes back."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estafeta.app import storecheck
from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import Site, open_site, populate
from estafeta.app.transfer import sink
from estafeta.app.transfer.exporting import open_exporter
from estafeta.app.transfer.importing import Importer, open_importer
from estafeta.app.transfer.person import Identity, Person
from estafeta.app.transfer.values import Tally
from estafeta.core.errors import EstafetaError, Kind
from estafeta.mailboxes import look
from estafeta.mailboxes.values import Flag
from estafeta.storage.packs import Packs
from estafeta.storage.steps import Step

ME = Person(Identity(os.geteuid(), os.getegid()), Identity(os.geteuid(), os.getegid()))
_USERS = count(1)


class Silent:
    def total(self, steps: int) -> None: ...

    def advance(self, steps: int) -> None: ...


class InterruptedHereError(BaseException):
    """As if the process ended."""


@dataclass
class Box:
    """One user of the site."""

    site: Site
    address: str

    def importer(self, again: bool = False):
        return open_importer(self.site, ME, self.address, Silent(), again=again)

    def exporter(self):
        return open_exporter(self.site, ME, self.address, Silent())

    def import_mbox(self, path: Path, mailbox: str = "INBOX", **options: bool) -> Tally:
        with self.importer(**options) as importer:
            importer.from_mbox(path, mailbox)
        return importer.tally

    def import_maildir(self, path: Path) -> Tally:
        with self.importer() as importer:
            importer.from_maildir(path)
        return importer.tally

    def all(self) -> dict[str, list[tuple[bytes, int, tuple[str, ...], int]]]:
        """Everything: mailbox -> content, flags, keywords, internal date."""
        account = self.site.directory.get_user(self.address).account_id
        found = {}
        with self.exporter() as exporter:
            for box in look.list_mailboxes(self.site.database, account):
                found[box.name] = [
                    (exporter.packs.read(one.location), one.flags, one.keywords, one.internal_date_ms)
                    for one in exporter._messages(box)
                ]
        return found

    def contents(self, mailbox: str = "INBOX") -> list[bytes]:
        return [row[0] for row in self.all().get(mailbox, [])]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("transfer") / "home"
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    node = set_up(Home.at(root), choices, lambda node: populate(node, "example.test", {})).node
    with open_site(node) as opened:
        yield opened
        packs = Packs(node.data / "packs")
        assert list(storecheck.verify(opened.database, packs, lambda done, total: None)) == []
        packs.close()


@pytest.fixture
def box(site: Site) -> Box:
    return new_box(site)


def new_box(site: Site) -> Box:
    address = f"user{next(_USERS)}@example.test"
    site.directory.add_user(address)
    return Box(site, address)


def mbox_text(numbers: range) -> bytes:
    return b"".join(
        b"From a Sat Jan  3 01:05:34 1998\nSubject: %d\n\n>From me\nbody %d\n\n" % (number, number)
        for number in numbers
    )


def expected(number: int) -> bytes:
    return b"Subject: %d\r\n\r\nFrom me\r\nbody %d\r\n" % (number, number)


def test_mbox_in(box: Box, tmp_path: Path):
    (tmp_path / "in").write_bytes(mbox_text(range(10)))
    tally = box.import_mbox(tmp_path / "in", "Old/1998")
    assert (tally.done, tally.mailboxes, tally.skipped) == (10, {"Old/1998"}, {})
    rows = box.all()["Old/1998"]
    assert [row[0] for row in rows] == [expected(number) for number in range(10)]
    assert {row[3] for row in rows} == {883789534000}


def test_the_same_import_again_brings_only_what_is_new(box: Box, tmp_path: Path):
    path = tmp_path / "in"
    path.write_bytes(mbox_text(range(3)))
    assert box.import_mbox(path).done == 3
    assert box.import_mbox(path).done == 0
    path.write_bytes(mbox_text(range(5)))
    assert box.import_mbox(path).done == 2
    assert box.contents() == [expected(number) for number in range(5)]
    assert box.import_mbox(path, again=True).done == 5
    assert len(box.contents()) == 10


@pytest.mark.parametrize("step", list(Step)[:5])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupted_import_goes_on(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step, after: int
):
    monkeypatch.setattr(sink, "_BATCH_MESSAGES", 3)
    (tmp_path / "in").write_bytes(mbox_text(range(20)))
    passes = count()

    def reached(now: Step) -> None:
        if now is step and next(passes) == after:
            raise InterruptedHereError

    def begin() -> None:
        with box.importer() as importer:
            importer.store.group.reached = reached
            importer.from_mbox(tmp_path / "in", "INBOX")

    with pytest.raises(InterruptedHereError):
        begin()
    box.import_mbox(tmp_path / "in")
    assert box.contents() == [expected(number) for number in range(20)]


def test_on_postgresql(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    choices = Choices("example.test", "mx.example.test", port_base=20000, database_url=postgres_url)
    home = Home.at(tmp_path / "home")
    node = set_up(home, choices, lambda node: populate(node, "example.test", {})).node
    make_maildir(tmp_path / "Maildir" / ".Sent.2024", {f"cur/{number}.a:2,S": b"A: b\n\n" for number in range(7)})
    (tmp_path / "in").write_bytes(mbox_text(range(20)))
    with open_site(node) as site:
        box = new_box(site)
        test_an_interrupted_import_goes_on(box, tmp_path, monkeypatch, Step.SQL_COMMITTED, 2)
        assert box.import_maildir(tmp_path / "Maildir").done == 7
        assert box.import_maildir(tmp_path / "Maildir").known == 7
        with box.exporter() as exporter:
            exporter.to_mbox(tmp_path / "out", "")
        other = new_box(site)
        other.import_mbox(tmp_path / "out")
        assert other.contents("Sent/2024") == [b"A: b\r\n\r\n"] * 7
        assert other.contents() == box.contents()


def test_large_messages_are_streamed(box: Box, tmp_path: Path):
    body = b"".join(b"line %d of a large message\n" % number for number in range(20_000))
    (tmp_path / "in").write_bytes(mbox_text(range(2)) + b"From a Sat Jan  3 01:05:34 1998\nA: b\n\n" + body + b"\n")
    box.import_mbox(tmp_path / "in")
    assert box.contents()[2] == b"A: b\r\n\r\n" + body.replace(b"\n", b"\r\n")


def test_one_message_that_the_store_refuses_does_not_stop_the_others(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "in").write_bytes(mbox_text(range(5)))
    real = sink.deliver

    def deliver(tx, items):
        if any(item.payload.summary.subject == "3" for item in items):
            raise ValueError("not this one")
        return real(tx, items)

    monkeypatch.setattr(sink, "deliver", deliver)
    tally = box.import_mbox(tmp_path / "in")
    assert box.contents() == [expected(number) for number in (0, 1, 2, 4)]
    assert [reason.examples for reason in tally.skipped.values()] == [["in at octet 183"]]


def test_two_imports_of_the_same_file_at_once(box: Box, tmp_path: Path):
    (tmp_path / "in").write_bytes(mbox_text(range(5)))
    with box.importer() as importer:
        real = importer.tally

        def meanwhile(steps: int) -> None:
            if not real.done:
                box.import_mbox(tmp_path / "in")

        importer.meter.total = meanwhile  # type: ignore[method-assign]
        with pytest.raises(EstafetaError) as error:
            importer.from_mbox(tmp_path / "in", "INBOX")
    assert error.value.kind is Kind.IN_USE
    assert len(box.contents()) == 5


def test_bad_sources(box: Box, tmp_path: Path):
    (tmp_path / "text").write_bytes(b"Dear reader\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "none").write_bytes(b"")
    with box.importer() as importer:
        assert_refused(importer, tmp_path / "text", "This is no mbox")
        assert_refused(importer, tmp_path / "empty", "no file with a name")
        with pytest.raises(FileNotFoundError):
            importer.from_mbox(tmp_path / "missing", "INBOX")
        with pytest.raises(EstafetaError, match="is no Maildir"):
            importer.from_maildir(tmp_path / "empty")
        with pytest.raises(FileNotFoundError):
            importer.from_maildir(tmp_path / "missing")
        importer.from_mbox(tmp_path / "none", "INBOX")
        with pytest.raises(EstafetaError, match="cannot be the name"):
            importer.from_mbox(tmp_path / "text", "a//b")
    with pytest.raises(EstafetaError, match="no user nobody"), Box(box.site, "nobody@example.test").importer():
        pass


def assert_refused(importer: Importer, path: Path, sentence: str) -> None:
    with pytest.raises(EstafetaError, match=sentence):
        importer.from_mbox(path, "INBOX")


def make_maildir(path: Path, files: dict[str, bytes]) -> None:
    for place in ("cur", "new", "tmp"):
        (path / place).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
        os.utime(path / name, ns=(0, 1_600_000_000_123_000_000))


def test_maildir_in(box: Box, tmp_path: Path):
    root = tmp_path / "Maildir"
    make_maildir(root, {"cur/1.a:2,FS": b"A: 1\n\nx\n", "new/2.b": b"A: 2\n\ny", "cur/3.c:2,": b"", "tmp/4": b"no"})
    make_maildir(root / ".Sent.2024", {"cur/5.d:2,PRa": b"A: 5\n\n", "cur/5.e": b"A: 6\n\n"})
    (root / ".Sent.2024" / "dovecot-keywords").write_text("0 work\n")
    (root / "cur" / "6.f:2,").symlink_to("/etc/passwd")
    tally = box.import_maildir(root)
    date = 1_600_000_000_123
    assert box.all() == {
        "INBOX": [(b"A: 1\r\n\r\nx\r\n", Flag.FLAGGED | Flag.SEEN, (), date), (b"A: 2\r\n\r\ny", 0, (), date)],
        "Sent/2024": [
            (b"A: 5\r\n\r\n", Flag.ANSWERED, ("$Forwarded", "work"), date),
            (b"A: 6\r\n\r\n", 0, (), date),
        ],
    }
    assert {reason: entry.count for reason, entry in tally.skipped.items()} == {
        "nothing in it": 1,
        "too many levels of symbolic links": 1,
    }


def test_a_live_maildir_is_followed(box: Box, tmp_path: Path):
    root = tmp_path / "Maildir"
    make_maildir(root, {"new/1.a": b"A: 1\n\n", "cur/2.b:2,": b"A: 2\n\n"})
    assert box.import_maildir(root).done == 2
    os.rename(root / "new" / "1.a", root / "cur" / "1.a:2,S")
    make_maildir(root, {"new/0.late": b"A: 3\n\n"})
    tally = box.import_maildir(root)
    assert (tally.done, tally.known) == (1, 2)
    assert box.contents() == [b"A: 1\r\n\r\n", b"A: 2\r\n\r\n", b"A: 3\r\n\r\n"]


def test_files_that_vanish_are_told(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from estafeta.app.transfer import maildir

    root = tmp_path / "Maildir"
    make_maildir(root, {"cur/1.a:2,": b"A: 1\n\n", "cur/2.b:2,": b"A: 2\n\n"})
    real = maildir.open_message

    def opened(path: str):
        Path(path).unlink() if "1.a" in path else None
        return real(path)

    monkeypatch.setattr(maildir, "open_message", opened)
    tally = box.import_maildir(root)
    assert (tally.done, list(tally.skipped)) == (1, ["gone meanwhile; repeat the import"])


def test_the_same_name_twice_is_told(box: Box, tmp_path: Path):
    make_maildir(tmp_path / "m", {"cur/1.a:2,": b"A: 1\n\n", "new/1.a": b"A: 1\n\n"})
    tally = box.import_maildir(tmp_path / "m")
    assert (tally.done, list(tally.skipped)) == (1, ["two files of the same name"])


def test_export_never_overwrites_an_mbox(box: Box, tmp_path: Path):
    (tmp_path / "in").write_bytes(mbox_text(range(2)))
    box.import_mbox(tmp_path / "in")
    (tmp_path / "out").write_text("mine")
    with box.exporter() as exporter:
        with pytest.raises(EstafetaError, match="exists already"):
            exporter.to_mbox(tmp_path / "out", "INBOX")
        with pytest.raises(EstafetaError, match="no mailbox 'Sent'; there are: INBOX"):
            exporter.to_mbox(tmp_path / "new", "Sent")
        with pytest.raises(EstafetaError, match="is no Maildir"):
            exporter.to_maildir(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]


def test_an_export_that_fails_leaves_nothing(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "in").write_bytes(mbox_text(range(2)))
    box.import_mbox(tmp_path / "in")
    with box.exporter() as exporter:
        monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            exporter.to_mbox(tmp_path / "out", "INBOX")
    assert os.listdir(tmp_path) == ["in"]


def test_a_damaged_message_is_told_and_the_rest_exported(box: Box, tmp_path: Path):
    (tmp_path / "in").write_bytes(mbox_text(range(3)))
    box.import_mbox(tmp_path / "in")
    account = box.site.directory.get_user(box.address).account_id
    location = look.snapshot(box.site.database, account).rows[1].location
    pack = Packs(box.site.node.data / "packs").path(location.pack_id)
    good = pack.read_bytes()
    broken = bytearray(good)
    broken[location.offset + location.length - 3] ^= 0xFF
    pack.write_bytes(broken)
    try:
        with box.exporter() as exporter:
            exporter.to_mbox(tmp_path / "out", "INBOX")
            exporter.to_maildir(tmp_path / "Maildir")
    finally:
        pack.write_bytes(good)
    assert (exporter.tally.done, [one.count for one in exporter.tally.skipped.values()]) == (4, [2])
    assert len(os.listdir(tmp_path / "Maildir" / "cur")) == 2
    assert os.listdir(tmp_path / "Maildir" / "tmp") == []
    assert new_box(box.site).import_mbox(tmp_path / "out").done == 2


def test_an_interrupted_maildir_export_goes_on(box: Box, tmp_path: Path):
    (tmp_path / "in").write_bytes(mbox_text(range(5)))
    box.import_mbox(tmp_path / "in")
    with box.exporter() as exporter:
        exporter.to_maildir(tmp_path / "out")
    files = sorted((tmp_path / "out" / "cur").iterdir())
    files[0].unlink()
    files[1].write_bytes(b"cut short")
    with box.exporter() as exporter:
        exporter.to_maildir(tmp_path / "out")
    assert (exporter.tally.done, exporter.tally.known) == (2, 3)
    other = new_box(box.site)
    other.import_maildir(tmp_path / "out")
    assert other.all() == box.all()


names = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="/", categories=("L", "N", "P", "S")), min_size=1, max_size=8
    ),
    min_size=1,
    max_size=3,
).map("/".join)
body_lines = st.sampled_from(
    [b"", b"From x", b">From y", b">>From z", b".", b"text", b"\xc3\xa9\xff", b"From a Sat Jan  3 01:05:34 1998"]
)
messages = st.builds(
    lambda lines, flags, keywords, second, ms: (
        b"Subject: s\n\n" + b"".join(line + b"\n" for line in lines),
        flags,
        tuple(sorted(keywords)),
        second * 1000 + ms,
    ),
    st.lists(body_lines, max_size=6),
    st.integers(0, 31),
    st.sets(st.sampled_from(["$Forwarded", "$Junk", "work", "NonJunk"]), max_size=3),
    st.integers(1, 2_000_000_000),
    st.integers(0, 999),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names.filter(lambda n: n.upper() != "INBOX"), st.lists(messages, max_size=5), max_size=3))
def test_what_is_exported_comes_back(site: Site, tmp_path_factory: pytest.TempPathFactory, boxes: dict):
    tmp_path = tmp_path_factory.mktemp("round")
    first = new_box(site)
    put(first, boxes)
    with first.exporter() as exporter:
        if not first.all():
            return
        exporter.to_maildir(tmp_path / "Maildir")
        exporter.to_mbox(tmp_path / "mboxes", "")
    by_maildir, by_mbox = new_box(site), new_box(site)
    by_maildir.import_maildir(tmp_path / "Maildir")
    by_mbox.import_mbox(tmp_path / "mboxes")
    filled = {name: rows for name, rows in first.all().items() if rows}
    assert {name: by_date(rows) for name, rows in by_maildir.all().items() if rows} == {
        name: by_date(rows) for name, rows in filled.items()
    }
    # An mbox tells dates in seconds.
    assert {name: rows for name, rows in by_mbox.all().items() if rows} == {
        name: [(*row[:3], row[3] // 1000 * 1000) for row in rows] for name, rows in filled.items()
    }


def by_date(rows: list) -> list:
    return sorted(rows, key=lambda row: (row[3] // 1000, row))


def put(box: Box, boxes: dict) -> None:
    """Messages as they might be in the store."""
    from estafeta.app.transfer.progress import NamesProgress
    from estafeta.app.transfer.sink import Sink
    from estafeta.app.transfer.values import Original

    with box.importer() as importer:
        for name, rows in boxes.items():
            target = importer._target(name)
            with Sink(
                importer.store, target, NamesProgress(box.address + name), importer.tally, lambda n: None
            ) as taker:
                for number, (content, flags, keywords, date) in enumerate(rows):
                    pieces = io.BytesIO(content)
                    original = Original(pieces, flags, keywords, date)
                    taker.add(original, "here", lambda number=number: (str(number), 1))
