"""What the journal hears of an IMAP session: who read what, when \\Seen is set for the first time."""

import asyncio
from pathlib import Path

import pytest
from imap_house import NOW_MS, House, house

from estafeta.core.ids import INBOX
from estafeta.journal.reading import latest
from estafeta.journal.records import Code, Record
from estafeta.mail.scan import MessageScanner
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.values import Arrival, Delivery

CONTENT = b"Subject: hello\r\n\r\nWords.\r\n"
CASES = {
    "fetched": (["FETCH 1:2 BODY[TEXT]", "FETCH 1 BODY[]"], ["1", "2"]),
    "peeked at": (["FETCH 1:2 BODY.PEEK[]", "FETCH 1 FLAGS"], []),
    "marked": ([r"STORE 2 +FLAGS.SILENT (\Seen \Flagged)", r"STORE 2 +FLAGS (\Seen)"], ["2"]),
    "replaced": ([r"UID STORE 1 FLAGS (\Seen)", r"UID STORE 1 FLAGS ()"], ["1"]),
    "other flags": ([r"STORE 1:3 +FLAGS (\Deleted)", r"STORE 1:3 -FLAGS (\Seen)"], []),
    "examined": (["EXAMINE INBOX", "FETCH 1 BODY[]"], []),
}


def fill(home: House) -> None:
    """Two messages that the journal knows, and one that it does not."""
    for number in (1, 2, 0):
        scanner = MessageScanner()
        scanner.feed(CONTENT)
        records = (Record(number, "94"),) if number else ()
        arrival = Arrival(scanner.close(), (Delivery(home.accounts["ann"], INBOX),), NOW_MS, NOW_MS, records, number)
        home.group.run(deliver, arrival, (CONTENT,))


@pytest.mark.parametrize(("commands", "noted"), CASES.values(), ids=CASES)
def test_reading_is_noted_once(tmp_path: Path, commands: list[str], noted: list[str]) -> None:
    async def run() -> None:
        with house(tmp_path, asyncio.get_running_loop()) as home:
            fill(home)
            wire = await home.sign_in("ann", "SELECT INBOX")
            for command in commands:
                assert b"OK" in await home.ask(wire, command)
            wire.close()
            await asyncio.sleep(0)
            entries = [entry for entry in latest(home.database, 99) if entry.code == Code.READ_IMAP]
            assert [entry.detail["mailbox"].rpartition("/")[2] for entry in entries] == noted
            assert {entry.address for entry in entries} <= {"ann@example.test"}

    asyncio.run(run())
