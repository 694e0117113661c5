"""Identifiers: integers that the type checker keeps apart."""

from typing import NewType

AccountId = NewType("AccountId", int)
"""A mail account; never used again after its account is purged."""

MailboxId = NewType("MailboxId", int)
"""A mailbox (folder) within one account. INBOX is always 1."""

ContentId = NewType("ContentId", int)
"""A stored message content: the pack it was born in << 32 | its first offset there. Keeps its value when moved."""

PackId = NewType("PackId", int)
"""A pack of contents (docs/internals/store.md)."""

INBOX = MailboxId(1)

JUNK = MailboxId(-1)
"""In a delivery: the mailbox with the special use \\Junk (RFC 6154), which is made where there is none."""

SHARED = AccountId(0)
"""Owns the mailboxes of `#shared/`. No user has it, and it has no INBOX."""
