"""What the codes of the journal mean, for docs/reference/journal-codes.md and for people who ask."""

from estafeta.journal.filtering import REDUCED
from estafeta.journal.records import Code

#: First letter or digit of a code: which part of the server acts.
FUNCTIONS = {
    "7": "notices to senders (bridge server)",
    "8": "SMTP client",
    "9": "SMTP server",
    "A": "non-delivery",
    "B": "local delivery",
    "C": "forwarding to the queue",
    "D": "POP server",
    "E": "made by a program here (send mail API)",
    "H": "an operator",
    "J": "IMAP server",
    "O": "filtering",
    "P": "address resolution",
    "T": "distribution lists",
}

#: What happened, and what text and detail hold of it.
MEANINGS = {
    Code.RECEIVED_LOCAL: "a message was taken for mailboxes here; about its originator, text is the protocol",
    Code.RECEIVED_RELAY: "a message was taken that goes (also) to other servers",
    Code.CONNECTION_REFUSED: "a client was not let in; of no message",
    Code.RELAY_REFUSED: "a recipient was refused because the client may not send to other servers",
    Code.REJECTED: "a sender, a recipient or a message was refused; text is the reply",
    Code.QUEUED: "a recipient was put in the queue; hop is where it goes",
    Code.DELIVERED_LOCAL: "filed in a mailbox; mailbox is account/mailbox/UID",
    Code.NOT_DELIVERED_LOCAL: "could not be filed in a mailbox",
    Code.RESOLVED: "an address stands for others (alias, group, forwarding); text names them; with child: it had "
    "waited, was looked up anew, and went on as that message",
    Code.MADE_HERE: "a message was made here: a notice, a posting of a list, a program's",
    Code.ATTEMPT: "an attempt to deliver was made",
    Code.SENT: "another server took it; text is its reply",
    Code.UNDELIVERABLE: "given up for a recipient; text is the last reply or reason",
    Code.RETRY_FIRST: "put off for the first time; next_ms is the next try",
    Code.RETRY_SECOND: "put off again",
    Code.READY_AGAIN: "its time has come, or an operator asked for a try now",
    Code.PUT_BACK: "put back in the queue, not tried",
    Code.LOOKUP_FAILED: "the destination could not be looked up in DNS",
    Code.MAYBE_TWICE: "the reply to the end of the message was lost: it may arrive twice",
    Code.CONFIRMATION: "a confirmation of delivery was sent; notice is its ident",
    Code.DELAY_NOTICE: "a notice of delay was sent",
    Code.NONDELIVERY: "a notice of non-delivery was sent",
    Code.NO_NOTICE: "nobody was told, and why not",
    Code.HELD: "held",
    Code.RELEASED: "released",
    Code.REMOVED: "removed from the queue without a notice",
    Code.BOUNCED: "returned to its sender at an operator's word",
    Code.CHANGED: "its next try, lane or destination was changed",
    Code.READ_POP: "read with POP3 (once per session); about its reader",
    Code.READ_IMAP: r"got \Seen with IMAP; about its reader",
    Code.CHECKED: "what the checks said; detail has each with its points",
    Code.FILTERED: "kept from its recipient; text is why, kept says that it is held in quarantine, else it is dropped",
    Code.LIST_EXPANDED: "sent to the members of a list",
    Code.LIST_HELD: "waits for a moderator",
    Code.LIST_REFUSED: "refused by a list",
    Code.LIST_COMMAND: "a command to a list",
    Code.LIST_BOUNCE: "a bounce of a member came back to a list",
    Code.SPLIT: "split into message/partial pieces",
    Code.JOINED: "joined from message/partial pieces",
}

_HEAD = """# Codes of the journal

Each transition of a message is one record, written in the same commit as the transition. The codes are those of the
mail server journal of i5/OS, as far as it has them; H, J and T are ours. `estafeta message trace` tells them in words,
`estafeta message show` and `estafeta journal show` name them, `estafeta journal export --i5` writes them as i5/OS does.

"""
_TAIL = """
## Fields

`message_id` (shown in hex, as in the reply to the client and in the Received field; it begins with the time in
milliseconds), `at_us`, `code`, `address` (whom it is about), `peer`, `size` in octets, `text`, and `detail`: a JSON
object with what is known of subject, message_id (the field), to, login, tls, hop, host, seconds, attempt, next_ms
(epoch milliseconds), status, notice, child and parent (idents of other messages), list, reason, who, mailbox, envid,
signed and sealed (DKIM and ARC: a domain and the selectors of its keys).

## Lines of `--i5`

After the line of a record its lines with the same function and `1` the originator (O), `2` a recipient (R) or one that
it was not delivered to (U), `9` the Message-ID field.
"""


def render_codes() -> str:
    """The reference page."""
    parts = [_HEAD, "## First character\n\n| | |\n|---|---|\n"]
    parts += [f"| {letter} | {what} |\n" for letter, what in FUNCTIONS.items()]
    parts.append("\n## Codes\n\nThose marked with * are written with `journal.level` reduced, too.\n\n")
    parts.append("| code | what happened |\n|---|---|\n")
    parts += [f"| {code}{'*' if code in REDUCED else ''} | {MEANINGS[code]} |\n" for code in sorted(Code)]
    return "".join([*parts, _TAIL])
