"""POP3 (RFC 1939), server side, without I/O."""

from estafeta.protocols.pop3.commands import COMMANDS, State
from estafeta.protocols.pop3.content import Head, Stuffer, encode_content
from estafeta.protocols.pop3.replies import Code
from estafeta.protocols.pop3.server import Limits, Pop3Server
from estafeta.protocols.pop3.texts import LANGUAGES, Text

__all__ = [
    "COMMANDS",
    "LANGUAGES",
    "Code",
    "Head",
    "Limits",
    "Pop3Server",
    "State",
    "Stuffer",
    "Text",
    "encode_content",
]
