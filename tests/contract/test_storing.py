"""STORE and EXPUNGE of many: counters, MODSEQ, conditions, keywords, and sets of ranges."""

import pytest
from store_kit import MESSAGE, Flag, Store, problems, to

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mailboxes import look
from estafeta.mailboxes.keywords import MAX_KEYWORDS, Vocabulary
from estafeta.mailboxes.values import ALL, Expunged, Stored


@pytest.fixture(autouse=True)
def _nothing_is_wrong_afterwards(store: Store):
    yield
    assert problems(store) == []


@pytest.fixture
def six(store: Store) -> Store:
    """UIDs 1 to 6: odd ones seen, 3 and 6 deleted, 5 with a keyword."""
    for uid in range(1, 7):
        flags = (Flag.SEEN if uid % 2 else 0) | (Flag.DELETED if uid % 3 == 0 else 0)
        store.deliver(MESSAGE, to(1, flags=flags, keywords="Work" if uid == 5 else ""))
    return store


def flags_of(store: Store) -> dict[int, tuple[int, str]]:
    return {uid: what for uid, *what in look.fetch_rows(store.database, 1, 1, ("uid", "flags", "keywords"), ALL)}


@pytest.mark.parametrize(
    ("mode", "flags", "changed", "unseen", "deleted"),
    [
        ("add", Flag.SEEN, 3, 0, 2),
        ("add", Flag.DELETED, 4, 3, 6),
        ("remove", Flag.SEEN, 3, 6, 2),
        ("remove", Flag.DELETED | Flag.SEEN, 4, 6, 0),
        ("remove", Flag.ANSWERED, 0, 3, 2),
        ("replace", Flag.SEEN, 5, 0, 0),
        ("replace", 0, 4, 6, 0),
        ("add", 0, 0, 3, 2),
    ],
)
def test_counters(six: Store, mode: str, flags: int, changed: int, unseen: int, deleted: int) -> None:
    before = six.status(1).modseq
    done = six.store(1, range(1, 100), mode, flags)
    assert done == Stored(before + 1 if changed else 0, changed, ())
    assert six.counters(1)[1:3] == (unseen, deleted)
    changes = look.changes_since(six.database, 1, 1, before).changed
    assert len(changes) == changed
    assert {change.modseq for change in changes} <= {done.modseq}


def test_ranges_with_holes(six: Store) -> None:
    assert six.store(1, [1, 3, 4, 6], "replace", Flag.FLAGGED).changed == 4
    assert [what[0] & Flag.FLAGGED for what in flags_of(six).values()] == [4, 0, 4, 4, 0, 4]
    assert six.store(1, [], "replace", 0) == Stored(0, 0, ())


def test_unchanged_since(six: Store) -> None:
    before = six.status(1).modseq
    second = six.store(1, [2, 3, 5], "add", Flag.FLAGGED).modseq
    assert six.store(1, range(1, 7), "add", Flag.ANSWERED, unchanged_since=before) == Stored(
        second + 1, 3, ((2, 3), (5, 5))
    )
    assert six.store(1, range(1, 7), "add", Flag.ANSWERED, unchanged_since=0) == Stored(0, 0, ((1, 6),))
    assert six.store(1, range(1, 7), "add", Flag.DRAFT, unchanged_since=2**63).changed == 6


def test_keywords_keep_their_first_spelling(six: Store) -> None:
    assert six.store(1, [1, 5], "add", 0, ["WORK", "$Junk"]).changed == 2
    assert flags_of(six)[1][1] == flags_of(six)[5][1] == "$Junk Work"
    assert six.store(1, range(1, 7), "remove", 0, ["work"]).changed == 2
    assert six.store(1, range(1, 7), "replace", Flag.SEEN, ["$JUNK"]).changed == 4
    assert {what[1] for what in flags_of(six).values()} == {"$Junk"}
    assert six.status(1).keywords == "Work $Junk"


def test_many_different_sets_of_keywords(store: Store) -> None:
    for number in range(40):
        store.deliver(MESSAGE, to(1, keywords=f"k{number}"))
    assert store.store(1, range(1, 41), "add", Flag.SEEN, ["k7"]).changed == 40
    assert flags_of(store)[8][1] == "k7"
    assert flags_of(store)[9] == [Flag.SEEN, "k7 k8"]
    assert store.counters(1)[1] == 0


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ([f"k{number}" for number in range(MAX_KEYWORDS + 1)], Kind.LIMIT),
        (["a" * 101], Kind.INVALID),
        (["é" * 51], Kind.INVALID),
        ([""], Kind.INVALID),
        (["a b"], Kind.INVALID),
        (["a\n"], Kind.INVALID),
        (["\ud800"], Kind.INVALID),
    ],
)
def test_keywords_that_cannot_be(six: Store, words: list[str], kind: Kind) -> None:
    before = six.status(1)
    with pytest.raises(EstafetaError) as caught:
        six.store(1, [1], "add", 0, words)
    assert caught.value.kind is kind
    assert six.status(1) == before


def test_a_mailbox_full_of_keywords_takes_what_it_knows(store: Store) -> None:
    store.deliver(MESSAGE, to(1, keywords=" ".join(f"k{number}" for number in range(MAX_KEYWORDS + 9))))
    assert len(store.status(1).keywords.split()) == MAX_KEYWORDS
    known = store.status(1).keywords.split()[-1]
    assert store.store(1, [1], "replace", 0, [known]).changed == 1
    with pytest.raises(EstafetaError) as caught:
        store.store(1, [1], "add", 0, ["another"])
    assert caught.value.kind is Kind.LIMIT


def test_a_vocabulary_learns_in_order() -> None:
    words = Vocabulary("b A")
    assert words.learn(["a", "C", "c"]) == {"A", "C"}
    assert (words.text, words.known(["B", "x"])) == ("b A C", {"b"})


# EXPUNGE


def test_only_what_is_marked(six: Store) -> None:
    modseq = six.status(1).modseq
    assert six.expunged(1, [1, 2, 3], only_deleted=True) == Expunged(modseq + 1, ((3, 3),))
    assert six.expunged(1, [1, 2, 3], only_deleted=True) == Expunged(0, ())
    assert six.expunged(1, range(1, 100), only_deleted=True) == Expunged(modseq + 2, ((6, 6),))
    assert six.expunged(1, [1, 2, 5]) == Expunged(modseq + 3, ((1, 2), (5, 5)))
    assert list(look.uids_of(six.database, 1, 1)) == [4]
    assert six.status(1).deleted == 0
