"""Commands of a transaction and contents as a client sends them.

`check_path` comes before `encode_mail` and `encode_rcpt`: what it refuses can never be sent. Contents for DATA have no
line end but CR LF when they leave, so that no server can be led to see the end of a message within one ("SMTP
smuggling").
"""

import re
from typing import Final

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
# RFC 3461 4: xtext = *( xchar / hexchar ); what is beyond it in ORCPT is utf-8-addr-unitext of RFC 6533 3.
_PARAMETER = re.compile(r"[!-~]+")

PATH_OCTETS: Final = 1000
"""RFC 5321 4.5.3.1.3 has 256 and lets servers take more: it is for them to refuse."""


def check_path(address: str) -> bool:
    """Whether an address can stand in a command: nothing in it ends a line or a path."""
    return len(address.encode("utf-8", "replace")) <= PATH_OCTETS and address.isprintable() and "\ufffd" not in address


def encode_mail(
    sender: str,
    *,
    size: int = -1,
    body: str = "",
    utf8: bool = False,
    require_tls: bool = False,
    ret: str = "",
    envid: str = "",
) -> bytes:
    """MAIL with what the other side offers: `size` of -1, "" and False leave a parameter away."""
    words = f"MAIL FROM:<{sender}>"
    if size >= 0:
        words += f" SIZE={size}"  # RFC 1870 6
    if body:
        words += f" BODY={body}"  # RFC 6152 2, RFC 3030 3
    if utf8:
        words += " SMTPUTF8"  # RFC 6531 3.4
    if require_tls:
        words += " REQUIRETLS"  # RFC 8689 3
    if ret in ("FULL", "HDRS"):
        words += f" RET={ret}"  # RFC 3461 4.3
    if envid and _PARAMETER.fullmatch(envid):
        words += f" ENVID={envid}"  # RFC 3461 4.4
    return f"{words}\r\n".encode("utf-8", "replace")


def encode_rcpt(address: str, *, notify: str = "", orcpt: str = "", utf8: bool = False) -> bytes:
    """RCPT; `notify` and `orcpt` only where the other side has DSN (RFC 3461 4.1, 4.2)."""
    words = f"RCPT TO:<{address}>"
    if notify and _PARAMETER.fullmatch(notify):
        words += f" NOTIFY={notify}"
    if orcpt and (_PARAMETER.fullmatch(orcpt) or (utf8 and orcpt.isprintable() and " " not in orcpt)):
        words += f" ORCPT={orcpt}"
    return f"{words}\r\n".encode("utf-8", "replace")


def encode_content(content: bytes) -> bytes:
    """A whole content as DATA sends it, with its final dot (RFC 5321 4.5.2)."""
    stuffer = DotStuffer()
    return stuffer.piece(content, last=True)


class DotStuffer:
    """A content as DATA sends it, piece by piece. The last one brings the final dot."""

    __slots__ = ("_carry", "_fresh")

    def __init__(self) -> None:
        self._carry = b""
        self._fresh = True  # at the beginning of a line

    def piece(self, data: bytes, *, last: bool) -> bytes:
        """The next octets, made ready."""
        if self._carry:
            data, self._carry = self._carry + data, b""
        if data.endswith(b"\r") and not last:
            data, self._carry = data[:-1], b"\r"
        # splitlines takes CR, LF and CR LF for ends: if all ends have two octets, that is what they are.
        lines = data.splitlines()
        ends = len(lines) if data.endswith((b"\n", b"\r")) else len(lines) - 1
        if len(data) - len(b"".join(lines)) != 2 * max(ends, 0):
            data = _LINE_END.sub(b"\r\n", data)
        fresh = data.endswith(b"\n") if data else self._fresh
        if b"\n." in data:
            data = data.replace(b"\n.", b"\n..")
        if self._fresh and data.startswith(b"."):
            data = b"." + data
        self._fresh = fresh
        if not last:
            return data
        return data + (b".\r\n" if fresh else b"\r\n.\r\n")
