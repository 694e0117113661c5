"""Properties that are worked out once for each object.

As `functools.cached_property`, without its lock: up to Python 3.11 that is one for all objects of a class, so whoever
asks about a small message on the event loop would wait for a large one that a thread is reading. Two threads that ask
at the same time may both work it out.
"""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

Value = TypeVar("Value")


class once(Generic[Value]):  # noqa: N801 - used as a decorator, as `property` is
    """The decorator. Its object needs a `__dict__`, where the value then stands in place of this."""

    def __init__(self, find: Callable[[Any], Value]) -> None:
        self._find = find
        self._name = find.__name__
        self.__doc__ = find.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...

    @overload
    def __get__(self, owner: object, kind: type) -> Value: ...

    def __get__(self, owner: object, kind: type) -> Self | Value:
        if owner is None:
            return self
        found = owner.__dict__[self._name] = self._find(owner)
        return found
