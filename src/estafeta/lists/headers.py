"""The header of a message as members get it: RFC 2369, RFC 2919, RFC 8058, From and Reply-To and Subject as the list
has them. The body is never touched: a footer would break the authors' signatures.
"""

from typing import NamedTuple
from urllib.parse import quote

from estafeta.directory.listnames import with_role
from estafeta.directory.listvalues import FromField, MailingList, Post
from estafeta.lists.incoming import LOOP_FIELD, Incoming
from estafeta.lists.tokens import Act, make_link, make_token
from estafeta.mail.composing import encode_words, mailbox_field
from estafeta.mail.encodedwords import decode_header

# RFC 2369 4: a list puts its own in their place. Receipts: ten thousand of them would come. The rest is for one hop.
_DROPPED = frozenset(
    (
        *(b"list-id", b"list-help", b"list-subscribe", b"list-unsubscribe", b"list-post", b"list-owner"),
        *(b"list-archive", b"list-unsubscribe-post", b"precedence", b"return-path", b"errors-to", b"bcc"),
        *(b"disposition-notification-to", b"return-receipt-to", b"x-confirm-reading-to", b"generate-delivery-report"),
    )
)


class Personal(NamedTuple):
    """A member for whom a copy is made."""

    number: int
    address: str


def outgoing(found: MailingList, incoming: Incoming, link_base: str) -> tuple[bytes, bytes]:
    """What stands before and after the List-Unsubscribe fields of each copy; joined with them it is the message."""
    fields = [raw for name, raw in incoming.fields if name not in _DROPPED]
    fields = _with_subject(found, _with_reply_to(found, _with_from(found, incoming, fields)))
    return b"".join(fields) + _list_fields(found, link_base), incoming.body


def unsubscribe_fields(found: MailingList, link_base: str, member: Personal | None = None) -> bytes:
    """How to leave. For one member with links that work at once (RFC 8058 3.1); else with the address and the page for
    all."""
    if member is None:
        page = f"<{link_base}/lists/{quote(found.address, safe='@')}>, " if link_base else ""
        return f"List-Unsubscribe: {page}<mailto:{_spelled(with_role(found.address, 'unsubscribe'))}>\r\n".encode()
    token = make_token(found, Act.OUT, number=member.number)
    mail = f"<mailto:{_spelled(with_role(found.address, 'unsubscribe', token))}>"
    if not link_base:
        return f"List-Unsubscribe: {mail}\r\n".encode()
    link = f"{link_base}/lists/leave/{make_link(found, Act.OUT, number=member.number)}"
    one_click = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return f"List-Unsubscribe: <{link}>,\r\n {mail}\r\n{one_click}".encode()


def list_id(found: MailingList) -> bytes:
    """RFC 2919: `Parents <parents.example.org>`."""
    return mailbox_field("List-Id", found.options.name, found.key.replace("@", "."))


def _list_fields(found: MailingList, link_base: str) -> bytes:
    address = found.address
    post = "NO" if found.options.post is Post.POSTERS else f"<mailto:{_spelled(address)}>"  # RFC 2369 3.4
    lines = (
        f"List-Post: {post}",
        f"List-Help: <mailto:{_spelled(with_role(address, 'request'))}?subject=help>",
        f"List-Subscribe: <mailto:{_spelled(with_role(address, 'subscribe'))}>",
        f"List-Owner: <mailto:{_spelled(with_role(address, 'owner'))}>",
        "Precedence: list",
        f"{LOOP_FIELD.decode()}: {found.key}",
    )
    spec = list_id(found) if found.options.name else f"List-Id: <{found.key.replace('@', '.')}>\r\n".encode()
    return spec + "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")


def _with_from(found: MailingList, incoming: Incoming, fields: list[bytes]) -> list[bytes]:
    """`Ana via Parents <parents@example.org>`, with Ana in Reply-To."""
    if found.options.from_field is FromField.KEEP or not incoming.authors:
        return fields
    author = incoming.authors[0]
    name = author.display_name or author.local.decode("utf-8", "replace")
    kept = [raw for raw in fields if not _is(raw, b"from")]
    said = incoming.value(b"from")
    munged = mailbox_field("From", f"{name} via {found.title}", found.address)
    kept += [munged, b"X-Original-From: " + said + b"\r\n"]
    return kept if incoming.value(b"reply-to") else [*kept, b"Reply-To: " + said + b"\r\n"]


def _with_reply_to(found: MailingList, fields: list[bytes]) -> list[bytes]:
    wanted = found.options.reply_to
    if wanted == "author":
        return fields
    address = found.address if wanted == "list" else wanted
    name = found.options.name if wanted == "list" else ""
    return [*(raw for raw in fields if not _is(raw, b"reply-to")), mailbox_field("Reply-To", name, address)]


def _with_subject(found: MailingList, fields: list[bytes]) -> list[bytes]:
    prefix = found.options.subject_prefix
    if not prefix:
        return fields
    spelled = prefix.encode("ascii") if prefix.isascii() else encode_words(prefix)
    if not any(_is(raw, b"subject") for raw in fields):
        return [*fields, b"Subject: " + spelled + b"\r\n"]
    return [_prefixed(raw, prefix, spelled) if _is(raw, b"subject") else raw for raw in fields]


def _prefixed(raw: bytes, prefix: str, spelled: bytes) -> bytes:
    value = raw.partition(b":")[2].lstrip()
    if prefix in decode_header(value):  # `Re: [Parents] ...`
        return raw
    return b"Subject: " + spelled + b" " + value


def _is(raw: bytes, name: bytes) -> bool:
    return raw.partition(b":")[0].strip().lower() == name


def _spelled(address: str) -> str:
    """An address in a mailto link (RFC 6068 2)."""
    return quote(address, safe="@!$'*+-=^_`{|}~.")
