"""What a remote server of the lab remembers: the sessions it had, word by word, and the messages it took."""

from dataclasses import dataclass, field
from typing import NamedTuple

#: Transcripts stop here: a session that sends gigabytes shall not fill the memory of who watches it.
_MOST_LINES = 20_000
_MOST_LINE_BYTES = 4096


class TakenMessage(NamedTuple):
    """A message that the server took. Parameters are as they were written behind MAIL FROM and RCPT TO; `tls` is empty
    or the version and cipher; `reply_lost` says that its sender never heard so."""

    sender: str
    mail_parameters: str
    recipients: tuple[tuple[str, str], ...]
    content: bytes
    hello: str
    tls: str
    user: str
    peer: str
    host: str
    reply_lost: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """The recipients without their parameters."""
        return tuple(address for address, _ in self.recipients)


@dataclass(slots=True)
class Session:
    """One connection. `lines` are (b"C" or b"S", line without its end); contents of messages are left out of them."""

    peer: str
    host: str
    tls: str = ""
    server_name: str = ""
    ended: bool = False
    lines: list[tuple[bytes, bytes]] = field(default_factory=list)

    def note(self, who: bytes, line: bytes) -> None:
        """Remember a line."""
        if len(self.lines) < _MOST_LINES:
            self.lines.append((who, line[:_MOST_LINE_BYTES]))

    def text(self) -> str:
        """The transcript, `C: ` and `S: ` before each line."""
        return "\n".join(f"{who.decode()}: {line.decode('utf-8', 'replace')}" for who, line in self.lines)

    def commands(self) -> list[str]:
        """What the client said."""
        return [line.decode("utf-8", "replace") for who, line in self.lines if who == b"C"]
