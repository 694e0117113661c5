"""Patterns of LIST against a plain reading of RFC 9051 6.3.9, and patterns that are meant to take long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.servers.imap.patterns import Pattern, collapse, patterns_of


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", ["INBOX", "a", "a/b/c", "#shared/x"], []),
        ("%", ["INBOX", "a"], ["a/b"]),
        ("a/%", ["a/b", "a/"], ["a", "a/b/c", "A/b"]),
        ("a*", ["a", "ab", "a/b"], ["b", "A"]),
        ("%/b", ["a/b"], ["b", "a/a/b"]),
        ("*b%", ["b", "a/b", "abc", "a/bc"], ["b/c", "a"]),
        ("inbox", ["INBOX"], ["INBOX/x", "INBOXES"]),
        ("In%", ["INBOX"], ["INBOX/x"]),
        ("inbox/x", ["INBOX/x"], ["INBOX/X"]),
        ("inboxes", ["inboxes"], ["INBOXES", "INBOX"]),
        ("a.b", ["a.b"], ["axb"]),
        ("", [""], ["a"]),
    ],
)
def test_what_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    compiled = Pattern(pattern)
    assert [name for name in matching + others if compiled.matches(name)] == matching


@given(st.text("ab/*%", max_size=12), st.text("ab/", max_size=12))
def test_it_means_the_same_as_a_regular_expression(pattern: str, name: str) -> None:
    parts = {"*": ".*", "%": "[^/]*"}
    expression = "".join(parts.get(character, re.escape(character)) for character in pattern)
    compiled = Pattern(pattern)
    assert compiled.matches(name) == bool(re.fullmatch(expression, name))
    assert bool(re.fullmatch(expression, name)) <= compiled.may_begin(name[:3])


@given(st.text("a*%"))
def test_wildcards_never_stand_side_by_side(pattern: str) -> None:
    assert not re.search(r"[*%]{2}", collapse(pattern))


@pytest.mark.parametrize("pattern", ["*%" * 30_000, "*a%b" * 5000, "*a" * 700 + "*c", "%" * 60_000 + "b"])
def test_hostile_patterns_take_no_time(pattern: str) -> None:
    compiled, name = Pattern(pattern), "a" * 1000
    began = time.process_time()
    compiled.matches(name)
    assert time.process_time() - began < 0.05


def test_references_stand_before_patterns_but_not_before_namespaces() -> None:
    found = [pattern.text for pattern in patterns_of("a/", ["%", "#shared/%"])]
    assert found == ["a/%", "#shared/%"]


def test_which_patterns_ask_for_other_namespaces() -> None:
    assert [
        text
        for text in ("*", "%", "#user", "#*", "#user/x@y/%", "a*", "INBOX", "")
        if Pattern(text).may_begin("#user/")
    ] == [
        "*",
        "%",
        "#user",
        "#*",
        "#user/x@y/%",
        "",
    ]
