"""One session of a remote server of the lab: commands in, replies out, and whatever its behaviour does instead."""

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from estafeta.app.lab.behaviours import Behaviour, TlsKind, match_act
from estafeta.app.lab.misdeeds import MISDEEDS, NO_TLS, encode
from estafeta.app.lab.records import Session, TakenMessage
from estafeta.app.lab.signin import sign_in
from estafeta.app.lab.wire import GoneError, Wire

if TYPE_CHECKING:
    from estafeta.app.lab.remote import Remote

_PATH: Final = re.compile(rb"(?i)(FROM|TO):\s?<([^>]*)>(.*)", re.DOTALL)
_MOST_CONTENT: Final = 256 << 20
#: RFC 5321 4.5.3.1.4 asks for 512 at least; extensions want more.
_MOST_COMMAND: Final = 4096

_Handler = Callable[["Conversation", bytes], Awaitable[None]]


class Conversation:
    """State of one session."""

    def __init__(self, remote: "Remote", wire: Wire, session: Session) -> None:
        self._remote = remote
        self._wire = wire
        self._session = session
        self._hello = ""
        self._user = ""
        self._over = False
        self._sender: str | None = None
        self._parameters = ""
        self._recipients: list[tuple[str, str]] = []
        self._chunks = bytearray()

    @property
    def _behaviour(self) -> Behaviour:
        return self._remote.behaviour

    async def run(self) -> None:
        """Talk until one of both ends it. Raises GoneError."""
        self._note_tls()
        if not await self._act("connect", ""):
            return
        protocol = "LMTP" if self._behaviour.lmtp else "ESMTP"
        await self._act("greeting", f"220 {self._remote.host} {protocol} lab")
        while not self._over:
            await self._command(await self._wire.line(_MOST_COMMAND))

    # one command

    async def _command(self, line: bytes) -> None:
        self._session.note(b"C", line)
        self._remote.tell("command", line.decode("utf-8", "replace"))
        verb, _, argument = line.partition(b" ")
        handler = _COMMANDS.get(verb.upper())
        if handler is None:
            await self._say("500 5.5.2 Command not known")
        else:
            await handler(self, argument.strip())

    async def _hello_command(self, verb: str, argument: bytes) -> None:
        if (verb == "LHLO") is not self._behaviour.lmtp:
            await self._say("500 5.5.1 Command not known here")
            return
        self._reset()
        lines = [f"{self._remote.host} greets you"]
        if verb != "HELO":
            lines += self._behaviour.extensions(tls=self._wire.tls is not None)
        if await self._act(verb.lower(), "250 " + "\n".join(lines)):
            self._hello = argument.decode("utf-8", "replace")

    async def _starttls(self, argument: bytes) -> None:
        if "STARTTLS" not in self._behaviour.extensions(tls=self._wire.tls is not None):
            await self._say("502 5.5.1 No TLS here")
            return
        if not await self._act("starttls", "220 2.0.0 Go ahead") or not await self._act("tls", ""):
            return
        if self._behaviour.tls == TlsKind.GARBAGE:
            await self._wire.some()
            await self._wire.send(NO_TLS)
            await self._wire.hang()
        context = self._remote.authority.context(self._remote.names(), self._behaviour.tls)
        if not await self._wire.start_tls(context):
            raise GoneError
        self._hello = self._user = ""
        self._reset()
        self._note_tls()

    async def _auth(self, argument: bytes) -> None:
        mechanism, _, initial = argument.partition(b" ")
        try:
            user = await sign_in(mechanism.upper(), initial, self._challenge, self._behaviour.auth)
        except (KeyError, ValueError, binascii.Error):
            await self._say("504 5.5.4 Not that way")
            return
        if user and await self._act("auth", "235 2.7.0 Welcome"):
            self._user = user
        elif not user:
            await self._say("535 5.7.8 Wrong name or password")

    async def _challenge(self, text: bytes) -> bytes:
        await self._say(f"334 {base64.b64encode(text).decode()}")
        line = await self._wire.line(_MOST_COMMAND)
        self._session.note(b"C", b"(secret)")
        return line

    async def _mail(self, argument: bytes) -> None:
        path = _PATH.fullmatch(argument)
        if not self._hello or self._sender is not None:
            await self._say("503 5.5.1 Not now")
        elif self._behaviour.auth and not self._user:
            await self._say("530 5.7.0 Sign in first")
        elif path is None or path[1].upper() != b"FROM":
            await self._say("501 5.5.2 Say MAIL FROM:<address>")
        elif await self._act("mail", "250 2.1.0 Sender ok"):
            self._sender = path[2].decode("utf-8", "replace")
            self._parameters = path[3].decode("utf-8", "replace").strip()

    async def _rcpt(self, argument: bytes) -> None:
        path = _PATH.fullmatch(argument)
        most = self._behaviour.max_recipients
        if self._sender is None:
            await self._say("503 5.5.1 MAIL first")
        elif path is None or path[1].upper() != b"TO" or not path[2]:
            await self._say("501 5.5.2 Say RCPT TO:<address>")
        elif most and len(self._recipients) >= most:
            await self._say("452 4.5.3 Too many recipients")
        elif await self._judge(path[2].decode("utf-8", "replace")):
            self._recipients.append((path[2].decode("utf-8", "replace"), path[3].decode("utf-8", "replace").strip()))

    async def _judge(self, address: str) -> bool:
        """Whether a recipient is taken: its own act, greylisting, then the act of the stage."""
        act = self._behaviour.recipient_act(address)
        if act != "accept":
            return await self._perform(act, "250 2.1.5 Recipient ok")
        pair = (self._sender or "", address)
        seen = self._remote.greylisted.get(pair, 0)
        if seen < self._behaviour.greylist:
            self._remote.greylisted[pair] = seen + 1
            await self._say("450 4.7.1 Greylisted: come again later")
            return False
        return await self._act("rcpt", "250 2.1.5 Recipient ok")

    async def _data(self, argument: bytes) -> None:
        if not self._recipients:
            await self._say("503 5.5.1 RCPT first" if self._sender is None else "554 5.5.1 No valid recipients")
            return
        if not await self._act("data", "354 Go ahead"):
            return
        await self._in_content()
        stuffed = await self._content()
        await self._end("dot", stuffed)

    async def _content(self) -> bytes:
        """The message as it was meant, read to its final dot (RFC 5321 4.5.2)."""
        if await self._wire.starts(b".\r\n"):
            await self._wire.exactly(3)
            return b""
        raw = await self._wire.until(b"\r\n.\r\n", _MOST_CONTENT)
        return (b"\r\n" + raw[:-3]).replace(b"\r\n.", b"\r\n")[2:]

    async def _bdat(self, argument: bytes) -> None:
        size, _, last = argument.partition(b" ")
        if not size.isdigit() or int(size) > _MOST_CONTENT:
            await self._say("501 5.5.4 Say BDAT size")
            return
        await self._in_content()
        chunk = await self._wire.exactly(int(size))
        if not self._recipients:
            await self._say("503 5.5.1 RCPT first" if self._sender is None else "554 5.5.1 No valid recipients")
            return
        self._chunks += chunk
        if last.upper() == b"LAST":
            await self._end("bdat", bytes(self._chunks))
        else:
            await self._say(f"250 2.0.0 {size.decode()} octets")

    async def _in_content(self) -> None:
        act = self._remote.use("content")
        if act == "accept":
            return
        # The client is in the middle of it: nothing that is said here is a reply to anything yet.
        await self._wire.some()
        await self._perform(act, "")
        self._wire.close()
        raise GoneError

    async def _end(self, stage: str, content: bytes) -> None:
        """The message is complete: take it, or not."""
        if len(content) > self._behaviour.size:
            await self._say("552 5.3.4 Too large")
            self._reset()
            return
        act = self._remote.use(stage)
        if act == "lost":
            self._take(content, lost=True)
            self._wire.close()
            raise GoneError
        if self._behaviour.lmtp:
            await self._end_each(act, content)
        else:
            await self._perform(act, "250 2.0.0 Taken", before=lambda: self._take(content))
        self._reset()

    async def _end_each(self, act: str, content: bytes) -> None:
        """RFC 2033 4.2: a reply for each recipient that was taken."""
        recipients, kept = self._recipients, []
        for address, parameters in recipients:
            own = match_act(self._behaviour.after_dot, address)
            if await self._perform(act if own == "accept" else own, f"250 2.0.0 <{address}> has it"):
                kept.append((address, parameters))
        self._recipients = kept
        if kept:
            self._take(content)

    def _take(self, content: bytes, *, lost: bool = False) -> None:
        message = TakenMessage(
            self._sender or "",
            self._parameters,
            tuple(self._recipients),
            content if self._behaviour.keep_contents else b"",
            self._hello,
            self._session.tls,
            self._user,
            self._wire.peer,
            self._remote.host,
            lost,
        )
        self._remote.took(message)

    async def _rset(self, argument: bytes) -> None:
        self._reset()
        await self._act("rset", "250 2.0.0 Forgotten")

    async def _noop(self, argument: bytes) -> None:
        await self._act("noop", "250 2.0.0 Nothing done")

    async def _vrfy(self, argument: bytes) -> None:
        await self._act("vrfy", "252 2.1.5 Cannot say")

    async def _etrn(self, argument: bytes) -> None:
        await self._act("etrn", "250 2.0.0 Queuing started")  # RFC 1985 5.3

    async def _quit(self, argument: bytes) -> None:
        await self._act("quit", "221 2.0.0 Goodbye")
        self._over = True

    def _reset(self) -> None:
        self._sender = None
        self._parameters = ""
        self._recipients = []
        self._chunks = bytearray()

    def _note_tls(self) -> None:
        self._session.tls = self._wire.tls_words
        self._session.server_name = getattr(self._wire.tls, "wanted_name", "")

    # replies

    async def _act(self, stage: str, usual: str) -> bool:
        return await self._perform(self._remote.use(stage), usual)

    async def _perform(self, act: str, usual: str, before: Callable[[], None] | None = None) -> bool:
        """Do what the behaviour says; whether the client may go on. Raises GoneError where nothing follows."""
        if act == "goodbye":
            await self._say("421 4.3.2 Going down")
            self._wire.close()
            raise GoneError
        if act in MISDEEDS:
            await MISDEEDS[act](self._wire, usual)
            raise GoneError
        reply = usual if act in ("accept", "early", "lost") else act
        positive = not reply or reply[0] in "23"
        if positive and before is not None:
            before()
        if reply:
            await self._say(reply)
        if act == "early":
            await self._say(reply)
        return positive

    async def _say(self, reply: str) -> None:
        """Send a reply of one or more lines (RFC 5321 4.2.1)."""
        if self._behaviour.delay_seconds:
            await asyncio.sleep(self._behaviour.delay_seconds)
        data = encode(reply)
        for line in data.rstrip(b"\r\n").split(b"\r\n"):
            self._session.note(b"S", line)
        self._remote.tell("reply", reply)
        await self._wire.send(data)


def _hello(verb: str) -> _Handler:
    return lambda conversation, argument: conversation._hello_command(verb, argument)


_COMMANDS: Final[Mapping[bytes, _Handler]] = {
    b"EHLO": _hello("EHLO"),
    b"HELO": _hello("HELO"),
    b"LHLO": _hello("LHLO"),
    b"STARTTLS": Conversation._starttls,
    b"AUTH": Conversation._auth,
    b"MAIL": Conversation._mail,
    b"RCPT": Conversation._rcpt,
    b"DATA": Conversation._data,
    b"BDAT": Conversation._bdat,
    b"RSET": Conversation._rset,
    b"NOOP": Conversation._noop,
    b"VRFY": Conversation._vrfy,
    b"ETRN": Conversation._etrn,
    b"QUIT": Conversation._quit,
}
