"""Mailboxes: messages, UIDs, MODSEQ, flags, counters, and the feed of changes, over the durable store."""
