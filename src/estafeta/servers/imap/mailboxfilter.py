"""Which mailboxes a filter of NOTIFY or ESEARCH means (RFC 5465 6, RFC 7377 2.2)."""

from collections.abc import Iterable, Iterator, Sequence

from estafeta.servers.imap.folders import DELIMITER, Folder
from estafeta.servers.imap.listing import Names


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
            chosen = [key for key in names.folders if _below(key, mailboxes)]
        case "SUBTREE-ONE":
            chosen = [key for key in names.folders if _at_most_one_below(key, mailboxes)]
        case "MAILBOXES":
            chosen = mailboxes
        case _:
            chosen = ()
    for key in sorted(set(chosen)):
        folder = names.folders.get(key)
        if folder is not None:
            yield folder


def _below(name: str, tops: Sequence[str]) -> bool:
    return any(name == top or name.startswith(top + DELIMITER) for top in tops)


def _at_most_one_below(name: str, tops: Sequence[str]) -> bool:
    return name in tops or name.rpartition(DELIMITER)[0] in tops
