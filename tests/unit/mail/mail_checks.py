"""What must hold for the scan of any octets, with a small reader of IMAP data (RFC 9051 9) to check what we send."""

import re

from estafeta.mail.headers import find_header_end
from estafeta.mail.scan import MessageSummary
from estafeta.mail.structure import parse_structure, walk

_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")
_NUMBER = re.compile(rb"\d+")

Value = bytes | int | None | list


def read_imap(text: bytes) -> Value:
    """The one value that `text` is, all of it; ValueError when it is none."""
    value, at = _read(text, 0)
    if at != len(text):
        raise ValueError(text[at:])
    return value


def _read(text: bytes, at: int) -> tuple[Value, int]:
    if text[at : at + 3] == b"NIL":
        return None, at + 3
    if text[at : at + 1] == b"(":
        return _read_list(text, at + 1)
    if quoted := _QUOTED.match(text, at):
        return re.sub(rb"\\(.)", rb"\1", quoted.group(1)), quoted.end()
    if literal := _LITERAL.match(text, at):
        end = literal.end() + int(literal.group(1))
        octets = text[literal.end() : end]
        if len(octets) != int(literal.group(1)) or b"\0" in octets:
            raise ValueError(text[at:])
        return octets, end
    if number := _NUMBER.match(text, at):
        return int(number.group()), number.end()
    raise ValueError(text[at:])


def _read_list(text: bytes, at: int) -> tuple[list, int]:
    out: list = []
    while text[at : at + 1] != b")":
        if text[at : at + 1] == b" " and out:
            at += 1
        elif out and not (isinstance(out[-1], list) and text[at : at + 1] == b"("):
            raise ValueError(text[at:])
        value, at = _read(text, at)
        out.append(value)
    return out, at + 1


def check_string(value: Value, *, nil: bool = True) -> None:
    """nstring or string."""
    assert isinstance(value, bytes) or (nil and value is None), value


def check_envelope(value: Value) -> None:
    """RFC 9051 9, `envelope`."""
    assert isinstance(value, list)
    assert len(value) == 10
    for index in (0, 1, 8, 9):
        check_string(value[index])
    for addresses in value[2:8]:
        assert addresses is None or addresses
        for address in addresses or []:
            assert len(address) == 4
            for item in address:
                check_string(item)


def check_parameters(value: Value) -> None:
    """`body-fld-param`."""
    if value is not None:
        assert isinstance(value, list)
        assert value
        assert len(value) % 2 == 0
        for item in value:
            check_string(item, nil=False)


def check_body(value: Value) -> None:
    """`body` with its extension data, all of it."""
    assert isinstance(value, list)
    if isinstance(value[0], list):
        children = [item for item in value if isinstance(item, list)]
        count = next(index for index, item in enumerate(value) if not isinstance(item, list))
        for child in children[:count]:
            check_body(child)
        subtype, parameters, *tail = value[count:]
        check_string(subtype, nil=False)
        check_parameters(parameters)
    else:
        tail = _check_leaf(value)
    disposition, language, location = tail
    if disposition is not None:
        check_string(disposition[0], nil=False)
        check_parameters(disposition[1])
    for item in language if isinstance(language, list) else [language]:
        check_string(item)
    check_string(location)


def _check_leaf(value: list) -> list:
    type_, subtype, parameters, ident, description, encoding, octets, *rest = value
    for item in (type_, subtype, encoding):
        check_string(item, nil=False)
    check_parameters(parameters)
    check_string(ident)
    check_string(description)
    assert isinstance(octets, int)
    if type_ == b"message" and subtype in (b"rfc822", b"global"):
        envelope, body, lines, *rest = rest
        check_envelope(envelope)
        check_body(body)
        assert isinstance(lines, int)
    elif type_ == b"text":
        lines, *rest = rest
        assert isinstance(lines, int)
    md5, *rest = rest
    check_string(md5)
    return rest


def check_summary(message: bytes, summary: MessageSummary) -> None:
    """What holds for any octets."""
    assert summary.size == len(message)
    end = find_header_end(message)
    assert summary.header_size == (len(message) if end < 0 else end)
    check_envelope(read_imap(summary.envelope))
    check_body(read_imap(summary.bodystructure))
    assert len(summary.preview) <= 255
    assert summary.preview.isprintable()
    assert summary.subject.isprintable()
    for part in walk(parse_structure(summary.structure).root):
        assert 0 <= part.header_offset <= part.header_offset + part.header_size <= part.body_offset
        assert part.body_size >= 0
        assert part.body_offset + part.body_size <= len(message)
        assert part.lines == message.count(b"\n", part.body_offset, part.body_offset + part.body_size)
