"""Pieces made in a thread, ahead of who uses them."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, cast

import pytest

from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.streaming import prepared


def fake_session() -> ImapSession:
    return cast(ImapSession, SimpleNamespace(thread=asyncio.to_thread))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_all_come_in_their_order(count: int) -> None:
    async def gather() -> list[int]:
        async with aclosing(prepared(fake_session(), iter(range(count)))) as pieces:
            return [piece async for piece in pieces]

    assert asyncio.run(gather()) == list(range(count))


@pytest.mark.parametrize("before", [0, 1, 5])
def test_what_was_made_before_an_error_comes_first(before: int) -> None:
    def pieces() -> Iterator[int]:
        yield from range(before)
        raise LookupError

    async def gather(found: list[int]) -> None:
        async with aclosing(prepared(fake_session(), pieces())) as made:
            async for piece in made:
                found.append(piece)

    found: list[int] = []
    with pytest.raises(LookupError):
        asyncio.run(gather(found))
    assert found == list(range(before))


def test_few_are_made_for_who_takes_none() -> None:
    made: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    jobs: list[asyncio.Task[Any]] = []

    def thread(function: Any, *args: Any) -> asyncio.Task[Any]:
        jobs.append(asyncio.ensure_future(asyncio.to_thread(function, *args)))
        return jobs[-1]

    async def take_one() -> int:
        session = cast(ImapSession, SimpleNamespace(thread=thread))
        async with aclosing(prepared(session, pieces())) as found:
            first = await anext(found)
            while not all(job.done() for job in jobs):
                await asyncio.wait(jobs)
            return first

    assert asyncio.run(take_one()) == 0
    assert 1 <= len(made) <= 4
