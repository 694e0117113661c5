"""IMAP4rev1 (RFC 3501) as clients have always spoken it: sessions in text against the real service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_house import House, house, message
from imap_together import play_together

HOW = ("whole", "bytes", "split")
MESSAGES = (message("one"), message("two"), message("three"))
PARTS = (
    b"From: a@x.test\r\nSubject: outer\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    b"--B\r\nContent-Type: text/plain\r\n\r\nhello\r\n--B\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inner\r\n\r\ninside\r\n--B--\r\n"
)

SESSIONS = {
    "SELECT and EXAMINE (RFC 3501 6.3.1, RFC 7162 3.2.11: CLOSED)": r"""
        ann> 1 SELECT INBOX
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann< * 3 EXISTS
        ann< * 3 RECENT
        ann< * OK [UNSEEN 1] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 4] The next UID.
        ann< * OK [HIGHESTMODSEQ 4] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< 1 OK [READ-WRITE] SELECT completed.
        ann> 2 EXAMINE INBOX
        ann< * OK [CLOSED] The mailbox before is closed.
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS ()] These stay when changed.
        ann< * 3 EXISTS
        ann< * 0 RECENT
        ann< * OK [UNSEEN 1] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 4] The next UID.
        ann< * OK [HIGHESTMODSEQ 4] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< 2 OK [READ-ONLY] EXAMINE completed.
        ann> 3 SELECT none
        ann< * OK [CLOSED] The mailbox before is closed.
        ann< 3 NO [NONEXISTENT] There is no such mailbox.
        ann> 4 NOOP
        ann< 4 OK NOOP completed.
        ann> 5 FETCH 1 FLAGS
        ann< 5 BAD Select a mailbox first.
        ann> 6 SELECT "&AGE-"
        ann< 6 NO [CANNOT] The mailbox name is not valid modified UTF-7.
        ann> 7 STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)
        ann< * STATUS "INBOX" (MESSAGES 3 RECENT 0 UIDNEXT 4 UIDVALIDITY V UNSEEN 3)
        ann< 7 OK STATUS completed.
        ann> 8 CHECK
        ann< 8 BAD Select a mailbox first.
    """,
    "RECENT (RFC 3501 2.3.2)": r"""
        ann> 1 EXAMINE INBOX
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann< * OK [PERMANENTFLAGS ()] These stay when changed.
        ann< * 3 EXISTS
        ann< * 3 RECENT
        ann< * OK [UNSEEN 1] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 4] The next UID.
        ann< * OK [HIGHESTMODSEQ 4] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< 1 OK [READ-ONLY] EXAMINE completed.
        ann2> 1 SELECT INBOX
        ann2< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann2< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann2< * 3 EXISTS
        ann2< * 3 RECENT
        ann2< * OK [UNSEEN 1] The first message that is not seen.
        ann2< * OK [UIDVALIDITY V] UIDs are valid.
        ann2< * OK [UIDNEXT 4] The next UID.
        ann2< * OK [HIGHESTMODSEQ 4] The highest MODSEQ.
        ann2< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann2< 1 OK [READ-WRITE] SELECT completed.
        ann3> 1 SELECT INBOX
        ann3< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        ann3< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] These stay when changed.
        ann3< * 3 EXISTS
        ann3< * 0 RECENT
        ann3< * OK [UNSEEN 1] The first message that is not seen.
        ann3< * OK [UIDVALIDITY V] UIDs are valid.
        ann3< * OK [UIDNEXT 4] The next UID.
        ann3< * OK [HIGHESTMODSEQ 4] The highest MODSEQ.
        ann3< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann3< 1 OK [READ-WRITE] SELECT completed.
        ann2> 2 FETCH 1:* (FLAGS)
        ann2< * 1 FETCH (FLAGS (\Recent))
        ann2< * 2 FETCH (FLAGS (\Recent))
        ann2< * 3 FETCH (FLAGS (\Recent))
        ann2< 2 OK FETCH completed.
        ann3> 2 SEARCH RECENT
        ann3< * SEARCH
        ann3< 2 OK SEARCH completed.
        ann2> 3 SEARCH NEW
        ann2< * SEARCH 1 2 3
        ann2< 3 OK SEARCH completed.
        ann2> 4 STORE 1 +FLAGS (\Recent)
        ann2< 4 BAD There is no such flag, or it cannot be set.
        ann2> 5 STORE 1 FLAGS (\Seen)
        ann2< * 1 FETCH (FLAGS (\Seen \Recent))
        ann2< 5 OK STORE completed.
        ann2> 6 SEARCH NEW
        ann2< * SEARCH 2 3
        ann2< 6 OK SEARCH completed.
        ann2> 7 SEARCH OLD
        ann2< * SEARCH
        ann2< 7 OK SEARCH completed.
    """,
    "numbers that no message has (RFC 3501 9, 6.4.8)": r"""
        ann+ SELECT INBOX
        ann> 1 FETCH 4 FLAGS
        ann< 1 BAD There are 3 messages here; that number is none of theirs.
        ann> 2 UID FETCH 4 FLAGS
        ann< 2 OK FETCH completed.
        ann> 3 UID FETCH 9:* (UID)
        ann< * 3 FETCH (UID 3)
        ann< 3 OK FETCH completed.
        ann> 4 FETCH *:9 (UID)
        ann< 4 BAD There are 3 messages here; that number is none of theirs.
        ann> 5 STORE 9 FLAGS ()
        ann< 5 BAD There are 3 messages here; that number is none of theirs.
        ann> 6 COPY 9 INBOX
        ann< 6 BAD There are 3 messages here; that number is none of theirs.
        ann> 7 UID COPY 9 INBOX
        ann< 7 OK COPY completed.
        ann> 8 SEARCH 9
        ann< * SEARCH
        ann< 8 OK SEARCH completed.
        ann> 9 SEARCH UID 9:*
        ann< * SEARCH 3
        ann< 9 OK SEARCH completed.
        ann> 10 UID SEARCH *
        ann< * SEARCH 3
        ann< 10 OK SEARCH completed.
        ann> 11 FETCH 0 FLAGS
        ann< 11 BAD Wrong arguments. Usage: FETCH numbers items [(modifiers)]
        ann> 12 UID STORE 9 +FLAGS (\Seen)
        ann< 12 OK STORE completed.
    """,
    "response codes (RFC 5530, 3501 7.1, 4315, 6154)": r"""
        ann+ SELECT INBOX
        ann> 1 COPY 1 none
        ann< 1 NO [TRYCREATE] There is no such mailbox.
        ann> 2 UID MOVE 1 none
        ann< 2 NO [TRYCREATE] There is no such mailbox.
        ann> 3 APPEND none {1+}
        ann> a
        ann< 3 NO [TRYCREATE] There is no such mailbox.
        ann> 4 CREATE inbox
        ann< 4 NO [ALREADYEXISTS] There is a mailbox 'INBOX' already.
        ann> 5 DELETE INBOX
        ann< 5 NO [CANNOT] INBOX cannot be removed.
        ann> 6 DELETE none
        ann< 6 NO [NONEXISTENT] There is no such mailbox.
        ann> 7 RENAME none other
        ann< 7 NO [NONEXISTENT] There is no such mailbox.
        ann> 8 CREATE Work
        ann< 8 OK [MAILBOXID (M1-2)] CREATE completed.
        ann> 9 RENAME Work INBOX
        ann< 9 NO [ALREADYEXISTS] There is a mailbox 'INBOX' already.
        ann> 10 CREATE #none/x
        ann< 10 NO [CANNOT] Names of mailboxes do not begin with #; that is for namespaces.
        ann> 11 SEARCH CHARSET X-NONE ALL
        ann< 11 NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] The character set is not known.
        ann> 12 STORE 1 +FLAGS (\Nothing)
        ann< 12 BAD There is no such flag, or it cannot be set.
        ann> 13 LOGIN ann secret
        ann< 13 BAD Only possible before signing in.
        ann> 14 STARTTLS
        ann< 14 BAD Only possible before signing in.
        ann> 15 CREATE Sent (USE (\Sent))
        ann< 15 OK [MAILBOXID (M1-3)] CREATE completed.
        ann> 16 CREATE Sent2 (USE (\Sent))
        ann< 16 NO [USEATTR] Another mailbox has that special use.
        ann> 17 CREATE Else (USE (\Else))
        ann< 17 NO [USEATTR] Mailboxes can be for Archive, Drafts, Important, Junk, Sent, Trash.
        ann> 18 FROB
        ann< 18 BAD Unknown command.
        ann> 19 FETCH 1 (FROB)
        ann< 19 BAD Wrong arguments. Usage: FETCH numbers items [(modifiers)]
    """,
    "removing and moving (RFC 4315, 6851)": r"""
        ann+ SELECT INBOX
        ann> 1 UID STORE 2 +FLAGS.SILENT (\Deleted)
        ann< 1 OK STORE completed.
        ann> 2 UID EXPUNGE 1,3:*
        ann< 2 OK EXPUNGE completed.
        ann> 3 UID EXPUNGE 2:*
        ann< * 2 EXPUNGE
        ann< 3 OK EXPUNGE completed.
        ann> 4 COPY 1 INBOX
        ann< * 3 EXISTS
        ann< * 3 RECENT
        ann< 4 OK [COPYUID V 1 4] COPY completed.
        ann> 5 APPEND INBOX (\Seen $Work) " 1-Jan-2020 23:30:00 -0500" {15+}
        ann> Subject: late
        ann>
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work \*)] These stay when changed.
        ann< * 4 EXISTS
        ann< * 4 RECENT
        ann< 5 OK [APPENDUID V 5] APPEND completed.
        ann> 6 FETCH 4 (FLAGS INTERNALDATE)
        ann< * 4 FETCH (FLAGS (\Seen \Recent $Work) INTERNALDATE "02-Jan-2020 04:30:00 +0000")
        ann< 6 OK FETCH completed.
        ann> 7 SEARCH ON 2-Jan-2020
        ann< * SEARCH 4
        ann< 7 OK SEARCH completed.
        ann> 8 SEARCH KEYWORD $work
        ann< * SEARCH 4
        ann< 8 OK SEARCH completed.
        ann+ CREATE Work
        ann> 9 MOVE 1:2 Work
        ann< * OK [COPYUID V 1,3 1:2] They are there now.
        ann< * 2 EXPUNGE
        ann< * 1 EXPUNGE
        ann< 9 OK MOVE completed.
        ann> 10 CLOSE
        ann< 10 OK CLOSE completed.
        ann> 11 EXPUNGE
        ann< 11 BAD Select a mailbox first.
        ann> 12 EXAMINE INBOX
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
        ann< * OK [PERMANENTFLAGS ()] These stay when changed.
        ann< * 2 EXISTS
        ann< * 0 RECENT
        ann< * OK [UNSEEN 1] The first message that is not seen.
        ann< * OK [UIDVALIDITY V] UIDs are valid.
        ann< * OK [UIDNEXT 6] The next UID.
        ann< * OK [HIGHESTMODSEQ 10] The highest MODSEQ.
        ann< * OK [MAILBOXID (M1-1)] The mailbox has an id.
        ann< 12 OK [READ-ONLY] EXAMINE completed.
        ann> 13 STORE 1 +FLAGS (\Deleted)
        ann< 13 NO The mailbox was opened for reading only.
        ann> 14 EXPUNGE
        ann< 14 NO The mailbox was opened for reading only.
        ann> 15 MOVE 1 Work
        ann< 15 NO The mailbox was opened for reading only.
        ann> 16 UNSELECT
        ann< 16 OK UNSELECT completed.
    """,
    "names (RFC 3501 6.3, 5258, 5819)": r"""
        ann> 1 LIST "" ""
        ann< * LIST (\Noselect) "/" ""
        ann< 1 OK LIST completed.
        ann> 2 LIST "#user/x" ""
        ann< * LIST (\Noselect) "/" "#user/"
        ann< 2 OK LIST completed.
        ann+ CREATE Projects/2026
        ann+ CREATE Projects/2026/May
        ann> 3 LIST "" *
        ann< * LIST (\HasNoChildren) "/" "INBOX"
        ann< * LIST (\HasChildren) "/" "Projects/2026"
        ann< * LIST (\HasNoChildren) "/" "Projects/2026/May"
        ann< 3 OK LIST completed.
        ann> 4 LIST "" %
        ann< * LIST (\HasNoChildren) "/" "INBOX"
        ann< * LIST (\Noselect \HasChildren) "/" "Projects"
        ann< 4 OK LIST completed.
        ann> 5 LIST "" Projects/%
        ann< * LIST (\HasChildren) "/" "Projects/2026"
        ann< 5 OK LIST completed.
        ann> 6 RENAME Projects Old
        ann< 6 OK RENAME completed.
        ann> 7 LIST "" *
        ann< * LIST (\HasNoChildren) "/" "INBOX"
        ann< * LIST (\HasChildren) "/" "Old/2026"
        ann< * LIST (\HasNoChildren) "/" "Old/2026/May"
        ann< 7 OK LIST completed.
        ann> 8 RENAME Projects Older
        ann< 8 NO [NONEXISTENT] There is no such mailbox.
        ann> 9 RENAME Old Old/er
        ann< 9 NO [CANNOT] A mailbox cannot be moved below itself.
        ann> 10 RENAME Old INBOX
        ann< 10 NO [ALREADYEXISTS] There is a mailbox 'INBOX' already.
        ann> 11 SUBSCRIBE Old/2026/May
        ann< 11 OK SUBSCRIBE completed.
        ann> 12 LSUB "" *
        ann< * LSUB () "/" "INBOX"
        ann< * LSUB () "/" "Old/2026/May"
        ann< 12 OK LSUB completed.
        ann> 13 LSUB "" %
        ann< * LSUB () "/" "INBOX"
        ann< * LSUB (\Noselect) "/" "Old"
        ann< 13 OK LSUB completed.
        ann> 14 LIST (SUBSCRIBED RECURSIVEMATCH) "" %
        ann< * LIST (\Subscribed \HasNoChildren) "/" "INBOX"
        ann< * LIST (\NonExistent \HasChildren) "/" "Old" ("CHILDINFO" ("SUBSCRIBED"))
        ann< 14 OK LIST completed.
        ann> 15 LIST (SUBSCRIBED) "" * RETURN (CHILDREN STATUS (MESSAGES))
        ann< * LIST (\Subscribed \HasNoChildren) "/" "INBOX"
        ann< * STATUS "INBOX" (MESSAGES 3)
        ann< * LIST (\Subscribed \HasNoChildren) "/" "Old/2026/May"
        ann< * STATUS "Old/2026/May" (MESSAGES 0)
        ann< 15 OK LIST completed.
        ann> 16 DELETE Old/2026
        ann< 16 OK DELETE completed.
        ann> 17 LIST "" Old*
        ann< * LIST (\HasNoChildren) "/" "Old/2026/May"
        ann< 17 OK LIST completed.
        ann> 18 NAMESPACE
        ann< * NAMESPACE (("" "/")) (("#user/" "/")) (("#shared/" "/"))
        ann< 18 OK NAMESPACE completed.
    """,
    "announced and refused (RFC 5255, 5465, 9208)": r"""
        ann> 1 COMPARATOR "*"
        ann< * COMPARATOR "i;unicode-casemap"
        ann< 1 OK COMPARATOR completed.
        ann> 2 NOTIFY SET (personal (AnnotationChange))
        ann< 2 NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange \
            MailboxMetadataChange ServerMetadataChange)] An event is not known.
        ann> 3 CAPABILITY
        ann< * CAPABILITY IMAP4rev2 IMAP4rev1 LITERAL+ SASL-IR ID ENABLE LANGUAGE ACL RIGHTS=texk BINARY CATENATE \
            CHILDREN CONDSTORE CONTEXT=SEARCH CONTEXT=SORT CREATE-SPECIAL-USE ESEARCH ESORT I18NLEVEL=2 IDLE \
            INPROGRESS LIST-EXTENDED LIST-METADATA LIST-MYRIGHTS LIST-STATUS METADATA METADATA-SERVER MOVE \
            MULTIAPPEND MULTISEARCH NAMESPACE NOTIFY OBJECTID PARTIAL PREVIEW QRESYNC QUOTA QUOTA=RES-STORAGE \
            QUOTA=RES-MESSAGE QUOTASET REPLACE SAVEDATE SEARCH=FUZZY SEARCHRES SORT SORT=DISPLAY SPECIAL-USE \
            STATUS=DELETED STATUS=SIZE THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS UIDONLY UIDPLUS \
            UNAUTHENTICATE UNSELECT URLAUTH UTF8=ACCEPT WITHIN APPENDLIMIT=52428800 MESSAGELIMIT=100000 \
            COMPRESS=DEFLATE
        ann< 3 OK CAPABILITY completed.
        ann> 4 GETQUOTAROOT INBOX
        ann< * QUOTAROOT "INBOX" ann@example.test
        ann< * QUOTA ann@example.test ()
        ann< 4 OK GETQUOTAROOT completed.
        ann> 5 UNSELECT
        ann< 5 BAD Select a mailbox first.
    """,
}

OF_PARTS = r"""
        ann+ SELECT INBOX
        ann> 1 FETCH 1 (BODY.PEEK[1.MIME] BODY.PEEK[1.HEADER] BODY.PEEK[2.MIME])
        ann< * 1 FETCH (BODY[1.MIME] {28}
        ann< Content-Type: text/plain
        ann<
        ann<  BODY[1.HEADER] NIL BODY[2.MIME] {32}
        ann< Content-Type: message/rfc822
        ann<
        ann< )
        ann< 1 OK FETCH completed.
        ann> 2 FETCH 1 (BODY.PEEK[2.HEADER])
        ann< * 1 FETCH (BODY[2.HEADER] {18}
        ann< Subject: inner
        ann<
        ann< )
        ann< 2 OK FETCH completed.
        ann> 3 FETCH 1 (BODY.PEEK[2.1.MIME])
        ann< * 1 FETCH (BODY[2.1.MIME] {18}
        ann< Subject: inner
        ann<
        ann< )
        ann< 3 OK FETCH completed.
        ann> 4 FETCH 1 (BODYSTRUCTURE)
        ann< * 1 FETCH (BODYSTRUCTURE (("text" "plain" NIL NIL NIL "7bit" 5 0 NIL NIL NIL NIL)("message" "rfc822" \
            NIL NIL NIL "7bit" 24 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" \
            "us-ascii") NIL NIL "7bit" 6 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) "mixed" ("boundary" "B") NIL NIL NIL))
        ann< 4 OK FETCH completed.
        ann> 5 FETCH 1 (BODY)
        ann< * 1 FETCH (BODY (("text" "plain" NIL NIL NIL "7bit" 5 0)("message" "rfc822" NIL NIL NIL "7bit" 24 (NIL \
            "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 0) 2) \
            "mixed"))
        ann< 5 OK FETCH completed.
        ann> 6 FETCH 2 (BODY[1])
        ann< * 2 FETCH (FLAGS (\Seen \Recent) BODY[1] {7}
        ann< words
        ann< )
        ann< 6 OK FETCH completed.
        ann> 7 FETCH 2 (RFC822.TEXT BODY.PEEK[2])
        ann< * 2 FETCH (RFC822.TEXT {7}
        ann< words
        ann<  BODY[2] NIL)
        ann< 7 OK FETCH completed.
        ann> 8 FETCH 2 (RFC822.HEADER)
        ann< * 2 FETCH (RFC822.HEADER {68}
        ann< From: Ann <ann@example.test>
        ann< To: bob@example.test
        ann< Subject: one
        ann<
        ann< )
        ann< 8 OK FETCH completed.
        ann> 9 FETCH 2 FAST
        ann< * 2 FETCH (FLAGS (\Seen \Recent) INTERNALDATE "14-Nov-2023 22:13:20 +0000" RFC822.SIZE 75)
        ann< 9 OK FETCH completed.
"""


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


@pytest.mark.parametrize("how", HOW)
def test_parts(tmp_path: Path, loop: asyncio.AbstractEventLoop, how: str) -> None:
    """RFC 3501 6.4.5, 7.4.2: parts within parts, and what has none."""
    with house(tmp_path, loop) as made:
        made.deliver("ann", PARTS, message("one"))
        loop.run_until_complete(play_together(made, OF_PARTS, how))
