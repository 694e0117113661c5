"""What the journal hears of a session: what was read, once, at its end."""

import asyncio
from pathlib import Path

import pytest
from pop3_fakes import Site

CASES = {
    "retrieved twice": (["RETR 1", "RETR 1", "TOP 2 0", "QUIT"], [((1, 1),)]),
    "removed": (["RETR 2", "DELE 2", "QUIT"], [((2, 2),)]),
    "only looked at": (["LIST", "TOP 1 5", "QUIT"], []),
    "nothing there": (["RETR 9", "QUIT"], []),
    "connection lost": (["RETR 1", "RETR 2"], [((1, 2),)]),
}


@pytest.mark.parametrize(("commands", "noted"), CASES.values(), ids=CASES)
def test_reading_is_noted_at_the_end(tmp_path: Path, commands: list[str], noted: list[object]) -> None:
    async def run() -> None:
        site = Site(tmp_path, b"one\r\n", b"two\r\n")
        client = site.client()
        await client.sign_in()
        for command in commands:
            assert site.mailboxes.noted == []
            await client.say(command)
        if "QUIT" not in commands:
            client.pump.connection_lost(None)
        assert [one.ranges for one in site.mailboxes.noted] == noted
        assert {one.who for one in site.mailboxes.noted} <= {"jane@example.test"}

    asyncio.run(run())
