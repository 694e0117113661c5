"""`estafeta sendmail`: one message from standard input to the running server, or a whole SMTP session (-bs).

The message is handed over by SMTP on the machine itself, or LMTP where there is no such listener. A recipient that is
refused for good is told and the others get the message; when one is put off, nobody gets it and the caller tries
again (status 75). Bare names get the directory's default domain; a caller who may not read the server's directory uses
port 25 and the name in its greeting.
"""

import os
import pwd
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import BinaryIO

from estafeta.app.config import ListenerConfig, Node, Service, load_node
from estafeta.app.home import Home
from estafeta.app.sendmail.client import Client, Place, Reply
from estafeta.app.sendmail.message import Message, open_spool, read_message
from estafeta.app.sendmail.options import Request, SendmailError, Status, parse_options
from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.xtext import encode_xtext
from estafeta.mail.address import Address, parse_address

_EVERYWHERE = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound, connected to
_ENHANCED = {"5.1.2": Status.NOHOST, "5.1.1": Status.NOUSER, "5.1.6": Status.NOUSER, "5.2.1": Status.NOUSER}


def main(home: Home, arguments: Sequence[str], *, stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Do what the arguments say; returns the exit status. Says one sentence on standard error when it is not 0."""
    try:
        request = parse_options(arguments)
        node = _node(home)
        place = find_place(node, smtp_only=request.speak_smtp)
        if request.speak_smtp:
            _relay(place, stdin, stdout)
            return Status.OK
        return _send(request, node, place, stdin)
    except SendmailError as error:
        return _say(error.status, str(error))
    except EstafetaError as error:
        return _say(
            Status.TEMPFAIL if error.kind in {Kind.TEMPORARY, Kind.UNAVAILABLE} else Status.CONFIG, error.public
        )


def find_place(node: Node | None, *, smtp_only: bool = False) -> Place:
    """Where to hand mail over. SendmailError CONFIG when the node file has no listener for it."""
    if node is None:
        return Place()
    started = [listener for listener in node.config.listeners if listener.start]
    for service in (Service.SMTP,) if smtp_only else (Service.SMTP, Service.LMTP):
        for listener in started:
            if listener.service is service:
                return _place(node, listener)
    raise SendmailError(Status.CONFIG, f"{node.home.config_file} starts no listener for smtp: add one.")


def _node(home: Home) -> Node | None:
    """The node, or None for a caller who may not read it."""
    try:
        return load_node(home)
    except EstafetaError as error:
        if error.kind is Kind.PERMISSION:
            return None
        raise SendmailError(Status.CONFIG, error.public) from None


def _place(node: Node, listener: ListenerConfig) -> Place:
    lmtp = listener.service is Service.LMTP
    if listener.path:
        return Place(path=node.home.resolve(listener.path), lmtp=lmtp)
    return Place(_EVERYWHERE.get(listener.address, listener.address), listener.tcp_port, lmtp=lmtp)


def _connect(place: Place) -> socket.socket:
    try:
        return place.connect()
    except OSError as error:
        raise _unreachable(place, error.strerror or str(error)) from None


def _unreachable(place: Place, why: str) -> SendmailError:
    return SendmailError(Status.TEMPFAIL, f"the server at {place} cannot be reached ({why}): try again later.")


def _send(request: Request, node: Node | None, place: Place, stdin: BinaryIO) -> int:
    with open_spool() as body:
        message = read_message(stdin, body, dot_ends=request.dot_ends)
        client = Client(_connect(place))
        try:
            return _Delivery(client, place, request, node, message).run()
        except EOFError:
            raise _unreachable(place, "it hung up") from None
        except OSError as error:
            raise _unreachable(place, error.strerror or str(error)) from None
        finally:
            client.close()


class _Delivery:
    """One message over one session."""

    def __init__(self, client: Client, place: Place, request: Request, node: Node | None, message: Message) -> None:
        self._client = client
        self._place = place
        self._request = request
        self._node = node
        self._message = message
        self._host = ""
        self._extensions: set[str] = set()

    def run(self) -> int:
        """The whole session; the exit status."""
        self._greet()
        sender, recipients = self._addresses()
        self._message.complete(
            sender,
            self._full_name(),
            ident=f"{time.time_ns():x}.{os.getpid()}",
            hostname=self._host or socket.getfqdn(),
            now=time.time(),
        )
        self._must(self._client.command(self._mail_from(sender, recipients)), "the sender")
        accepted, status = self._recipients(recipients)
        if accepted:
            status = max(status, self._content(accepted))
        with suppress(OSError, EOFError):
            self._client.command("QUIT")
        return status

    def _greet(self) -> None:
        greeting = self._must(self._client.reply(), "the session")
        self._host = greeting.lines[0].split(" ")[0]
        verb = "LHLO" if self._place.lmtp else "EHLO"
        reply = self._must(self._client.command(f"{verb} {_hello_name()}"), "the session")
        self._extensions = {line.split(" ")[0].upper() for line in reply.lines[1:]}

    def _addresses(self) -> tuple[Address | None, list[Address]]:
        """Sender and recipients, with their domains. SendmailError USAGE for what is no address."""
        wanted = list(self._request.recipients)
        if self._request.read_recipients:
            wanted += self._message.recipients()
        if not wanted:
            raise SendmailError(Status.USAGE, "no recipients: the header has none in To, Cc or Bcc.")
        given = self._request.sender
        sender = _login() if given is None else given
        bare = [text for text in (sender, *wanted) if text and "@" not in text]
        qualify = _qualifier(self._node, self._host) if bare else _as_given
        try:
            found = dict.fromkeys(qualify(text, True) for text in wanted)
            return (qualify(sender, False) if sender else None), list(found)
        except EstafetaError as error:
            raise SendmailError(Status.USAGE, error.public) from None

    def _full_name(self) -> str:
        """What -F says, else the caller's name as the system knows it, unless someone else is the sender."""
        if self._request.full_name or self._request.sender is not None:
            return self._request.full_name
        with suppress(KeyError):
            return pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0].replace("&", _login().capitalize())
        return ""

    def _mail_from(self, sender: Address | None, recipients: Sequence[Address]) -> str:
        words = [f"MAIL FROM:<{sender or ''}>"]
        paths = "".join(str(address) for address in recipients) + str(sender or "")
        if "SMTPUTF8" in self._extensions and (not paths.isascii() or self._message.header_utf8):
            words.append("SMTPUTF8")
        if "8BITMIME" in self._extensions and self._message.eight_bit:
            words.append("BODY=8BITMIME")
        if "DSN" in self._extensions:
            request = self._request
            words += [f"RET={request.ret}"] if request.ret else []
            words += [f"ENVID={encode_xtext(request.envid)}"] if request.envid else []
        return " ".join(words)

    def _recipients(self, recipients: Sequence[Address]) -> tuple[list[Address], int]:
        """Those that were accepted, and the status so far."""
        accepted, status = [], int(Status.OK)
        wanted = self._request.notify
        notify = f" NOTIFY={wanted}" if wanted and "DSN" in self._extensions else ""
        for address in recipients:
            reply = self._client.command(f"RCPT TO:<{address}>{notify}")
            if reply.positive:
                accepted.append(address)
            elif reply.code < 500:
                raise SendmailError(Status.TEMPFAIL, f"{address} is put off, nothing was sent: {reply}")
            else:
                status = max(status, _say(status_of(reply, recipient=True), f"{address} is refused: {reply}"))
        return accepted, status

    def _content(self, accepted: Sequence[Address]) -> int:
        self._must(self._client.command("DATA"), "the message")
        self._client.content(self._message.lines())
        if not self._place.lmtp:
            self._must(self._client.reply(), "the message")
            return Status.OK
        status = int(Status.OK)
        for address in accepted:  # RFC 2033 4.2: one reply for each
            reply = self._client.reply()
            if not reply.positive:
                status = max(status, _say(status_of(reply), f"{address} did not get it: {reply}"))
        return status

    def _must(self, reply: Reply, what: str) -> Reply:
        if not reply.positive:
            raise SendmailError(status_of(reply), f"{what} is refused: {reply}")
        return reply


def status_of(reply: Reply, *, recipient: bool = False) -> Status:
    """The exit status that a refusal means: its enhanced code (RFC 3463) first, then its class."""
    if reply.code < 500:
        return Status.TEMPFAIL
    enhanced = reply.lines[0].split(" ")[0]
    if enhanced.startswith("5.7."):
        return Status.NOPERM
    if recipient and reply.code == 550 and not enhanced.startswith("5."):
        return Status.NOUSER  # RFC 5321 4.2.3: mailbox unavailable
    return _ENHANCED.get(enhanced, Status.UNAVAILABLE)


Qualify = Callable[[str, bool], Address]
"""An address from text; the second argument says whether it is a recipient."""


def _as_given(text: str, recipient: bool) -> Address:
    return parse_address(text)


def _qualifier(node: Node | None, host: str) -> Qualify:
    """How bare names are completed: by the directory, or with the server's name where that cannot be read."""
    domains = ("", "")
    if node is not None:
        with suppress(EstafetaError, OSError):
            domains = _default_domains(node)

    def qualify(text: str, recipient: bool) -> Address:
        domain = domains[recipient] or host
        return parse_address(text if "@" in text else f"{text}@{domain}")

    return qualify


def _default_domains(node: Node) -> tuple[str, str]:
    """The domains of bare senders and of bare recipients."""
    from estafeta.app.stores import open_site
    from estafeta.app.transfer.person import as_owner

    with as_owner(node), open_site(node) as site:
        return site.directory.qualify("x").domain, site.directory.qualify("x", recipient=True).domain


def _relay(place: Place, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """-bs: what comes in goes to the server, what it says goes out, until either ends."""
    connected = _connect(place)
    with connected:
        connected.setblocking(True)
        connected.settimeout(None)
        sources = [connected.fileno(), stdin.fileno()]
        while connected.fileno() in sources:
            for source in select.select(sources, [], [])[0]:
                data = os.read(source, 65536)
                if source == connected.fileno():
                    stdout.write(data)
                    stdout.flush()
                elif data:
                    connected.sendall(data)
                else:
                    connected.shutdown(socket.SHUT_WR)
                if not data:
                    sources.remove(source)


def _login() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _hello_name() -> str:
    name = socket.gethostname()
    return name if name.isascii() and name.replace("-", "").replace(".", "").isalnum() else "localhost"


def _say(status: Status, sentence: str) -> int:
    with suppress(OSError):
        print(f"sendmail: {sentence}", file=sys.stderr)
    return int(status)
