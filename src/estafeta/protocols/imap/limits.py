"""The limits of the IMAP machine, each with its reason. Sizes are octets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of the machine. Beyond them a command is answered BAD or NO, far beyond them BYE."""

    early_line_octets: int = 8192
    """A command line before sign-in (RFC 7162 4 asks servers for 8192 at least); strangers get no more."""
    line_octets: int = 128 << 10
    """A command line after sign-in: sets of 10,000 UIDs, which RFC 7162 4 foresees, fit."""
    exchange_octets: int = 12288
    """A line of a SASL exchange (RFC 4954 4 says so for SMTP; nothing in IMAP needs more)."""
    early_literal_octets: int = 8192
    """A literal before sign-in: a name or a password."""
    literal_octets: int = 64 << 10
    """A literal in a command, message data excepted: mailbox names, search texts, annotations."""
    command_octets: int = 256 << 10
    """All text and literals of one command, message data excepted: it is kept in memory and parsed at once."""
    nesting: int = 50
    """Parentheses within parentheses, so that nobody exhausts the stack."""
    words: int = 4000
    """Words of a command, literals excepted: each costs a step of the parser, and lists of mailboxes are the longest
    that anybody has a use for."""
    fetch_items: int = 100
    """Items of one FETCH: each may stand for the whole message."""
    set_pairs: int = 10_000
    """Ranges of one sequence set."""
    search_keys: int = 1000
    """Keys of one search: each may cost a scan."""
    append_octets: int = 0
    """A message of APPEND (RFC 7889 APPENDLIMIT); 0 for none that the machine checks."""
    bad_commands: int = 20
    """Wrong commands in a row before the session ends: what speaks so is no IMAP client."""
    discard_octets: int = 100 << 20
    """A literal that nobody waits for is read and thrown away (RFC 7888 4) up to this size; beyond it, BYE."""
    inflated_discard_octets: int = 4 << 20
    """The same while COMPRESS is on: a thousand octets of a bomb cost one on the wire."""
