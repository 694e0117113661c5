"""Results of pure functions remembered by the text that they are of, within bounds."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Text = TypeVar("Text", str, bytes)
Value = TypeVar("Value")


def remember_short(entries: int, longest: int) -> Callable[[Callable[[Text], Value]], Callable[[Text], Value]]:
    """A decorator for a function of one text, from outside: the results for the last `entries` texts are remembered.
    Texts longer than `longest` are not, so that nobody fills the memory with them; nor is what is raised."""

    def decorate(find: Callable[[Text], Value]) -> Callable[[Text], Value]:
        known = lru_cache(maxsize=entries)(find)

        @wraps(find)
        def found(text: Text) -> Value:
            return known(text) if len(text) <= longest else find(text)

        return found

    return decorate
