"""Quota, access rights, annotations and authorized URLs (RFC 9208, 4314, 5464, 4467)."""

import re

from estafeta.protocols.imap.commands import (
    DeleteAcl,
    GenUrlAuth,
    GetAcl,
    GetMetadata,
    GetQuota,
    GetQuotaRoot,
    ListRights,
    MetadataOptions,
    MyRights,
    ResetKey,
    SetAcl,
    SetMetadata,
    SetQuota,
    UrlFetch,
)
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.parse_mailbox import one_mailbox

_INFINITY = -1
_DEPTHS = {b"0": 0, b"1": 1, b"INFINITY": _INFINITY}
_OPTION = re.compile(rb"\( *(?:MAXSIZE|DEPTH) ", re.IGNORECASE)
_MOST_ENTRIES = 100


# Quota


def parse_get_quota(scanner: Scanner) -> GetQuota:
    """GETQUOTA."""
    scanner.space()
    root = scanner.text()
    scanner.end()
    return GetQuota(root)


def parse_get_quota_root(scanner: Scanner) -> GetQuotaRoot:
    """GETQUOTAROOT."""
    return GetQuotaRoot(one_mailbox(scanner))


def parse_set_quota(scanner: Scanner) -> SetQuota:
    """SETQUOTA."""
    scanner.space()
    root = scanner.text()
    scanner.space()
    scanner.open_list()
    limits: list[tuple[str, int]] = []
    more = not scanner.skip(b")")
    while more:
        name = scanner.keyword().decode("ascii")
        scanner.space()
        limits.append((name, scanner.number64()))
        more = scanner.more()
    scanner.end()
    return SetQuota(root, tuple(limits))


# Rights


def parse_get_acl(scanner: Scanner) -> GetAcl:
    """GETACL."""
    return GetAcl(one_mailbox(scanner))


def parse_my_rights(scanner: Scanner) -> MyRights:
    """MYRIGHTS."""
    return MyRights(one_mailbox(scanner))


def parse_set_acl(scanner: Scanner) -> SetAcl:
    """SETACL."""
    mailbox, identifier = _mailbox_and_identifier(scanner)
    scanner.space()
    rights = scanner.text()
    scanner.end()
    mode = rights[:1] if rights[:1] in ("+", "-") else ""
    return SetAcl(mailbox, identifier, mode, rights[len(mode) :])


def parse_delete_acl(scanner: Scanner) -> DeleteAcl:
    """DELETEACL."""
    mailbox, identifier = _mailbox_and_identifier(scanner)
    scanner.end()
    return DeleteAcl(mailbox, identifier)


def parse_list_rights(scanner: Scanner) -> ListRights:
    """LISTRIGHTS."""
    mailbox, identifier = _mailbox_and_identifier(scanner)
    scanner.end()
    return ListRights(mailbox, identifier)


def _mailbox_and_identifier(scanner: Scanner) -> tuple[str, str]:
    scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()
    return mailbox, scanner.text()


# Annotations


def parse_get_metadata(scanner: Scanner) -> GetMetadata:
    """GETMETADATA. The options come first (RFC 5464 5), or behind the mailbox, as its examples have them."""
    scanner.space()
    early = scanner.at(b"(")
    options = metadata_options(scanner)
    mailbox = scanner.mailbox()
    scanner.space()
    if not early:
        options = metadata_options(scanner)
    entries = metadata_entries(scanner)
    scanner.end()
    return GetMetadata(mailbox, entries, options)


def metadata_options(scanner: Scanner) -> MetadataOptions:
    """`getmetadata-options` with the space behind them, if they are there (RFC 5464 4.2)."""
    if not _OPTION.match(scanner.data, scanner.pos):
        return MetadataOptions()
    max_size, depth = None, 0
    scanner.open_list()
    more = True
    while more:
        name = scanner.keyword()
        scanner.space()
        if name == b"MAXSIZE":
            max_size = scanner.number()
        elif name == b"DEPTH":
            depth = _depth(scanner)
        else:
            raise CommandError
        more = scanner.more()
    scanner.space()
    return MetadataOptions(max_size, depth)


def _depth(scanner: Scanner) -> int:
    depth = _DEPTHS.get(scanner.keyword())
    if depth is None:
        raise CommandError
    return depth


def metadata_entries(scanner: Scanner) -> tuple[str, ...]:
    """`entries`: one, or a list."""
    if not scanner.at(b"("):
        return (_entry(scanner),)
    scanner.open_list()
    names = {_entry(scanner): None}
    while scanner.more():
        names[_entry(scanner)] = None
    if len(names) > _MOST_ENTRIES:
        raise CommandError
    return tuple(names)


def _entry(scanner: Scanner) -> str:
    # RFC 5464 3.1: case does not matter. 3.2 forbids more; what names nothing is the session's to refuse.
    return scanner.text().lower()


def parse_set_metadata(scanner: Scanner) -> SetMetadata:
    """SETMETADATA."""
    scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()
    scanner.open_list()
    entries: list[tuple[str, bytes | None]] = []
    more = True
    while more:
        if len(entries) == _MOST_ENTRIES:
            raise CommandError
        name = _entry(scanner)
        scanner.space()
        entries.append((name, _value(scanner)))
        more = scanner.more()
    scanner.end()
    return SetMetadata(mailbox, tuple(entries))


def _value(scanner: Scanner) -> bytes | None:
    if scanner.nil():
        return None
    return scanner.literal(binary=True) if scanner.at(b"~") else scanner.string()


# Authorized URLs


def parse_gen_url_auth(scanner: Scanner) -> GenUrlAuth:
    """GENURLAUTH."""
    urls: list[tuple[str, str]] = []
    while scanner.try_space():
        url = scanner.text()
        scanner.space()
        urls.append((url, scanner.keyword().decode("ascii")))
    scanner.end()
    if not urls:
        raise CommandError
    return GenUrlAuth(tuple(urls))


def parse_reset_key(scanner: Scanner) -> ResetKey:
    """RESETKEY."""
    mailbox = scanner.mailbox() if scanner.try_space() else ""
    mechanisms = []
    while scanner.try_space():
        mechanisms.append(scanner.keyword().decode("ascii"))
    scanner.end()
    return ResetKey(mailbox, tuple(mechanisms))


def parse_url_fetch(scanner: Scanner) -> UrlFetch:
    """URLFETCH."""
    urls = []
    while scanner.try_space():
        urls.append(scanner.text())
    scanner.end()
    if not urls:
        raise CommandError
    return UrlFetch(tuple(urls))
