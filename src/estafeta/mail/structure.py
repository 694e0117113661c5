"""The structure of a message as it is stored beside it: which octets are which part, so that no one parses twice.

`encode_media`, `encode_part` and `encode_structure` write compact JSON, `parse_structure` reads it back. Offsets count
octets from the first octet of the message. Keys of a part, left out when empty or zero:

    h  [offset, size] of its header with the empty line     b  [offset, size] of its body, as sent
    l  lines (line feeds) in the body                       t, s  type and subtype, lower case
    c  charset       e  transfer encoding                   d  disposition    f  file name (decoded)
    n  what Content-Type calls the file where Content-Disposition calls it otherwise
    i  Content-ID without angle brackets                    g  Content-Language    o  Content-Location
    p  the parts of a multipart                             m  the message inside message/rfc822

Around the outermost part: `{"v":1,"mid":Message-ID,"refs":[...],"part":{...}}`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quote_json
from typing import Any

from estafeta.core.errors import EstafetaError, Kind

VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message; see the module for what the fields say. `message` is set for message/rfc822 only."""

    header_offset: int
    header_size: int
    body_offset: int
    body_size: int
    lines: int
    type: str
    subtype: str
    charset: str
    encoding: str
    disposition: str
    filename: str
    content_id: str
    language: str
    location: str
    parts: tuple["Part", ...]
    message: "Part | None"
    other_name: str = ""


@dataclass(frozen=True, slots=True)
class Structure:
    """A message's parts and the ids that make threads of messages."""

    message_id: str
    references: tuple[str, ...]
    root: Part


def encode_media(media: tuple[str, str], texts: Sequence[tuple[str, str]]) -> str:
    """Type, subtype and what else is known of a part, for `encode_part`. `texts`: key and value pairs."""
    return f'"t":{quote_json(media[0])},"s":{quote_json(media[1])}{encode_texts(texts)}'


def encode_texts(texts: Sequence[tuple[str, str]]) -> str:
    """More of a part, to be put behind `encode_media`."""
    return "".join([f',"{key}":{quote_json(value)}' for key, value in texts if value])


def encode_part(
    offsets: tuple[int, int, int, int, int], media: str, children: Sequence[bytes], message: bytes
) -> bytes:
    """One part. `offsets`: header offset and size, body offset and size, lines. `media`: see `encode_media`."""
    header, header_size, body, body_size, lines = offsets
    line_count = f',"l":{lines}' if lines else ""
    plain = f'{{"h":[{header},{header_size}],"b":[{body},{body_size}]{line_count},{media}'.encode("ascii")
    if children:
        plain += b',"p":[' + b",".join(children) + b"]"
    if message:
        plain += b',"m":' + message
    return plain + b"}"


def encode_structure(message_id: str, references: Sequence[str], root: bytes) -> bytes:
    """The whole, around the outermost part's text."""
    refs = ",".join(map(quote_json, references))
    return f'{{"v":{VERSION},"mid":{quote_json(message_id)},"refs":[{refs}],"part":'.encode("ascii") + root + b"}"


def parse_structure(text: bytes) -> Structure:
    """What `encode_structure` wrote. Raises EstafetaError(INVALID) for anything else."""
    try:
        stored = json.loads(text)
        return Structure(stored["mid"], tuple(stored["refs"]), _read_part(stored["part"]))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise EstafetaError(Kind.INVALID, "The stored structure of a message is damaged.", repr(error)) from None


def _read_part(stored: dict[str, Any]) -> Part:
    get = stored.get
    inner = get("m")
    header_offset, header_size = stored["h"]
    body_offset, body_size = stored["b"]
    return Part(
        header_offset=header_offset,
        header_size=header_size,
        body_offset=body_offset,
        body_size=body_size,
        lines=get("l", 0),
        type=stored["t"],
        subtype=stored["s"],
        charset=get("c", ""),
        encoding=get("e", ""),
        disposition=get("d", ""),
        filename=get("f", ""),
        content_id=get("i", ""),
        language=get("g", ""),
        location=get("o", ""),
        parts=tuple(map(_read_part, get("p", ()))),
        message=None if inner is None else _read_part(inner),
        other_name=get("n", ""),
    )


def find_part(root: Part, section: Sequence[int]) -> Part | None:
    """The part that IMAP calls by these numbers (RFC 9051 6.4.5.1), None when there is none; () is the message.

    The parts of a message/rfc822 part are those of the message inside. Part 1 of what has no parts is itself.
    """
    part, at_message = root, True  # at_message: `part` stands for a whole message, which has a part 1 in any case
    for number in section:
        if not at_message and part.message is not None:
            part, at_message = part.message, True
        if part.parts:
            if not 1 <= number <= len(part.parts):
                return None
            part = part.parts[number - 1]
        elif not (at_message and number == 1):
            return None
        at_message = False
    return part


def walk(part: Part) -> Iterator[Part]:
    """The part and everything inside it, outermost first."""
    yield part
    for child in part.parts:
        yield from walk(child)
    if part.message is not None:
        yield from walk(part.message)
