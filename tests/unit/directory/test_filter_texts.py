"""Filters read from TOML: what is taken, and what is said, with its line, of what is not."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory import filters as limits
from estafeta.directory.filters import Filter, FilterAction, Releaser, find_blocks, parse_filters

FULL = """
# scripts of every kind
[[filter]]
name = "scripts"
action = "keep"
attachment = ["*.vbs", "*.js"]
type = "application/x-vb*"
release = "operators"

[[filter]]
name = "love letter"
action = "discard"
subject = "ILOVEYOU"
originator = ["*@example.com", "example.net"]
direction = "in"
client = "192.0.2.0/24"

[[filter]]
name = "big bulk"
action = "score"
match = "any"
points = 2.5
tag = "bulk"
larger = "10 MiB"
header."X-Mailer" = "*bulk*"
header.Precedence = ["bulk", "junk"]
"""


def test_every_criterion_is_read() -> None:
    scripts, love, bulk = parse_filters(FULL)
    assert scripts == Filter(
        "scripts",
        FilterAction.KEEP,
        3,
        attachment=("*.vbs", "*.js"),
        type=("application/x-vb*",),
        release=Releaser.OPERATORS,
    )
    assert (love.action, love.line) == (FilterAction.DISCARD, 10)
    assert (love.originator, love.direction, love.client) == (
        ("*@example.com", "example.net"),
        ("in",),
        ("192.0.2.0/24",),
    )
    assert (bulk.any_of, bulk.points, bulk.tag, bulk.larger) == (True, 2.5, "bulk", 10 << 20)
    assert bulk.header == (("x-mailer", ("*bulk*",)), ("precedence", ("bulk", "junk")))


def test_nothing_is_no_filter() -> None:
    assert parse_filters("") == parse_filters("# only words\n") == ()


HEAD = '[[filter]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[filter]\n", "not TOML: .*line 1"),
        (HEAD + 'action = "keep\n', "line 3"),
        ("x = 1", "'x' is not known here: each filter begins with [[filter]]"),
        ('[filter]\nname = "a"\n', "two pairs of brackets"),
        ('[[filter]]\naction = "keep"\n', "line 1: a filter needs a name"),
        ('[[filter]]\nname = "a\\u001b"\n', "line 2: .*needs a name"),
        (HEAD + 'subject = "x"\n', "line 1: filter 'a': action is one of .*none is given"),
        (HEAD + 'action = "kepp"\nsubject = "x"\n', "line 3: filter 'a': action is one of keep, .*not 'kepp'"),
        (HEAD + 'action = "keep"\nsubjekt = "x"\n', "line 4: filter 'a': 'subjekt' is not known; the nearest is 'subj"),
        (HEAD + 'action = "keep"\n', "line 1: filter 'a': it says nothing"),
        (HEAD + 'action = "keep"\nsubject = 3\n', "line 4: .*subject must be a text"),
        (HEAD + 'action = "keep"\nsubject = []\n', "line 4: .*subject is empty"),
        (HEAD + 'action = "keep"\nsubject = [" "]\n', "line 4: .*subject must be texts of 1 to 500"),
        (HEAD + 'action = "keep"\ntype = "image"\n', "line 4: .*'image' is no MIME type"),
        (HEAD + 'action = "keep"\nclient = "10.0.0.256"\n', "line 4: .*neither an IP address"),
        (HEAD + 'action = "keep"\ndirection = "up"\n', "line 4: .*direction is in or out or local, not 'up'"),
        (HEAD + 'action = "keep"\nlarger = "many"\n', "line 4: .*larger must be a size"),
        (HEAD + 'action = "keep"\nlarger = true\n', "line 4: .*larger must be a size"),
        (HEAD + 'action = "keep"\nlarger = 9\nsmaller = 9\n', "line 5: .*no message is both"),
        (HEAD + 'action = "keep"\nheader = "x"\n', "line 4: .*header names fields"),
        (HEAD + 'action = "keep"\nheader."a b" = "x"\n', "line 4: .*no name of a header field"),
        (HEAD + 'action = "score"\nsubject = "x"\n', "line 3: .*belong together"),
        (HEAD + 'action = "keep"\nsubject = "x"\npoints = 2\n', "line 5: .*belong together"),
        (HEAD + 'action = "score"\nsubject = "x"\npoints = nan\n', "line 5: .*points are a number"),
        (HEAD + 'action = "tag"\nsubject = "x"\n', "line 3: .*needs a tag"),
        (HEAD + 'action = "keep"\nsubject = "x"\ntag = "y"\n', "line 5: .*a tag belongs to"),
        (HEAD + 'action = "keep"\nsubject = "x"\ntext = "y"\n', "line 5: .*a text belongs to"),
        (HEAD + 'action = "reject"\nsubject = "x"\ntext = "a\\r\\nb"\n', "line 5: .*one line"),
        (HEAD + 'action = "discard"\nsubject = "x"\nrelease = "users"\n', "line 5: .*release belongs to"),
        (HEAD + 'action = "keep"\nsubject = "x"\nmatch = "some"\n', "line 5: .*match is all or any"),
        ((HEAD + 'action = "keep"\nsubject = "x"\n') * 2, "line 6: filter 'a': another filter has this name"),
        ('filter = [{name = "a", action = "keep"}]', "filter 'a': it says nothing"),
        ("x = " + "[" * 3000, "nested too deeply|not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, words: str) -> None:
    with pytest.raises(EstafetaError, match=words.replace("[[", r"\[\[").replace("]]", r"\]\]")) as caught:
        parse_filters(text)
    assert caught.value.kind is Kind.INVALID


def test_there_are_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    many = "".join(f'[[filter]]\nname = "n{n}"\naction = "keep"\nsubject = "x"\n' for n in range(4))
    monkeypatch.setattr(limits, "MAX_FILTERS", 3)
    with pytest.raises(EstafetaError, match="may be 3 filters, and these are 4"):
        parse_filters(many)
    monkeypatch.setattr(limits, "MAX_PATTERNS", 1)
    with pytest.raises(EstafetaError, match="has 2 patterns"):
        parse_filters(HEAD + 'action = "keep"\nsubject = ["a", "b"]\n')
    monkeypatch.setattr(limits, "MAX_TEXT", 10)
    with pytest.raises(EstafetaError, match="at most 10 characters"):
        parse_filters(many)


def test_each_filter_has_its_lines_and_the_comments_above_it() -> None:
    assert find_blocks(FULL) == [(2, 10), (10, 18), (18, 27)]


@settings(deadline=None)
@given(st.text(alphabet="[]filter=\"'\n#. keepnamsubjct{}\\", max_size=200))
def test_no_text_is_more_than_wrong(text: str) -> None:
    with suppress(EstafetaError):
        assert isinstance(parse_filters(text), tuple)
