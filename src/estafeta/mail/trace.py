"""Trace fields: what this host writes in front of a message that passes (RFC 5321 4.4). Never raises.

Names that a peer chose (HELO, the name its address maps to, recipients) are reduced to characters that can stand
where they are put: no line end, parenthesis, quote or backslash of theirs ever reaches the field.
"""

import re
from functools import lru_cache

from estafeta.mail.address import Address
from estafeta.mail.dates import format_date

_NOT_DOMAIN = re.compile(r"[^A-Za-z0-9.:_\[\]\x80-\U0010ffff-]")
_NOT_COMMENT = re.compile(r"[^A-Za-z0-9 .,:;=_/+@\[\]-]")
_NOT_PATH = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST_WORD = 255


def with_protocol(mode: str, tls: bool, auth: bool, utf8: bool) -> str:
    """The word after "with": `mode` is SMTP, ESMTP or LMTP (RFC 3848; RFC 6531 4.3 for the UTF8 forms).

    Plain SMTP has neither extension, so they are said in ESMTP's words.
    """
    suffix = ("S" if tls else "") + ("A" if auth else "")
    if utf8:
        return ("UTF8LMTP" if mode == "LMTP" else "UTF8SMTP") + suffix
    return ("ESMTP" if mode == "SMTP" and suffix else mode) + suffix


def received(
    *,
    helo: bytes | str,
    client: str,
    client_name: str | None,
    by: str,
    protocol: str,
    ident: str,
    recipient: str | None,
    tls: str | None,
    now: float,
) -> bytes:
    """The Received field, folded, with its CRLF (RFC 5321 4.4, Time-stamp-line).

    `client` is the peer's IP address, `client_name` the name it was verified to have; `recipient` is given only when
    there is exactly one, so that blind copies stay blind (RFC 5321 7.2); `tls` is said as a comment, such as
    "TLSv1.3 TLS_AES_256_GCM_SHA384" (RFC 8314 4.3 has clauses for it that few read); `now` in epoch seconds.
    """
    text = f"{_way(helo, client, client_name, tls, by, protocol)} id {_domain(ident)}"
    if recipient:
        text += f"\r\n\tfor <{_path(recipient)}>"
    return text.encode("utf-8", "replace") + b";\r\n\t" + format_date(now) + b"\r\n"


@lru_cache(maxsize=256)
def _way(helo: bytes | str, client: str, client_name: str | None, tls: str | None, by: str, protocol: str) -> str:
    """The field up to what is of one message only: a client sends many."""
    peer = f"{_domain(client_name)} {_literal(client)}" if client_name else _literal(client)
    lines = [f"Received: from {_domain(helo)} ({peer})"]
    if tls:
        lines.append(f"(using {_comment(tls)})")
    lines.append(f"by {_domain(by)} with {_domain(protocol)}")
    return "\r\n\t".join(lines)


def return_path(address: Address | None) -> bytes:
    """The Return-path field of final delivery (RFC 5321 4.4), with its CRLF; `<>` for None."""
    text = _path(str(address)) if address is not None else ""
    return b"Return-Path: <" + text.encode("utf-8", "replace") + b">\r\n"


def _domain(name: bytes | str) -> str:
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    text = _NOT_DOMAIN.sub("?", text[:_LONGEST_WORD])
    if not text.isascii():
        text = "".join(c if c.isprintable() and not c.isspace() else "?" for c in text)
    return text or "unknown"


def _literal(ip: str) -> str:
    """RFC 5321 4.1.3."""
    ip = _domain(ip.strip("[]"))
    return f"[IPv6:{ip}]" if ":" in ip and not ip.lower().startswith("ipv6:") else f"[{ip}]"


def _comment(text: str) -> str:
    return _NOT_COMMENT.sub("?", text[:_LONGEST_WORD])


def _path(path: str) -> str:
    # Quotes and backslashes may be part of a local part; angle brackets only within quotes.
    path = _NOT_PATH.sub("?", path[: 2 * _LONGEST_WORD])
    return path if path.startswith('"') else path.replace("<", "?").replace(">", "?")
