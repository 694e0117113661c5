"""One user's mailboxes on a running server, the ways to reach them, and the messages that these tests put there.

Clients are run as their users run them. What they did is looked at by a session of imaplib's (`Site.session`).
"""

import imaplib
import smtplib
import ssl
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 20


@dataclass(frozen=True)
class Site:
    """A user of a server, whose certificate is in a file: who trusts it can verify `host` by it."""

    host: str
    port: int  #: STARTTLS
    tls_port: int
    lmtp_port: int
    user: str
    password: str
    certificate: Path

    def context(self) -> ssl.SSLContext:
        """Trusts this server's certificate and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    @contextmanager
    def session(self) -> Iterator[imaplib.IMAP4]:
        """A signed-in session, ended whatever happens."""
        with imaplib.IMAP4_SSL(self.host, self.tls_port, ssl_context=self.context(), timeout=SECONDS) as session:
            session.login(self.user, self.password)
            yield session

    def deliver(self, *messages: bytes) -> None:
        """Mail that arrives from elsewhere."""
        with smtplib.LMTP(self.host, self.lmtp_port) as client:
            for message in messages:
                client.sendmail("sender@example.org", [self.user], message)


def quote(text: str) -> str:
    """The string as IMAP quotes it; imaplib leaves that to its callers, but for passwords."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def ok(reply: tuple[str, list[Any]]) -> list[Any]:
    """What an imaplib command returned, which must have been OK."""
    kind, data = reply
    assert kind == "OK", data
    return data


def letter(name: str, text: str = "", *, subject: str = "", reply_to: str = "") -> bytes:
    """A message with Message-ID <NAME@client.test>; the same name always makes the same message."""
    day = zlib.crc32(name.encode()) % 28 + 1
    lines = [
        f"Date: {day:02d} Mar 2026 10:00:00 +0000",
        f"From: {name.capitalize()} <{name.lower()}@example.org>",
        "To: reader@example.test",
        f"Message-ID: <{name}@client.test>",
        f"Subject: {subject or f'About {name}'}",
        *([f"In-Reply-To: <{reply_to}@client.test>", f"References: <{reply_to}@client.test>"] if reply_to else []),
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        text or f"This is {name}.\r\n.A line with a dot, and one of señas.\r\n",
    ]
    return "\r\n".join(lines).encode()


def append_all(session: imaplib.IMAP4, folder: str, messages: Sequence[tuple[bytes, str]]) -> None:
    """APPEND each message with its flags."""
    for content, flags in messages:
        ok(session.append(quote(folder), flags, None, content))
