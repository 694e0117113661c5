"""Masking SMTP, submission and LMTP."""

import re
from typing import Final

from estafeta.net.masking.base import LEFT_OUT, Masker, Who
from estafeta.net.masking.sides import Content, Side


class SmtpMasker(Masker):
    """SMTP, submission and LMTP."""

    _KNOWN: Final = frozenset(
        b"HELO EHLO LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT STARTTLS AUTH ETRN TURN ATRN XCLIENT".split()
    )

    def __init__(self, *, sure: bool = True) -> None:
        super().__init__(sure=sure)
        self._mechanism = b""
        self._first_chunk = True

    def _is_answer(self, line: bytes) -> bool:
        return re.match(rb"[245]\d\d( |$)", line) is not None

    def _client_line(self, side: Side, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        upper = verb.upper()
        if self._secret:
            self._note_user(self._mechanism, line)
            self._show(Who.CLIENT, LEFT_OUT)
        elif upper == b"AUTH":
            self._mechanism, _, initial = rest.strip().partition(b" ")
            self._secret = self._signed_in = True
            self.user = ""
            self._note_user(self._mechanism, initial)
            self._show(Who.CLIENT, f"AUTH {self._mechanism.decode('ascii', 'replace')}{f' {LEFT_OUT}' * bool(initial)}")
        elif self._signed_in and upper not in self._KNOWN:
            # A client that goes on with a sign-in which was refused sends its password now.
            self._show(Who.CLIENT, LEFT_OUT)
        else:
            self._show(Who.CLIENT, line)
            self._note_content(side, upper, rest)

    def _note_content(self, side: Side, verb: bytes, rest: bytes) -> None:
        if verb in (b"MAIL", b"RSET"):
            self._first_chunk = True
        size = rest.split(b" ")[0]
        if verb == b"BDAT" and size.isdigit() and len(size) < 20 and int(size):
            side.left = int(size)
            side.content = Content(header=self._first_chunk)
            self._first_chunk = False

    def _server_line(self, side: Side, line: bytes) -> None:
        if line.startswith(b"334"):
            self._show(Who.SERVER, "334 (challenge)" if len(line) > 4 else line)
            return
        if line[3:4] != b"-":
            self._secret = False
        if line.startswith(b"354"):
            self._sides[Who.CLIENT].content = Content()
        self._show(Who.SERVER, line)
