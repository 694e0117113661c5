"""What a person may see of a conversation: its lines, without secrets and without what messages say.

A `Masker` gets the octets of one connection, both directions, in any pieces, and gives lines back. Left out are
passwords and everything else of a sign-in (SMTP and POP3 AUTH, PASS, APOP; IMAP LOGIN and AUTHENTICATE), the bodies of
messages (their header fields are shown, IMAP's literals not), and URLAUTH tokens. Where it cannot be sure what
something is, it is left out: a connection that was under way already is shown from its next complete answer on.
Memory is bounded; nothing that a peer sends makes it raise.
"""

from typing import Final

from estafeta.net.masking.base import Line, Masker, Who
from estafeta.net.masking.imap import ImapMasker
from estafeta.net.masking.opaque import OpaqueMasker
from estafeta.net.masking.pop3 import Pop3Masker
from estafeta.net.masking.smtp import SmtpMasker

__all__ = ["Line", "Masker", "Who", "make_masker"]


_KINDS: Final[tuple[tuple[frozenset[str], type[Masker]], ...]] = (
    (frozenset({"smtp", "submission", "submissions", "lmtp", "delivery"}), SmtpMasker),
    (frozenset({"pop3", "pop3s"}), Pop3Masker),
    (frozenset({"imap", "imaps"}), ImapMasker),
)


def make_masker(service: str, *, sure: bool = True) -> Masker:
    """The masker for a service by its name; of what has none only the size is told."""
    for names, kind in _KINDS:
        if service in names:
            return kind(sure=sure)
    return OpaqueMasker(sure=sure)
