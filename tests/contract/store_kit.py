"""A whole small store for the contract suite, and short words for what is done to it."""

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estafeta.app.storecheck import verify
from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mail.scan import MessageScanner, MessageSummary
from estafeta.mailboxes import look
from estafeta.mailboxes.change import Expunge, expunge
from estafeta.mailboxes.copying import CopyMessages, copy_messages
from estafeta.mailboxes.deliver import deliver
from estafeta.mailboxes.folders import CreateMailbox, create_mailbox
from estafeta.mailboxes.storing import StoreFlags, store_flags
from estafeta.mailboxes.values import Arrival, Copied, Delivery, Expunged, Flag, Snapshot, Stored, ranges_of
from estafeta.storage.commit import GroupCommit, Operation
from estafeta.storage.database import Database
from estafeta.storage.packs import Location, Packs

NOW_MS = 1_700_000_000_000
MESSAGE = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nWords.\r\n"


def summary_of(content: bytes) -> MessageSummary:
    scanner = MessageScanner()
    scanner.feed(content)
    return scanner.close()


def arrival(content: bytes, *deliveries: Delivery) -> Arrival:
    return Arrival(summary_of(content), deliveries, NOW_MS, NOW_MS)


def to(account: int, mailbox: int = INBOX, *, flags: int = 0, keywords: str = "", quota: int = 0) -> Delivery:
    return Delivery(AccountId(account), MailboxId(mailbox), flags, keywords, quota)


class _Sent(GroupCommit):
    """Payloads come as the writer gets them: out of a pickle."""

    def run(self, operation: Operation, payload: Any, contents: Sequence[bytes | Location] = ()) -> Any:
        return super().run(operation, pickle.loads(pickle.dumps(payload)), contents)


@dataclass
class Store:
    """Database, packs and one writer."""

    url: str
    root: Path
    database: Database
    packs: Packs
    group: GroupCommit

    @classmethod
    def open(cls, url: str, root: Path, **options: Any) -> "Store":
        database, packs = Database(url), Packs(root)
        return cls(url, root, database, packs, _Sent(database, packs, **options))

    def close(self) -> None:
        self.group.close()
        self.packs.close()
        self.database.close()

    def deliver(self, content: bytes, *deliveries: Delivery) -> list[Any]:
        return list(self.group.run(deliver, arrival(content, *deliveries), (content,)))

    def expunge(self, account: int, uids: Sequence[int], mailbox: int = INBOX) -> int:
        gone = self.expunged(account, uids, mailbox)
        return sum(last - first + 1 for first, last in gone.ranges)

    def expunged(self, account: int, uids: Sequence[int], mailbox: int = INBOX, only_deleted: bool = False) -> Expunged:
        wanted = Expunge(AccountId(account), MailboxId(mailbox), ranges_of(uids), only_deleted)
        done: Expunged = self.group.run(expunge, wanted)
        return done

    def flag(self, account: int, uids: Sequence[int], mode: str, *what: Any, mailbox: int = INBOX) -> int:
        return self.store(account, uids, mode, *what, mailbox=mailbox).modseq

    def store(
        self,
        account: int,
        uids: Sequence[int],
        mode: Any,
        flags: int = 0,
        keywords: Iterable[str] = (),
        unchanged_since: int | None = None,
        mailbox: int = INBOX,
    ) -> Stored:
        done: Stored = self.group.run(
            store_flags,
            StoreFlags(
                AccountId(account),
                MailboxId(mailbox),
                ranges_of(uids),
                mode,
                flags,
                frozenset(keywords),
                unchanged_since,
            ),
        )
        return done

    def copy(self, source: tuple[int, int], uids: Sequence[int], target: tuple[int, int], **how: Any) -> Copied:
        wanted = CopyMessages(
            AccountId(source[0]),
            MailboxId(source[1]),
            ranges_of(uids),
            AccountId(target[0]),
            MailboxId(target[1]),
            **how,
        )
        done: Copied = self.group.run(copy_messages, wanted)
        return done

    def create(self, account: int, name: str, **how: Any) -> MailboxId:
        return MailboxId(self.group.run(create_mailbox, CreateMailbox(AccountId(account), name, **how)))

    def snapshot(self, account: int, mailbox: int = INBOX) -> Snapshot:
        return look.snapshot(self.database, AccountId(account), MailboxId(mailbox))

    def status(self, account: int, mailbox: int = INBOX) -> look.MailboxStatus:
        return look.status(self.database, AccountId(account), MailboxId(mailbox))

    def contents(self, account: int, mailbox: int = INBOX) -> list[bytes]:
        return [self.packs.read(row.location) for row in self.snapshot(account, mailbox).rows]

    def locations(self, account: int, mailbox: int = INBOX) -> list[Location]:
        return [row.location for row in self.snapshot(account, mailbox).rows]

    def counters(self, account: int, mailbox: int = INBOX) -> tuple[int, int, int, int]:
        """Messages, unseen, deleted, octets."""
        status = self.status(account, mailbox)
        return status.messages, status.unseen, status.deleted, status.bytes


def problems(store: Store) -> list[str]:
    """What `store verify` says."""
    return [problem.sentence for problem in verify(store.database, store.packs, lambda done, total: None)]


__all__ = ["MESSAGE", "NOW_MS", "Flag", "Store", "arrival", "problems", "summary_of", "to"]
