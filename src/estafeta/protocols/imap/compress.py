"""COMPRESS=DEFLATE (RFC 4978): both directions of a compressed session.

Input is inflated a piece at a time, as the machine asks for it; what waits stays compressed, so a bomb costs no memory.
"""

import zlib

_RAW = -15
"""RFC 4978 3: raw deflate, without header and checksum."""
_PIECE = 64 << 10
_LEVEL = 3
"""Mail text shrinks to a third at any level; the higher ones only take time."""


class Inflater:
    """What the client sends."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(_RAW)
        self._waiting = b""

    def __len__(self) -> int:
        return len(self._waiting)

    def feed(self, data: bytes) -> None:
        """Octets that came."""
        self._waiting += data

    def take(self) -> bytes:
        """The next octets, at most 64 KiB; empty when more input is needed. Raises zlib.error on what is no stream."""
        # An engine may hold back output that was more than it was asked for: it is asked again with no input.
        data = self._engine.decompress(self._waiting, _PIECE)
        self._waiting = self._engine.unconsumed_tail
        if not data and self._engine.eof:
            raise zlib.error("the stream has ended")
        return data


class Deflater:
    """What is sent."""

    def __init__(self) -> None:
        self._engine = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)

    def encode(self, data: bytes) -> bytes:
        """`data`, so that the client can read all of it at once."""
        return self._engine.compress(data) + self._engine.flush(zlib.Z_SYNC_FLUSH)
