"""Why a message did not arrive, from what a server said: enhanced status code, reply code, and words. Never raises.

Implements RFC 3463 and its register (RFC 5248): the status decides, its class (4 or 5) does not. Where a server gives
none, or one that says little (X.0.0, X.7.1), its words are looked at, in the phrases that common servers use; then the
reply code (RFC 5321 4.2.3).
"""

import re
from enum import StrEnum


class Reason(StrEnum):
    """What a person needs to know to do something about it; the texts are in `dsn_english` and its neighbours."""

    UNKNOWN_ADDRESS = "unknown_address"
    BAD_ADDRESS = "bad_address"
    MOVED = "moved"
    DISABLED = "disabled"
    FULL = "full"
    TOO_LARGE = "too_large"
    NO_DOMAIN = "no_domain"
    TAKES_NO_MAIL = "takes_no_mail"
    SENDER = "sender"
    SENDER_NOT_PROVEN = "sender_not_proven"
    SPAM = "spam"
    VIRUS = "virus"
    POLICY = "policy"
    NOT_A_MEMBER = "not_a_member"
    LOGIN = "login"
    TLS = "tls"
    UTF8 = "utf8"
    CONTENT = "content"
    LOOP = "loop"
    NO_ANSWER = "no_answer"
    NAMES = "names"
    BUSY = "busy"
    LATER = "later"
    TOO_MANY = "too_many"
    SYSTEM = "system"
    EXPIRED = "expired"
    REMOVED = "removed"
    OTHER = "other"


# RFC 3463 3, by subject and detail.
_BY_STATUS = {
    "1.1": Reason.UNKNOWN_ADDRESS,
    "1.2": Reason.NO_DOMAIN,
    "1.3": Reason.BAD_ADDRESS,
    "1.4": Reason.BAD_ADDRESS,
    "1.6": Reason.MOVED,
    "1.7": Reason.SENDER,
    "1.8": Reason.SENDER,
    "1.9": Reason.SENDER,
    "1.10": Reason.TAKES_NO_MAIL,  # RFC 7505
    "2.1": Reason.DISABLED,
    "2.2": Reason.FULL,
    "2.3": Reason.TOO_LARGE,
    "3.1": Reason.BUSY,
    "3.2": Reason.BUSY,
    "3.3": Reason.CONTENT,
    "3.4": Reason.TOO_LARGE,
    "4.1": Reason.NO_ANSWER,
    "4.2": Reason.NO_ANSWER,
    "4.3": Reason.NAMES,
    "4.4": Reason.NO_DOMAIN,
    "4.5": Reason.BUSY,
    "4.6": Reason.LOOP,
    "4.7": Reason.EXPIRED,
    "5.3": Reason.TOO_MANY,
    "6.7": Reason.UTF8,  # RFC 6531
    "6.8": Reason.UTF8,
    "6.9": Reason.UTF8,
    "7.2": Reason.NOT_A_MEMBER,
    "7.4": Reason.TLS,
    "7.5": Reason.TLS,
    "7.8": Reason.LOGIN,  # RFC 4954
    "7.9": Reason.LOGIN,
    "7.10": Reason.TLS,  # RFC 5248
    "7.11": Reason.TLS,
    "7.13": Reason.DISABLED,
    "7.17": Reason.MOVED,  # RFC 7293: the mailbox has another owner now
    "7.20": Reason.SENDER_NOT_PROVEN,  # RFC 7372: DKIM, SPF, reverse DNS
    "7.21": Reason.SENDER_NOT_PROVEN,
    "7.22": Reason.SENDER_NOT_PROVEN,
    "7.23": Reason.SENDER_NOT_PROVEN,
    "7.24": Reason.SENDER_NOT_PROVEN,
    "7.25": Reason.SENDER_NOT_PROVEN,
    "7.26": Reason.SENDER_NOT_PROVEN,
    "7.27": Reason.SENDER,
    "7.28": Reason.SPAM,  # mail flood
    "7.29": Reason.SENDER_NOT_PROVEN,  # RFC 8617: ARC
    "7.30": Reason.TLS,  # RFC 8689
}
_BY_SUBJECT = {
    "1": Reason.UNKNOWN_ADDRESS,
    "2": Reason.DISABLED,
    "3": Reason.SYSTEM,
    "4": Reason.NO_ANSWER,
    "5": Reason.SYSTEM,
    "6": Reason.CONTENT,
    "7": Reason.POLICY,
}
_VAGUE = frozenset({"", "0.0", "1.0", "2.0", "3.0", "4.0", "4.7", "5.0", "6.0", "7.0", "7.1"})
"""Statuses that say less than the words beside them; 4.7 that a message waited too long, not for what."""
_BY_WORDS = tuple(
    (re.compile(words, re.IGNORECASE), reason)
    for words, reason in (
        (r"gr[ae]y.?list", Reason.LATER),
        (r"\b(virus|malware|infected)\b", Reason.VIRUS),
        (r"\b(dmarc|dkim|spf)\b|reverse dns|\bPTR\b|sender authentication", Reason.SENDER_NOT_PROVEN),
        (r"\bspam\b|unsolicited|black.?list|block.?list|\bRBL\b|dnsbl|spamhaus|reputation|\bblocked\b", Reason.SPAM),
        (
            r"(user|recipient|mailbox|address|account) (is )?(unknown|not found|does not exist|doesn't exist|not exist)"
            r"|(unknown|no such|invalid|nonexistent|non-existent) (local )?(user|recipient|mailbox|address|account)"
            r"|no mailbox (here )?by that name|mailbox unavailable",
            Reason.UNKNOWN_ADDRESS,
        ),
        (r"(mailbox|quota|inbox|storage).{0,30}(full|exceed)|over.?quota|exceed.{0,20}quota", Reason.FULL),
        (r"(account|mailbox|user).{0,20}(disabled|inactive|suspended|locked)", Reason.DISABLED),
        (r"too (large|big)|size limit|exceeds.{0,30}size|maximum (message )?size", Reason.TOO_LARGE),
        (r"relay(ing)? (access )?(denied|not (permitted|allowed))|unable to relay", Reason.TAKES_NO_MAIL),
        (r"\bTLS\b|STARTTLS|encrypt", Reason.TLS),
        (r"too many (connections|messages|recipients)|rate limit|throttl|try again", Reason.LATER),
        (r"cannot be found|servfail|\bdns\b|name server", Reason.NAMES),
        (r"did not answer|timed? ?out|could not be reached|unreachable|connection refused", Reason.NO_ANSWER),
    )
)
_BY_CODE = {
    421: Reason.BUSY,
    450: Reason.LATER,
    451: Reason.LATER,
    452: Reason.BUSY,
    454: Reason.TLS,
    521: Reason.TAKES_NO_MAIL,  # RFC 7504
    530: Reason.LOGIN,
    535: Reason.LOGIN,
    551: Reason.MOVED,
    552: Reason.FULL,
    553: Reason.BAD_ADDRESS,
    556: Reason.TAKES_NO_MAIL,
}
_LONGEST = 1000
"""Characters of a reply that are looked at."""


def find_reason(status: str, code: int = 0, text: str = "", command: str = "") -> Reason:
    """The reason for `status` ("5.1.1" or ""), reply code (0: none), words, and the command that was answered."""
    detail = status[2:] if status[1:2] == "." else ""
    if detail not in _VAGUE:
        known = _BY_STATUS.get(detail)
        if known is not None:
            return known
    for pattern, reason in _BY_WORDS:
        if pattern.search(text[:_LONGEST]):
            return reason
    if detail in _BY_STATUS:
        return _BY_STATUS[detail]
    if detail == "7.1" or (code == 550 and command not in ("", "RCPT")):
        return Reason.LATER if code // 100 == 4 else Reason.POLICY
    if detail and not detail.startswith("0."):
        return _BY_SUBJECT.get(detail.partition(".")[0], Reason.OTHER)
    return _BY_CODE.get(code, Reason.OTHER)
