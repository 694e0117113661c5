"""SMTP replies: the value, how it is encoded, and every text that the machine says by itself, named once.

Enhanced codes are RFC 3463's and the registry's of RFC 5248. Servers use these too and make their own with `Reply`.
"""

from functools import lru_cache
from typing import NamedTuple

from estafeta.protocols.smtp.limits import REPLY_LINE

_SHORT = 480
"""A text below this fits into one line with any code before it."""


class Reply(NamedTuple):
    """One reply. `enhanced` is like `2.1.0`, empty for none; a `\\n` in `text` begins another line."""

    code: int
    enhanced: str
    text: str

    @property
    def positive(self) -> bool:
        """2xx or 3xx: the command took effect."""
        return self.code < 400


# Most replies are always the same. Bounded: 256 texts of at most this length.
_REMEMBERED = 500


def encode_reply(reply: Reply, utf8: bool = False, plain: bool = False) -> bytes:
    """The reply as it is sent, at most 512 octets a line (RFC 5321 4.5.3.1.5).

    RFC 2034 4: each line of a 2xx, 4xx or 5xx reply carries the enhanced code, but not greetings nor replies to EHLO
    and HELO (`plain`). What is not printable ASCII becomes `?`, except in a session that speaks SMTPUTF8 (`utf8`).
    """
    return (_remembered if len(reply.text) <= _REMEMBERED else _encode_reply)(reply, utf8, plain)


def _encode_reply(reply: Reply, utf8: bool, plain: bool) -> bytes:
    code, text = reply.code, reply.text
    prefix = "" if plain or not reply.enhanced or code // 100 == 3 else reply.enhanced + " "
    if text.isascii() and len(text) < _SHORT:
        if text.isprintable():
            return f"{code} {prefix}{text}\r\n".encode("ascii")
        if "\n" in text and text.replace("\n", "").isprintable():
            before, _, final = text.rpartition("\n")
            before = before.replace("\n", f"\r\n{code}-{prefix}")
            return f"{code}-{prefix}{before}\r\n{code} {prefix}{final}\r\n".encode("ascii")
    room = REPLY_LINE - len(prefix) - 6  # code, separator, CRLF
    lines = [part for line in text.split("\n") for part in _wrap(_printable(line, utf8), room)]
    head = prefix.encode("ascii")
    encoded = [b"%d-%b%b\r\n" % (code, head, line) for line in lines[:-1]]
    encoded.append(b"%d %b%b\r\n" % (code, head, lines[-1]))
    return b"".join(encoded)


_remembered = lru_cache(maxsize=256)(_encode_reply)


def _printable(text: str, utf8: bool) -> str:
    text = text.rstrip("\r")
    if text.isprintable() and (utf8 or text.isascii()):
        return text
    return "".join(char if char.isprintable() and (utf8 or char.isascii()) else "?" for char in text)


def _wrap(text: str, room: int) -> list[bytes]:
    """`text` in pieces of at most `room` octets, never cut inside a character."""
    pieces, rest = [], text.encode("utf-8", "replace")
    while len(rest) > room:
        cut = room
        while rest[cut] & 0xC0 == 0x80:  # UTF-8 continuation octet
            cut -= 1
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return [*pieces, rest]


# Positive replies
SENDER_OK = Reply(250, "2.1.0", "Sender accepted")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient accepted")
CHUNK_OK = Reply(250, "2.0.0", "Octets received, go on")
RESET_OK = Reply(250, "2.0.0", "Reset")
NOOP_OK = Reply(250, "2.0.0", "OK")
START_DATA = Reply(354, "", "Send the message, end with a line that holds only a dot")
TLS_READY = Reply(220, "2.0.0", "Ready to start TLS")
AUTH_OK = Reply(235, "2.7.0", "Authenticated")
CANNOT_VERIFY = Reply(252, "2.5.0", "Addresses are not verified; send a message to it and see")
HELP = Reply(
    214,
    "2.0.0",
    "Commands: HELO EHLO LHLO MAIL RCPT DATA BDAT AUTH STARTTLS VRFY RSET NOOP HELP QUIT\n"
    "Help for people: ask your postmaster",
)

# Wrong commands: each counts as a bad one
UNKNOWN = Reply(500, "5.5.2", "This command is not known here")
EMPTY = Reply(500, "5.5.2", "An empty line is no command")
LINE_TOO_LONG = Reply(500, "5.5.2", "This line is too long")
BARE_IN_COMMAND = Reply(500, "5.5.2", "A line must end with CR LF")
BAD_CHARACTER = Reply(500, "5.5.2", "A command holds no CR, LF or other control characters")
NO_ARGUMENT = Reply(501, "5.5.4", "This command takes no argument")
NAME_WANTED = Reply(501, "5.5.4", "Say your own name: HELO or EHLO (LHLO) and a domain or an [address]")
ARGUMENT_WANTED = Reply(501, "5.5.4", "This command needs an argument")
MAIL_SYNTAX = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address> with parameters after a space")
RCPT_SYNTAX = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
BDAT_SYNTAX = Reply(
    501, "5.5.4", "Syntax: BDAT octets, or BDAT octets LAST; closing, for the octets cannot be told from commands"
)
AUTH_SYNTAX = Reply(501, "5.5.4", "Syntax: AUTH mechanism, or AUTH mechanism initial-response in base64")
ETRN_SYNTAX = Reply(501, "5.5.4", "Syntax: ETRN domain, ETRN @domain or ETRN #queue")
ETRN_IN_TRANSACTION = Reply(503, "5.5.1", "ETRN is not possible during a transaction")
BAD_SENDER = Reply(501, "5.1.7", "This is no valid sender address")
BAD_RECIPIENT = Reply(501, "5.1.3", "This is no valid recipient address")
BAD_PARAMETER = Reply(501, "5.5.4", "A parameter is malformed or given twice")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "A parameter is not known here")
HOLD_TOO_LONG = Reply(501, "5.5.4", "That is later than EHLO says a message can be kept")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "An address outside ASCII needs the SMTPUTF8 parameter on MAIL")
NOT_OFFERED = Reply(502, "5.5.1", "This command is not offered here")
HELLO_FIRST = Reply(503, "5.5.1", "Send HELO or EHLO first (LHLO in LMTP)")
EHLO_FIRST = Reply(503, "5.5.1", "This needs an extension: greet with EHLO (LHLO in LMTP) first")
NESTED_MAIL = Reply(503, "5.5.1", "A transaction is under way: finish it or send RSET first")
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
RCPT_FIRST = Reply(503, "5.5.1", "No valid recipients")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
BINARY_NEEDS_BDAT = Reply(503, "5.5.1", "BODY=BINARYMIME can only be sent with BDAT")
BDAT_BEGUN = Reply(503, "5.5.1", "This message has been begun with BDAT: go on with BDAT, or send RSET")
ALREADY_TLS = Reply(503, "5.5.1", "TLS is on already")
ALREADY_AUTHENTICATED = Reply(503, "5.5.1", "You are authenticated already")
AUTH_IN_TRANSACTION = Reply(503, "5.5.1", "AUTH is not possible during a transaction")

# Refusals by setting or limit
MESSAGE_TOO_BIG = Reply(552, "5.3.4", "The message is bigger than the size that EHLO announces")
BARE_IN_MESSAGE = Reply(550, "5.6.11", "The message holds a CR or LF that stands alone; lines end with CR LF")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients: send the message to the others in another transaction")
TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTH_FIRST = Reply(530, "5.7.0", "Authentication required")
AUTH_NEEDS_TLS = Reply(538, "5.7.11", "Authentication is possible only inside TLS: STARTTLS first")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "This authentication mechanism is not offered")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
AUTH_MALFORMED = Reply(501, "5.5.2", "This is no valid response of the mechanism, or no valid base64")
AUTH_LINE_TOO_LONG = Reply(500, "5.5.6", "This line of the authentication exchange is too long")
AUTH_WRONG = Reply(535, "5.7.8", "Name or password is wrong")
AUTH_BINDING = Reply(
    535, "5.7.8", "The channel binding does not match: another party may sit between you and this server"
)
AUTH_TEMPORARY = Reply(454, "4.7.0", "Authentication is not possible for the moment; the password may be right")
AUTH_TOO_WEAK = Reply(534, "5.7.9", "This account needs a stronger authentication mechanism")
AUTH_TRANSITION = Reply(432, "4.7.12", "A password transition is needed: log in once with PLAIN inside TLS")

# The session ends with these
TIMED_OUT = Reply(421, "4.4.2", "Timed out waiting for you; closing")
SHUTTING_DOWN = Reply(421, "4.3.2", "The server is being stopped or restarted; come back in a while")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors; closing")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands without a message; closing")
TOO_MANY_TRANSACTIONS = Reply(421, "4.7.0", "Enough messages for one connection; connect again for more")
NOT_A_MAIL_CLIENT = Reply(421, "4.7.0", "This is a mail server and speaks SMTP; closing")
