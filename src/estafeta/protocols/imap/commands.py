"""What a client asked for: the commands of IMAP as values, as the machine hands them out.

Each is answered by one `ImapServer.reply`, except where its docstring says otherwise. Mailbox names are Unicode, out of
modified UTF-7 or UTF-8 as the session has it (RFC 3501 5.1.3, RFC 9051 5.1), with INBOX in capitals; the first level
`INBOX` of a longer name too. `uid` says that the command was a UID command: its numbers are UIDs.
"""

from dataclasses import dataclass, field
from datetime import datetime

from estafeta.protocols.imap.fetchitems import FetchItem
from estafeta.protocols.imap.replies import Reply
from estafeta.protocols.imap.searchkeys import SearchKey
from estafeta.protocols.imap.values import FlagList, Partial, SequenceSet, StatusItem
from estafeta.protocols.sasl import NeedPassword, NeedScram, Reason

# Any state


@dataclass(frozen=True, slots=True)
class Capability:
    """CAPABILITY."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP, and CHECK of IMAP4rev1."""


@dataclass(frozen=True, slots=True)
class Logout:
    """LOGOUT. The machine says BYE; the reply ends the session."""


@dataclass(frozen=True, slots=True)
class Id:
    """ID (RFC 2971). `fields` in the order they came, at most 30; None stands for NIL."""

    fields: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Language:
    """LANGUAGE (RFC 5255 3). Without ranges the client asks what there is."""

    ranges: tuple[str, ...]


# Not authenticated


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS. Reply OK, send the output, do the handshake, `tls_started`; or reply NO."""


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN; name and password as octets."""

    name: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE. `answer_auth` with a fresh mechanism, or reply NO."""

    mechanism: str


@dataclass(frozen=True, slots=True)
class AuthNeed:
    """The mechanism asks the directory. `answer_need`."""

    need: NeedPassword | NeedScram


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The proof holds. `signed_in` and reply OK, or reply NO."""

    authcid: str
    authzid: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class AuthFailed:
    """The exchange failed. Reply NO; BAD when the client cancelled (RFC 9051 6.2.2)."""

    reason: Reason
    authcid: str
    mechanism: str


# Authenticated


@dataclass(frozen=True, slots=True)
class Enable:
    """ENABLE (RFC 5161): names in capitals. The session calls `enable` with those it knows."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QResync:
    """What SELECT ... (QRESYNC (...)) says that the client knows (RFC 7162 3.2.5). Its `seq-match-data` is read and
    forgotten: it helps servers that do not remember what was expunged."""

    uid_validity: int
    modseq: int
    known_uids: SequenceSet | None


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT and EXAMINE (`read_only`). A mailbox that was selected is closed without expunge first, also when this
    fails; the session sends `* OK [CLOSED]` where RFC 7162 3.2.11 and RFC 9051 ask for it."""

    mailbox: str
    read_only: bool
    condstore: bool = False
    qresync: QResync | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE. A trailing hierarchy separator was taken away. `special_use` without backslashes (RFC 6154 3)."""

    mailbox: str
    special_use: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE, or UNSUBSCRIBE with `subscribed` False."""

    mailbox: str
    subscribed: bool


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """Options of GETMETADATA: `max_size` None for no limit, `depth` 0, 1 or -1 (infinity) (RFC 5464 4.2)."""

    max_size: int | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class List:
    """LIST, also extended (RFC 5258, 5819, 6154, 8440, 9590).

    `selection`: SUBSCRIBED REMOTE RECURSIVEMATCH SPECIAL-USE. `returning`: SUBSCRIBED CHILDREN SPECIAL-USE MYRIGHTS;
    `status`: items of RETURN (STATUS (...)); `metadata`: entries of RETURN (METADATA ...). `extended`: the answer
    may say what only extended LIST says (a selection, more than one pattern, or RETURN was there).
    """

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[str] = frozenset()
    returning: frozenset[str] = frozenset()
    status: tuple[StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()
    metadata_options: MetadataOptions = MetadataOptions()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Lsub:
    """LSUB of IMAP4rev1."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """NAMESPACE (RFC 2342)."""


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS."""

    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class Idle:
    """IDLE (RFC 2177): the machine has said `+`; untagged responses may be sent until `IdleDone`. No reply: call
    `go_on`."""


@dataclass(frozen=True, slots=True)
class IdleDone:
    """DONE. Reply."""


@dataclass(frozen=True, slots=True)
class Compress:
    """COMPRESS DEFLATE (RFC 4978). After an OK the machine compresses."""


@dataclass(frozen=True, slots=True)
class Unauthenticate:
    """UNAUTHENTICATE (RFC 8437): after an OK the machine is in the not-authenticated state, nothing enabled."""


@dataclass(frozen=True, slots=True)
class Comparator:
    """COMPARATOR (RFC 5255 4.7); without patterns the client asks for the active one."""

    patterns: tuple[str, ...]


# APPEND, in steps (RFC 9051 6.3.12; MULTIAPPEND RFC 3502; CATENATE RFC 4469; UTF8 RFC 9755; REPLACE RFC 8508)


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND begins, with what comes before the first message. `go_on`, or reply: then the rest of the command is
    thrown away, and a synchronizing literal is never asked for. `replaces`: REPLACE, the message's number."""

    mailbox: str
    replaces: int | None = None
    uid: bool = False


@dataclass(frozen=True, slots=True)
class AppendMessage:
    """A message begins. `size`: octets of its one literal, None for CATENATE. `binary`: a literal8. `go_on` or reply,
    which refuses before anything was sent."""

    flags: FlagList
    internal_date: datetime | None
    size: int | None
    binary: bool


@dataclass(frozen=True, slots=True)
class AppendData:
    """Octets of the message. `go_on` or reply."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AppendUrl:
    """CATENATE: what this URL names goes here (RFC 4469 3). `go_on` or reply."""

    url: str


@dataclass(frozen=True, slots=True)
class AppendMessageEnd:
    """The message is complete. `go_on` or reply."""


@dataclass(frozen=True, slots=True)
class AppendEnd:
    """The command is complete. Reply."""


@dataclass(frozen=True, slots=True)
class AppendAborted:
    """What followed was wrong, and the machine has answered BAD or NO: forget the messages so far. `go_on`."""


# Quota (RFC 9208)


@dataclass(frozen=True, slots=True)
class GetQuota:
    """GETQUOTA."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """GETQUOTAROOT."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """SETQUOTA: resource names in capitals, limits as sent."""

    root: str
    limits: tuple[tuple[str, int], ...]


# ACL (RFC 4314)


@dataclass(frozen=True, slots=True)
class GetAcl:
    """GETACL."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetAcl:
    """SETACL. `mode` is "+", "-" or "" (replace); `rights` are letters as sent."""

    mailbox: str
    identifier: str
    mode: str
    rights: str


@dataclass(frozen=True, slots=True)
class DeleteAcl:
    """DELETEACL."""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class ListRights:
    """LISTRIGHTS."""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class MyRights:
    """MYRIGHTS."""

    mailbox: str


# Metadata (RFC 5464)


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """GETMETADATA; an empty mailbox is the server. Entries in lower case."""

    mailbox: str
    entries: tuple[str, ...]
    options: MetadataOptions


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """SETMETADATA; None removes."""

    mailbox: str
    entries: tuple[tuple[str, bytes | None], ...]


# NOTIFY (RFC 5465)


@dataclass(frozen=True, slots=True)
class NotifyGroup:
    """One `event-group`. `filter`: SELECTED SELECTED-DELAYED INBOXES PERSONAL SUBSCRIBED SUBTREE MAILBOXES, the last
    two with `mailboxes`. `events` in capitals: MESSAGENEW MESSAGEEXPUNGE FLAGCHANGE ANNOTATIONCHANGE MAILBOXNAME
    SUBSCRIPTIONCHANGE MAILBOXMETADATACHANGE SERVERMETADATACHANGE; empty for NONE. `fetch`: items of MessageNew."""

    filter: str
    mailboxes: tuple[str, ...]
    events: frozenset[str]
    fetch: tuple[FetchItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify:
    """NOTIFY SET (`groups`, `status`) or NOTIFY NONE (no groups)."""

    groups: tuple[NotifyGroup, ...]
    status: bool = False


# URLAUTH (RFC 4467)


@dataclass(frozen=True, slots=True)
class GenUrlAuth:
    """GENURLAUTH: pairs of URL and mechanism (in capitals)."""

    urls: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ResetKey:
    """RESETKEY; an empty mailbox is all of them."""

    mailbox: str
    mechanisms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UrlFetch:
    """URLFETCH."""

    urls: tuple[str, ...]


# Selected


@dataclass(frozen=True, slots=True)
class Close:
    """CLOSE (`expunge`) and UNSELECT. After an OK the machine is in the authenticated state."""

    expunge: bool


@dataclass(frozen=True, slots=True)
class Expunge:
    """EXPUNGE, or UID EXPUNGE with `uids` (RFC 4315) or with `$` (`saved`, RFC 5182)."""

    uids: SequenceSet | None = None
    saved: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH. `numbers` None stands for `$`. `changed_since`, `vanished`: RFC 7162. `partial`: RFC 9394."""

    numbers: SequenceSet | None
    items: tuple[FetchItem, ...]
    uid: bool
    changed_since: int | None = None
    vanished: bool = False
    partial: Partial | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """STORE. `mode` is "add", "remove" or "replace"."""

    numbers: SequenceSet | None
    mode: str
    silent: bool
    flags: FlagList
    uid: bool
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY, or MOVE with `move` (RFC 6851)."""

    numbers: SequenceSet | None
    mailbox: str
    uid: bool
    move: bool


@dataclass(frozen=True, slots=True)
class SearchReturn:
    """RETURN of SEARCH and SORT (RFC 4731, 5182, 5267, 6203, 9394): MIN MAX ALL COUNT SAVE CONTEXT UPDATE RELEVANCY
    in `options`; `partial` for PARTIAL. `RETURN ()` is ALL. `update`: what UPDATE asks to be told of new results (RFC
    5465 7)."""

    options: frozenset[str]
    partial: Partial | None = None
    update: tuple[FetchItem, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchScope:
    """IN (...) of ESEARCH over several mailboxes (RFC 7377): a filter as in `NotifyGroup` (also `SUBTREE-ONE`) and
    its mailboxes."""

    filter: str
    mailboxes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH. `returning` None: the old answer, `* SEARCH`, in IMAP4rev1; `* ESEARCH` in IMAP4rev2. `scopes`: ESEARCH
    of RFC 7377, whose answers carry mailboxes."""

    key: SearchKey
    uid: bool
    returning: SearchReturn | None = None
    scopes: tuple[SearchScope, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchRefused:
    """A SEARCH or SORT with SAVE that cannot be done, such as with an unknown charset: `$` means nothing from here on
    (RFC 5182 2.1)."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class SortKey:
    """One criterion: ARRIVAL CC DATE FROM SIZE SUBJECT TO DISPLAYFROM DISPLAYTO RELEVANCY."""

    name: str
    reverse: bool


@dataclass(frozen=True, slots=True)
class Sort:
    """SORT (RFC 5256)."""

    criteria: tuple[SortKey, ...]
    key: SearchKey
    uid: bool
    returning: SearchReturn | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD (RFC 5256): ORDEREDSUBJECT, REFERENCES or REFS."""

    algorithm: str
    key: SearchKey
    uid: bool


@dataclass(frozen=True, slots=True)
class CancelUpdate:
    """CANCELUPDATE (RFC 5267): tags of searches whose updates are to end."""

    tags: tuple[bytes, ...]


Command = (
    Capability
    | Noop
    | Logout
    | Id
    | Language
    | StartTls
    | Login
    | Authenticate
    | AuthNeed
    | Authenticated
    | AuthFailed
    | Enable
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | List
    | Lsub
    | Namespace
    | Status
    | Idle
    | IdleDone
    | Compress
    | Unauthenticate
    | Comparator
    | Append
    | AppendMessage
    | AppendData
    | AppendUrl
    | AppendMessageEnd
    | AppendEnd
    | AppendAborted
    | GetQuota
    | GetQuotaRoot
    | SetQuota
    | GetAcl
    | SetAcl
    | DeleteAcl
    | ListRights
    | MyRights
    | GetMetadata
    | SetMetadata
    | Notify
    | GenUrlAuth
    | ResetKey
    | UrlFetch
    | Close
    | Expunge
    | Fetch
    | Store
    | Copy
    | Search
    | SearchRefused
    | Sort
    | Thread
    | CancelUpdate
)
