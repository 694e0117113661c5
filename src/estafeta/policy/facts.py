"""What is known of a session and of its message when a check is asked.

A session fills this in as it goes; checks only read it. What had to be looked up is in `found`, by the name of the
check that looked: later checks read the results of earlier ones there, and a replay fills it from elsewhere.
"""

from dataclasses import dataclass, field
from typing import Any

from estafeta.directory.model import Account, Resolution
from estafeta.mail.address import Address
from estafeta.net.owner import Ends
from estafeta.policy.content import Content
from estafeta.protocols.smtp.limits import Mode


@dataclass(slots=True)
class Facts:
    """`peer` is the client's IP address, or `local` for a Unix socket. `trusted`: it may relay, by its address or
    because it signed in. `now` in epoch seconds. `early`: it spoke before it was greeted. `recipients`: those accepted
    so far, with what the directory knows of each; `recipient` the one that stage RCPT is about. `content` from stage
    HEADERS on. `ends`: of a connection from this machine, where its program is of interest. `found`: results of
    lookups that found something, by the name of the check, and what was read of a content, as a pair of that and what
    it was."""

    peer: str
    mode: Mode = Mode.SMTP
    now: float = 0.0
    tls: bool = False
    helo: str = ""
    esmtp: bool = False
    early: bool = False
    ends: Ends | None = None
    trusted: bool = False
    account: Account | None = None
    sender: Address | None = None
    smtputf8: bool = False
    declared_size: int = 0
    recipient: tuple[Address, Resolution] | None = None
    recipients: list[tuple[Address, Resolution]] = field(default_factory=list)
    content: Content | None = None
    found: dict[str, Any] = field(default_factory=dict)

    def end_message(self) -> None:
        """It was looked at: its content is let go of, and what was read of that."""
        content, self.content = self.content, None
        if not self.found:
            return
        for name, found in list(self.found.items()):
            if content is not None and isinstance(found, tuple) and found and found[0] is content:
                del self.found[name]

    def begin_message(self) -> None:
        """A new transaction: what belongs to the last message is forgotten, what belongs to the session stays."""
        self.sender = None
        self.smtputf8 = False
        self.declared_size = 0
        self.recipient = None
        self.recipients = []
        self.content = None
