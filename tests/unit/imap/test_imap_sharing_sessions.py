"""Mailboxes of others (RFC 4314): each command needs its right, and a change of rights is felt at once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_house import House, house, message
from imap_together import play_together

HOW = ("whole", "bytes", "split")
MESSAGES = (message("one"), message("two"))

SESSIONS = {
    "without rights, to look up, to read": r"""
        ann+ CREATE Work
        ann+ SELECT INBOX
        ann+ COPY 1:2 Work
        bob> 1 SELECT "#user/ann@example.test/Work"
        bob< 1 NO [NONEXISTENT] There is no such mailbox.
        bob> 2 STATUS "#user/ann@example.test/Work" (MESSAGES)
        bob< 2 NO [NONEXISTENT] There is no such mailbox.
        bob> 3 LIST "" *
        bob< * LIST (\HasNoChildren) "/" "INBOX"
        bob< 3 OK LIST completed.
        ann+ SETACL Work bob@example.test l
        bob> 4 LIST "" *
        bob< * LIST (\HasNoChildren) "/" "INBOX"
        bob< * LIST (\Noselect \HasNoChildren) "/" "#user/ann@example.test/Work"
        bob< 4 OK LIST completed.
        bob> 5 SELECT "#user/ann@example.test/Work"
        bob< 5 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 6 STATUS "#user/ann@example.test/Work" (MESSAGES)
        bob< 6 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 7 MYRIGHTS "#user/ann@example.test/Work"
        bob< * MYRIGHTS "#user/ann@example.test/Work" l
        bob< 7 OK MYRIGHTS completed.
        ann+ SETACL Work bob@example.test lr
        bob> 8 SELECT "#user/ann@example.test/Work"
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS ()] These stay when changed.
        bob< * 2 EXISTS
        bob< * 2 RECENT
        bob< * OK [UNSEEN 1] The first message that is not seen.
        bob< * OK [UIDVALIDITY V] UIDs are valid.
        bob< * OK [UIDNEXT 3] The next UID.
        bob< * OK [HIGHESTMODSEQ 5] The highest MODSEQ.
        bob< * OK [MAILBOXID (M1-2)] The mailbox has an id.
        bob< 8 OK [READ-ONLY] SELECT completed.
        bob> 9 FETCH 1 (BODY[TEXT])
        bob< * 1 FETCH (BODY[TEXT] {7}
        bob< words
        bob< )
        bob< 9 OK FETCH completed.
        bob> 10 STORE 1 +FLAGS (\Seen)
        bob< 10 NO [NOPERM] You may not do that in this mailbox.
        bob> 11 EXPUNGE
        bob< 11 NO [NOPERM] You may not do that in this mailbox.
        bob> 12 MOVE 1 INBOX
        bob< 12 NO [NOPERM] You may not do that in this mailbox.
        bob> 13 COPY 1 INBOX
        bob< 13 OK [COPYUID V 1 1] COPY completed.
        bob> 14 COPY 1 "#user/ann@example.test/Work"
        bob< 14 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 15 APPEND "#user/ann@example.test/Work" {1+}
        bob> a
        bob< 15 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 16 CREATE "#user/ann@example.test/Work/sub"
        bob< 16 NO [NOPERM] You have no right to make a mailbox there.
        bob> 17 RENAME "#user/ann@example.test/Work" "#user/ann@example.test/Work2"
        bob< 17 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 18 DELETE "#user/ann@example.test/Work"
        bob< 18 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 19 GETACL "#user/ann@example.test/Work"
        bob< 19 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 20 SETACL "#user/ann@example.test/Work" bob@example.test lrswipkxtea
        bob< 20 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 21 SETMETADATA "#user/ann@example.test/Work" (/shared/comment "x")
        bob< 21 NO [NOPERM] You have no right to do that with this mailbox.
        bob> 22 GETQUOTAROOT "#user/ann@example.test/Work"
        bob< * QUOTAROOT "#user/ann@example.test/Work" ann@example.test
        bob< * QUOTA ann@example.test ()
        bob< 22 OK GETQUOTAROOT completed.
    """,
    "each right": r"""
        ann+ CREATE Work
        ann+ SELECT INBOX
        ann+ COPY 1:2 Work
        ann+ SETACL Work bob@example.test lrs
        bob> 1 SELECT "#user/ann@example.test/Work"
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS (\Seen)] These stay when changed.
        bob< * 2 EXISTS
        bob< * 2 RECENT
        bob< * OK [UNSEEN 1] The first message that is not seen.
        bob< * OK [UIDVALIDITY V] UIDs are valid.
        bob< * OK [UIDNEXT 3] The next UID.
        bob< * OK [HIGHESTMODSEQ 5] The highest MODSEQ.
        bob< * OK [MAILBOXID (M1-2)] The mailbox has an id.
        bob< 1 OK [READ-WRITE] SELECT completed.
        bob> 2 STORE 1 +FLAGS (\Seen \Flagged \Deleted mine)
        bob< * 1 FETCH (FLAGS (\Seen \Recent))
        bob< 2 OK STORE completed.
        bob> 3 STORE 1 +FLAGS (\Flagged)
        bob< 3 NO [NOPERM] You may not set these flags in this mailbox.
        bob> 4 FETCH 2 (BODY[TEXT])
        bob< * 2 FETCH (FLAGS (\Seen \Recent) BODY[TEXT] {7}
        bob< words
        bob< )
        bob< 4 OK FETCH completed.
        ann+ SETACL Work bob@example.test lrt
        bob> 5 STORE 1 FLAGS (\Deleted)
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS (\Deleted)] These stay when changed.
        bob< * 1 FETCH (FLAGS (\Seen \Deleted \Recent))
        bob< 5 OK STORE completed.
        bob> 6 EXPUNGE
        bob< 6 NO [NOPERM] You may not do that in this mailbox.
        bob> 7 CLOSE
        bob< 7 OK CLOSE completed.
        ann+ SETACL Work bob@example.test lrte
        bob> 8 SELECT "#user/ann@example.test/Work"
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS (\Deleted)] These stay when changed.
        bob< * 2 EXISTS
        bob< * 0 RECENT
        bob< * OK [UIDVALIDITY V] UIDs are valid.
        bob< * OK [UIDNEXT 3] The next UID.
        bob< * OK [HIGHESTMODSEQ 8] The highest MODSEQ.
        bob< * OK [MAILBOXID (M1-2)] The mailbox has an id.
        bob< 8 OK [READ-WRITE] SELECT completed.
        bob> 9 EXPUNGE
        bob< * 1 EXPUNGE
        bob< 9 OK EXPUNGE completed.
        ann+ SETACL Work bob@example.test lrsi
        bob> 10 APPEND "#user/ann@example.test/Work" (\Seen \Flagged mine) {1+}
        bob> a
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS (\Seen)] These stay when changed.
        bob< * 2 EXISTS
        bob< * 1 RECENT
        bob< 10 OK [APPENDUID V 3] APPEND completed.
        bob> 11 FETCH 2 (FLAGS)
        bob< * 2 FETCH (FLAGS (\Seen \Recent))
        bob< 11 OK FETCH completed.
        ann+ SETACL Work bob@example.test lrk
        bob> 12 CREATE "#user/ann@example.test/Work/sub"
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS ()] These stay when changed.
        bob< * OK [READ-ONLY] Your rights to this mailbox were changed.
        bob< 12 OK [MAILBOXID (M1-3)] CREATE completed.
        bob> 13 MYRIGHTS "#user/ann@example.test/Work/sub"
        bob< * MYRIGHTS "#user/ann@example.test/Work/sub" lrkc
        bob< 13 OK MYRIGHTS completed.
        ann+ SETACL Work bob@example.test lrx
        bob> 14 RENAME "#user/ann@example.test/Work" "#user/ann@example.test/Work2"
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS ()] These stay when changed.
        bob< 14 NO [NOPERM] You have no right to make a mailbox there.
        bob> 15 DELETE "#user/ann@example.test/Work"
        bob< * OK [CLOSED] The mailbox is closed.
        bob< 15 OK DELETE completed.
        bob> 16 NOOP
        bob< 16 OK NOOP completed.
    """,
    "changes are felt at once": r"""
        ann+ CREATE Work
        ann+ SELECT INBOX
        ann+ COPY 1:2 Work
        ann+ SETACL Work bob@example.test lrswit
        bob+ SELECT "#user/ann@example.test/Work"
        bob> 1 STORE 1 +FLAGS (\Flagged)
        bob< * 1 FETCH (FLAGS (\Flagged \Recent))
        bob< 1 OK STORE completed.
        ann+ SETACL Work bob@example.test lr
        bob> 2 STORE 1 +FLAGS (\Answered)
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS ()] These stay when changed.
        bob< * OK [READ-ONLY] Your rights to this mailbox were changed.
        bob< 2 NO [NOPERM] You may not do that in this mailbox.
        bob> 3 FETCH 1 (FLAGS)
        bob< * 1 FETCH (FLAGS (\Flagged \Recent))
        bob< 3 OK FETCH completed.
        ann+ SETACL Work bob@example.test lrs
        bob> 4 STORE 1 +FLAGS (\Seen)
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        bob< * OK [PERMANENTFLAGS (\Seen)] These stay when changed.
        bob< * OK [READ-WRITE] Your rights to this mailbox were changed.
        bob< * 1 FETCH (FLAGS (\Seen \Flagged \Recent))
        bob< 4 OK STORE completed.
        bob2+ EXAMINE "#user/ann@example.test/Work"
        ann+ SETACL Work bob@example.test lrsw
        bob2> 1 STORE 1 +FLAGS (\Answered)
        bob2< 1 NO The mailbox was opened for reading only.
        bob2> 2 IDLE
        bob2< + idling
        ann+ DELETEACL Work bob@example.test
        bob2< * BYE [UNAVAILABLE] You have no right to this mailbox any more.
        bob> 5 FETCH 1 (BODY.PEEK[])
        bob< * BYE [UNAVAILABLE] You have no right to this mailbox any more.
        bob3> 1 SELECT "#user/ann@example.test/Work"
        bob3< 1 NO [NONEXISTENT] There is no such mailbox.
        bob3> 2 LIST "" *
        bob3< * LIST (\HasNoChildren) "/" "INBOX"
        bob3< 2 OK LIST completed.
    """,
    "two at work": r"""
        ann+ CREATE Work
        ann+ SETACL Work bob@example.test lrswite
        ann+ SELECT Work
        bob+ SELECT "#user/ann@example.test/Work"
        ann> 1 APPEND Work {1+}
        ann> a
        ann< * 1 EXISTS
        ann< * 1 RECENT
        ann< 1 OK [APPENDUID V 1] APPEND completed.
        bob> 1 NOOP
        bob< * 1 EXISTS
        bob< * 1 RECENT
        bob< 1 OK NOOP completed.
        bob> 2 STORE 1 +FLAGS (\Deleted $Work)
        bob< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
        bob< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work \*)] These stay when changed.
        bob< * 1 FETCH (FLAGS (\Deleted \Recent $Work))
        bob< 2 OK STORE completed.
        ann> 2 NOOP
        ann< * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
        ann< * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work \*)] These stay when changed.
        ann< * 1 FETCH (UID 1 FLAGS (\Deleted \Recent $Work))
        ann< 2 OK NOOP completed.
        bob> 3 EXPUNGE
        bob< * 1 EXPUNGE
        bob< 3 OK EXPUNGE completed.
        ann> 3 FETCH 1 (FLAGS)
        ann< 3 NO [EXPUNGEISSUED] Some of these messages are no longer there.
        ann> 4 NOOP
        ann< * 1 EXPUNGE
        ann< 4 OK NOOP completed.
        ann> 5 SETACL Work bob@example.test +x
        ann< 5 OK SETACL completed.
        ann> 6 SETACL Work bob@example.test -sx
        ann< 6 OK SETACL completed.
        ann> 7 GETACL Work
        ann< * ACL "Work" ann@example.test lrswipkxteacd bob@example.test lrwited
        ann< 7 OK GETACL completed.
        ann> 8 LISTRIGHTS Work bob@example.test
        ann< * LISTRIGHTS "Work" bob@example.test "" l r s w i p k x t e a c d
        ann< 8 OK LISTRIGHTS completed.
        ann> 9 LISTRIGHTS Work ann@example.test
        ann< * LISTRIGHTS "Work" ann@example.test lrswipkxteacd
        ann< 9 OK LISTRIGHTS completed.
        ann> 10 SETACL Work ann@example.test lr
        ann< 10 NO [CANNOT] The owner of a mailbox always has all rights on it.
        ann> 11 SETACL Work nobody@example.test lr
        ann< 11 NO [CANNOT] That is nobody here. Rights are for the address of a user, @domain, group:address, or \
            anyone; with - in front they are taken away.
        ann> 12 SETACL Work bob@example.test lrz
        ann< 12 BAD The rights are lrswipkxtea.
        ann> 13 DELETE Work
        ann< * OK [CLOSED] The mailbox is closed.
        ann< 13 OK DELETE completed.
        bob> 4 NOOP
        bob< * BYE [UNAVAILABLE] You have no right to this mailbox any more.
    """,
    "NOTIFY tells of what may be read (RFC 5465 5)": r"""
        ann+ CREATE Work
        ann+ SELECT INBOX
        ann+ SETACL Work bob@example.test l
        bob> 1 NOTIFY SET STATUS (subtree #user/ann@example.test (MessageNew MessageExpunge)) (personal (MailboxName))
        bob< * LIST (\NoAccess) "/" "#user/ann@example.test/Work"
        bob< 1 OK NOTIFY completed.
        ann+ COPY 1 Work
        bob> 2 NOOP
        bob< 2 OK NOOP completed.
        ann+ SETACL Work bob@example.test lr
        bob> 3 NOTIFY SET STATUS (subtree #user/ann@example.test (MessageNew MessageExpunge)) (personal (MailboxName))
        bob< * STATUS "#user/ann@example.test/Work" (MESSAGES 1 UIDNEXT 2 UNSEEN 1 UIDVALIDITY V)
        bob< 3 OK NOTIFY completed.
        ann+ COPY 1 Work
        bob< * STATUS "#user/ann@example.test/Work" (MESSAGES 2 UIDNEXT 3 UNSEEN 2 UIDVALIDITY V)
        ann+ SETACL Work bob@example.test l
        ann+ COPY 1 Work
        bob> 4 NOOP
        bob< 4 OK NOOP completed.
    """,
    "groups of NOTIFY add up (RFC 5465 6)": r"""
        ann+ CREATE Work
        ann+ CREATE Junk
        ann+ NOTIFY SET (mailboxes Junk NONE) (mailboxes Work (MessageNew MessageExpunge)) (personal (MailboxName))
        ann2+ SELECT INBOX
        ann2+ COPY 1 Work
        ann< * STATUS "Work" (MESSAGES 1 UIDNEXT 2 UNSEEN 1 UIDVALIDITY V)
        ann2+ RENAME Work Play
        ann< * LIST () "/" "Play" ("OLDNAME" ("Work"))
        ann2+ DELETE Junk
        ann> 1 NOOP
        ann< 1 OK NOOP completed.
    """,
    "a name that is only a parent": r"""
        ann+ CREATE Work/a
        ann+ CREATE Work/b
        ann+ SETACL Work/a bob@example.test lrkx
        bob> 1 RENAME "#user/ann@example.test/Work" "#user/ann@example.test/Work2"
        bob< 1 NO [NOPERM] You have no right to do that with this mailbox.
        ann+ SETACL Work/b bob@example.test lrkx
        bob> 2 RENAME "#user/ann@example.test/Work" "#user/ann@example.test/Work2"
        bob< 2 NO [NOPERM] You have no right to make a mailbox there.
        bob> 3 RENAME "#user/ann@example.test/Work" mine
        bob< 3 NO [CANNOT] A mailbox stays with its owner: make a new one and move the messages.
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
