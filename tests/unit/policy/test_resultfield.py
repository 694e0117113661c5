"""X-Estafeta-Result: written, safe whatever reasons say, and cleared of forgeries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.directory.settings_model import Settings
from estafeta.mail.headers import split_header
from estafeta.policy.judgement import judge
from estafeta.policy.resultfield import encode_result, remove_results
from estafeta.policy.verdict import passed, scored, tagged

POLICY = Settings().policy


def test_each_reason_with_its_points() -> None:
    verdicts = [
        scored(2.5, "SPF fail of there.test", "spf-fail")._replace(check="spf"),
        passed("the client is mx.there.test")._replace(check="client-name"),
        scored(3.0, 'subject says "BUY"')._replace(check="rules"),
        tagged("seen", "a word")._replace(check="words"),
        scored(-1.0, "its own list")._replace(check="senders", account=7),
    ]
    front = encode_result(judge(verdicts, POLICY), [7])
    assert front == (
        b"X-Estafeta-Result: fine; points=4.5; junk-from=5.0;\r\n"
        b'\t+2.5 spf-fail "SPF fail of there.test";\r\n'
        b"\t+3.0 rules \"subject says 'BUY'\";\r\n"
        b'\t+0.0 seen "a word";\r\n'
        b'\t-1.0 senders "its own list"\r\n'
    )
    others = encode_result(judge(verdicts, POLICY), [7, 8])
    assert others.startswith(b"X-Estafeta-Result: junk; points=5.5;")
    assert b"its own list" not in others


@given(st.text(max_size=300), st.booleans())
def test_it_is_one_field_of_short_lines(words: str, utf8: bool) -> None:
    front = encode_result(judge([scored(1.0, words or "x", words)], POLICY), [], utf8=utf8)
    assert [name for name, _ in split_header(front)] == [b"X-Estafeta-Result"]
    assert all(len(line) <= 998 for line in front.splitlines())
    assert utf8 or front.isascii()


@pytest.mark.parametrize(
    ("header", "left"),
    [
        (b"A: b\r\n", b"A: b\r\n"),
        (b"A: b\r\nX-Estafeta-Result: fine\r\n -100 x\r\n\tmore\r\nC: d\r\n", b"A: b\r\nC: d\r\n"),
        (b"x-ESTAFETA-result : fine\nA: b\nX-Estafeta-Result: fine", b"A: b\n"),
        (b"A: X-Estafeta-Result: \r\n x-estafeta-result: \r\n", b"A: X-Estafeta-Result: \r\n x-estafeta-result: \r\n"),
        (b"X-Estafeta-Results: x\r\n", b"X-Estafeta-Results: x\r\n"),
    ],
)  # fmt: skip
def test_forged_ones_are_taken_out(header: bytes, left: bytes) -> None:
    assert remove_results(header) == left
