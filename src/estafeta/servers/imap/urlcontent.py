"""What URLs of this server stand for: octets of a message (RFC 5092, RFC 4469), for their own user or by URLAUTH."""

from collections.abc import Iterator
from functools import partial

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.imaptext import quote
from estafeta.mailboxes import look
from estafeta.mailboxes.service import Mailboxes
from estafeta.protocols.imap.replies import Reply, no
from estafeta.servers.imap.bodies import BodySection, Stream
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.folders import Folder
from estafeta.servers.imap.imapurl import ImapUrl, parse_url
from estafeta.servers.imap.portion import LOCATION, Portion, Trouble
from estafeta.servers.imap.reading import Bookmark
from estafeta.servers.imap.session import ImapSession

_COLUMNS = ("uid", *LOCATION, "structure")


async def open_url(session: ImapSession, text: str) -> Stream:
    """The octets of a URL in a CATENATE: of a message that this user may read. Raises ReplyError with BADURL."""
    url = parse_url(text)
    if url is None or not await names_user(session, url):
        raise ReplyError(bad_url(text))
    try:
        folder = await session.find(url.mailbox, "r")
    except EstafetaError as error:
        raise ReplyError(bad_url(text)) from error
    stream = await session.thread(read_part, session.mailboxes, folder, url)
    if stream is None:
        raise ReplyError(bad_url(text))
    return stream


def bad_url(text: str) -> Reply:
    """RFC 4469 4."""
    return no("That URL leads to nothing here.", b"BADURL " + quote(text.encode("ascii", "replace")))


async def names_user(session: ImapSession, url: ImapUrl) -> bool:
    """Whether a URL is one of this session's user."""
    if url.user is None or url.user.lower() == str(session.user.address).lower():
        return True
    person = await session.thread(session.service.shared.people.find, url.user)
    return person is not None and person.account_id == session.user.account_id


def read_part(mailboxes: Mailboxes, folder: Folder, url: ImapUrl) -> Stream | None:
    """In a thread: the octets that the URL names in this mailbox; None when there are none of that name."""
    if url.uid_validity is not None and url.uid_validity != folder.status.uid_validity:
        return None
    rows = look.fetch_rows(mailboxes.database, folder.account_id, folder.mailbox_id, _COLUMNS, ((url.uid, url.uid),))
    if not rows:
        return None
    portion = Portion(_COLUMNS, rows, [url.uid], Trouble())
    location = portion.locations()[0]
    portion.read = partial(Bookmark().read, mailboxes, location)
    stream = BodySection(url.section, url.start or 0, url.octets, exact=True).stream(portion)
    return None if stream is None else Stream(stream.size, _exact(stream))


def _exact(stream: Stream) -> Iterator[bytes]:
    """The pieces; fewer octets than were promised are an error, not an end."""
    left = stream.size
    for piece in stream.pieces:
        left -= len(piece)
        yield piece
    if left:
        raise EstafetaError(Kind.UNAVAILABLE, "A message is damaged in the store; the operator can repair it.")
