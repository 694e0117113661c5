"""Commands of any state and those before sign-in (RFC 9051 6.1, 6.2; RFC 2971, 4959, 4978, 5161, 5255, 8437)."""

from estafeta.protocols.imap.commands import (
    Authenticate,
    Comparator,
    Compress,
    Enable,
    Id,
    Language,
    Login,
)
from estafeta.protocols.imap.faults import CommandError
from estafeta.protocols.imap.lexer import Scanner
from estafeta.protocols.imap.replies import Status
from estafeta.protocols.imap.texts import Text

_ID_FIELDS = 30
"""RFC 2971 3.3: a client sends no more fields than this, of such lengths."""
_ID_NAME_OCTETS = 30
_ID_VALUE_OCTETS = 1024


def parse_login(scanner: Scanner) -> Login:
    """LOGIN."""
    scanner.space()
    name = scanner.astring()
    scanner.space()
    password = scanner.astring()
    scanner.end()
    return Login(name, password)


def parse_authenticate(scanner: Scanner) -> Authenticate:
    """AUTHENTICATE; the machine takes the initial response (RFC 4959 3) with `initial_response`."""
    scanner.space()
    return Authenticate(scanner.keyword().decode("ascii"))


def initial_response(scanner: Scanner) -> bytes | None:
    """What follows the mechanism: base64 or `=`; None for nothing."""
    if not scanner.try_space():
        scanner.end()
        return None
    rest = scanner.data[scanner.pos :].rstrip(b" ")
    if b" " in rest:
        raise CommandError
    return rest


def parse_id(scanner: Scanner) -> Id:
    """ID."""
    scanner.space()
    if scanner.nil():
        scanner.end()
        return Id(())
    scanner.open_list()
    fields: list[tuple[str, str | None]] = []
    more = not scanner.skip(b")")
    while more:
        if len(fields) == _ID_FIELDS:
            raise CommandError
        fields.append(_id_field(scanner))
        more = scanner.more()
    scanner.end()
    return Id(tuple(fields))


def _id_field(scanner: Scanner) -> tuple[str, str | None]:
    name = scanner.string()
    scanner.space()
    value = None if scanner.nil() else scanner.string()
    if len(name) > _ID_NAME_OCTETS or (value is not None and len(value) > _ID_VALUE_OCTETS):
        raise CommandError
    return name.decode("utf-8", "replace"), None if value is None else value.decode("utf-8", "replace")


def parse_enable(scanner: Scanner) -> Enable:
    """ENABLE."""
    scanner.space()
    names = [scanner.keyword().decode("ascii")]
    while scanner.try_space():
        names.append(scanner.keyword().decode("ascii"))
    scanner.end()
    return Enable(tuple(names))


def parse_language(scanner: Scanner) -> Language:
    """LANGUAGE."""
    return Language(_texts(scanner))


def parse_comparator(scanner: Scanner) -> Comparator:
    """COMPARATOR."""
    return Comparator(_texts(scanner))


def _texts(scanner: Scanner) -> tuple[str, ...]:
    found = []
    while scanner.try_space():
        found.append(scanner.text() if not scanner.at(b"*") else _star(scanner))
    scanner.end()
    return tuple(found)


def _star(scanner: Scanner) -> str:
    # RFC 4647 2.1: "*" is a range of its own; it is no ASTRING, but is sent as one.
    scanner.expect(b"*")
    return "*"


def parse_compress(scanner: Scanner) -> Compress:
    """COMPRESS; DEFLATE is the one algorithm there is (RFC 4978 4)."""
    scanner.space()
    algorithm = scanner.keyword()
    scanner.end()
    if algorithm != b"DEFLATE":
        raise CommandError(Text.ONLY_DEFLATE, Status.NO)
    return Compress()
