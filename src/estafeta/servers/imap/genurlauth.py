"""GENURLAUTH: URLs that give others access to a message, until they expire or the key is reset (RFC 4467 7, 8).

The token is HMAC-SHA-256 of the URL up to the access, with a key of this user for this mailbox.
"""

import hmac

from estafeta.core.errors import EstafetaError
from estafeta.mailboxes.urlkeys import UrlKey
from estafeta.protocols.imap.commands import GenUrlAuth
from estafeta.protocols.imap.encode import encode_astring
from estafeta.protocols.imap.replies import Reply, bad, ok
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.imapurl import ImapUrl, parse_url
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.urlcontent import bad_url, names_user

_ACCESSES = ("anonymous", "authuser")
_PREFIXES = ("user+", "submit+")


async def genurlauth(session: ImapSession, event: GenUrlAuth) -> Reply:
    """Sign each of the URLs, or none."""
    signed = [await _sign(session, text, mechanism) for text, mechanism in event.urls]
    session.untagged(b"GENURLAUTH " + b" ".join(encode_astring(text.encode("ascii")) for text in signed))
    return ok("GENURLAUTH completed.")


async def _sign(session: ImapSession, text: str, mechanism: str) -> str:
    url = parse_url(text)
    if url is None or url.token or not _is_access(url.access) or not await _is_ours(session, url):
        # RFC 4467 7: BAD for what is no URL of this user with an access.
        raise ReplyError(bad("That is no URL of yours that says who may use it."))
    if mechanism != "INTERNAL":
        raise ReplyError(bad("The mechanism is INTERNAL."))
    try:
        folder = await session.find(url.mailbox, "r")
    except EstafetaError:
        raise ReplyError(bad_url(text)) from None
    if url.uid_validity not in (None, folder.status.uid_validity):
        raise ReplyError(bad_url(text))
    key = UrlKey(folder.account_id, folder.mailbox_id, session.user.account_id)
    return f"{text}:internal:{make_token(await session.mailboxes.url_key(key), url)}"


def make_token(key: bytes, url: ImapUrl) -> str:
    """What shows that a URL was signed with this key."""
    return hmac.digest(key, url.rump.encode("ascii"), "sha256").hex()


def _is_access(access: str) -> bool:
    """RFC 4467 3: the access identifiers."""
    return access.lower() in _ACCESSES or any(access.lower().startswith(word) and access != word for word in _PREFIXES)


async def _is_ours(session: ImapSession, url: ImapUrl) -> bool:
    # RFC 4467 7: the user must stand in the URL.
    return url.user is not None and await names_user(session, url)
