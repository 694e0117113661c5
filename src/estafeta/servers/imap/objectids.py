"""Ids of RFC 8474: the same message, mailbox or thread has the same id wherever a client meets it."""


def email_id(content_id: int) -> str:
    """EMAILID: one for each stored content, which copies of a message share."""
    return f"E{content_id:x}"


def mailbox_id(account_id: int, mailbox: int) -> str:
    """MAILBOXID: it stays through RENAME, and is never given to another mailbox."""
    return f"M{account_id}-{mailbox}"
