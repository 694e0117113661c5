"""Masking POP3."""

from collections import deque
from typing import Final

from estafeta.net.masking.base import LEFT_OUT, Masker, Who
from estafeta.net.masking.sides import Content, Side


class Pop3Masker(Masker):
    """POP3."""

    _KNOWN: Final = frozenset(
        b"USER PASS APOP AUTH STAT LIST RETR DELE NOOP RSET QUIT TOP UIDL CAPA STLS LAST UTF8 LANG XTND".split()
    )
    _MOST_PENDING: Final = 1000

    def __init__(self, *, sure: bool = True) -> None:
        super().__init__(sure=sure)
        self._pending: deque[bytes] = deque(maxlen=self._MOST_PENDING)

    def _is_answer(self, line: bytes) -> bool:
        return line.startswith((b"+OK", b"-ERR"))

    def _client_line(self, side: Side, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        upper = verb.upper()
        if self._secret or (self._signed_in and upper not in self._KNOWN):
            self._show(Who.CLIENT, LEFT_OUT)
            return
        self._pending.append(upper)
        self._signed_in = self._signed_in or upper in (b"AUTH", b"PASS", b"APOP")
        if upper == b"AUTH" and rest:
            mechanism, _, initial = rest.partition(b" ")
            self._secret = True
            self._note_user(mechanism, initial)
            self._show(Who.CLIENT, f"AUTH {mechanism.decode('ascii', 'replace')}{f' {LEFT_OUT}' * bool(initial)}")
        elif upper == b"PASS":
            self._show(Who.CLIENT, f"PASS {LEFT_OUT}")
        elif upper == b"APOP":
            self.user = rest.split(b" ")[0].decode("utf-8", "replace")
            self._show(Who.CLIENT, f"APOP {self.user} {LEFT_OUT}")
        else:
            self.user = rest.decode("utf-8", "replace") if upper == b"USER" else self.user
            self._show(Who.CLIENT, line)

    def _server_line(self, side: Side, line: bytes) -> None:
        if self._secret and line.startswith(b"+") and not line.startswith(b"+OK"):
            self._show(Who.SERVER, "+ (challenge)")
            return
        if self._is_answer(line):
            self._secret = False
            verb = self._pending.popleft() if self._pending else b""
            if verb in (b"RETR", b"TOP") and line.startswith(b"+OK"):
                side.content = Content()
        self._show(Who.SERVER, line)
