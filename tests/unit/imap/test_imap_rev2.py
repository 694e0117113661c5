"""IMAP4rev2 (RFC 9051), and what came with it: sessions in text against the real service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_house import House, house, message
from imap_together import play_together

HOW = ("whole", "bytes", "split")
MESSAGES = (message("c"), message("a"), message("b"))

SESSIONS = {
    "what is different (RFC 9051 6.3.2, 6.4.4)": r"""
        ann> 1 ENABLE IMAP4rev2 X-NONE
        ann< * ENABLED IMAP4rev2
        ann< 1 OK ENABLE completed.
        ann> 2 SELECT inbox
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 3 EXISTS
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 4] The next UID.
        ann< * OK [HIGHESTMODSEQ 4] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< * LIST () "/" "INBOX"
        ann< 2 OK [READ-WRITE] SELECT completed.
        ann> 3 SEARCH UNSEEN
        ann< * ESEARCH (TAG "3") ALL 1:3
        ann< 3 OK SEARCH completed.
        ann> 4 UID SEARCH SUBJECT none
        ann< * ESEARCH (TAG "4") UID
        ann< 4 OK SEARCH completed.
        ann> 5 SEARCH RETURN (MIN MAX COUNT) ALL
        ann< * ESEARCH (TAG "5") MIN 1 MAX 3 COUNT 3
        ann< 5 OK SEARCH completed.
        ann> 6 FETCH 1 FLAGS
        ann< * 1 FETCH (FLAGS ())
        ann< 6 OK FETCH completed.
        ann> 7 STATUS INBOX (MESSAGES DELETED SIZE)
        ann< * STATUS "INBOX" (MESSAGES 3 DELETED 0 SIZE 219)
        ann< 7 OK STATUS completed.
        ann> 8 COPY 1 INBOX
        ann< * 4 EXISTS
        ann< 8 OK [COPYUID V 1 4] COPY completed.
        ann> 9 ENABLE IMAP4rev2
        ann< * ENABLED
        ann< 9 OK ENABLE completed.
        ann> 10 SELECT INBOX
        ann< * OK [CLOSED] The mailbox before is closed.
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 4 EXISTS
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 5] The next UID.
        ann< * OK [HIGHESTMODSEQ 5] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< * LIST () "/" "INBOX"
        ann< 10 OK [READ-WRITE] SELECT completed.
    """,
    "names (RFC 9051 5.1, 6.3.9.7)": r"""
        ann+ ENABLE IMAP4rev2
        ann> 1 CREATE "{e}tude"
        ann< * LIST () "/" "étude" ("OLDNAME" ("{e}tude"))
        ann< 1 OK [MAILBOXID (M1-2)] CREATE completed.
        ann> 2 SELECT "{e}tude"
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 0 EXISTS
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 1] The next UID.
        ann< * OK [HIGHESTMODSEQ 5] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-2)] The mailbox has an id.
        ann< * LIST () "/" "étude" ("OLDNAME" ("{e}tude"))
        ann< 2 OK [READ-WRITE] SELECT completed.
        ann> 3 RENAME "étude" Study
        ann< * LIST () "/" "Study" ("OLDNAME" ("étude"))
        ann< 3 OK RENAME completed.
        ann> 4 LIST "" * RETURN (SUBSCRIBED SPECIAL-USE)
        ann< * LIST (\Subscribed \HasNoChildren) "/" "INBOX"
        ann< * LIST (\HasNoChildren) "/" "Study"
        ann< 4 OK LIST completed.
        ann> 5 LIST (SUBSCRIBED) "" (INBOX none)
        ann< * LIST (\Subscribed \HasNoChildren) "/" "INBOX"
        ann< 5 OK LIST completed.
        ann> 6 CREATE Deep/er
        ann< 6 OK [MAILBOXID (M1-3)] CREATE completed.
        ann> 7 RENAME Deep Shallow
        ann< 7 OK RENAME completed.
        ann> 8 LIST "" (%)
        ann< * LIST (\HasNoChildren) "/" "INBOX"
        ann< * LIST (\NonExistent \HasChildren) "/" "Shallow"
        ann< * LIST (\HasNoChildren) "/" "Study"
        ann< 8 OK LIST completed.
    """,
    "results (RFC 5182, 5267)": r"""
        ann+ ENABLE IMAP4rev2
        ann+ SELECT INBOX
        ann> 1 SORT RETURN (MIN MAX ALL COUNT) (SUBJECT) UTF-8 ALL
        ann< * ESEARCH (TAG "1") MIN 2 MAX 1 ALL 2:3,1 COUNT 3
        ann< 1 OK SORT completed.
        ann> 2 SORT RETURN (SAVE MIN) (SUBJECT) UTF-8 ALL
        ann< * ESEARCH (TAG "2") MIN 2
        ann< 2 OK SORT completed.
        ann> 3 FETCH $ (UID)
        ann< * 2 FETCH (UID 2)
        ann< 3 OK FETCH completed.
        ann> 4 SEARCH RETURN (SAVE MIN MAX) ALL
        ann< * ESEARCH (TAG "4") MIN 1 MAX 3
        ann< 4 OK SEARCH completed.
        ann> 5 STORE 1:3 +FLAGS.SILENT (\Deleted)
        ann< 5 OK STORE completed.
        ann> 6 UID EXPUNGE $
        ann< * 3 EXPUNGE
        ann< * 1 EXPUNGE
        ann< 6 OK EXPUNGE completed.
        ann> 7 SEARCH $
        ann< * ESEARCH (TAG "7")
        ann< 7 OK SEARCH completed.
        ann+ SEARCH RETURN (SAVE) ALL
        ann> 8 SEARCH RETURN (SAVE) CHARSET X-NONE ALL
        ann< 8 NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] The character set is not known.
        ann> 9 UID SEARCH $
        ann< * ESEARCH (TAG "9") UID
        ann< 9 OK SEARCH completed.
        ann> 10 SEARCH RETURN (SAVE) FROM nobody
        ann< 10 OK SEARCH completed.
        ann> 11 COPY $ INBOX
        ann< 11 OK COPY completed.
        ann> 12 UID EXPUNGE $
        ann< 12 OK EXPUNGE completed.
        ann> 13 FETCH 1 (FLAGS)
        ann< * 1 FETCH (FLAGS (\Deleted))
        ann< 13 OK FETCH completed.
    """,
    "several mailboxes (RFC 7377)": r"""
        ann> 1 ESEARCH ALL
        ann< 1 BAD No mailbox is selected.
        ann> 2 ESEARCH IN (personal selected) ALL
        ann< 2 BAD No mailbox is selected.
        ann> 3 ESEARCH IN (personal) RETURN (COUNT) SUBJECT none
        ann< 3 OK ESEARCH completed.
        ann+ CREATE Work
        ann+ SELECT INBOX
        ann> 4 ESEARCH IN (personal selected) RETURN (COUNT) ALL
        ann< * ESEARCH (TAG "4" MAILBOX "INBOX" UIDVALIDITY V) UID COUNT 3
        ann< 4 OK ESEARCH completed.
        ann> 5 ESEARCH RETURN (SAVE) 2:3
        ann< 5 OK SEARCH completed.
        ann> 6 FETCH $ (UID)
        ann< * 2 FETCH (UID 2)
        ann< * 3 FETCH (UID 3)
        ann< 6 OK FETCH completed.
        ann> 7 ESEARCH 2
        ann< * ESEARCH (TAG "7" MAILBOX "INBOX" UIDVALIDITY V) UID ALL 2
        ann< 7 OK SEARCH completed.
        ann> 8 ESEARCH SUBJECT none
        ann< 8 OK SEARCH completed.
        ann> 9 ESEARCH IN (personal) RETURN (SAVE) ALL
        ann< 9 BAD Results of several mailboxes can be neither saved nor kept up to date.
        ann> 10 ESEARCH IN (personal) 1
        ann< 10 BAD Sequence numbers and $ mean nothing in several mailboxes.
    """,
    "UIDONLY (RFC 9586)": r"""
        ann+ ENABLE UIDONLY
        ann> 1 SELECT INBOX
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 3 EXISTS
        ann< * 3 RECENT
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 4] The next UID.
        ann< * OK [HIGHESTMODSEQ 4] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< 1 OK [READ-WRITE] SELECT completed.
        ann> 2 FETCH 1 FLAGS
        ann< 2 BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command.
        ann> 3 UID FETCH 1:2 (FLAGS)
        ann< * 1 UIDFETCH (FLAGS (\Recent))
        ann< * 2 UIDFETCH (FLAGS (\Recent))
        ann< 3 OK FETCH completed.
        ann> 4 UID STORE 1 +FLAGS (\Deleted)
        ann< * 1 UIDFETCH (FLAGS (\Deleted \Recent))
        ann< 4 OK STORE completed.
        ann> 5 UID SEARCH 1
        ann< 5 BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command.
        ann> 6 UID SEARCH ALL
        ann< * SEARCH 1 2 3
        ann< 6 OK SEARCH completed.
        ann> 7 EXPUNGE
        ann< * VANISHED 1
        ann< 7 OK EXPUNGE completed.
        ann> 8 UID COPY 2 INBOX
        ann< * 3 EXISTS
        ann< * 3 RECENT
        ann< * 4 UIDFETCH (FLAGS (\Recent))
        ann< 8 OK [COPYUID V 2 4] COPY completed.
        ann> 9 MOVE 1 INBOX
        ann< 9 BAD [UIDREQUIRED] Message numbers cannot be used here, use the UID command.
        ann> 10 UID SORT (ARRIVAL) UTF-8 ALL
        ann< * SORT 2 3 4
        ann< 10 OK SORT completed.
        ann> 11 UID MOVE 3 INBOX
        ann< * OK [COPYUID V 3 5] They are there now.
        ann< * VANISHED 3
        ann< * 3 EXISTS
        ann< * 3 RECENT
        ann< * 5 UIDFETCH (FLAGS (\Recent))
        ann< 11 OK MOVE completed.
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
    loop.run_until_complete(play_together(at, SESSIONS[name].replace("{e}", "e\u0301"), how))
