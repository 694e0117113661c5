"""Masking IMAP."""

import re
import zlib
from typing import Final

from estafeta.net.masking.base import LEFT_OUT, Masker, Who
from estafeta.net.masking.sides import Content, Side


class ImapMasker(Masker):
    """IMAP, also behind COMPRESS=DEFLATE (RFC 4978)."""

    _LITERAL: Final = re.compile(rb"\{(\d{1,18})\+?\}$")
    _BODY: Final = re.compile(
        rb'(?i)((?:BODY|BINARY)\[(?!HEADER)[^\]]*\](?:<\d+>)? |RFC822(?:\.TEXT)? |PREVIEW )"(?:[^"\\]|\\.)*"'
    )
    _TOKEN: Final = re.compile(rb"(?i):internal:[0-9a-f]+")

    def __init__(self, *, sure: bool = True) -> None:
        super().__init__(sure=sure)
        self._tag = b""
        self._verb = b""
        self._continued = False

    def _is_answer(self, line: bytes) -> bool:
        return re.match(rb"[^*+ ]\S* (OK|NO|BAD)( |$)", line) is not None

    def _client_line(self, side: Side, line: bytes) -> None:
        literal = self._LITERAL.search(line)
        if literal is not None:
            side.left = int(literal[1])
            side.content = Content(header=False) if side.left else None
        if self._secret or (self._continued and self._verb == b"LOGIN"):
            self._show(Who.CLIENT, LEFT_OUT)
        elif self._continued:
            self._show(Who.CLIENT, self._clean(line))
        else:
            self._command(line)
        self._continued = literal is not None

    def _command(self, line: bytes) -> None:
        self._tag, _, rest = line.partition(b" ")
        verb, _, arguments = rest.partition(b" ")
        self._verb = verb.upper()
        start = f"{self._tag.decode('ascii', 'replace')} {self._verb.decode('ascii', 'replace')}"
        if self._verb == b"LOGIN":
            self.user = arguments.split(b" ")[0].strip(b'"').decode("utf-8", "replace")
            self._signed_in = True
            self._show(Who.CLIENT, f"{start} {LEFT_OUT}")
        elif self._verb == b"AUTHENTICATE":
            mechanism, _, initial = arguments.partition(b" ")
            self._secret = self._signed_in = True
            self._note_user(mechanism, initial)
            self._show(Who.CLIENT, f"{start} {mechanism.decode('ascii', 'replace')}{f' {LEFT_OUT}' * bool(initial)}")
        elif self._signed_in and not re.fullmatch(rb"[A-Z]{2,20}", self._verb) and line.upper() != b"DONE":
            self._show(Who.CLIENT, LEFT_OUT)
        else:
            self._show(Who.CLIENT, self._clean(line))

    def _server_line(self, side: Side, line: bytes) -> None:
        literal = self._LITERAL.search(line)
        if literal is not None and int(literal[1]):
            side.left = int(literal[1])
            side.content = Content(header=False)
        if self._secret and line.startswith(b"+"):
            self._show(Who.SERVER, "+ (challenge)")
            return
        if self._tag and line.startswith(self._tag + b" "):
            self._answered(line)
        self._show(Who.SERVER, self._clean(line))

    def _answered(self, line: bytes) -> None:
        """The command is done: a literal that was announced with it does not come any more."""
        self._secret = False
        client = self._sides[Who.CLIENT]
        if not line.startswith(self._tag + b" OK"):
            client.left, client.content, self._continued = 0, None, False
        elif self._verb == b"COMPRESS":
            self._inflaters = {who: zlib.decompressobj(-15) for who in self._sides}

    def _clean(self, line: bytes) -> bytes:
        return self._TOKEN.sub(b":internal:(secret)", self._BODY.sub(rb'\1"(text)"', line))
