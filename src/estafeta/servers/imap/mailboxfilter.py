"""Which mailboxes a filter of NOTIFY or ESEARCH means (RFC 5465 6, RFC 7377 2.2)."""

from collections.abc import Iterable, Iterator, Sequence

from estafeta.servers.imap.folders import DELIMITER, Folder
from estafeta.servers.imap.listing import Names, above


def filtered(names: Names, name: str, mailboxes: Sequence[str]) -> Iterator[Folder]:
    """The mailboxes that the filter `name` means, `mailboxes` being what it was given, each once, by name.

    INBOXES are those that mail may be delivered to: INBOX. The selected ones are the session's to know.
    """
    chosen: Iterable[str]
    match name:
        case "INBOXES":
            chosen = ["INBOX"]
        case "PERSONAL":
            chosen = [key for key, folder in names.folders.items() if folder.account_id == names.own]
        case "SUBSCRIBED":
            chosen = names.subscribed
        case "SUBTREE":
            tops = frozenset(mailboxes)
            chosen = [key for key in names.folders if key in tops or not tops.isdisjoint(above(key))]
        case "SUBTREE-ONE":
            tops = frozenset(mailboxes)
            chosen = [key for key in names.folders if key in tops or key.rpartition(DELIMITER)[0] in tops]
        case "MAILBOXES":
            chosen = mailboxes
        case _:
            chosen = ()
    for key in sorted(set(chosen)):
        folder = names.folders.get(key)
        if folder is not None:
            yield folder
