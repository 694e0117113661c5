"""What SORT and THREAD remember: read once, kept within a bound, and right whatever was thrown away."""

from typing import Any

import pytest

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.servers.imap.contentkeys import ContentKeys, Kind, Messages

LENGTH = Kind("length", "envelope", len)
COUNT = 3000
ALL = Messages(AccountId(1), MailboxId(1), range(1, COUNT + 1), range(101, COUNT + 101))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The UIDs that were read; the text of each is as long as its UID; 7 is gone."""
    uids: list[int] = []

    def fetch_rows(database: Any, account_id: int, mailbox_id: int, columns: Any, ranges: Any) -> list[Any]:
        assert columns == ("uid", "envelope")
        found = [uid for low, high in ranges for uid in range(low, high + 1)]
        uids.extend(found)
        return [(uid, b"x" * uid) for uid in found if uid != 7]

    monkeypatch.setattr(look, "fetch_rows", fetch_rows)
    return uids


def expected(uids: range) -> list[int | None]:
    return [None if uid == 7 else uid for uid in uids]


def keys_of(keys: ContentKeys, messages: Messages) -> list[Any]:
    return keys.keys(None, messages, LENGTH)  # type: ignore[arg-type]


def test_contents_are_read_once(read: list[int]) -> None:
    keys = ContentKeys()
    assert keys_of(keys, ALL) == expected(range(1, COUNT + 1))
    assert read == list(range(1, COUNT + 1))
    read.clear()
    # In another mailbox the same contents have other UIDs; what was gone is looked for again.
    moved = ALL._replace(mailbox_id=MailboxId(2), uids=range(10_001, 10_001 + COUNT))
    assert keys_of(keys, moved)[:3] == [1, 2, 3]
    assert read == [10_007]


@pytest.mark.parametrize("most_octets", [0, 1000, 100_000, 700_000])
def test_what_is_thrown_away_is_read_again(read: list[int], most_octets: int) -> None:
    keys = ContentKeys(most_octets)
    for start in (0, 100, 1000, 0, 2999):
        part = ALL._replace(uids=ALL.uids[start:], content_ids=ALL.content_ids[start:])
        assert keys_of(keys, part) == expected(range(start + 1, COUNT + 1))
    assert len(read) > COUNT + 1
