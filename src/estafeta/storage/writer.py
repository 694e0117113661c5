"""The writer process and its clients: one group commit for all workers of a node.

Workers hand submissions over a Unix socket; the writer commits all that have come, from every worker, together, and
answers each worker in one message. A process of its own, because a thread would fight the event loop for the
interpreter at every statement (docs/adr/0004), and because one commit for all workers needs half the fsyncs of two.

Messages are a length of 4 octets and a pickle. Only processes of this node under our own user may connect; what comes
is checked by the kernel's word (SO_PEERCRED), never by trust in the octets.

When the writer dies, what it was asked and had not answered fails with a temporary error: it may or may not have been
committed, so its sender tries again, and at worst a message is delivered twice. What it was not asked yet waits for
the next writer, for a bounded time.
"""

import asyncio
import logging
import os
import pickle
import selectors
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

from estafeta.core.errors import EstafetaError, Kind
from estafeta.storage import steps
from estafeta.storage.commit import GroupCommit, Job, Operation
from estafeta.storage.packs import Location
from estafeta.storage.steps import Step

log = logging.getLogger("estafeta.storage")

# A batch is cut here so that one commit stays short: what waits longer goes into the next.
_BATCH_JOBS = 512
_BATCH_BYTES = 16 << 20
_LENGTH = struct.Struct("<I")
_PIECE = 1 << 20
# A worker that does not take its answers for so long is cut off; it will connect again.
_ANSWER_SECONDS = 10.0
# How long a submission may wait for a writer that is being started again.
_PATIENCE_SECONDS = 20.0
_RETRY_SECONDS = 0.05

_GONE = "The mail store is being restarted; try again in a moment."


class WriterServer:
    """The writer's side: `run` commits what workers submit until `stopping` and all of them have gone.

    `answered` is called after each batch, when its waiters have their answers."""

    def __init__(
        self, group: GroupCommit, listener: socket.socket, answered: Callable[[], None] = lambda: None
    ) -> None:
        self.stopping = False
        self._group = group
        self._answered = answered
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener.fileno(), selectors.EVENT_READ, self._accept)
        self._peers: dict[socket.socket, bytearray] = {}
        # Kept, since to make so much room for each message costs more than to read the message.
        self._room = memoryview(bytearray(_PIECE))

    def run(self, idle: Callable[[], None], idle_seconds: float) -> None:
        """Serve. `idle` is called at least every so often, between commits."""
        while not (self.stopping and not self._peers):
            waiting: list[tuple[socket.socket, int, Job]] = []
            for key, _ in self._selector.select(idle_seconds):
                if isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj, waiting)
                else:
                    key.data()
            for batch in _batches(waiting):
                self._commit(batch)
            idle()

    def wake_on(self, fd: int, drain: Callable[[], None]) -> None:
        """Wake up when `fd` (a signal's pipe) is readable, and have `drain` empty it."""
        self._selector.register(fd, selectors.EVENT_READ, drain)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        if not _is_ours(sock):
            log.error("a process of another user asked the writer and was refused")
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)
        self._peers[sock] = bytearray()
        self._selector.register(sock, selectors.EVENT_READ)

    def _read(self, sock: socket.socket, waiting: list[tuple[socket.socket, int, Job]]) -> None:
        buffer = self._peers[sock]
        try:
            octets = sock.recv_into(self._room)
        except BlockingIOError:
            return
        except OSError:
            octets = 0
        if not octets:
            self._drop(sock)
            return
        buffer += self._room[:octets]
        for message in _messages(buffer):
            waiting.extend((sock, number, Job(*job)) for number, *job in message)

    def _commit(self, batch: Sequence[tuple[socket.socket, int, Job]]) -> None:
        jobs = [job for _, _, job in batch]
        try:
            self._group.commit(jobs)
        except Exception as error:  # every waiter gets an answer, and the next batch its chance
            log.exception("commit failed")
            for job in jobs:
                job.failure = job.failure or error
        answers: dict[socket.socket, list[tuple[int, Any, BaseException | None]]] = {}
        for sock, number, job in batch:
            answers.setdefault(sock, []).append((number, job.result, _portable(job.failure)))
        for sock, answer in answers.items():
            if sock in self._peers:
                self._answer(sock, answer)
        self._answered()

    def _answer(self, sock: socket.socket, answer: object) -> None:
        data = _encode(answer)
        try:
            sent = _send_some(sock, data)
            if sent < len(data):
                sock.settimeout(_ANSWER_SECONDS)
                sock.sendall(memoryview(data)[sent:])
                sock.setblocking(False)
        except OSError as error:
            log.error("a worker did not take its answers: %s", error)
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        del self._peers[sock]
        sock.close()


class FaultyOperationError(EstafetaError):
    """An operation failed by its own fault, as with a text that the database cannot hold. Clients may try again, but
    the same thing will fail again."""

    def __init__(self, private: str = "") -> None:
        super().__init__(Kind.TEMPORARY, "The change could not be stored; try again later.", private)


class Writer(asyncio.Protocol):
    """A worker's side. `connect` opens a socket to the writer, or raises OSError while there is none."""

    def __init__(
        self,
        connect: Callable[[], socket.socket],
        loop: asyncio.AbstractEventLoop,
        reached: steps.Reached = steps.nothing,
    ) -> None:
        self._connect = connect
        self._loop = loop
        self._reached = reached
        self._number = 0
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._unsent: list[tuple[Any, ...]] = []
        self._flushing = False
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._stopped = False
        self._idle = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Submissions whose answer has not come."""
        return len(self._pending)

    async def start(self) -> None:
        """Connect; raises EstafetaError when there is no writer for too long."""
        await self._find_writer()
        if self._transport is None:
            raise EstafetaError(Kind.UNAVAILABLE, "The writer process does not answer.")

    def submit(
        self, operation: Operation, payload: Any, contents: Sequence[bytes | Location] = ()
    ) -> "asyncio.Future[Any]":
        """Queue a submission. The future has the result, or raises `EstafetaError`."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._stopped:
            # A job of the day, say, whose thread is still waited for: it must hear that it is too late.
            future.set_exception(EstafetaError(Kind.UNAVAILABLE, "This server is being stopped; try again later."))
            return future
        self._number += 1
        self._pending[self._number] = future
        self._unsent.append((self._number, operation, payload, contents))
        if not self._flushing:
            # Everything that this turn of the loop submits goes in one message.
            self._flushing = True
            self._loop.call_soon(self._flush)
        return future

    async def stop(self) -> None:
        """Wait for the answers to what was submitted, then hang up."""
        while self._pending:
            self._idle.clear()
            await self._idle.wait()
        self._stopped = True
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Answers from the writer."""
        self._buffer += data
        for message in _messages(self._buffer):
            for number, result, failure in message:
                self._finish(number, result, failure)
            self._reached(Step.ACKNOWLEDGED)
        if not self._pending:
            self._idle.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The writer died: what it was asked may or may not be on disk."""
        self._transport = None
        self._buffer.clear()
        if self._stopped:
            return
        log.error("the writer is gone; waiting for another")
        self._fail(set(self._pending) - {job[0] for job in self._unsent})
        self._connecting = self._loop.create_task(self._find_writer())

    # inside

    async def _find_writer(self) -> None:
        end = self._loop.time() + _PATIENCE_SECONDS
        while self._transport is None and not self._stopped:
            try:
                sock = self._connect()
                transport, _ = await self._loop.create_unix_connection(lambda: self, sock=sock)
            except OSError:
                if self._loop.time() > end:
                    self._fail(set(self._pending))
                    self._unsent.clear()
                    if self._connecting is None:
                        return
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)
                self._transport = transport
        self._flush()

    def _flush(self) -> None:
        self._flushing = False
        if self._transport is not None and self._unsent:
            self._transport.write(_encode(self._unsent))
            self._unsent = []

    def _finish(self, number: int, result: Any, failure: BaseException | None) -> None:
        future = self._pending.pop(number)
        if future.done():
            return
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)

    def _fail(self, numbers: set[int]) -> None:
        for number in numbers:
            self._finish(number, None, EstafetaError(Kind.TEMPORARY, _GONE))
        if not self._pending:
            self._idle.set()


def _send_some(sock: socket.socket, data: bytes) -> int:
    """How many octets went at once: all, as a rule."""
    try:
        return sock.send(data)
    except BlockingIOError:
        return 0


def _encode(message: object) -> bytes:
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def _messages(buffer: bytearray) -> list[Any]:
    """Take the complete messages out of a buffer."""
    found = []
    start = 0
    while len(buffer) - start >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(buffer, start)
        end = start + _LENGTH.size + length
        if len(buffer) < end:
            break
        found.append(pickle.loads(memoryview(buffer)[start + _LENGTH.size : end]))  # noqa: S301 - our own processes only
        start = end
    if start:
        del buffer[:start]
    return found


def _batches(waiting: Sequence[tuple[socket.socket, int, Job]]) -> list[list[tuple[socket.socket, int, Job]]]:
    """All that wait, cut so that one commit stays short."""
    batches: list[list[tuple[socket.socket, int, Job]]] = []
    octets = _BATCH_BYTES
    for entry in waiting:
        if octets >= _BATCH_BYTES or len(batches[-1]) >= _BATCH_JOBS:
            batches.append([])
            octets = 0
        batches[-1].append(entry)
        octets += sum(len(content) for content in entry[2].contents if isinstance(content, bytes))
    return batches


def _portable(failure: BaseException | None) -> BaseException | None:
    """A failure that the worker can be told: the log here has the rest."""
    if failure is None or isinstance(failure, EstafetaError):
        return failure
    return FaultyOperationError(repr(failure))


def _is_ours(sock: socket.socket) -> bool:
    """Whether the other end runs as our user."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return bool(uid == os.geteuid())
