"""Old junk leaves by itself, if the operator wants it to; nothing else does."""

import pytest
from store_kit import MESSAGE, NOW_MS, Flag, Store, problems, to

from estafeta.core.ids import INBOX, JUNK
from estafeta.mailboxes import expiry
from estafeta.mailboxes.expiry import expire_junk

ANNA, BEN = 1, 2


def test_only_junk_and_nothing_flagged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "PORTION", 2)
    store.deliver(MESSAGE, to(ANNA), *(to(ANNA, JUNK) for _ in range(5)), to(BEN, JUNK, flags=Flag.FLAGGED), to(BEN))
    told: list[str] = []
    store.database.publish = told.extend
    assert expire_junk(store.database, NOW_MS, lambda: False) == 0
    assert expire_junk(store.database, NOW_MS + 1, lambda: False) == 5
    assert [store.counters(ANNA)[0], store.counters(ANNA, 2)[0]] == [1, 0]
    assert [store.counters(BEN)[0], store.counters(BEN, 2)[0]] == [1, 1]
    assert "mailbox:1:2" in told
    assert problems(store) == []


def test_stopping(store: Store) -> None:
    store.deliver(MESSAGE, to(ANNA, JUNK))
    assert expire_junk(store.database, NOW_MS + 1, lambda: True) == 0
    assert store.counters(ANNA, INBOX + 1)[0] == 1
