"""CONDSTORE and QRESYNC (RFC 7162): sessions in text against the real service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_house import House, house, message
from imap_together import play_together

HOW = ("whole", "bytes", "split")
MESSAGES = tuple(message(str(number)) for number in range(1, 7))

SESSIONS = {
    "SELECT and UID FETCH tell what changed (3.2.5, 3.2.6)": r"""
        ann2+ SELECT INBOX
        ann> 1 SELECT INBOX (QRESYNC ({V} 7))
        ann< 1 BAD Enable QRESYNC first.
        ann> 2 ENABLE QRESYNC
        ann< * ENABLED QRESYNC
        ann< 2 OK ENABLE completed.
        ann> 3 SELECT INBOX (QRESYNC ({V} 7))
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 6 EXISTS
        ann< * 0 RECENT
        ann< * OK [UNSEEN 1] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 7] The next UID.
        ann< * OK [HIGHESTMODSEQ 7] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< 3 OK [READ-WRITE] SELECT completed.
        ann2+ STORE 1:2 +FLAGS (\Deleted)
        ann2+ EXPUNGE
        ann2+ STORE 1 +FLAGS (\Seen)
        ann> 4 SELECT INBOX (QRESYNC ({V} 7))
        ann< * OK [CLOSED] The mailbox before is closed.
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 4 EXISTS
        ann< * 0 RECENT
        ann< * OK [UNSEEN 2] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 7] The next UID.
        ann< * OK [HIGHESTMODSEQ 10] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< * VANISHED (EARLIER) 1:2
        ann< * 1 FETCH (UID 3 FLAGS (\Seen) MODSEQ (10))
        ann< 4 OK [READ-WRITE] SELECT completed.
        ann> 5 SELECT INBOX (QRESYNC (1 7))
        ann< * OK [CLOSED] The mailbox before is closed.
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 4 EXISTS
        ann< * 0 RECENT
        ann< * OK [UNSEEN 2] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 7] The next UID.
        ann< * OK [HIGHESTMODSEQ 10] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< 5 OK [READ-WRITE] SELECT completed.
        ann> 6 SELECT INBOX (QRESYNC ({V} 7 2:3 (1:2 1:2)))
        ann< * OK [CLOSED] The mailbox before is closed.
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 4 EXISTS
        ann< * 0 RECENT
        ann< * OK [UNSEEN 2] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 7] The next UID.
        ann< * OK [HIGHESTMODSEQ 10] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< * VANISHED (EARLIER) 2
        ann< * 1 FETCH (UID 3 FLAGS (\Seen) MODSEQ (10))
        ann< 6 OK [READ-WRITE] SELECT completed.
        ann> 7 SELECT INBOX (QRESYNC ({V} 7 1:*))
        ann< 7 BAD Wrong arguments. Usage: SELECT mailbox [(parameters)]
        ann> 8 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7 VANISHED)
        ann< * VANISHED (EARLIER) 1:2
        ann< * 1 FETCH (UID 3 FLAGS (\Seen) MODSEQ (10))
        ann< 8 OK FETCH completed.
        ann> 9 FETCH 1:* (FLAGS) (CHANGEDSINCE 7 VANISHED)
        ann< 9 BAD Wrong arguments. Usage: FETCH numbers items [(modifiers)]
        ann> 10 UID FETCH 1:* (FLAGS) (VANISHED)
        ann< 10 BAD Wrong arguments. Usage: UID FETCH numbers items [(modifiers)]
    """,
    "VANISHED, HIGHESTMODSEQ (3.2.7 - 3.2.10)": r"""
        ann+ ENABLE QRESYNC
        ann+ SELECT INBOX
        ann+ CREATE Work
        ann> 1 STORE 1:2 +FLAGS.SILENT (\Deleted)
        ann< * 1 FETCH (UID 1 MODSEQ (9))
        ann< * 2 FETCH (UID 2 MODSEQ (9))
        ann< 1 OK STORE completed.
        ann> 2 UID EXPUNGE 2
        ann< * VANISHED 2
        ann< 2 OK [HIGHESTMODSEQ 10] EXPUNGE completed.
        ann> 3 EXPUNGE
        ann< * VANISHED 1
        ann< 3 OK [HIGHESTMODSEQ 11] EXPUNGE completed.
        ann> 4 EXPUNGE
        ann< 4 OK EXPUNGE completed.
        ann> 5 MOVE 1 Work
        ann< * OK [COPYUID V 3 1] They are there now.
        ann< * VANISHED 3
        ann< 5 OK [HIGHESTMODSEQ 12] MOVE completed.
        ann> 6 UID MOVE 4 Work
        ann< * OK [COPYUID V 4 2] They are there now.
        ann< * VANISHED 4
        ann< 6 OK [HIGHESTMODSEQ 13] MOVE completed.
        ann> 7 STORE 1 +FLAGS.SILENT (\Deleted)
        ann< * 1 FETCH (UID 5 MODSEQ (14))
        ann< 7 OK STORE completed.
        ann> 8 CLOSE
        ann< 8 OK CLOSE completed.
        ann> 9 SELECT INBOX
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 1 EXISTS
        ann< * 0 RECENT
        ann< * OK [UNSEEN 1] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 7] The next UID.
        ann< * OK [HIGHESTMODSEQ 15] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< 9 OK [READ-WRITE] SELECT completed.
    """,
    "what may not be told yet (3.2, 6)": r"""
        ann+ ENABLE QRESYNC
        ann+ SELECT INBOX
        ann2+ SELECT INBOX
        ann2+ STORE 2 +FLAGS (\Deleted)
        ann2+ EXPUNGE
        ann> 1 STORE 1 +FLAGS.SILENT (\Seen)
        ann< * 1 FETCH (UID 1 MODSEQ (10))
        ann< * 1 FETCH (UID 1 FLAGS (\Seen \Recent) MODSEQ (10))
        ann< * OK [HIGHESTMODSEQ 7] What is gone is told later.
        ann< 1 OK STORE completed.
        ann> 2 FETCH 3 (MODSEQ)
        ann< * 3 FETCH (MODSEQ (4))
        ann< * OK [HIGHESTMODSEQ 7] What is gone is told later.
        ann< 2 OK FETCH completed.
        ann> 3 UID SEARCH 1:3
        ann< * SEARCH 1 3
        ann< * OK [HIGHESTMODSEQ 7] What is gone is told later.
        ann< 3 OK SEARCH completed.
        ann> 4 UID SEARCH UID 1:3
        ann< * SEARCH 1 3
        ann< * VANISHED 2
        ann< 4 OK SEARCH completed.
        ann> 5 FETCH 2 (MODSEQ)
        ann< * 2 FETCH (MODSEQ (4))
        ann< 5 OK FETCH completed.
    """,
    "what switches CONDSTORE on (3.1)": r"""
        ann+ SELECT INBOX
        ann> 1 STORE 1 +FLAGS.SILENT (\Seen)
        ann< 1 OK STORE completed.
        ann> 2 SEARCH MODSEQ 8
        ann< * OK [HIGHESTMODSEQ 8] CONDSTORE is on from here.
        ann< * SEARCH 1 (MODSEQ 8)
        ann< 2 OK SEARCH completed.
        ann> 3 STORE 2 +FLAGS.SILENT (\Seen)
        ann< * 2 FETCH (UID 2 MODSEQ (9))
        ann< 3 OK STORE completed.
        ann> 4 FETCH 3 (BODY[TEXT])
        ann< * 3 FETCH (UID 3 FLAGS (\Seen \Recent) MODSEQ (10) BODY[TEXT] {7}
        ann< words
        ann< )
        ann< 4 OK FETCH completed.
        ann2+ SELECT INBOX
        ann2> 1 SORT (ARRIVAL) UTF-8 MODSEQ "/flags/\\seen" all 9
        ann2< * OK [HIGHESTMODSEQ 10] CONDSTORE is on from here.
        ann2< * SORT 2 3 (MODSEQ 10)
        ann2< 1 OK SORT completed.
        ann3+ SELECT INBOX
        ann3> 1 ENABLE CONDSTORE
        ann3< * OK [HIGHESTMODSEQ 10] CONDSTORE is on from here.
        ann3< * ENABLED CONDSTORE
        ann3< 1 OK ENABLE completed.
        ann4+ SELECT INBOX
        ann4> 1 STATUS INBOX (HIGHESTMODSEQ)
        ann4< * OK [HIGHESTMODSEQ 10] CONDSTORE is on from here.
        ann4< * STATUS "INBOX" (HIGHESTMODSEQ 10)
        ann4< 1 OK STATUS completed.
        ann5+ SELECT INBOX
        ann5> 1 FETCH 6 (MODSEQ)
        ann5< * OK [HIGHESTMODSEQ 10] CONDSTORE is on from here.
        ann5< * 6 FETCH (MODSEQ (7))
        ann5< 1 OK FETCH completed.
        ann6> 1 SELECT INBOX (CONDSTORE)
        ann6< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann6< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann6< * 6 EXISTS
        ann6< * 0 RECENT
        ann6< * OK [UNSEEN 4] The first message that is not seen.
        ann6< * OK [UIDVALIDITY V] UIDs are valid.
        ann6< * OK [UIDNEXT 7] The next UID.
        ann6< * OK [HIGHESTMODSEQ 10] The highest MODSEQ.
        ann6< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann6< 1 OK [READ-WRITE] SELECT completed.
        ann6> 2 SEARCH RETURN (MIN) MODSEQ 9
        ann6< * ESEARCH (TAG "2") MIN 2 MODSEQ 9
        ann6< 2 OK SEARCH completed.
        ann6> 3 SEARCH MODSEQ 99
        ann6< * SEARCH
        ann6< 3 OK SEARCH completed.
        ann6> 4 STORE 1:6 (UNCHANGEDSINCE 7) +FLAGS (\Flagged)
        ann6< * 4 FETCH (UID 4 FLAGS (\Flagged) MODSEQ (11))
        ann6< * 5 FETCH (UID 5 FLAGS (\Flagged) MODSEQ (11))
        ann6< * 6 FETCH (UID 6 FLAGS (\Flagged) MODSEQ (11))
        ann6< 4 OK [MODIFIED 1:3] Some messages were changed by others since and are as they were.
    """,
    "annotations count (3.2)": r"""
        ann> 1 STATUS INBOX (HIGHESTMODSEQ)
        ann< * STATUS "INBOX" (HIGHESTMODSEQ 7)
        ann< 1 OK STATUS completed.
        ann> 2 SETMETADATA INBOX (/private/comment "mine")
        ann< 2 OK SETMETADATA completed.
        ann> 3 STATUS INBOX (HIGHESTMODSEQ)
        ann< * STATUS "INBOX" (HIGHESTMODSEQ 8)
        ann< 3 OK STATUS completed.
    """,
}


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.fixture
def at(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[House]:
    with house(tmp_path, loop) as made:
        made.deliver("ann", *MESSAGES)
        yield made


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", SESSIONS)
def test_sessions(at: House, loop: asyncio.AbstractEventLoop, name: str, how: str) -> None:
    loop.run_until_complete(play_together(at, SESSIONS[name], how))
