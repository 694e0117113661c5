"""What an operator hears about DKIM keys, by what DNS said and whether they can be opened."""

import pytest

from estafeta.directory.keystates import KeyState, Seen, StoredKey
from estafeta.directory.keywarnings import warnings

ACTIVE, PREPARED, RETIRED = KeyState.ACTIVE, KeyState.PREPARED, KeyState.RETIRED


def key(domain: str, state: KeyState, seen: Seen) -> StoredKey:
    return StoredKey(domain, f"{state}", "rsa-sha256", state, "", 0, 0, seen, 0)


@pytest.mark.parametrize(
    ("keys", "problem", "note"),
    [
        ([], "", ""),
        ([key("a.test", ACTIVE, Seen.THERE)], "", ""),
        ([key("a.test", ACTIVE, Seen.FAILED)], "", ""),
        # Made just now: DNS was not asked yet.
        ([key("a.test", PREPARED, Seen.NEVER)], "", ""),
        ([key("a.test", PREPARED, Seen.MISSING)], "Mail of a.test is not signed (DKIM)", ""),
        ([key("a.test", RETIRED, Seen.MISSING)], "", ""),
        ([key("a.test", ACTIVE, Seen.THERE), key("a.test", PREPARED, Seen.MISSING)], "", "A new DKIM key of a.test"),
        ([key("a.test", ACTIVE, Seen.MISSING)], "DNS lacks the record of a DKIM key that signs mail of a.test", ""),
        ([key("a.test", ACTIVE, Seen.REVOKED)], "DNS lacks the record", ""),
        ([key("unsigned.test", ACTIVE, Seen.MISSING)], "", ""),
    ],
)
def test_what_dns_lacks(keys: list[StoredKey], problem: str, note: str) -> None:
    said = warnings(keys, [], ["unsigned.test"])
    for found, words in ((said.problems, problem), (said.notes, note)):
        assert [one.startswith(words) for one in found] == [True] * bool(words)
        assert all("`estafeta dkim show a.test` prints" in one for one in found)
        assert all("more" not in one for one in found)


def test_many_domains_are_one_sentence() -> None:
    keys = [key(f"{letter}.test", PREPARED, Seen.MISSING) for letter in "edcba"]
    [said] = warnings(keys, [], []).problems
    assert said.startswith("Mail of a.test, b.test, c.test and 2 more is not signed")
    [said] = warnings(keys[2:], [], []).problems
    assert said.startswith("Mail of a.test, b.test, c.test is not signed")


def test_keys_of_another_machine() -> None:
    mine, other = key("a.test", ACTIVE, Seen.THERE), key("b.test", ACTIVE, Seen.THERE)
    said = warnings([mine, other], [other], [])
    assert said.notes == ()
    [problem] = said.problems
    assert "cannot open DKIM keys of b.test" in problem
    assert "node.key" in problem
