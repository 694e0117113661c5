"""What the command line does with lists beyond the directory: folders of archives, posts that wait for a moderator."""

from contextlib import closing
from dataclasses import dataclass

from estafeta.app.shared_folders import PREFIX, add_folder
from estafeta.app.stores import Site
from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.listvalues import MailingList
from estafeta.lists.held import Held, list_held
from estafeta.lists.moderating import moderate
from estafeta.lists.values import Moderated
from estafeta.mail.scan import MessageScanner
from estafeta.storage.contents import find_location
from estafeta.storage.packs import Packs

ALL = "all"


@dataclass(frozen=True, slots=True)
class WaitingPost:
    """A post that waits. `ident` names it; `preview`: how it begins; times in epoch seconds, `size` in octets."""

    ident: str
    list: str
    sender: str
    subject: str
    size: int
    preview: str
    arrived_seconds: int
    expires_seconds: int


def make_archive(site: Site, found: MailingList) -> str:
    """Make the folder of a list's archive if it is a shared one that is not there; its name, "" if none was made."""
    archive = found.options.archive
    if not archive.startswith(PREFIX):
        return ""
    try:
        return add_folder(site, archive).name
    except EstafetaError as error:
        if error.kind is Kind.EXISTS:
            return ""
        raise


def waiting_posts(site: Site, address: str = "") -> list[WaitingPost]:
    """Posts that wait for moderators, oldest first: of one list, or of all."""
    lists = [site.directory.get_list(address)] if address else site.directory.list_lists()
    with site.database.read() as conn:
        held = [(found, one) for found in lists for one in list_held(conn, found)]
    with closing(Packs(site.node.data / "packs")) as packs:
        return [_post(found, one, _preview(site, packs, one)) for found, one in held]


def decide(site: Site, address: str, ident: str, *, approve: bool, who: str) -> list[WaitingPost]:
    """Approve or reject a post of a list, or `all`; those that were decided. EstafetaError NOT_FOUND."""
    posts = [one for one in waiting_posts(site, address) if ident in (ALL, one.ident)]
    if not posts and ident != ALL:
        raise EstafetaError(Kind.NOT_FOUND, f"Nothing named {ident} waits at {address}; see `estafeta list moderate`.")
    decisions = [Moderated(int(one.ident, 16), approve, who) for one in posts]
    done = {one.entry_id for one in moderate(site.database, decisions)}
    return [one for one in posts if int(one.ident, 16) in done]


def _post(found: MailingList, one: Held, preview: str) -> WaitingPost:
    return WaitingPost(
        ident=f"{one.entry_id:x}",
        list=found.address,
        sender=one.sender,
        subject=one.subject,
        size=one.size,
        preview=preview,
        arrived_seconds=one.created_ms // 1000,
        expires_seconds=one.expires_ms // 1000,
    )


def _preview(site: Site, packs: Packs, one: Held) -> str:
    """How it begins, as mail programs show it (RFC 8970)."""
    location = find_location(site.database, one.content_id)
    scanner = MessageScanner()
    try:
        for piece in packs.chunks(location) if location is not None else ():
            scanner.feed(piece)
    except EstafetaError:
        return ""
    return scanner.close().preview
