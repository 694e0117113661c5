"""The tree of search keys."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_transcript import Answerer, begin, run

from estafeta.protocols.imap import commands
from estafeta.protocols.imap import searchkeys as k
from estafeta.protocols.imap.limits import Limits
from estafeta.protocols.imap.searchkeys import DateOf, Field, SearchKey, When
from estafeta.protocols.imap.values import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, SequenceSet


def search(program: bytes, enabled: tuple[str, ...] = (), limits: Limits | None = None) -> SearchKey | bytes:
    """The key, or what was said instead."""
    machine, answerer = begin(enabled=enabled, limits=limits), Answerer()
    said = run(machine, answerer, b"a SEARCH " + program + b"\r\n")
    if not answerer.events:
        return said.removeprefix(b"a ").removesuffix(b"\r\n")
    event = answerer.events[0]
    assert isinstance(event, commands.Search)
    return event.key


def text(field: Field, needle: str, name: str = "", fuzzy: bool = False) -> k.Text:
    return k.Text(field, needle, name, fuzzy)


KEYS: list[tuple[str, SearchKey]] = [
    ("all", k.All()),
    ("ANSWERED", k.HasFlag(ANSWERED)),
    ("deleted", k.HasFlag(DELETED)),
    ("DRAFT", k.HasFlag(DRAFT)),
    ("FLAGGED", k.HasFlag(FLAGGED)),
    ("UNSEEN", k.Not(k.HasFlag(SEEN))),
    ("RECENT", k.Recent()),
    ("OLD", k.Not(k.Recent())),
    ("NEW", k.And((k.Recent(), k.Not(k.HasFlag(SEEN))))),
    ("KEYWORD $Junk", k.HasKeyword("$Junk")),
    ("UNKEYWORD Work", k.Not(k.HasKeyword("Work"))),
    ("SUBJECT hello", text(Field.SUBJECT, "hello")),
    ('FROM "a b"', text(Field.FROM, "a b")),
    ("TO {2+}\r\na\xe9", text(Field.TO, "a\xe9")),
    ('HEADER List-Id ""', text(Field.HEADER, "", "list-id")),
    ("FUZZY BODY x", text(Field.BODY, "x", fuzzy=True)),
    ("FUZZY (BODY x NOT TEXT y) CC z", k.And((
        k.And((text(Field.BODY, "x", fuzzy=True), k.Not(text(Field.TEXT, "y", fuzzy=True)))),
        text(Field.CC, "z"),
    ))),
    ("BEFORE 1-Feb-2026", k.Dated(DateOf.INTERNAL, When.BEFORE, date(2026, 2, 1))),
    ('SENTSINCE "01-fEB-2026"', k.Dated(DateOf.SENT, When.SINCE, date(2026, 2, 1))),
    ("SAVEDON 29-Feb-2024", k.Dated(DateOf.SAVED, When.ON, date(2024, 2, 29))),
    ("SAVEDATESUPPORTED", k.SaveDateSupported()),
    ("LARGER 0", k.Larger(0)),
    ("SMALLER 4294967296", k.Smaller(1 << 32)),
    ("OLDER 60", k.Older(60)),
    ("YOUNGER 60", k.Younger(60)),
    ("MODSEQ 620162338", k.ModSeq(620162338)),
    (r'MODSEQ "/flags/\\draft" all 620162338', k.ModSeq(620162338)),
    ("EMAILID M6d99ac3275bb4e", k.EmailId("M6d99ac3275bb4e")),
    ("THREADID T1", k.ThreadId("T1")),
    ("1:5,7", k.Numbers(SequenceSet(((1, 5), (7, 7))), uid=False)),
    ("*", k.Numbers(SequenceSet(((0, 0),)), uid=False)),
    ("*:4", k.Numbers(SequenceSet(((0, 4),)), uid=False)),
    ("UID 1:*", k.Numbers(SequenceSet(((1, 0),)), uid=True)),
    ("$", k.Saved()),
    ("UID $", k.Saved()),
    ("NOT $", k.Not(k.Saved())),
    ("NOT NOT SEEN", k.HasFlag(SEEN)),
    ("NOT NOT NOT SEEN", k.Not(k.HasFlag(SEEN))),
    ("OR SEEN DRAFT", k.Or(k.HasFlag(SEEN), k.HasFlag(DRAFT))),
    ("OR SEEN NOT OR DRAFT DELETED", k.Or(k.HasFlag(SEEN), k.Not(k.Or(k.HasFlag(DRAFT), k.HasFlag(DELETED))))),
    ("SEEN (DRAFT) (ANSWERED DELETED)", k.And((
        k.HasFlag(SEEN), k.HasFlag(DRAFT), k.And((k.HasFlag(ANSWERED), k.HasFlag(DELETED))),
    ))),
    ("CHARSET utf-8 SEEN", k.HasFlag(SEEN)),
]  # fmt: skip


@pytest.mark.parametrize(("program", "key"), KEYS, ids=[program for program, _ in KEYS])
def test_a_key(program: str, key: SearchKey) -> None:
    assert search(program.encode("latin-1")) == key


@pytest.mark.parametrize(
    "program",
    [
        "", "FROB", "()", "(SEEN", "SEEN)", "(SEEN ) )", "OR SEEN", "OR", "NOT", "FUZZY", "NOT OR SEEN",
        "SUBJECT", "HEADER x", 'HEADER "' + "x" * 999 + '" y', "KEYWORD",
        r"KEYWORD \Seen", "SINCE", "SINCE 1-Feb", "SINCE 30-Feb-2026",
        "SINCE 1-Foo-2026", 'SINCE "1-Feb-2026', "SINCE 1-Feb-0000", "LARGER x", "LARGER -1", "OLDER 0", "YOUNGER",
        "MODSEQ",
        'MODSEQ "/flags/x" 5', "UID", "UID x", "UID 0", "1,", "1:2:3", "$,1", "0", "CHARSET", "CHARSET utf-8",
        "SEEN  ( DRAFT", "SAVEDATESUPPORTED 1-Feb-2026",
    ],
)  # fmt: skip
def test_no_key(program: str) -> None:
    said = search(program.encode())
    assert isinstance(said, bytes)
    assert said.startswith(b"BAD "), said


@pytest.mark.parametrize(
    ("program", "needle"),
    [
        (b"CHARSET ISO-8859-1 SUBJECT {1+}\r\n\xe9", "é"),
        (b"CHARSET utf-8 SUBJECT {2+}\r\n\xc3\xa9", "é"),
        (b'CHARSET "utf-8" SUBJECT "\xc3\xa9"', "é"),
        (b"CHARSET Shift_JIS SUBJECT {4+}\r\n\x93\xfa\x96\x7b", "日本"),
        (b"CHARSET iso-2022-jp SUBJECT {10+}\r\n\x1b$BF|K\\\x1b(B", "日本"),
        (b"CHARSET us-ascii SUBJECT x", "x"),
        (b"CHARSET utf-16be SUBJECT {2+}\r\n\x00x", None),
        (b"SUBJECT {2+}\r\n\xc3\xa9", "é"),
        (b'SUBJECT "\xe9"', "é"),
    ],
)
def test_charsets(program: bytes, needle: str | None) -> None:
    key = search(program)
    if needle is None:
        assert key == b"BAD A string must not hold a NUL octet."
    else:
        assert key == text(Field.SUBJECT, needle)


@pytest.mark.parametrize(
    ("program", "enabled", "said"),
    [
        (
            b"CHARSET x-none SUBJECT x",
            (),
            b"NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] The character set is not known.",
        ),
        (b"CHARSET utf-8 SUBJECT {1+}\r\n\xff", (), b"BAD The text is not valid in that character set."),
        (b"CHARSET us-ascii SUBJECT {1+}\r\n\xff", (), b"BAD The text is not valid in that character set."),
        (
            b"CHARSET utf-8 ALL",
            ("UTF8=ACCEPT",),
            b"BAD CHARSET cannot be used after UTF8=ACCEPT was enabled.",
        ),
        (b"1:5", ("UIDONLY",), b"BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command."),
    ],
)
def test_refused(program: bytes, enabled: tuple[str, ...], said: bytes) -> None:
    assert search(program, enabled) == said


def test_limits() -> None:
    limits = Limits(nesting=3, search_keys=10)
    assert search(b"(((ALL)))", limits=limits) == k.All()
    assert search(b"((((ALL))))", limits=limits) == b"NO [LIMIT] Too many parentheses within each other."
    assert search(b" ".join([b"ALL"] * 10), limits=limits) == k.And((k.All(),) * 10)
    assert search(b" ".join([b"ALL"] * 11), limits=limits) == b"NO [LIMIT] Too many search keys."
    for word in (b"NOT ", b"OR ", b"FUZZY "):
        assert search(word * 3000 + b"ALL", limits=limits) == b"NO [LIMIT] Too many search keys."
    assert search(b"(" * 5000) == b"NO [LIMIT] Too many parentheses within each other."


def height(key: SearchKey) -> int:
    match key:
        case k.And(keys):
            return 1 + max(map(height, keys))
        case k.Or(left, right):
            return 1 + max(height(left), height(right))
        case k.Not(inner):
            return 1 + height(inner)
    return 1


def leaves(key: SearchKey) -> list[str]:
    match key:
        case k.Or(left, right):
            return leaves(left) + leaves(right)
        case k.HasKeyword(keyword):
            return [keyword]
    raise AssertionError(key)


@pytest.mark.parametrize("right", [True, False])
def test_long_chains_of_or_are_not_high(right: bool) -> None:
    words = [f"k{number}" for number in range(400)]
    keys = [f"KEYWORD {word}" for word in words]
    to_the_right = "".join(f"OR {key} " for key in keys[:-1]) + keys[-1]
    to_the_left = "OR " * 399 + " ".join(keys)
    key = search((to_the_right if right else to_the_left).encode())
    assert not isinstance(key, bytes)
    assert leaves(key) == words
    assert height(key) <= 10


# What is written can be read


def write(key: SearchKey) -> str:
    match key:
        case k.All():
            return "ALL"
        case k.And(keys):
            return "(" + " ".join(map(write, keys)) + ")"
        case k.Or(left, right):
            return f"OR {write(left)} {write(right)}"
        case k.Not(inner):
            return f"NOT ({write(inner)})"
        case k.HasKeyword(keyword):
            return f"KEYWORD {keyword}"
        case k.Text(field, needle, _, fuzzy):
            octets = needle.encode()
            return f"{'FUZZY ' if fuzzy else ''}{field.value} {{{len(octets)}+}}\r\n{needle}"
        case k.Dated(which, when, day):
            prefix = {"internal": "", "sent": "SENT", "saved": "SAVED"}[which]
            return f"{prefix}{when.value} {day.day}-{day:%b}-{day.year:04}"
        case k.Numbers(numbers, uid):
            pairs = ",".join(f"{low or '*'}:{high or '*'}" for low, high in numbers.pairs)
            return f"UID {pairs}" if uid else pairs
        case k.ModSeq(value):
            return f"MODSEQ {value}"
    raise AssertionError(key)


ENDS = st.integers(0, (1 << 32) - 1)
SETS = st.lists(st.tuples(ENDS, ENDS), min_size=1, max_size=4).map(lambda pairs: SequenceSet(tuple(pairs)))
LEAVES = st.one_of(
    st.just(k.All()),
    st.builds(k.HasKeyword, st.from_regex(r"[a-zA-Z$_][a-z0-9.]{0,9}", fullmatch=True)),
    st.builds(
        k.Text,
        st.sampled_from([Field.SUBJECT, Field.BODY, Field.TEXT, Field.BCC]),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
        fuzzy=st.booleans(),
    ),
    st.builds(k.Dated, st.sampled_from(DateOf), st.sampled_from(When), st.dates()),
    st.builds(k.Numbers, SETS, st.booleans()),
    st.builds(k.ModSeq, st.integers(0, (1 << 63) - 1)),
)


def branches(inner: st.SearchStrategy[SearchKey]) -> st.SearchStrategy[SearchKey]:
    several = st.lists(inner, min_size=2, max_size=4)
    plain = inner.filter(lambda key: not isinstance(key, k.Or))
    return st.one_of(
        several.map(lambda keys: k.And(tuple(keys))), st.builds(k.Or, plain, plain), st.builds(k.Not, inner)
    )


@given(st.recursive(LEAVES, branches, max_leaves=12))
def test_what_is_written_can_be_read(key: SearchKey) -> None:
    assert search(write(key).encode()) == (k.And(key.keys) if isinstance(key, k.And) else key)
