"""Search equals a plain scan, whatever is indexed, on both databases; an index comes and goes and is no error."""

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_kit import Searched, attachment, header, multipart, part, searched
from store_kit import MESSAGE, Store, to

from estafeta.core.ids import INBOX
from estafeta.mail.folding import fold
from estafeta.mail.searchtext import TextLimits
from estafeta.mailboxes.change import PurgeAccount, purge_account
from estafeta.search.attachments import AttachmentReader
from estafeta.search.contents import ContentTexts
from estafeta.search.index import IndexUnusableError
from estafeta.search.indexing import Indexing
from estafeta.search.service import TextSearch, forget_account, forget_everything, open_index
from estafeta.search.terms import TextField, TextTerm

ACCOUNTS = count(100)
#: Charsets with letters that each can write.
CHARSETS = {
    "utf-8": "abcÁñßſıİﬁ日本語かがカ한é́ \n<&>\"'%_\\:😀",
    "iso-8859-1": "abcÄéñß <&>%_",
    "windows-1251": "абвГДЖёЁ abc",
    "koi8-r": "абвГДЖёЁ abc",
    "iso-2022-jp": "abc日本語かがカ会議 ",
    "shift_jis": "abc日本語かがカ会議 ",
    "gb18030": "abc中文会议体ñ ",
    "big5": "abc中文會議 ",
    "euc-kr": "abc한국어 ",
    "iso-8859-7": "αβγΣσςά abc",
    "utf-7": "abc日本ñ ",
}
ENCODINGS = ["8bit", "base64", "quoted-printable"]


@pytest.fixture
def searching(store: Store, tmp_path: Path) -> Iterator[Searched]:
    with searched(store, tmp_path / "search") as made:
        yield made


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str]:
    """A charset and words in its letters."""
    charset = draw(st.sampled_from(sorted(CHARSETS)))
    return charset, draw(st.text(CHARSETS[charset], max_size=30))


@st.composite
def mails(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A message and texts that a person sees in it."""
    (subject_charset, subject), (name_charset, name), (charset, text) = draw(texts()), draw(texts()), draw(texts())
    subject, name = " ".join(subject.split()), " ".join(name.split())
    headers = header("Subject", subject, subject_charset) + header("From", name, name_charset)
    headers += b"X-Thing: one\r\n two\r\nX-thing: Three\r\n"
    subtype = draw(st.sampled_from(["plain", "html"]))
    one = part(text, charset, draw(st.sampled_from(ENCODINGS)), subtype)
    if draw(st.booleans()):
        return headers + one, [subject, *([text] if subtype == "plain" else [])]
    word = draw(st.text("abcñ日本語", min_size=1, max_size=12))
    parts = [one, attachment("Plan ñ.pdf", word.encode()), attachment("x.bin", b"abc", "application/octet-stream")]
    parts.append(b"Content-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nletters\r\n")
    return multipart(headers, parts), [word, "inside", "letters", "plan"]


NEEDLES = st.one_of(
    st.text('abcÁÄéñßſıﬁ日本語かがカ会議абвёγΣς <&>%_\\":\n', max_size=6),
    st.sampled_from(
        ["inside", "three", "one two", "plan ñ", "PLAN N", "X-THING", "\x1e", "\0", "é", "e\u0301", "\u0301"]
    ),
)
TERMS = st.builds(
    TextTerm,
    st.sampled_from(list(TextField)),
    NEEDLES,
    st.sampled_from(["subject", "X-Thing", "from", "X-None", "", "a: b", "Subject: a"]),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(mails(), min_size=1, max_size=5), st.integers(0, 5), st.lists(TERMS, min_size=1, max_size=8), st.data())
def test_what_is_found_is_what_a_plain_scan_finds(
    searching: Searched,
    made: list[tuple[bytes, list[str]]],
    indexed: int,
    terms: list[TextTerm],
    data: st.DataObject,
) -> None:
    account = next(ACCOUNTS)
    for number, (content, _) in enumerate(made):
        if number == indexed:
            searching.index_all(account)
        searching.store.deliver(content, to(account))
    if indexed == 5:
        searching.index_all(account)
    seen = data.draw(st.sampled_from([text for _, found in made for text in found] or [""]))
    piece = seen[: data.draw(st.integers(0, len(seen)))].swapcase()
    for term in [*terms, TextTerm(TextField.TEXT, piece)]:
        assert searching.match(term, account) == searching.scan(term, account), term
    for words in (piece, terms[0].needle):
        exact = searching.match(TextTerm(TextField.TEXT, words), account) if words.strip() else set()
        assert exact <= searching.fuzzy(words, account=account).keys() or len(words.split()) > 16


@given(st.text(max_size=20))
def test_folding_is_stable_and_forgets_case(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    fold(text).encode()
    assert "\0" not in fold(text)


CASES = [
    (TextField.SUBJECT, "HELLO", "", {1}),
    (TextField.SUBJECT, "ll", "", {1}),
    (TextField.SUBJECT, "example", "", set()),
    (TextField.FROM, "A@EXAMPLE", "", {1, 2}),
    (TextField.TO, "b@example.org", "", {1}),
    (TextField.CC, "carol", "", {2}),
    (TextField.BCC, "dave", "", {2}),
    (TextField.BCC, "x", "", set()),
    (TextField.HEADER, "", "cc", {2}),
    (TextField.HEADER, "", "x-nothing", set()),
    (TextField.HEADER, "two words", "X-LIST", {2}),
    (TextField.HEADER, "words", "subject", set()),
    (TextField.BODY, "words", "", {1, 2}),
    (TextField.BODY, "hello", "", set()),
    (TextField.BODY, "bold move", "", {2}),
    (TextField.BODY, "alert", "", set()),
    (TextField.BODY, "plan.pdf", "", {2}),
    (TextField.BODY, "quarterly", "", {2}),
    (TextField.TEXT, "hello", "", {1}),
    (TextField.TEXT, "", "", {1, 2}),
    (TextField.TEXT, "straße", "", {2}),
    (TextField.TEXT, "STRASSE", "", {2}),
    (TextField.TEXT, 'a "quoted" OR NOT', "", {2}),
    (TextField.TEXT, "100%_", "", {2}),
    (TextField.TEXT, "words.\nsecond", "", {2}),
    (TextField.TEXT, "words.\r\nsecond", "", {2}),
    (TextField.TEXT, "second line bold", "", set()),
]
SECOND = multipart(
    b"From: A@Example.org\r\nCc: Carol <c@example.net>\r\nBcc: dave\r\n"
    b"X-List: other\r\nX-List: one,\r\n\ttwo words\r\n",
    [
        part('Words.\r\nSecond line Straße a "quoted" or not 100%_', "utf-8", "base64"),
        part("<p><script>alert(1)</script>Bold\r\n <b>mo</b>ve</p>", "utf-8", "quoted-printable", "html"),
        attachment("Plan.PDF", b"Quarterly figures"),
    ],
)


@pytest.mark.parametrize("is_indexed", [True, False])
def test_fields(searching: Searched, is_indexed: bool) -> None:
    searching.store.deliver(MESSAGE, to(1))
    searching.store.deliver(SECOND, to(1))
    if is_indexed:
        assert searching.index_all() == 2
        assert searching.indexing.waiting(1) == 0
    for field, needle, name, found in CASES:
        assert searching.match(TextTerm(field, needle, name)) == found, (field, needle, name)


def test_fuzzy_leaves_out_order_and_diacritics_and_weighs(searching: Searched) -> None:
    texts = ["El niño come piñas", "piña", "nino y pina, pina y nino", "nada"]
    for text in texts:
        searching.store.deliver(b"Subject: x\r\n" + part(text, "utf-8", "8bit"), to(1))
    for _ in range(2):
        found = searching.fuzzy("Pina NIÑO")
        assert set(found) == {1, 3}
        assert found[3] > found[1]
        assert all(1 <= score <= 100 for score in found.values())
        assert searching.match(TextTerm(TextField.TEXT, "niño")) == {1}
        assert searching.match(TextTerm(TextField.TEXT, "nino")) == {3}
        assert set(searching.fuzzy("ni", TextField.BODY)) == {1, 3}
        searching.index_all()


def test_copies_are_read_once_and_what_is_gone_is_swept(searching: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    store = searching.store
    other = store.create(1, "Other")
    store.deliver(MESSAGE, to(1), to(1, other))
    store.deliver(SECOND, to(1, other))
    searching.index_all()
    assert len(searching.index.content_ids(1)) == 2
    term = TextTerm(TextField.SUBJECT, "hello")
    assert searching.match(term) == searching.match(term, mailbox=other) == {1}
    store.expunge(1, [1])
    assert searching.match(term) == set()
    assert searching.indexing.sweep(1) == 0
    store.expunge(1, [2], other)
    assert searching.indexing.sweep(1) == 1
    assert searching.match(term, mailbox=other) == {1}
    assert searching.match(TextTerm(TextField.TEXT, "quarterly"), mailbox=other) == set()
    searching.search.close()
    store.deliver(SECOND, to(1))
    assert searching.match(TextTerm(TextField.TEXT, "quarterly")) == {2}
    assert searching.indexing.waiting(1) == 1
    assert searching.index_all() == 1


def test_a_purged_account_leaves_nothing(searching: Searched) -> None:
    store = searching.store
    shared = store.create(0, "News")
    for account, mailbox in ((0, shared), (1, INBOX), (2, INBOX)):
        store.deliver(MESSAGE, to(account, mailbox))
        searching.index_all(account)
    assert searching.index.accounts() == {0, 1, 2}
    store.group.run(purge_account, PurgeAccount(1))  # type: ignore[arg-type]
    assert searching.indexing.drop_purged() == 1
    assert searching.indexing.waiting(1) == searching.indexing.portion(1, lambda: False) == 0
    assert searching.indexing.sweep(1) == 0
    assert searching.index.accounts() == {0, 2}
    assert searching.match(TextTerm(TextField.SUBJECT, "hello"), 0, shared) == {1}
    forget_account(store.database, searching.root, 2)
    assert searching.index.accounts() == {0}
    forget_everything(store.database, searching.root)
    assert searching.index.accounts() == set()


def test_stopping_goes_on_later_and_a_search_can_be_cancelled(searching: Searched) -> None:
    for _ in range(60):
        searching.store.deliver(MESSAGE, to(1))
    searching.indexing.portion(1, lambda: True)
    assert searching.indexing.waiting(1) > 0
    heard: list[tuple[int, int]] = []
    rows, term = searching.rows(), TextTerm(TextField.TEXT, "hello")
    found = searching.search.match(1, 1, rows, term, lambda done, total: heard.append((done, total)))
    assert len(found) == 60
    assert heard[-1] == (60, 60)
    assert searching.search.match(1, 1, rows, term, cancelled=lambda: True) < set(range(1, 61))
    assert searching.index_all() > 0
    assert searching.indexing.waiting(1) == 0


def test_real_attachments_by_the_real_process(store: Store, tmp_path: Path) -> None:
    xml = "<d><p><t>Quarterly figures</t></p></d>"
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("word/document.xml", xml)
    named = "application/octet-stream"
    parts = [part("see below", "us-ascii", "8bit"), attachment("q.docx", out.getvalue(), named)]
    parts.append(attachment("r.pdf", b"%PDF-1.4 but no more"))
    store.deliver(multipart(b"Subject: x\r\n", parts), to(1))
    search = TextSearch(store.database, store.packs, tmp_path / "search")
    reader = AttachmentReader()
    index = open_index(store.database, tmp_path / "search", TextLimits())
    indexing = Indexing(store.database, index, ContentTexts(store.database, store.packs, TextLimits(), reader))
    rows = [(row.uid, row.location.content_id) for row in store.snapshot(1).rows]
    for _ in range(2):
        assert search.match(1, INBOX, rows, TextTerm(TextField.BODY, "quarterly FIG")) == {1}
        assert search.match(1, INBOX, rows, TextTerm(TextField.BODY, "but no more")) == set()
        indexing.portion(1, lambda: False)
    assert indexing.waiting(1) == 0
    search.close()
    reader.close()
    index.close()


def test_without_the_extension_everything_is_the_same(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("estafeta.search.postgres._EXTENSION", "no_such_extension")
    store = Store.open(postgres_url, tmp_path / "packs")
    store.deliver(SECOND, to(1))
    with searched(store, tmp_path) as made:
        made.index_all()
        assert made.match(TextTerm(TextField.BODY, "bold move")) == {1}
        with store.database.write() as tx:
            names = tx.conn.exec_driver_sql("SELECT indexname FROM pg_indexes WHERE schemaname = 'estafeta_search'")
            assert "texts_body" not in set(names.scalars())
            tx.conn.exec_driver_sql("DROP SCHEMA estafeta_search CASCADE")
        assert made.match(TextTerm(TextField.BODY, "bold move")) == {1}
        with suppress(IndexUnusableError):
            made.index_all()
        assert made.index_all() == 1
    store.close()


def test_other_limits_make_another_index(searching: Searched) -> None:
    searching.store.deliver(MESSAGE, to(1))
    searching.index_all()
    searching.index.use("other texts")
    assert searching.indexing.waiting(1) == 1
    assert searching.match(TextTerm(TextField.TEXT, "hello")) == {1}
    assert searching.index_all() == 1
    assert searching.match(TextTerm(TextField.TEXT, "hello")) == {1}
