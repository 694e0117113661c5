"""What readers of archives give, whatever the format: members, and their octets unpacked within bounds."""

import lzma
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

#: A path in an archive that is longer was made to cost memory.
MAX_NAME = 255
#: Streams behind each other that are one file (RFC 1952 2.2): bgzip begins one every 64 KiB.
MAX_STREAMS = 200

_PIECE = 64 << 10


class Unpacked(NamedTuple):
    """`complete`: these are all. `taken`: how many packed octets were read for it."""

    octets: bytes
    complete: bool
    taken: int = 0


class Member(NamedTuple):
    """A file in an archive; a folder where `name` ends with a slash. `read(most)` gives its octets, at most so many;
    `packed` is its size in the archive; `said` what the archive says of its size unpacked, 0 where it says nothing;
    `slowness`: how many times as long as inflate an octet takes. `encrypted`: nobody without the password reads it;
    `readable`: it is packed in a way that is known here. `other_name`: what another place of the archive calls it."""

    name: str
    packed: int
    read: Callable[[int], Unpacked]
    encrypted: bool = False
    said: int = 0
    slowness: int = 1
    readable: bool = True
    other_name: str = ""


def clean_name(name: str) -> str:
    """A path as one line, with / between its parts, of bounded length: its end is kept, which says what it is."""
    name = name.replace("\\", "/")[-MAX_NAME:]
    return name if name.isprintable() else "".join(c if c.isprintable() else "_" for c in name)


def take(stored: memoryview, most: int) -> Unpacked:
    """What is in the archive as it is."""
    octets = bytes(stored[:most])
    return Unpacked(octets, len(octets) == len(stored), len(octets))


def unpack(new_decoder: Callable[[], Any], packed: memoryview, most: int, beginning: bytes = b"") -> Unpacked:
    """At most `most` octets, as far as they are whole. Where streams have a `beginning`, one that follows another is
    read as well: programs write them as one file."""
    out, taken = bytearray(), 0
    try:
        for _ in range(MAX_STREAMS):
            decoder = new_decoder()
            while taken < len(packed) and not decoder.eof:
                piece = packed[taken : taken + _PIECE]
                taken += len(piece)
                out += decoder.decompress(piece, most + 1 - len(out))
                if len(out) > most:
                    return Unpacked(bytes(out[:most]), False, taken)
            if not decoder.eof:
                break
            taken -= len(decoder.unused_data)
            padding = bytes(packed[taken : taken + _PIECE])
            taken += len(padding) - len(padding.lstrip(b"\0"))
            if not beginning or packed[taken : taken + len(beginning)] != beginning:
                return Unpacked(bytes(out), True, taken)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError, MemoryError):
        pass
    return Unpacked(bytes(out[:most]), False, taken)
