"""Every sentence in every language, with the same values, in a line that is not too long."""

import pytest

from estafeta.protocols.pop3.replies import Code, encode_err, encode_ok
from estafeta.protocols.pop3.texts import LANGUAGES, Text, find_language, say


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", Text)
def test_every_sentence(text: Text, language: str) -> None:
    values = ("<1>", "<2>")
    used = say(text, "en", *values)
    words = say(text, language, *values)
    assert words
    assert "\n" not in words
    assert [value in words for value in values] == [value in used for value in values]
    assert len(encode_err(words, Code.LOGIN_DELAY)) <= 512


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("en", "en"), ("ES", "es"), ("es-MX", "es"), ("ja-Jpan-JP", "ja"), ("i-default", "en"), ("fr", None), ("", None)],
)
def test_language_ranges(wanted: str, found: str | None) -> None:
    assert find_language(wanted) == found


def test_a_response_is_one_short_line_of_utf8() -> None:
    line = encode_ok("日本\r\n.\r\n語" * 300)
    assert len(line) <= 512
    assert line.count(b"\r\n") == 1
    line.decode()
