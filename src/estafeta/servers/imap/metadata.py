"""Annotations as GETMETADATA and LIST-METADATA say them (RFC 5464, RFC 9590).

An entry is `/private/...`, which only its person sees, or `/shared/...`. Two are not stored: `/private/specialuse`
(RFC 6154 4) is what the mailbox has, and `/shared/admin` of the server (RFC 5464 6.2.1.2) comes from the settings.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.imaptext import quote
from estafeta.protocols.imap.commands import MetadataOptions
from estafeta.protocols.imap.encode import encode_astring
from estafeta.protocols.imap.replies import bad
from estafeta.servers.imap.errors import ReplyError
from estafeta.servers.imap.folders import Folder

MAX_ENTRIES = 100
MAX_BYTES = 16 << 10
SPECIAL_USE = "/private/specialuse"
ADMIN = "/shared/admin"
_SCOPES = ("/private", "/shared")
# RFC 5464 3.2: no empty level, none of * and %, ASCII without control characters.
_ENTRY = re.compile(r"(/[!-$&-)+-.0-~ ]+)+").fullmatch
_MAX_ENTRY = 500
# RFC 5464 3.3: `l`, and any of these.
_ACCESS = frozenset("rswip")


class Value(NamedTuple):
    """An entry with its full name. None: it has no value."""

    entry: str
    value: bytes | None


def check_entries(entries: Iterable[str], *, tops: bool = False) -> None:
    """BAD unless all can be entries; with `tops` also `/private` and `/shared` alone, as the top of a tree."""
    for entry in entries:
        scope = next((scope for scope in _SCOPES if entry.startswith(scope)), None)
        rest = entry[len(scope) :] if scope else ""
        whole = bool(scope) and len(entry) <= _MAX_ENTRY and bool(_ENTRY(rest))
        if not whole and not (tops and entry in _SCOPES):
            raise ReplyError(bad("An entry is /private/... or /shared/..., levels separated by /."))


def check_access(folder: Folder, *, write_shared: bool = False) -> None:
    """RFC 5464 3.3. To change what all see we ask for `w`, as for flags that all see. PERMISSION."""
    enough = _ACCESS & folder.rights and "l" in folder.rights
    if not enough or (write_shared and "w" not in folder.rights):
        raise EstafetaError(Kind.PERMISSION, "You have no right to do that with this mailbox.")


def stored_entry(entry: str, person_id: int) -> tuple[int, str]:
    """Under which person, and which name, an entry is stored."""
    scope = "/private" if entry.startswith("/private") else "/shared"
    return (person_id if scope == "/private" else 0), entry[len(scope) :]


def full_entries(rows: Iterable[tuple[int, str, bytes]]) -> Iterator[Value]:
    """The entries of rows (person, entry, value) as clients name them."""
    for person_id, entry, value in rows:
        yield Value(("/private" if person_id else "/shared") + entry, value)


def special_use(folder: Folder, own: int) -> list[Value]:
    r"""`/private/specialuse` of a mailbox of one's own: `\Drafts \Sent` (RFC 6154 4)."""
    uses = folder.status.special_use.split() if folder.account_id == own else []
    return [Value(SPECIAL_USE, " ".join(f"\\{use}" for use in uses).encode())] if uses else []


def select_entries(known: Iterable[Value], wanted: Sequence[str], options: MetadataOptions) -> tuple[list[Value], int]:
    """What GETMETADATA tells, and the size of the largest value that is left out for MAXSIZE (0: none).

    RFC 5464 4.2.2: depth 1 also takes what is one level below, -1 all. Without depth what has no value is said so."""
    values = {one.entry: one for one in known}
    if options.depth == 0:
        found = [values.get(entry) or Value(entry, None) for entry in wanted]
    else:
        found = [one for entry, one in values.items() if any(_within(entry, top, options.depth) for top in wanted)]
    longest = 0
    fitting = []
    for one in found:
        size = len(one.value or b"")
        if options.max_size is not None and size > options.max_size:
            longest = max(longest, size)
        else:
            fitting.append(one)
    return fitting, longest


def _within(entry: str, top: str, depth: int) -> bool:
    if entry == top:
        return True
    return entry.startswith(f"{top}/") and (depth < 0 or "/" not in entry[len(top) + 1 :])


def encode_values(values: Iterable[Value]) -> bytes:
    """`(/shared/comment "My comment" /private/x NIL)`."""
    return b"(%b)" % b" ".join(b"%b %b" % (encode_astring(one.entry.encode()), _value(one.value)) for one in values)


def _value(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    # RFC 5464 5: a value with NUL is a literal8.
    return b"~{%d}\r\n" % len(value) + value if b"\0" in value else quote(value)
