"""Lookups without tasks for those whose answer is remembered: begun at once, and gone on with where they wait."""

import asyncio
import types
from collections.abc import Coroutine, Generator, Iterable
from typing import Any, TypeVar, cast

T = TypeVar("T")


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results in their order. Each is begun at once and goes as far as it can without waiting."""
    results: dict[int, T] = {}
    waiting: dict[int, Coroutine[Any, Any, T]] = {}
    for place, work in enumerate(works):
        try:
            first = work.send(None)
        except StopIteration as end:
            results[place] = cast("T", end.value)
        else:
            waiting[place] = resumed(work, first)
    if waiting:
        results |= zip(waiting, await asyncio.gather(*waiting.values()), strict=True)
    return [results[place] for place in sorted(results)]


async def resumed(work: Coroutine[Any, Any, T], first: Any) -> T:
    """A coroutine that has begun already, from what it waits for first (`work.send(None)`)."""
    return cast("T", await _rest(work, first))


@types.coroutine
def _rest(work: Coroutine[Any, Any, Any], first: Any) -> Generator[Any, Any, Any]:
    try:
        yield first
    except BaseException:
        work.close()
        raise
    return (yield from work)
