"""What is wrong with a command: raised by the parsers, caught by the machine, which answers it."""

from estafeta.protocols.imap.replies import Status


class CommandError(Exception):
    """A command that is not executed. Without `text` the machine says what the command should look like."""

    def __init__(self, text: str = "", status: Status = Status.BAD, code: bytes = b"") -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.code = code


class LiteralMissingError(CommandError):
    """The text ends with `{n}` where a string is wanted: its octets have yet to come."""
