"""Parts decoded as the most lenient mail program does it, since whoever hides a file counts on that.

Base64 goes on behind its padding (RFC 2045 6.8 lets a reader stop there), and is read where the first octets are those
of an archive although the header says another encoding, or one that nobody knows, or several.
"""

import re

from estafeta.mail.binary import BinaryDecoder, UnknownEncodingError

#: Stretches of base64 with padding between them; each costs a little.
MAX_STRETCHES = 100
# How zip, gzip, bzip2, xz, rar, 7z and TNEF begin in base64.
_ARCHIVE = re.compile(rb"[\s=]*(?:UEsDB|UEsFB|H4sI|QlpoO|/Td6W|UmFyI|N3q8r|eJ8\+I)")


class Base64Decoder:
    """As `BinaryDecoder`, over padding."""

    def __init__(self) -> None:
        self._decoder = BinaryDecoder("base64")
        self._stretches = 0

    def feed(self, data: bytes) -> bytes:
        """What the next octets decode to."""
        out = []
        while data and self._stretches < MAX_STRETCHES:
            head, padding, data = data.partition(b"=")
            out.append(self._decoder.feed(head))
            if padding:
                out.append(self._decoder.close())
                self._decoder, self._stretches = BinaryDecoder("base64"), self._stretches + 1
                data = data.lstrip(b"=\r\n")
        # Beyond so many, the first padding is the end.
        out.append(self._decoder.feed(data))
        return b"".join(out)

    def close(self) -> bytes:
        """The rest."""
        return self._decoder.close()


def is_as_it_was(encoding: str, beginning: bytes) -> bool:
    """Whether to decode a part that begins so changes nothing."""
    return encoding in ("", "7bit", "8bit", "binary") and not _ARCHIVE.match(beginning)


def decoder_for(encoding: str, beginning: bytes) -> BinaryDecoder | Base64Decoder:
    """The decoder of a part that begins so, as it was sent. `encoding`: the word of its header in lower case."""
    if encoding == "base64":
        return Base64Decoder()
    if encoding != "quoted-printable" and _ARCHIVE.match(beginning):
        return Base64Decoder()
    try:
        return BinaryDecoder(encoding)
    except UnknownEncodingError:
        return BinaryDecoder("")
