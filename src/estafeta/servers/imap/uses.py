"""Special uses that a mailbox can have (RFC 6154 2, RFC 8457).

\\All and \\Flagged are for views over other mailboxes, which there are none of.
"""

#: By name in lower case.
USES = {use.lower(): use for use in ("Archive", "Drafts", "Important", "Junk", "Sent", "Trash")}
