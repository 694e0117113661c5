"""A connection that was made from one of our addresses carries no mail that is to come from another."""

from collections.abc import Callable
from typing import Any

import pytest

TABLE = ("one.example 127.0.0.11", "two.example 127.0.0.12")


@pytest.mark.parametrize(("table", "connections"), [((), 1), (TABLE, 2)])
def test_each_source_address_has_connections_of_its_own(
    table: tuple[str, ...], connections: int, play: Callable[..., Any]
) -> None:
    async def scene(house: Any) -> None:
        site = await house.lab.site("other.test")
        for sender in ("a@one.example", "b@one.example", "c@two.example"):
            await house.send("bo@other.test", sender=sender)
        await site.received(3)
        await house.emptied()
        assert site.connections == connections

    most = {"max_connections_per_destination": 1, "idle_seconds": 2}
    play(scene, routing={"source_address_table": table}, delivery=most)
