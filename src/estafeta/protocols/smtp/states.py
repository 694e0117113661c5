"""The states of a session, and what its input is taken for at a moment.

The members are named again at the end of the file for the machine's own use: looking one up in its class goes through
a descriptor (Python 3.11) and costs some five times a global name, which adds up to a tenth of a short session.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a session is between commands."""

    CONNECTED = "connected"
    """No HELO yet, or TLS has just begun."""
    GREETED = "greeted"
    MAIL = "mail"
    """MAIL was accepted; no recipient yet."""
    RCPT = "rcpt"
    """There is a recipient."""
    BDAT = "bdat"
    """Part of the content has come by BDAT."""


class Phase(StrEnum):
    """What the input is taken for."""

    SILENT = "silent"
    """Before the greeting and during a TLS handshake: nothing is read."""
    COMMANDS = "commands"
    RESPONSE = "response"
    """The client's lines in an AUTH exchange."""
    DATA = "data"
    """The content after DATA."""
    CHUNK = "chunk"
    """The octets after BDAT."""


CONNECTED: Final = State.CONNECTED
GREETED: Final = State.GREETED
IN_MAIL: Final = State.MAIL
IN_RCPT: Final = State.RCPT
IN_BDAT: Final = State.BDAT

SILENT: Final = Phase.SILENT
COMMAND_PHASE: Final = Phase.COMMANDS
RESPONSE_PHASE: Final = Phase.RESPONSE
DATA_PHASE: Final = Phase.DATA
CHUNK_PHASE: Final = Phase.CHUNK
