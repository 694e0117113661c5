"""The arguments of SMTP commands: octets after the verb in, an event or the reply that refuses them out.

Grammar: RFC 5321 4.1.1 and 4.1.2, with the parameters of RFC 1870 (SIZE), RFC 6152 (BODY), RFC 3030 (BINARYMIME, BDAT),
RFC 6531 (SMTPUTF8), RFC 4954 (AUTH), RFC 3461 (RET, ENVID, NOTIFY, ORCPT), RFC 8689 (REQUIRETLS) and RFC 4865 (HOLDFOR,
HOLDUNTIL). Addresses themselves are taken apart by `estafeta.mail.address`.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from estafeta.core.errors import EstafetaError
from estafeta.mail.address import Address, parse_path
from estafeta.protocols.smtp import replies
from estafeta.protocols.smtp.events import Body, Mail, Rcpt
from estafeta.protocols.smtp.limits import HELLO_NAME, NUMBER_DIGITS, SmtpSettings
from estafeta.protocols.smtp.replies import Reply

# Reverse-path and Forward-path, RFC 5321 4.1.2, only as far as to find where they end: a Quoted-string may hold >
# and spaces. The standard asks for <> and for no space after the colon; devices and scripts get both wrong, so both
# are taken.
_PATH: Final = re.compile(rb' *(<(?:"(?:[^"\\]|\\.)*+"|[^"<>])*+>|[^<>" ]+)(?: +(.*))?\Z')

# esmtp-param = esmtp-keyword ["=" esmtp-value]; esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
# esmtp-value = 1*(%d33-60 / %d62-126), to which RFC 6531 3.3 adds UTF8-non-ascii
_PARAMETER: Final = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\x80-\xff]+))?\Z")

# xtext = *(xchar / hexchar), RFC 3461 4; a "+" not followed by two upper case hexadecimal digits is an error
_XTEXT: Final = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+\Z")
_HEXCHAR: Final = re.compile(rb"\+([0-9A-F]{2})")

_NOTIFY: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_ADDRESS_TYPE: Final = re.compile(rb"[A-Za-z0-9-]{1,40}\Z")
_LONGEST_ORCPT: Final = 500
_LONGEST_ENVID: Final = 100
_HOLDFOR: Final = re.compile(rb"[1-9]\d{0,8}\Z")
_HOLDUNTIL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z\Z")

_MECHANISM: Final = re.compile(rb"[A-Za-z0-9_-]{1,20}\Z")  # RFC 4422 3.1

Value = int | str | bool | Body


class Session(NamedTuple):
    """What the grammar of a command depends on."""

    settings: SmtpSettings
    extended: bool = False
    """The client greeted with EHLO or LHLO."""
    authenticated: bool = False
    tls: bool = False


def parse_hello(argument: bytes) -> str | Reply:
    """The name after HELO, EHLO or LHLO. RFC 5321 4.1.4: that it is no valid domain is no reason to refuse mail."""
    if not argument or b" " in argument or len(argument) > HELLO_NAME or not argument.isascii():
        return replies.NAME_WANTED
    return argument.decode("ascii")


def parse_mail(argument: bytes, session: Session) -> Mail | Reply:
    """`FROM:<reverse-path> [SP Mail-parameters]` (RFC 5321 4.1.1.2)."""
    match = _PATH.match(argument, 5) if argument[:5].upper() == b"FROM:" else None
    if match is None:
        return replies.MAIL_SYNTAX
    path, rest = match.groups()
    fields = _mail_parameters(rest, session) if rest else {}
    if isinstance(fields, Reply):
        return fields
    address = _address(path, bool(fields.get("smtputf8")), replies.BAD_SENDER)
    if isinstance(address, Reply):
        return address
    if address is not None and not address.domain:
        return replies.BAD_SENDER  # RFC 5321 4.1.1.3 lets the bare postmaster be a recipient only
    if "holdfor" in fields and "holduntil" in fields:
        return replies.BAD_PARAMETER  # RFC 4865 5: one of them
    return Mail(address, **fields) if fields else Mail(address)


def parse_rcpt(argument: bytes, *, smtputf8: bool, dsn: bool = False) -> Rcpt | Reply:
    """`TO:<forward-path> [SP Rcpt-parameters]` (RFC 5321 4.1.1.3). `dsn`: those of RFC 3461 are offered."""
    match = _PATH.match(argument, 3) if argument[:3].upper() == b"TO:" else None
    if match is None:
        return replies.RCPT_SYNTAX
    path, rest = match.groups()
    fields = _rcpt_parameters(rest, dsn, smtputf8) if rest else {}
    if isinstance(fields, Reply):
        return fields
    address = _address(path, smtputf8, replies.BAD_RECIPIENT)
    if isinstance(address, Reply):
        return address
    if address is None:
        return replies.BAD_RECIPIENT
    return Rcpt(address, **fields) if fields else Rcpt(address)


def parse_bdat(argument: bytes) -> tuple[int, bool] | None:
    """`bdat-cmd = "BDAT" SP chunk-size [SP end-marker]` (RFC 3030 2): octets and whether it is the last; or None."""
    size, _, marker = argument.partition(b" ")
    if not size.isdigit() or len(size) > NUMBER_DIGITS or marker.strip().upper() not in (b"", b"LAST"):
        return None
    return int(size), bool(marker)


def parse_auth(argument: bytes) -> tuple[str, bytes | None] | Reply:
    """`AUTH mechanism [initial-response]` (RFC 4954 4): the name in upper case, the response as it came."""
    mechanism, space, initial = argument.partition(b" ")
    if not _MECHANISM.match(mechanism) or (space and not initial) or b" " in initial:
        return replies.AUTH_SYNTAX
    return mechanism.decode("ascii").upper(), initial if space else None


def parse_lookup(argument: bytes, session: Session) -> tuple[str, bool] | Reply:
    """The String of VRFY and EXPN (RFC 5321 4.1.1.6), and whether SMTPUTF8 came after it (RFC 6531 3.7.4.2)."""
    smtputf8 = False
    if session.settings.smtputf8 and session.extended and argument.upper().endswith(b" SMTPUTF8"):
        argument, smtputf8 = argument[:-9].rstrip(), True
    if not argument:
        return replies.ARGUMENT_WANTED
    if not argument.isascii() and not smtputf8:
        return replies.NEEDS_SMTPUTF8
    try:
        return argument.decode(), smtputf8
    except UnicodeDecodeError:
        return replies.BAD_CHARACTER


# The same few senders and readers come again and again. Bounded: 4096 addresses of at most this length.
_SHORT_PATH = 100
_remembered = lru_cache(maxsize=4096)(parse_path)


def _address(path: bytes, smtputf8: bool, refusal: Reply) -> Address | Reply | None:
    if not smtputf8 and not path.isascii():
        return replies.NEEDS_SMTPUTF8
    try:
        return (_remembered if len(path) <= _SHORT_PATH else parse_path)(path, smtputf8=smtputf8)
    except EstafetaError:
        return refusal


def _parameters(rest: bytes) -> dict[bytes, bytes | None] | Reply:
    """Keywords in upper case with their values. RFC 5321 4.1.1.11 leaves no meaning for one that comes twice."""
    found: dict[bytes, bytes | None] = {}
    for item in rest.split():
        match = _PARAMETER.match(item)
        if match is None:
            return replies.BAD_PARAMETER
        keyword = match.group(1).upper()
        if keyword in found:
            return replies.BAD_PARAMETER
        found[keyword] = match.group(2)
    return found


def _mail_parameters(rest: bytes, session: Session) -> dict[str, Any] | Reply:
    parameters = _parameters(rest)
    if isinstance(parameters, Reply):
        return parameters
    fields: dict[str, Any] = {}
    for keyword, value in parameters.items():
        known = _MAIL_PARAMETERS.get(keyword) if session.extended else None
        if known is None:
            return replies.UNKNOWN_PARAMETER  # RFC 5321 4.1.1.11: one that was not offered, which after HELO is any
        name, parse = known
        parsed = parse(value, session)
        if isinstance(parsed, Reply):
            return parsed
        fields[name] = parsed
    return fields


def _rcpt_parameters(rest: bytes, dsn: bool, smtputf8: bool) -> dict[str, str] | Reply:
    parameters = _parameters(rest)
    if isinstance(parameters, Reply):
        return parameters
    fields: dict[str, str] = {}
    for keyword, value in parameters.items():
        if not dsn or keyword not in (b"NOTIFY", b"ORCPT"):
            return replies.UNKNOWN_PARAMETER
        parsed = _notify(value) if keyword == b"NOTIFY" else _orcpt(value, smtputf8)
        if isinstance(parsed, Reply):
            return parsed
        fields[keyword.decode("ascii").lower()] = parsed
    return fields


def _notify(value: bytes | None) -> str | Reply:
    # RFC 3461 4.1: "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" )
    words = value.decode("utf-8", "replace").upper().split(",") if value else []
    if words == ["NEVER"]:
        return "NEVER"
    if not words or len(words) != len(set(words)) or not _NOTIFY.issuperset(words):
        return replies.BAD_PARAMETER
    return ",".join(words)


def _orcpt(value: bytes | None, smtputf8: bool) -> str | Reply:
    # RFC 3461 4.2: addr-type ";" xtext, at most 500 octets; RFC 6533 3 adds utf-8-addr-xtext and -unitext
    kind, semicolon, address = (value or b"").partition(b";")
    if not semicolon or len(value or b"") > _LONGEST_ORCPT or not _ADDRESS_TYPE.match(kind):
        return replies.BAD_PARAMETER
    if not _XTEXT.match(address) and not (smtputf8 and not address.isascii()):
        return replies.BAD_PARAMETER
    original = _unxtext(address)
    # Nothing that could break a line of a notice, or that no database takes: a NUL, coded as +00.
    return f"{kind.decode('ascii')};{original}" if original.isprintable() else replies.BAD_PARAMETER


def _ret(value: bytes | None, session: Session) -> str | Reply:
    # RFC 3461 4.3: "FULL" / "HDRS"
    word = value.decode("utf-8", "replace").upper() if value else ""
    if not session.settings.dsn:
        return replies.UNKNOWN_PARAMETER
    return word if word in ("FULL", "HDRS") else replies.BAD_PARAMETER


def _envid(value: bytes | None, session: Session) -> str | Reply:
    # RFC 3461 4.4: xtext of printable US-ASCII, at most 100 octets
    if not session.settings.dsn:
        return replies.UNKNOWN_PARAMETER
    if value is None or len(value) > _LONGEST_ENVID or not _XTEXT.match(value):
        return replies.BAD_PARAMETER
    envid = _unxtext(value)
    return envid if envid.isascii() and envid.isprintable() else replies.BAD_PARAMETER


def _requiretls(value: bytes | None, session: Session) -> bool | Reply:
    if not session.settings.requiretls or not session.tls:
        return replies.UNKNOWN_PARAMETER
    return replies.BAD_PARAMETER if value is not None else True  # RFC 8689 2: no value


def _holdfor(value: bytes | None, session: Session) -> int | Reply:
    # RFC 4865 5: future-release-integer = %x31-39 *8DIGIT
    if not session.settings.future_release:
        return replies.UNKNOWN_PARAMETER
    if value is None or not _HOLDFOR.match(value):
        return replies.BAD_PARAMETER
    seconds, most = int(value), int(session.settings.future_release.partition(" ")[0])
    return seconds if seconds <= most else replies.HOLD_TOO_LONG


def _holduntil(value: bytes | None, session: Session) -> int | Reply:
    # RFC 4865 5: date-time of RFC 3339, in UTC
    if not session.settings.future_release:
        return replies.UNKNOWN_PARAMETER
    text = (value or b"").decode("ascii", "replace").upper()
    if not _HOLDUNTIL.match(text):
        return replies.BAD_PARAMETER
    if text > session.settings.future_release.partition(" ")[2]:
        return replies.HOLD_TOO_LONG
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
    except ValueError:
        return replies.BAD_PARAMETER


def _size(value: bytes | None, session: Session) -> int | Reply:
    # RFC 1870 3: size-value = 1*20DIGIT
    if value is None or not value.isdigit() or len(value) > NUMBER_DIGITS:
        return replies.BAD_PARAMETER
    return int(value)


def _body(value: bytes | None, session: Session) -> Body | Reply:
    # RFC 6152 2, RFC 3030 3: body-value = "7BIT" / "8BITMIME" / "BINARYMIME"
    body = _BODIES.get(value.upper()) if value else None
    if body is None or (body is Body.BINARY and not session.settings.chunking):
        return replies.BAD_PARAMETER
    return body


def _smtputf8(value: bytes | None, session: Session) -> bool | Reply:
    if not session.settings.smtputf8:
        return replies.UNKNOWN_PARAMETER
    return replies.BAD_PARAMETER if value is not None else True  # RFC 6531 3.4: no value


def _auth(value: bytes | None, session: Session) -> str | Reply:
    # RFC 4954 5: AUTH=xtext of an address, or AUTH=<>
    if not session.settings.auth_mechanisms:
        return replies.UNKNOWN_PARAMETER
    if value is None or not _XTEXT.match(value):
        return replies.BAD_PARAMETER
    if value == b"<>" or not session.authenticated:
        return ""  # the word of a client that is not trusted counts as <>
    return _unxtext(value)


def _unxtext(value: bytes) -> str:
    """RFC 3461 4: hexchar = "+" and two hexadecimal digits."""
    return _HEXCHAR.sub(lambda match: bytes((int(match.group(1), 16),)), value).decode("utf-8", "replace")


_BODIES: Final = {body.value.encode("ascii"): body for body in Body}

# The field of `Mail` that each sets, and what reads its value.
_MAIL_PARAMETERS: Final[dict[bytes, tuple[str, Callable[[bytes | None, Session], Value | Reply]]]] = {
    b"SIZE": ("size", _size),
    b"BODY": ("body", _body),
    b"SMTPUTF8": ("smtputf8", _smtputf8),
    b"AUTH": ("auth", _auth),
    b"RET": ("ret", _ret),
    b"ENVID": ("envid", _envid),
    b"REQUIRETLS": ("requiretls", _requiretls),
    b"HOLDFOR": ("holdfor", _holdfor),
    b"HOLDUNTIL": ("holduntil", _holduntil),
}
