"""SEARCH, SORT, THREAD and what keeps their results, as sessions in text against the real service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_house import house, message

HOW = ("whole", "bytes", "split")
MESSAGES = (
    message("apple pie", "flour and butter", Date="Mon, 1 Jan 2024 10:00:00 +0000", Message_ID="<1@x>"),
    message(
        "Re: apple pie", "needs sugar", Date="Tue, 2 Jan 2024 10:00:00 +0000", Message_ID="<2@x>", References="<1@x>"
    ),
    message("Zebra", "stripes and more stripes", Date="Wed, 3 Jan 2024 10:00:00 +0000", Message_ID="<3@x>"),
    message("=?utf-8?q?=C3=89t=C3=A9?=", "summer", Date="Thu, 4 Jan 2024 10:00:00 +0000", From="Émile <e@x.test>"),
)

SESSIONS = {
    "old answers": """
        C: 1 EXAMINE INBOX
        S* * FLAGS
        S* * OK [PERMANENTFLAGS
        S: * 4 EXISTS
        S: * 4 RECENT
        S* * OK [UNSEEN 1]
        S* * OK [UIDVALIDITY
        S* * OK [UIDNEXT 5]
        S* * OK [HIGHESTMODSEQ
        S* * OK [MAILBOXID (M
        S* 1 OK [READ-ONLY]
        C: 2 SEARCH SUBJECT apple
        C: 3 SEARCH NOT SUBJECT apple
        C: 4 SEARCH OR BODY stripes TEXT SUMMER
        C: 5 SEARCH SENTSINCE 2-Jan-2024 SENTBEFORE 4-Jan-2024
        C: 6 SEARCH CHARSET UTF-8 SUBJECT {5+}
        C: été
        C: 7 SEARCH LARGER 100000
        C: 8 SEARCH 2:3 UNSEEN
        C: 9 SEARCH HEADER References ""
        S: * SEARCH 1 2
        S: 2 OK SEARCH completed.
        S: * SEARCH 3 4
        S: 3 OK SEARCH completed.
        S: * SEARCH 3 4
        S: 4 OK SEARCH completed.
        S: * SEARCH 2 3
        S: 5 OK SEARCH completed.
        S: * SEARCH 4
        S: 6 OK SEARCH completed.
        S: * SEARCH
        S: 7 OK SEARCH completed.
        S: * SEARCH 2 3
        S: 8 OK SEARCH completed.
        S: * SEARCH 2
        S: 9 OK SEARCH completed.
    """,
    "return": """
        C: 1 SELECT INBOX
        S* * FLAGS
        S* * OK [PERMANENTFLAGS
        S: * 4 EXISTS
        S: * 4 RECENT
        S* * OK [UNSEEN 1]
        S* * OK [UIDVALIDITY
        S* * OK [UIDNEXT 5]
        S* * OK [HIGHESTMODSEQ
        S* * OK [MAILBOXID (M
        S* 1 OK [READ-WRITE]
        C: 2 SEARCH RETURN (MIN MAX COUNT ALL) SUBJECT pie
        C: 3 UID SEARCH RETURN () ALL
        C: 4 UID SEARCH RETURN (SAVE) SUBJECT pie
        C: 5 UID SEARCH RETURN (COUNT) $ BODY sugar
        C: 6 UID SEARCH RETURN (PARTIAL 2:3) ALL
        C: 7 UID SEARCH RETURN (PARTIAL -1:-2) ALL
        C: 8 UID SEARCH RETURN (PARTIAL 10:20) ALL
        C: 9 UID SEARCH RETURN (COUNT) SUBJECT nothing
        S: * ESEARCH (TAG "2") MIN 1 MAX 2 ALL 1:2 COUNT 2
        S: 2 OK SEARCH completed.
        S: * ESEARCH (TAG "3") UID ALL 1:4
        S: 3 OK SEARCH completed.
        S: 4 OK SEARCH completed.
        S: * ESEARCH (TAG "5") UID COUNT 1
        S: 5 OK SEARCH completed.
        S: * ESEARCH (TAG "6") UID PARTIAL (2:3 2:3)
        S: 6 OK SEARCH completed.
        S: * ESEARCH (TAG "7") UID PARTIAL (-1:-2 3:4)
        S: 7 OK SEARCH completed.
        S: * ESEARCH (TAG "8") UID PARTIAL (10:20 NIL)
        S: 8 OK SEARCH completed.
        S: * ESEARCH (TAG "9") UID COUNT 0
        S: 9 OK SEARCH completed.
    """,
    "sort and thread": """
        C: 1 EXAMINE INBOX
        S* * FLAGS
        S* * OK [PERMANENTFLAGS
        S: * 4 EXISTS
        S: * 4 RECENT
        S* * OK [UNSEEN 1]
        S* * OK [UIDVALIDITY
        S* * OK [UIDNEXT 5]
        S* * OK [HIGHESTMODSEQ
        S* * OK [MAILBOXID (M
        S* 1 OK [READ-ONLY]
        C: 2 SORT (SUBJECT) UTF-8 ALL
        C: 3 UID SORT (REVERSE DATE) UTF-8 SUBJECT pie
        C: 4 UID SORT RETURN (ALL COUNT) (REVERSE DATE) UTF-8 ALL
        C: 5 THREAD REFERENCES UTF-8 ALL
        C: 6 UID THREAD ORDEREDSUBJECT UTF-8 SUBJECT pie
        C: 7 SORT (DISPLAYFROM DATE) UTF-8 ALL
        S: * SORT 1 2 4 3
        S: 2 OK SORT completed.
        S: * SORT 2 1
        S: 3 OK SORT completed.
        S: * ESEARCH (TAG "4") UID ALL 4,3,2,1 COUNT 4
        S: 4 OK SORT completed.
        S: * THREAD (1 2)(3)(4)
        S: 5 OK THREAD completed.
        S: * THREAD (1 2)
        S: 6 OK THREAD completed.
        S: * SORT 1 2 3 4
        S: 7 OK SORT completed.
    """,
    "several mailboxes": """
        C: 1 CREATE Work
        S* 1 OK [MAILBOXID
        C: 2 ESEARCH IN (mailboxes (INBOX Work)) RETURN (COUNT) SUBJECT pie
        S~ \\* ESEARCH \\(TAG "2" MAILBOX "INBOX" UIDVALIDITY \\d+\\) UID COUNT 2
        S: 2 OK ESEARCH completed.
        C: 3 ESEARCH IN (personal) SUBJECT zebra
        S~ \\* ESEARCH \\(TAG "3" MAILBOX "INBOX" UIDVALIDITY \\d+\\) UID ALL 3
        S: 3 OK ESEARCH completed.
    """,
    "fuzzy": """
        C: 1 EXAMINE INBOX
        S* * FLAGS
        S* * OK [PERMANENTFLAGS
        S: * 4 EXISTS
        S: * 4 RECENT
        S* * OK [UNSEEN 1]
        S* * OK [UIDVALIDITY
        S* * OK [UIDNEXT 5]
        S* * OK [HIGHESTMODSEQ
        S* * OK [MAILBOXID (M
        S* 1 OK [READ-ONLY]
        C: 2 SEARCH FUZZY SUBJECT "pie apple"
        S: * SEARCH 1 2
        S: 2 OK SEARCH completed.
        C: 3 UID SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT stripes
        S~ \\* ESEARCH \\(TAG "3"\\) UID ALL 3 RELEVANCY \\(\\d+\\)
        S: 3 OK SEARCH completed.
    """,
}


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", SESSIONS)
def test_sessions(tmp_path: Path, loop: asyncio.AbstractEventLoop, name: str, how: str) -> None:
    with house(tmp_path, loop) as at:
        at.deliver("ann", *MESSAGES)
        loop.run_until_complete(at.play(SESSIONS[name], how=how))
