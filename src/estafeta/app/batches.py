"""Batch sites (row Q8): mail goes out only in sessions, at intervals or on demand, with commands before and after.

Between sessions the gate of every courier is closed. One worker runs a session, by lease: the command before (dial),
ETRN to the server that keeps our mail, then its own gate is open until nothing is due any more, then the command after
(hang up). Where the first command fails nothing is sent, and the next session tries again.
"""

import asyncio
import contextlib
import logging
import shlex
import time

from estafeta.app.jobs import claim
from estafeta.core.errors import EstafetaError
from estafeta.delivery.asking import ask_for_mail
from estafeta.delivery.courier import Courier
from estafeta.directory.settings_outward import Batch
from estafeta.queue.reading import next_claim_ms

log = logging.getLogger("estafeta.batch")

#: The topic of the bus that begins a session now.
TOPIC = "batch"
_LEASE = "batch"
_LOOK_SECONDS = 0.5
_QUIET_LOOKS = 4
# A session ends after so long, whatever is left: the line may be dear.
_MOST_SECONDS = 4 * 3600
_OUTPUT_BYTES = 4096


class Batches:
    """The batch sessions of one worker."""

    def __init__(self, courier: Courier, holder: str) -> None:
        self._courier = courier
        self._outfit = courier.outfit
        self._holder = holder
        self._due = time.monotonic()
        self._session: asyncio.Task[None] | None = None

        self.use()

    def use(self) -> None:
        """The settings may have changed: open or close the gate, unless a session of ours is under way."""
        enabled = self._outfit.settings.current.batch.enabled
        if not self._running and self._courier.gate_open == enabled:
            self._courier.gate_open = not enabled
            self._courier.wake()

    @property
    def _running(self) -> bool:
        return self._session is not None and not self._session.done()

    def tick(self) -> None:
        """Every second: look after the gate, and begin a session when it is time."""
        self.use()
        batch = self._outfit.settings.current.batch
        if not batch.enabled or not batch.interval_seconds or self._running or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + batch.interval_seconds
        self.begin(on_demand=False)

    def begin(self, *, on_demand: bool = True) -> None:
        """Begin a session, unless this worker or another has one."""
        if not self._running:
            self._session = asyncio.get_running_loop().create_task(self._run(on_demand))

    async def stop(self) -> None:
        """End a session at once; its command after is still run."""
        if self._session is not None:
            self._session.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._session

    async def _run(self, on_demand: bool) -> None:
        batch = self._outfit.settings.current.batch
        # On demand two at once are kept apart; by interval the lease also keeps the others quiet until the next.
        seconds = batch.command_seconds if on_demand else max(batch.interval_seconds - 5, 5)
        name = f"{_LEASE}-now" if on_demand else _LEASE
        try:
            if not await asyncio.to_thread(claim, self._outfit.mailboxes.database, name, self._holder, seconds):
                return
            log.info("batch session begins")
            if not await self._connected(batch):
                return
            log.info("batch session ended")
        except EstafetaError as error:
            log.error("batch session failed", extra={"cause": error.private or error.public})

    async def _connected(self, batch: Batch) -> bool:
        """Dial, exchange mail, hang up; False where dialling failed."""
        dialled = True  # also where we are stopped meanwhile: the line may be open
        try:
            dialled = await self._command(batch.before_command, batch.command_seconds)
            if dialled:
                await self._exchange()
            return dialled
        finally:
            self._courier.gate_open = not batch.enabled
            if dialled:
                await asyncio.shield(self._command(batch.after_command, batch.command_seconds))

    async def _exchange(self) -> None:
        """Ask for our mail, and send until nothing is due."""
        batch = self._outfit.settings.current.batch
        if batch.etrn_server and batch.etrn_domains:
            await self._ask(batch)
        self._courier.gate_open = True
        self._courier.wake()
        end, quiet = time.monotonic() + _MOST_SECONDS, 0
        while quiet < _QUIET_LOOKS and time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
            due = await asyncio.to_thread(self._next_due_ms)
            busy = self._courier.active or (due is not None and due <= self._outfit.now_ms())
            quiet = 0 if busy else quiet + 1

    async def _ask(self, batch: Batch) -> None:
        """Have our mail sent. Where nobody can be asked, ours goes out all the same."""
        try:
            for line in await ask_for_mail(self._outfit, batch.etrn_server, batch.etrn_domains):
                log.info("asked for mail", extra={"reply": line})
        except EstafetaError as error:
            log.warning("our mail could not be asked for", extra={"cause": error.private or error.public})

    def _next_due_ms(self) -> int | None:
        with self._outfit.mailboxes.database.read() as conn:
            return next_claim_ms(conn)

    async def _command(self, text: str, seconds: int) -> bool:
        """Run an operator's command; whether it succeeded (or there is none)."""
        if not text:
            return True
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(text),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except (OSError, ValueError) as error:
            log.error("batch command cannot be run", extra={"command": text, "reason": str(error)})
            return False
        try:
            async with asyncio.timeout(seconds):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            log.error("batch command took too long", extra={"command": text, "seconds": seconds})
            return False
        except asyncio.CancelledError:
            process.kill()
            raise
        if process.returncode:
            said = output[-_OUTPUT_BYTES:].decode("utf-8", "replace").strip()
            log.error("batch command failed", extra={"command": text, "status": process.returncode, "said": said})
        return process.returncode == 0
