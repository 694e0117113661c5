"""Sections: values that are checked when they are made, and every problem at once."""

import pickle
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.section import AfterValidator, BeforeValidator, Field, InvalidError, Section, Wrong


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def _even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


Word = Annotated[str, AfterValidator(str.strip), Field(max_length=5)]


class Inner(Section):
    size: int = Field(default=1, ge=0, le=10)


class Base(Section):
    name: Word = Field(default="n", description="A name.")


class Outer(Base):
    needed: Annotated[float, Field(ge=0.5, description="A number.")]
    even: Annotated[int, AfterValidator(_even)] = 0
    colour: Colour = Colour.RED
    kind: Literal["a", "b"] = "a"
    on: bool = False
    words: tuple[Word, ...] = ()
    lines: Annotated[tuple[str, ...], BeforeValidator(lambda value: value or ["none"])] = ()
    inner: Inner = Inner()
    maybe: Annotated[int | None, Field(ge=5)] = None
    other: Annotated[str, Field(alias="else", pattern="^[a-z]+$")] = "x"

    def _check(self) -> None:
        if self.even > self.inner.size * 100:
            raise ValueError("too much")


TAKEN: list[tuple[str, object, object]] = [
    ("needed", 1, 1.0),
    ("needed", "2.5", 2.5),
    ("even", 4.0, 4),
    ("even", " 6 ", 6),
    ("colour", "blue", Colour.BLUE),
    ("kind", "b", "b"),
    ("on", "Yes", True),
    ("on", 1, True),
    ("words", [" ab ", "c"], ("ab", "c")),
    ("lines", [], ("none",)),
    ("inner", {"size": "3"}, Inner(size=3)),
    ("inner", Inner(size=4), Inner(size=4)),
    ("maybe", None, None),
    ("maybe", 5, 5),
]


@pytest.mark.parametrize(("name", "given", "taken"), TAKEN)
def test_a_value_is_taken(name: str, given: object, taken: object) -> None:
    assert getattr(Outer(**{"needed": 1, name: given}), name) == taken


REFUSED: list[tuple[str, object, Wrong, tuple[str | int, ...]]] = [
    ("needed", 0.1, Wrong.OTHER, ("needed",)),
    ("needed", float("nan"), Wrong.OTHER, ("needed",)),
    ("needed", True, Wrong.OTHER, ("needed",)),
    ("needed", 10**400, Wrong.OTHER, ("needed",)),
    ("even", 3, Wrong.REFUSED, ("even",)),
    ("even", 2.5, Wrong.OTHER, ("even",)),
    ("even", "x", Wrong.OTHER, ("even",)),
    ("even", 200, Wrong.REFUSED, ()),
    ("colour", "green", Wrong.CHOICE, ("colour",)),
    ("colour", ["red"], Wrong.CHOICE, ("colour",)),
    ("kind", "c", Wrong.CHOICE, ("kind",)),
    ("on", 2, Wrong.OTHER, ("on",)),
    ("words", "ab", Wrong.OTHER, ("words",)),
    ("words", ["ab", 3], Wrong.OTHER, ("words", 1)),
    ("words", ["toolong"], Wrong.OTHER, ("words", 0)),
    ("words", ["\udcff"], Wrong.OTHER, ("words", 0)),
    ("inner", {"size": 11}, Wrong.OTHER, ("inner", "size")),
    ("inner", {"site": 1}, Wrong.UNKNOWN, ("inner", "site")),
    ("inner", 3, Wrong.OTHER, ("inner",)),
    ("maybe", 4, Wrong.OTHER, ("maybe",)),
    ("else", "X", Wrong.PATTERN, ("else",)),
    ("else", "x\n", Wrong.PATTERN, ("else",)),
    ("other", "x", Wrong.UNKNOWN, ("other",)),
    ("self", "x", Wrong.UNKNOWN, ("self",)),
]


@pytest.mark.parametrize(("name", "value", "wrong", "where"), REFUSED)
def test_a_value_is_refused(name: str, value: object, wrong: Wrong, where: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidError) as caught:
        Outer.model_validate({"needed": 1, name: value})
    assert [(each.wrong, each.where) for each in caught.value.problems] == [(wrong, where)]


def test_all_problems_are_told_together() -> None:
    with pytest.raises(InvalidError) as caught:
        Outer(even=1, words=["toolong", "ab", 1], huh=2)
    found = {(each.wrong, each.where) for each in caught.value.problems}
    assert found == {
        (Wrong.MISSING, ("needed",)),
        (Wrong.REFUSED, ("even",)),
        (Wrong.OTHER, ("words", 0)),
        (Wrong.OTHER, ("words", 2)),
        (Wrong.UNKNOWN, ("huh",)),
    }


def test_a_field_says_what_it_is() -> None:
    fields = Outer.model_fields
    assert list(fields)[:2] == ["name", "needed"]
    assert (fields["name"].annotation, fields["name"].max_length, fields["name"].description) == (str, 5, "A name.")
    assert fields["needed"].required
    assert (fields["needed"].ge, fields["other"].alias, fields["maybe"].default) == (0.5, "else", None)


def test_a_section_is_a_value() -> None:
    one = Outer(needed=1, words=["a"])
    assert one == Outer(needed=1.0, words=("a",)) == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(Outer(needed=1, words=["a"]))
    assert one != Outer(needed=2)
    assert one.model_dump(exclude_defaults=True) == {"needed": 1.0, "words": ["a"]}
    with pytest.raises(AttributeError):
        one.on = True
    with pytest.raises(AttributeError):
        del one.on


NAMES = st.sampled_from(["needed", "even", "words", "inner", "on", "else"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(NAMES, VALUES))
def test_anything_is_taken_or_refused(values: dict[str, Any]) -> None:
    with suppress(InvalidError):
        assert Outer.model_validate(values).needed >= 0.5
