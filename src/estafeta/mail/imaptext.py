"""Texts of IMAP's FETCH: strings, ENVELOPE, BODYSTRUCTURE (RFC 9051 7.5.2 and 9).

Everything here is ready to be sent: an octet that a quoted string may not hold makes a literal, a NUL (which only
literal8 may hold) becomes a question mark. Literals are `{n}` CRLF and n octets, right in the text.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from estafeta.mail.addresslist import Group, Mailbox, parse_address_list
from estafeta.mail.encodedwords import unfold
from estafeta.mail.mime import Parameters

_QUOTABLE = re.compile(rb"[\t !#-\[\]-~]{0,1000}").fullmatch
_QUOTED_AT_MOST = 1000
"""Longer strings go as literals: some clients read lines into a buffer of fixed size."""
_NO_DOMAIN = b'""'
"""The host of an address that has none. NIL would make it a group (RFC 9051 7.5.2)."""
MAX_ADDRESSES = 1000
"""Of one field in an ENVELOPE. No program shows more; a hostile header of allowed size holds 30,000, three times."""
EMPTY_TEXT_PART = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'
"""A multipart without parts must still show one: the grammar asks for 1*body."""


def quote(value: bytes) -> bytes:
    """`string` of RFC 9051 9."""
    if _QUOTABLE(value):
        return b'"' + value + b'"'
    if len(value) <= _QUOTED_AT_MOST and value.isascii() and not (b"\r" in value or b"\n" in value or b"\0" in value):
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n" % len(value) + value.replace(b"\0", b"?")


def encode_envelope(fields: Mapping[bytes, bytes]) -> bytes:
    """ENVELOPE from the fields of a header, by lower-case name, values raw.

    RFC 9051 7.5.2: Sender and Reply-To that are missing or empty are From.
    """
    sender = encode_addresses(fields.get(b"from"))
    get = fields.get
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _text(get(b"date")),
        _text(get(b"subject")),
        sender,
        _or_sender(get(b"sender"), sender),
        _or_sender(get(b"reply-to"), sender),
        encode_addresses(get(b"to")),
        encode_addresses(get(b"cc")),
        encode_addresses(get(b"bcc")),
        _text(get(b"in-reply-to")),
        _text(get(b"message-id")),
    )


def _text(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    return quote(unfold(value) if b"\n" in value else value)


def _or_sender(value: bytes | None, sender: bytes) -> bytes:
    if not value:
        return sender
    own = encode_addresses(value)
    return sender if own == b"NIL" else own


def encode_addresses(value: bytes | None) -> bytes:
    """The list of the first MAX_ADDRESSES addresses of a field's value, or NIL when there is none."""
    if not value:
        return b"NIL"
    return _remembered(value) if len(value) <= _SHORT_VALUE else _encode_addresses(value)


def _encode_addresses(value: bytes) -> bytes:
    out = []
    for entry in parse_address_list(value, MAX_ADDRESSES):
        if isinstance(entry, Group):
            out.append(b"(NIL NIL %b NIL)" % quote(entry.name))
            out.extend(map(_address, entry.members))
            out.append(b"(NIL NIL NIL NIL)")
        else:
            out.append(_address(entry))
    return b"(" + b"".join(out) + b")" if out else b"NIL"


# The same people write to each other, and lists to everyone: bounded, 2048 values of at most this length.
_SHORT_VALUE = 200
_remembered = lru_cache(maxsize=2048)(_encode_addresses)


def _address(mailbox: Mailbox) -> bytes:
    return b"(%b NIL %b %b)" % (
        quote(mailbox.name) if mailbox.name else b"NIL",
        quote(mailbox.local),
        quote(mailbox.domain) if mailbox.domain else _NO_DOMAIN,
    )


def encode_parameters(parameters: Parameters) -> bytes:
    """`body-fld-param`."""
    if not parameters:
        return b"NIL"
    return b"(" + b" ".join([quote(name) + b" " + quote(value) for name, value in parameters]) + b")"


def encode_disposition(word: bytes, parameters: Parameters) -> bytes:
    """`body-fld-dsp`."""
    return b"(" + quote(word) + b" " + encode_parameters(parameters) + b")" if word else b"NIL"


def encode_languages(value: bytes | None) -> bytes:
    """`body-fld-lang` of a Content-Language field (RFC 3282)."""
    tags = [tag.strip() for tag in unfold(value).split(b",")] if value else []
    tags = [tag for tag in tags if tag]
    if not tags:
        return b"NIL"
    return quote(tags[0]) if len(tags) == 1 else b"(" + b" ".join(map(quote, tags)) + b")"


def encode_type(kind: bytes, subtype: bytes, parameters: Parameters) -> bytes:
    """Subtype and parameters as they stand in every body, behind the type if one is given."""
    text = quote(subtype) + b" " + encode_parameters(parameters)
    return quote(kind) + b" " + text if kind else text


def encode_leaf(media: bytes, fields: Mapping[bytes, bytes], encoding: bytes, octets: int) -> bytes:
    """The part of `body-type-1part` that all have: type to octets, without parentheses. `media` is of `encode_type`,
    `encoding` quoted."""
    if b"content-id" not in fields and b"content-description" not in fields:
        return b"%b NIL NIL %b %d" % (media, encoding, octets)
    content_id, description = _text(fields.get(b"content-id")), _text(fields.get(b"content-description"))
    return b"%b %b %b %b %d" % (media, content_id, description, encoding, octets)


def encode_multipart(children: Sequence[bytes], media: bytes, tail: bytes) -> bytes:
    """`body-type-mpart` with its extension data. `media` is of `encode_type`, without type."""
    return b"(%b %b %b)" % (b"".join(children) or EMPTY_TEXT_PART, media, tail)


def encode_tail(disposition: bytes, fields: Mapping[bytes, bytes]) -> bytes:
    """Disposition, language and location, which end the extension data of every body."""
    if b"content-language" not in fields and b"content-location" not in fields:
        return disposition + b" NIL NIL"
    language = encode_languages(fields.get(b"content-language"))
    return b"%b %b %b" % (disposition, language, _text(fields.get(b"content-location")))
