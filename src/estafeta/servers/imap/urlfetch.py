"""URLFETCH: what signed URLs stand for (RFC 4467 7), for whom they say (RFC 4467 3).

A URL that is void, expired, not for this user, or of a message that is gone is answered with NIL: why, is not said.
`submit+` is for submission servers that fetch for their users; no session is one, so those are NIL.
"""

import hmac
import time
from contextlib import aclosing

from estafeta.core.errors import EstafetaError
from estafeta.mailboxes.urlkeys import find_url_key
from estafeta.protocols.imap.commands import UrlFetch
from estafeta.protocols.imap.encode import encode_astring
from estafeta.protocols.imap.replies import Reply, ok
from estafeta.servers.imap.bodies import Stream
from estafeta.servers.imap.folders import Sight
from estafeta.servers.imap.genurlauth import make_token
from estafeta.servers.imap.imapurl import ImapUrl, parse_url
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.streaming import cut_off, prepared
from estafeta.servers.imap.urlcontent import read_part


async def urlfetch(session: ImapSession, event: UrlFetch) -> Reply:
    """Answer about each URL, in the order asked."""
    for text in event.urls:
        await _answer(session, text)
    return ok("URLFETCH completed.")


async def _answer(session: ImapSession, text: str) -> None:
    begin = b"* URLFETCH " + encode_astring(text.encode("utf-8", "replace"))
    try:
        stream = await session.thread(_open, session, text)
        first = b"" if stream is None else await session.thread(next, stream.pieces, b"")
    except EstafetaError:
        stream = None
    if stream is None:
        await session.send(begin + b" NIL\r\n")
        return
    await session.send(b"%b {%d}\r\n%b" % (begin, stream.size, first))
    try:
        async with aclosing(prepared(session, stream.pieces)) as pieces:
            async for piece in pieces:
                await session.send(piece)
    except EstafetaError as error:
        cut_off(session, error)
    await session.send(b"\r\n")


def _open(session: ImapSession, text: str) -> Stream | None:
    """In a thread: the octets, if this user may have them."""
    url = parse_url(text)
    if url is None or not url.token or url.user is None or not _is_for(session, url):
        return None
    if url.expire is not None and url.expire < time.time():
        return None
    shared = session.service.shared
    owner = shared.people.find(url.user)
    if owner is None:
        return None
    database = session.mailboxes.database
    # RFC 4467 3: it gives the access that whoever signed it has.
    folder = Sight(database, shared.people, owner.account_id, administrator=False).find(url.mailbox, "r")
    key = find_url_key(database, folder.account_id, folder.mailbox_id, owner.account_id)
    if key is None or not hmac.compare_digest(make_token(key, url), url.token):
        return None
    return read_part(session.mailboxes, folder, url)


def _is_for(session: ImapSession, url: ImapUrl) -> bool:
    access = url.access.lower()
    if access in ("anonymous", "authuser"):
        return True
    kind, _, name = access.partition("+")
    if kind != "user":
        return False
    person = session.service.shared.people.find(name)
    return person is not None and person.account_id == session.user.account_id
