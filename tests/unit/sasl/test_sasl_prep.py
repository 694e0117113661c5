"""SASLprep: the examples of RFC 4013 3, and that any text has an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.protocols.sasl import saslprep
from estafeta.protocols.sasl.prep import prepare


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", None),
        ("\u0627\u0031", None),
        ("\u0627\u0031\u0627", "\u0627\u0031\u0627"),
        ("\u0627x\u0627", None),
        ("a\u00a0b", "a b"),
        ("a\u3000b", "a b"),
        ("\ud800", None),
        ("\ue000", None),
        ("é", "é"),
        ("e\u0301", "é"),
        ("", ""),
    ],
)
def test_examples(text: str, prepared: str | None) -> None:
    assert saslprep(text) == prepared


def test_unassigned_code_points_may_be_asked_for_but_not_stored() -> None:
    assert saslprep("\u0221") == "\u0221"
    assert saslprep("\u0221", stored=True) is None


@given(st.text())
def test_preparing_twice_changes_nothing(text: str) -> None:
    prepared = saslprep(text, stored=True)
    if prepared:
        assert saslprep(prepared, stored=True) == prepared


@given(st.binary())
def test_octets_never_raise(data: bytes) -> None:
    assert prepare(data) != ""
