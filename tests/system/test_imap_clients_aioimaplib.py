"""aioimaplib: several sessions in one event loop; IDLE tells of mail, flags and expunges of the others."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from aioimaplib import IMAP4_SSL, Response
from imap_site import SECONDS, Site, letter, quote


@asynccontextmanager
async def signed_in(site: Site, folder: str = "INBOX") -> AsyncIterator[IMAP4_SSL]:
    client = IMAP4_SSL(site.host, site.tls_port, timeout=SECONDS, ssl_context=site.context())
    await client.wait_hello_from_server()
    await ok(client.login(site.user, site.password))
    await client.protocol.capability()
    await ok(client.select(folder))
    yield client
    await ok(client.logout())
    client.protocol.transport.close()


async def ok(reply: Awaitable[Response]) -> list[str]:
    """The lines of a reply, which must have been OK."""
    response = await reply
    assert response.result == "OK", response
    return [bytes(line).decode() for line in response.lines]


async def told(client: IMAP4_SSL, pattern: str) -> str:
    """What an idling client is told that matches."""
    async with asyncio.timeout(SECONDS):
        while True:
            for line in await client.wait_server_push():
                if re.search(pattern, line.decode()):
                    return line.decode()


def test_messages(site: Site) -> None:
    async def scenario() -> None:
        async with signed_in(site) as client:
            await ok(client.create("Kept"))
            for n in range(4):
                await ok(client.append(letter(f"m{n}"), flags="\\Seen"))
            fetched = await client.uid("fetch", "2", "(FLAGS BODY.PEEK[])")
            assert bytes(fetched.lines[1]) == letter("m1")
            await ok(client.uid("store", "1:2", "+FLAGS (\\Flagged)"))
            assert (await ok(client.uid_search("FLAGGED")))[0].split() == ["1", "2"]
            assert (await ok(client.search("TEXT", quote("señas"))))[0].split() == ["1", "2", "3", "4"]
            await ok(client.uid("copy", "1", "Kept"))
            await ok(client.uid("move", "2:3", "Kept"))
            await ok(client.uid("store", "1", "+FLAGS.SILENT (\\Deleted)"))
            assert "1 EXPUNGE" in await ok(client.expunge())
            assert "(MESSAGES 3)" in (await ok(client.status("Kept", "(MESSAGES)")))[0]
            assert "4" in (await ok(client.uid_search("ALL")))[0]
            assert any("Kept" in line for line in await ok(client.list('""', "*")))
            await ok(client.rename("Kept", "Old/2026"))
            await ok(client.delete("Old/2026"))
            await ok(client.namespace())
            await ok(client.id(name="test"))
            await ok(client.noop())
            await ok(client.close())

    asyncio.run(scenario())


def test_idle(site: Site) -> None:
    async def scenario() -> None:
        async with signed_in(site) as watcher, signed_in(site) as actor:
            idling = await watcher.idle_start()
            await asyncio.to_thread(site.deliver, letter("one"))
            await told(watcher, r"^1 EXISTS$")
            await ok(actor.append(letter("two")))
            await told(watcher, r"^2 EXISTS$")
            await ok(actor.noop())
            await ok(actor.uid("store", "1", "+FLAGS (\\Deleted)"))
            await told(watcher, r"^1 FETCH .*\\Deleted")
            await ok(actor.expunge())
            await told(watcher, r"^1 EXPUNGE$")
            watcher.idle_done()
            await ok(asyncio.wait_for(idling, SECONDS))
            assert (await ok(watcher.uid_search("ALL")))[0].split() == ["2"]

    asyncio.run(scenario())


def test_many_watchers_are_all_told(site: Site) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            ready = asyncio.Barrier(11)
            for _ in range(10):
                group.create_task(watch(site, ready))
            await ready.wait()
            await asyncio.to_thread(site.deliver, letter("one"))

    asyncio.run(scenario())


async def watch(site: Site, ready: asyncio.Barrier) -> None:
    async with signed_in(site) as client:
        idling = await client.idle_start()
        await ready.wait()
        await told(client, r"^1 EXISTS$")
        client.idle_done()
        await ok(idling)
        assert (await ok(client.uid_search("ALL")))[0].split() == ["1"]


def test_a_copy_is_kept(site: Site) -> None:
    """A full sync, changes on both sides, a resync, and the same on both sides."""

    async def scenario() -> None:
        async with signed_in(site) as here, signed_in(site) as there:
            for n in range(10):
                await ok(here.append(letter(f"m{n}")))
            assert await flags(there) == await flags(here) == {uid: set() for uid in range(1, 11)}
            await asyncio.gather(
                ok(here.uid("store", "1:5", "+FLAGS (\\Flagged)")), ok(there.uid("store", "4:8", "+FLAGS (\\Answered)"))
            )
            await ok(there.uid("store", "9", "+FLAGS (\\Deleted)"))
            await ok(there.expunge())
            await ok(here.append(letter("late"), flags="\\Seen"))
            assert await flags(here) == await flags(there)
            assert (await flags(here))[4] == {"\\Flagged", "\\Answered"}
            assert (await flags(here)).keys() == {1, 2, 3, 4, 5, 6, 7, 8, 10, 11}

    asyncio.run(scenario())


async def flags(client: IMAP4_SSL) -> dict[int, set[str]]:
    """Flags by UID, read anew."""
    await ok(client.noop())
    found = {}
    for line in await ok(client.fetch("1:*", "(UID FLAGS)")):
        if match := re.search(r"UID (\d+)", line):
            found[int(match[1])] = set(re.findall(r"\\\w+", line)) - {"\\Recent"}
    return found
