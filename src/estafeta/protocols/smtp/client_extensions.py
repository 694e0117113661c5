"""What a server offers: its reply to EHLO, LHLO or HELO, read (RFC 5321 4.1.1.1).

A keyword whose parameters make no sense counts as offered without them; unknown keywords are passed over.
"""

from dataclasses import dataclass

from estafeta.protocols.smtp.client_replies import RawReply, reply_lines

_MOST = 10**18


@dataclass(frozen=True, slots=True)
class Extensions:
    """`name` is what the server calls itself. `size`: octets it takes at most, 0 for no limit that it names.
    `mail_max`, `rcpt_max`: transactions of a session, recipients of one (RFC 9422 4), 0 where it names none."""

    name: str = ""
    esmtp: bool = False
    pipelining: bool = False
    size_offered: bool = False
    size: int = 0
    eight_bit: bool = False
    chunking: bool = False
    binary: bool = False
    smtputf8: bool = False
    dsn: bool = False
    etrn: bool = False
    starttls: bool = False
    require_tls: bool = False
    auth: tuple[str, ...] = ()
    mail_max: int = 0
    rcpt_max: int = 0
    keywords: tuple[str, ...] = ()


def parse_extensions(raw: RawReply, *, esmtp: bool) -> Extensions:
    """The extensions in a positive reply. Never raises."""
    lines = [line.decode("ascii", "replace") for line in reply_lines(raw)]
    words = lines[0].split()
    name = "".join(char if char.isprintable() else "?" for char in words[0][:255]) if words else ""
    if not esmtp:
        return Extensions(name)
    offered: dict[str, list[str]] = {}
    for line in lines[1:]:
        # "AUTH=LOGIN" beside "AUTH LOGIN" is what servers say for clients older than RFC 2554.
        first, *rest = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]
        offered.setdefault(first, []).extend(rest)
    return _extensions(name, offered)


def _extensions(name: str, offered: dict[str, list[str]]) -> Extensions:
    limits = dict(word.partition("=")[::2] for word in offered.get("LIMITS", ()))
    return Extensions(
        name,
        esmtp=True,
        pipelining="PIPELINING" in offered,  # RFC 2920
        size_offered="SIZE" in offered,  # RFC 1870
        size=_number((offered.get("SIZE") or [""])[0]),
        eight_bit="8BITMIME" in offered,  # RFC 6152
        chunking="CHUNKING" in offered,  # RFC 3030
        binary="BINARYMIME" in offered and "CHUNKING" in offered,
        smtputf8="SMTPUTF8" in offered,  # RFC 6531
        dsn="DSN" in offered,  # RFC 3461
        etrn="ETRN" in offered,  # RFC 1985
        starttls="STARTTLS" in offered,  # RFC 3207
        require_tls="REQUIRETLS" in offered,  # RFC 8689
        auth=tuple(dict.fromkeys(offered.get("AUTH", ()))),  # RFC 4954
        mail_max=_number(limits.get("MAILMAX", "")),
        rcpt_max=_number(limits.get("RCPTMAX", "")),
        keywords=tuple(word for word in offered if word.isalnum() or word.replace("-", "").isalnum()),
    )


def _number(word: str) -> int:
    return min(int(word), _MOST) if word.isdecimal() and word.isascii() and len(word) <= 20 else 0
