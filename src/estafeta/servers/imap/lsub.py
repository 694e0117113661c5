"""LSUB (RFC 3501 6.3.9): the names that a person subscribed to."""

from collections.abc import Sequence

from estafeta.mailboxes.look import subscriptions
from estafeta.protocols.imap.commands import Lsub
from estafeta.protocols.imap.encode import encode_mailbox
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.listing import above
from estafeta.servers.imap.patterns import Pattern, patterns_of
from estafeta.servers.imap.session import ImapSession


async def lsub(session: ImapSession, event: Lsub) -> Reply:
    """The names are as they were subscribed to, whether there is such a mailbox or not."""
    utf8 = session.machine.utf8
    if not event.pattern:
        session.untagged(b'LSUB (\\Noselect) "/" ""')
        return ok("LSUB completed.")
    [pattern] = patterns_of(event.reference, [event.pattern])
    names = await session.thread(subscriptions, session.mailboxes.database, session.user.account_id)
    await session.send(await session.thread(_lines, names, pattern, utf8))
    return ok("LSUB completed.")


def _lines(names: Sequence[str], pattern: Pattern, utf8: bool) -> bytes:
    found = {name: b"" for name in names if pattern.matches(name)}
    if pattern.text.endswith("%"):
        # RFC 3501 6.3.9: a name that `%` stops at, with subscribed ones below it, is told with \Noselect.
        parents = (parent for name in names for parent in above(name))
        found.update((parent, b"\\Noselect") for parent in parents if parent not in found and pattern.matches(parent))
    return b"".join(
        b'* LSUB (%b) "/" %b\r\n' % (found[name], encode_mailbox(name, utf8=utf8)) for name in sorted(found)
    )
