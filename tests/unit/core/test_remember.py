"""What is remembered of pure functions: short texts, never errors."""

import pytest

from estafeta.core.ip import find_ip
from estafeta.core.remember import remember_short


def test_short_texts_are_remembered_and_long_ones_are_not() -> None:
    asked: list[str] = []

    @remember_short(2, 4)
    def find(text: str) -> int:
        asked.append(text)
        if not text:
            raise ValueError("nothing")
        return len(text)

    assert [find(text) for text in ("ab", "ab", "abcde", "abcde")] == [2, 2, 5, 5]
    for _ in range(2):
        with pytest.raises(ValueError, match="nothing"):
            find("")
    assert asked == ["ab", "abcde", "abcde", "", ""]
    for text in ("b", "c", "ab"):
        find(text)
    assert asked[5:] == ["b", "c", "ab"], "the last two are remembered"


@pytest.mark.parametrize(
    ("text", "expected", "four"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:DB8:0::1", "2001:db8::1", False),
        ("fe80::1%eth0", "fe80::1", False),
        ("192.0.2.01", "", False),
        ("local", "", False),
        ("", "", False),
    ],
)
def test_addresses(text: str, expected: str, four: bool) -> None:
    found = find_ip(text)
    if not expected:
        assert found is None
    else:
        assert found is not None
        assert (found.text, str(found.address), int(found.address), found.four) == (
            expected,
            expected,
            found.number,
            four,
        )
