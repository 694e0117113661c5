"""The one table of IMAP's commands: which is legal when, what it looks like, who parses it.

`expunge`: EXPUNGE responses may be sent while the command is in progress (RFC 9051 7.5.1: not during FETCH, STORE and
SEARCH, whose numbers they would shift; RFC 5256 says the same of SORT and THREAD). `numbers`: the command speaks of
message numbers, which UIDONLY takes away (RFC 9586 3.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from estafeta.protocols.imap import (
    commands,
    parse_auth,
    parse_fetch,
    parse_find,
    parse_list,
    parse_mailbox,
    parse_notify,
    parse_rights,
)
from estafeta.protocols.imap.commands import Command
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.states import ANY, EARLY, SELECTED, SIGNED_IN, State

Parse = Callable[[Scanner], Command]


class Reading(StrEnum):
    """How a command is read."""

    WHOLE = "whole"
    """Text and literals first, then `parse`."""
    EXCHANGE = "exchange"
    """AUTHENTICATE: `parse` takes the mechanism, lines of SASL follow."""
    APPEND = "append"
    """APPEND and REPLACE: messages are handed on as they come. `parse` makes the first event."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One command."""

    states: frozenset[State]
    usage: str
    parse: Parse
    expunge: bool = True
    numbers: bool = False
    reading: Reading = Reading.WHOLE


def _bare(command: Command) -> Parse:
    def parse(scanner: Scanner) -> Command:
        scanner.end()
        return command

    return parse


def _append(scanner: Scanner) -> Command:
    return commands.Append(scanner.mailbox())


def _uid_replace(scanner: Scanner) -> Command:
    return _replacing(scanner, uid=True)


def _replace(scanner: Scanner) -> Command:
    return _replacing(scanner, uid=False)


def _replacing(scanner: Scanner, *, uid: bool) -> Command:
    # RFC 8508 5: seq-number, that is a number or "*", which is 0 in our values.
    number = 0 if scanner.skip(b"*") else scanner.nz_number()
    scanner.space()
    return commands.Append(scanner.mailbox(), number, uid)


_APPEND = "[(flags)] [date-time] literal"
_SEARCH = "[RETURN (options)] [CHARSET charset] search-key ..."
_SORT = "[RETURN (options)] (criterion ...) charset search-key ..."
_FETCH = "numbers items [(modifiers)]"
_STORE = "numbers [(UNCHANGEDSINCE modseq)] [+|-]FLAGS[.SILENT] (flags)"

COMMANDS: dict[bytes, Rule] = {
    # RFC 9051 6.1, RFC 2971, RFC 5255: any state
    b"CAPABILITY": Rule(ANY, "CAPABILITY", _bare(commands.Capability())),
    b"NOOP": Rule(ANY, "NOOP", _bare(commands.Noop())),
    b"LOGOUT": Rule(ANY, "LOGOUT", _bare(commands.Logout())),
    b"ID": Rule(ANY, "ID NIL | (name value ...)", parse_auth.parse_id),
    b"LANGUAGE": Rule(ANY, "LANGUAGE [range ...]", parse_auth.parse_language),
    b"COMPRESS": Rule(SIGNED_IN, "COMPRESS DEFLATE", parse_auth.parse_compress),
    # RFC 9051 6.2: before sign-in
    b"STARTTLS": Rule(EARLY, "STARTTLS", _bare(commands.StartTls())),
    b"LOGIN": Rule(EARLY, "LOGIN name password", parse_auth.parse_login),
    b"AUTHENTICATE": Rule(
        EARLY, "AUTHENTICATE mechanism [initial-response]", parse_auth.parse_authenticate, reading=Reading.EXCHANGE
    ),
    # RFC 9051 6.3 and RFC 3501 6.3: after it
    b"ENABLE": Rule(SIGNED_IN, "ENABLE capability ...", parse_auth.parse_enable),
    b"SELECT": Rule(SIGNED_IN, "SELECT mailbox [(parameters)]", parse_mailbox.parse_select),
    b"EXAMINE": Rule(SIGNED_IN, "EXAMINE mailbox [(parameters)]", parse_mailbox.parse_examine),
    b"CREATE": Rule(SIGNED_IN, "CREATE mailbox [(USE (uses))]", parse_mailbox.parse_create),
    b"DELETE": Rule(SIGNED_IN, "DELETE mailbox", parse_mailbox.parse_delete),
    b"RENAME": Rule(SIGNED_IN, "RENAME mailbox mailbox", parse_mailbox.parse_rename),
    b"SUBSCRIBE": Rule(SIGNED_IN, "SUBSCRIBE mailbox", parse_mailbox.parse_subscribe),
    b"UNSUBSCRIBE": Rule(SIGNED_IN, "UNSUBSCRIBE mailbox", parse_mailbox.parse_unsubscribe),
    b"LIST": Rule(SIGNED_IN, "LIST [(selection)] reference pattern [RETURN (options)]", parse_list.parse_list),
    b"LSUB": Rule(SIGNED_IN, "LSUB reference pattern", parse_list.parse_lsub),
    b"NAMESPACE": Rule(SIGNED_IN, "NAMESPACE", _bare(commands.Namespace())),
    b"STATUS": Rule(SIGNED_IN, "STATUS mailbox (items)", parse_mailbox.parse_status),
    b"APPEND": Rule(SIGNED_IN, f"APPEND mailbox {_APPEND}", _append, reading=Reading.APPEND),
    b"IDLE": Rule(SIGNED_IN, "IDLE", _bare(commands.Idle())),
    # RFC 8437, 5255, 9208, 4314, 5464, 5465, 4467, 5267, 7377: the same
    b"UNAUTHENTICATE": Rule(SIGNED_IN, "UNAUTHENTICATE", _bare(commands.Unauthenticate())),
    b"COMPARATOR": Rule(SIGNED_IN, "COMPARATOR [name ...]", parse_auth.parse_comparator),
    b"GETQUOTA": Rule(SIGNED_IN, "GETQUOTA root", parse_rights.parse_get_quota),
    b"GETQUOTAROOT": Rule(SIGNED_IN, "GETQUOTAROOT mailbox", parse_rights.parse_get_quota_root),
    b"SETQUOTA": Rule(SIGNED_IN, "SETQUOTA root (resource limit ...)", parse_rights.parse_set_quota),
    b"GETACL": Rule(SIGNED_IN, "GETACL mailbox", parse_rights.parse_get_acl),
    b"SETACL": Rule(SIGNED_IN, "SETACL mailbox identifier [+|-]rights", parse_rights.parse_set_acl),
    b"DELETEACL": Rule(SIGNED_IN, "DELETEACL mailbox identifier", parse_rights.parse_delete_acl),
    b"LISTRIGHTS": Rule(SIGNED_IN, "LISTRIGHTS mailbox identifier", parse_rights.parse_list_rights),
    b"MYRIGHTS": Rule(SIGNED_IN, "MYRIGHTS mailbox", parse_rights.parse_my_rights),
    b"GETMETADATA": Rule(
        SIGNED_IN, "GETMETADATA [(options)] mailbox entry | (entries)", parse_rights.parse_get_metadata
    ),
    b"SETMETADATA": Rule(SIGNED_IN, "SETMETADATA mailbox (entry value ...)", parse_rights.parse_set_metadata),
    b"NOTIFY": Rule(SIGNED_IN, "NOTIFY NONE | SET [STATUS] (filter events) ...", parse_notify.parse_notify),
    b"GENURLAUTH": Rule(SIGNED_IN, "GENURLAUTH url mechanism ...", parse_rights.parse_gen_url_auth),
    b"RESETKEY": Rule(SIGNED_IN, "RESETKEY [mailbox [mechanism ...]]", parse_rights.parse_reset_key),
    b"URLFETCH": Rule(SIGNED_IN, "URLFETCH url ...", parse_rights.parse_url_fetch),
    b"CANCELUPDATE": Rule(SIGNED_IN, "CANCELUPDATE tag ...", parse_find.parse_cancel_update),
    b"ESEARCH": Rule(SIGNED_IN, f"ESEARCH [IN (scopes)] {_SEARCH}", parse_find.parse_esearch),
    # RFC 9051 6.4 and RFC 3501 6.4.1: with a mailbox
    b"CHECK": Rule(SELECTED, "CHECK", _bare(commands.Noop())),
    b"CLOSE": Rule(SELECTED, "CLOSE", _bare(commands.Close(expunge=True))),
    b"UNSELECT": Rule(SELECTED, "UNSELECT", _bare(commands.Close(expunge=False))),
    b"EXPUNGE": Rule(SELECTED, "EXPUNGE", _bare(commands.Expunge())),
    b"SEARCH": Rule(SELECTED, f"SEARCH {_SEARCH}", parse_find.parse_search, expunge=False, numbers=True),
    b"FETCH": Rule(SELECTED, f"FETCH {_FETCH}", parse_fetch.parse_fetch, expunge=False, numbers=True),
    b"STORE": Rule(SELECTED, f"STORE {_STORE}", parse_fetch.parse_store, expunge=False, numbers=True),
    b"COPY": Rule(SELECTED, "COPY numbers mailbox", parse_mailbox.copying(uid=False, move=False), numbers=True),
    b"MOVE": Rule(SELECTED, "MOVE numbers mailbox", parse_mailbox.copying(uid=False, move=True), numbers=True),
    b"SORT": Rule(SELECTED, f"SORT {_SORT}", parse_find.parse_sort, expunge=False, numbers=True),
    b"THREAD": Rule(
        SELECTED,
        "THREAD algorithm charset search-key ...",
        parse_find.parse_thread,
        expunge=False,
        numbers=True,
    ),
    b"REPLACE": Rule(SELECTED, f"REPLACE number mailbox {_APPEND}", _replace, numbers=True, reading=Reading.APPEND),
}

UID_COMMANDS: dict[bytes, Rule] = {
    # RFC 9051 6.4.9; RFC 4315, 5256, 6851, 8508. Their numbers are UIDs, so EXPUNGE may come at any time.
    b"FETCH": Rule(SELECTED, f"UID FETCH {_FETCH}", parse_fetch.parse_uid_fetch),
    b"STORE": Rule(SELECTED, f"UID STORE {_STORE}", parse_fetch.parse_uid_store),
    b"SEARCH": Rule(SELECTED, f"UID SEARCH {_SEARCH}", parse_find.parse_uid_search),
    b"SORT": Rule(SELECTED, f"UID SORT {_SORT}", parse_find.parse_uid_sort),
    b"THREAD": Rule(SELECTED, "UID THREAD algorithm charset search-key ...", parse_find.parse_uid_thread),
    b"COPY": Rule(SELECTED, "UID COPY uids mailbox", parse_mailbox.copying(uid=True, move=False)),
    b"MOVE": Rule(SELECTED, "UID MOVE uids mailbox", parse_mailbox.copying(uid=True, move=True)),
    b"EXPUNGE": Rule(SELECTED, "UID EXPUNGE uids", parse_mailbox.parse_uid_expunge),
    b"REPLACE": Rule(SELECTED, f"UID REPLACE uid mailbox {_APPEND}", _uid_replace, reading=Reading.APPEND),
}
