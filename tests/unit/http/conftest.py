"""`web`: a site whose pages are served; `play` runs a scene against it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop
from http_site import WebSite, build_web_site

from estafeta.storage.database import Database

Scene = Callable[[WebSite], Awaitable[None]]


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebSite]:
    database = Database(sqlite_url)
    yield build_web_site(database)
    database.close()


@pytest.fixture
def play(web: WebSite) -> Callable[[Scene], None]:
    async def staged(scene: Scene) -> None:
        await web.start()
        try:
            await scene(web)
            await asyncio.wait_for(web.connections.drained(), 5)
        finally:
            web.server.close()
            web.connections.abort()
            await web.server.wait_closed()

    def run(scene: Scene) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(staged(scene))

    return run
