"""The folders that an account has from its first sign-in on (setting `imap.default_folders`)."""

from collections.abc import Awaitable

from estafeta.core.ids import AccountId
from estafeta.mailboxes.furnish import Furnish, is_furnished
from estafeta.servers.imap.session import ImapSession

# Names that say their special use (RFC 6154 2). Others, such as Templates, are plain folders.
_USES = frozenset({"Archive", "Drafts", "Junk", "Sent", "Trash"})


def ensure_folders(session: ImapSession) -> Awaitable[None] | None:
    """Make them unless the account has got them before; None when this worker knows that already."""
    account_id = session.user.account_id
    return None if session.service.shared.people.is_furnished(account_id) else _ensure(session, account_id)


async def _ensure(session: ImapSession, account_id: AccountId) -> None:
    mailboxes = session.mailboxes
    if not await session.thread(is_furnished, mailboxes.database, account_id):
        folders = tuple((name, name if name in _USES else "") for name in session.settings.default_folders)
        await mailboxes.furnish(Furnish(account_id, folders))
    session.service.shared.people.furnished(account_id)
