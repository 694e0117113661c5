"""aiosmtpd with a handler that keeps what it acknowledges: written, synced and named in a Maildir before 250.

Run as a module it is the server: `python -m benchmarks.aiosmtpd_server PORT DIRECTORY`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import maildir
from benchmarks.maildir import MaildirServer
from benchmarks.server import Skip, await_greeting, free_port


class AiosmtpdMaildir(MaildirServer):
    name = "aiosmtpd, fsynced Maildir"

    @classmethod
    def prepare(cls) -> None:
        try:
            metadata.version("aiosmtpd")
        except metadata.PackageNotFoundError:
            raise Skip("aiosmtpd is not installed: pip install -e '.[bench]'") from None

    @classmethod
    def version(cls) -> str:
        return f"aiosmtpd {metadata.version('aiosmtpd')}"

    def start(self) -> None:
        self.maildirs = [self.home / f"u{number:02d}" for number in range(self.users)]
        for path in self.maildirs:
            maildir.make(path)
        self.smtp_port = free_port()
        module = [sys.executable, "-m", "benchmarks.aiosmtpd_server", str(self.smtp_port), self.home]
        self.group.spawn(module, cwd=Path(__file__).parent.parent)
        await_greeting(self.smtp_port, self.group)

    def await_delivered(self, messages: int, acknowledged: float) -> float:
        """A message has its name in the Maildir before its 250 is sent."""
        super().await_delivered(messages, acknowledged)
        return acknowledged


class MaildirHandler:
    """Delivers each message to the Maildir of each recipient, in a thread so that others are served meanwhile."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._numbers = itertools.count()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        for recipient in envelope.rcpt_tos:
            user = recipient.partition("@")[0]
            await asyncio.to_thread(self._deliver, f"{self._root}/{user}", envelope.content)
        return "250 OK"

    def _deliver(self, path: str, content: bytes) -> None:
        name = f"{time.time():.6f}.P{os.getpid()}Q{next(self._numbers)}.bench"
        with open(f"{path}/tmp/{name}", "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{path}/tmp/{name}", f"{path}/new/{name}")
        directory = os.open(f"{path}/new", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


async def serve(port: int, root: str) -> None:
    from aiosmtpd.smtp import SMTP

    loop = asyncio.get_running_loop()
    handler = MaildirHandler(root)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="mail.bench.test", loop=loop), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
