"""The index in files: damage and absence are no errors, FTS5 is not needed, small mailboxes and long needles agree."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from estafeta.mail.searchtext import NO_TEXT, normalise
from estafeta.search.index import Document, IndexUnusableError, Mark
from estafeta.search.sqlite import SqliteTextIndex
from estafeta.search.terms import TextField, TextTerm, prepare

LETTERS = "AB \u0301É%_\"'\n"
MARKS = {1: Mark(5, 40)}


def documents() -> list[Document]:
    rng = random.Random(4)
    made = []
    for number in range(40):
        body = normalise("".join(rng.choices(LETTERS, k=60)))
        header = f"\nSUBJECT: {number} HELLO\nX-A: {body[:9].strip()}\n".replace("\n\n", "\n")
        made.append(Document(number * 7, NO_TEXT._replace(subject=f"{number} HELLO", header=header, body=body)))
    return made


DOCUMENTS = documents()


@pytest.fixture(params=[True, False], ids=["grams", "texts"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> SqliteTextIndex:
    made = SqliteTextIndex(tmp_path / "search", "recipe", grams=request.param)
    made.add(7, DOCUMENTS, MARKS)
    return made


def matches(index: SqliteTextIndex, term: TextTerm, ids: set[int]) -> set[int]:
    with index.view(7, lambda: False) as view:
        assert view is not None
        return view.matches(prepare(term), ids)


def test_whatever_way_it_takes_it_is_the_same(index: SqliteTextIndex) -> None:
    rng = random.Random(7)
    everything = {document.content_id for document in DOCUMENTS}
    for _ in range(150):
        body = rng.choice(DOCUMENTS).text.body
        start = rng.randrange(50)
        needle = body[start : start + rng.choice([1, 2, 3, 4, 9])]
        fields = [TextField.BODY, TextField.TEXT, TextField.HEADER, TextField.SUBJECT]
        term = TextTerm(rng.choice(fields), needle, "x-a")
        ids = everything if rng.random() < 0.7 else set(rng.sample(sorted(everything), 1))
        wanted = prepare(term)
        expected = {d.content_id for d in DOCUMENTS if d.content_id in ids and wanted.matches(d.text)}
        assert matches(index, term, ids) == expected, term
    long = DOCUMENTS[3].text.body
    assert matches(index, TextTerm(TextField.BODY, long * 2), everything) == set()
    assert matches(index, TextTerm(TextField.BODY, long), everything) == {21}


def test_long_needles(tmp_path: Path) -> None:
    index = SqliteTextIndex(tmp_path, "recipe")
    text = "0123456789" * 20
    index.add(7, [Document(1, NO_TEXT._replace(body=text)), Document(2, NO_TEXT._replace(body=text[:70]))], {})
    assert matches(index, TextTerm(TextField.BODY, text[:80]), {1, 2}) == {1}
    assert matches(index, TextTerm(TextField.BODY, text[:64]), {1, 2}) == {1, 2}


def test_an_interrupted_portion_leaves_nothing(index: SqliteTextIndex) -> None:
    impossible = NO_TEXT._replace(body="\ud800")
    with pytest.raises(UnicodeEncodeError):
        index.add(7, [Document(1000, NO_TEXT), Document(1001, impossible)], {1: Mark(5, 99)})
    assert index.missing(7, [1000, 1001]) == [1000, 1001]
    assert index.marks(7) == MARKS


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database " * 500)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6000])


def _half(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 3):
        data[at] ^= 0x5A
    path.write_bytes(data)


def _no_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE meta")
        connection.execute("DROP TABLE heads")
    connection.close()


@pytest.mark.parametrize("damage", [_garbage, _truncated, _half, _no_table, Path.unlink])
def test_a_damaged_file_is_made_anew(index: SqliteTextIndex, damage: Callable[[Path], None]) -> None:
    ids = {document.content_id for document in DOCUMENTS}
    index.close()
    damage(index.path(7))
    for suffix in ("-wal", "-shm"):
        index.path(7).with_name(f"7.sqlite{suffix}").unlink(missing_ok=True)
    try:
        found = matches(index, TextTerm(TextField.SUBJECT, "hello"), ids)
    except (IndexUnusableError, AssertionError):
        found = None
    assert found is None
    assert index.marks(7) == {}
    index.add(7, DOCUMENTS, MARKS)
    assert matches(index, TextTerm(TextField.SUBJECT, "hello"), ids) == ids
    assert index.accounts() == {7}


def test_views_are_kept_and_given_up(tmp_path: Path) -> None:
    index = SqliteTextIndex(tmp_path, "recipe")
    for account in range(30):
        index.add(account, DOCUMENTS[:1], {})
        with index.view(account, lambda: False) as one, index.view(account, lambda: False) as two:
            assert one is not None
            assert two is not None
            assert one.present([0, 1]) == two.present([0, 1]) == {0}
    assert len(index._idle) == 16
    index.drop(29)
    with index.view(29, lambda: False) as gone:
        assert gone is None
    other = SqliteTextIndex(tmp_path, "other recipe")
    with other.view(3, lambda: False) as foreign:
        assert foreign is None
    assert other.missing(3, [0]) == [0]
    index.close()
    other.close()


def test_a_search_can_be_told_to_stop(index: SqliteTextIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estafeta.search.sqlite._STEPS", 1)
    with pytest.raises(IndexUnusableError), index.view(7, lambda: True):
        pass
    assert not index._damaged_path(7).exists()
