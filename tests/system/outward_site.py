"""Whole servers that send each other mail: each with a domain of its own, found by the names of a lab.

A node listens for mail at an address of the lab, at the lab's port, so that others find it by MX as in the world; its
own connections come from that address too. Only 127.0.0.1 may relay through it without sign-in: the tests.
"""

import imaplib
import itertools
import re
import smtplib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from lab_site import jump, start_lab_node, use_lab
from running import PASSWORD, Server, free_base, wait_until

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab import LabThread
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import Site, open_site, populate
from estafeta.queue.choosing import Choice, Queued, find
from estafeta.queue.overview import totals

_marks = itertools.count()
USERS = ("ana", "bob", "carol", "ñandú")


@dataclass(frozen=True)
class Node:
    """A running server for `domain`, with the users of `USERS`; mail for it comes to `address`, named `mx.DOMAIN`."""

    domain: str
    address: str
    server: Server
    lab: LabThread

    @property
    def host(self) -> str:
        """Its name as a mail exchanger."""
        return f"mx.{self.domain}"

    def at(self, name: str) -> str:
        """The address of a name here."""
        return f"{name}@{self.domain}"

    @contextmanager
    def client(self, user: str = "ana") -> Iterator[smtplib.SMTP]:
        """A session of submission, signed in."""
        context = self.server.client_context()
        with smtplib.SMTP_SSL("127.0.0.1", self.server.port(465), context=context, timeout=20) as client:
            client.ehlo()
            # smtplib and imaplib know only ASCII names.
            code, text = client.docmd("AUTH", f"PLAIN {b64encode(self._plain(user)).decode()}")
            assert code == 235, text
            yield client

    def _plain(self, user: str) -> bytes:
        return f"\0{self.at(user)}\0{PASSWORD}".encode()

    @contextmanager
    def stranger(self) -> Iterator[smtplib.SMTP]:
        """A session of somebody who may not relay."""
        source = (self.lab.dead_address(), 0)
        with smtplib.SMTP(self.address, self.lab.port, "who.test", source_address=source, timeout=20) as client:
            yield client

    def submit(
        self,
        subject: str,
        *recipients: str,
        user: str = "ana",
        mail: Sequence[str] = (),
        rcpt: Sequence[str] = (),
        head: Mapping[str, str] | None = None,
    ) -> str:
        """Have a user send a letter; its ident as in the reply."""
        with self.client(user) as client:
            return send(client, letter(subject, self.at(user), *recipients, head=head), recipients, mail, rcpt)

    def switch_off(self) -> None:
        """Stop it; its mail waits elsewhere."""
        end_node(self)
        close_node(self)

    def switch_on(self) -> None:
        """Start it again."""
        self.server.process = start_lab_node(self.server.home, self.lab, self.server.base, "--workers", "1").process

    def read(self, user: str) -> None:
        """Read all messages as a person does: they are marked as seen."""
        self.inbox(user, "BODY[]")

    def inbox(self, user: str, how: str = "BODY.PEEK[]") -> list[str]:
        """The messages of a user, folds of lines undone."""
        with imaplib.IMAP4_SSL(
            "127.0.0.1", self.server.port(993), ssl_context=self.server.client_context(), timeout=20
        ) as client:
            client.authenticate("PLAIN", lambda _: self._plain(user))
            client.select("INBOX", readonly="PEEK" in how)
            found = client.search(None, "ALL")[1][0].decode().split()
            texts = [client.fetch(number, how)[1][0][1] for number in found]
        return [text.decode("utf-8").replace("\r\n ", " ").replace("\r\n\t", " ") for text in texts]

    def wait_for(self, user: str, *words: str, count: int = 1, seconds: float = 15) -> str:
        """The newest of at least `count` messages of a user that have all these words."""
        found: list[str] = []

        def came() -> bool:
            found[:] = [text for text in self.inbox(user) if all(word in text for word in words)]
            return len(found) >= count

        try:
            wait_until(came, seconds)
        except BaseException:
            print(f"{self.at(user)} has no message with {words}:", *self.inbox(user), sep="\n-----\n")
            raise
        return found[-1]

    def use(self, **settings: str | None) -> None:
        """Change settings (`__` stands for the point; None is the default) and wait until they hold."""
        mark = f"marked {next(_marks)}"
        with self.site() as site:
            for key, value in {**settings, "smtp__banner": mark}.items():
                name = key.replace("__", ".")
                if value is None:
                    site.settings.reset_setting(name, "test", "")
                else:
                    site.settings.set_setting(name, value, "test", "")
        wait_until(lambda: self._greeting().endswith(mark))

    @contextmanager
    def using(self, **settings: str) -> Iterator[None]:
        """Change settings for a while."""
        self.use(**settings)
        try:
            yield
        finally:
            self.use(**dict.fromkeys(settings))

    def _greeting(self) -> str:
        with smtplib.SMTP() as client:
            return client.connect(self.address, self.lab.port)[1].decode()

    @contextmanager
    def site(self) -> Iterator[Site]:
        """Its store."""
        with open_site(load_node(Home(self.server.home))) as site:
            yield site

    def queued(self, recipient: str) -> list[Queued]:
        """What waits for a recipient."""
        with self.site() as site, site.database.read() as conn:
            return list(find(conn, Choice(recipient=recipient)))

    def wait_idle(self, seconds: float = 15) -> None:
        """Until nothing waits in its queue."""
        with self.site() as site:

            def empty() -> bool:
                with site.database.read() as conn:
                    return totals(conn).recipients == 0

            wait_until(empty, seconds)

    def jump(self, span: str) -> None:
        """Later, at once."""
        jump(self.server, self.lab, span)

    def story(self, *words: str) -> str:
        """What `estafeta message trace` tells."""
        told = self.server.run("message", "trace", *words)
        assert told.returncode == 0, told.stderr
        return told.stdout


def make_node(
    home: Path, lab: LabThread, domain: str, *args: str, settings: Mapping[str, str] | None = None, address: str = ""
) -> Node:
    """Set up and start a server for `domain`, known to the lab's DNS; `address` "" is a new one."""
    base = free_base()
    users = {f"{name}@{domain}": PASSWORD for name in USERS}
    set_up(Home(home), Choices(domain, f"mx.{domain}", port_base=base), lambda node: populate(node, domain, users))
    address = address or lab.lab.next_address()
    _listen(home, lab, domain, address)
    usual = {
        "relay.networks": "127.0.0.1/32",
        "routing.source_address_table": f"* {address}",
        "spam.greylist": "off",  # who comes for the first time would have to wait
        "spam.reject_unknown_sender_domain": "false",  # not all of them have names in the lab
    }
    use_lab(home, lab, settings={**usual, **(settings or {})})
    lab.names.add(f"mx.{domain}", a=[address], secure=True)
    lab.names.add(domain, mx=[(10, f"mx.{domain}")], secure=True)
    return Node(domain, address, start_lab_node(home, lab, base, *(args or ("--workers", "1"))), lab)


def _listen(home: Path, lab: LabThread, domain: str, address: str) -> None:
    """At the lab's port, with a certificate of the lab's authority; and keep the lab's time."""
    issued = lab.lab.authority.issue((f"mx.{domain}",))
    (home / "certificates" / "lab.crt").write_bytes(issued.pem)
    key = home / "certificates" / "lab.key"
    key.write_bytes(issued.key_pem)
    key.chmod(0o600)
    with open(home / "estafeta.toml", "a") as file:
        file.write(
            f'\n[[listener]]\nservice = "smtp"\naddress = "{address}"\nport = {lab.port}\ncertificate = "lab"\n'
            f'\n[lab]\nclock = "{lab.lab.directory / "lab-clock"}"\n'
        )


def close_node(node: Node) -> None:
    """End its process, whatever state it is in."""
    process = node.server.process
    if process.poll() is None:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


def end_node(node: Node) -> None:
    """Stop it; its log must have no traceback."""
    assert node.server.stop() == 0
    log = (node.server.home / "stderr.log").read_text()
    assert "Traceback" not in log, log
    assert "trace=" not in log, log


@contextmanager
def running_node(
    home: Path, lab: LabThread, domain: str, *args: str, settings: Mapping[str, str] | None = None, address: str = ""
) -> Iterator[Node]:
    """The same, stopped at the end."""
    node = make_node(home, lab, domain, *args, settings=settings, address=address)
    try:
        yield node
        end_node(node)
    finally:
        close_node(node)


def letter(subject: str, sender: str, *recipients: str, head: Mapping[str, str] | None = None) -> bytes:
    """A short letter in UTF-8, as a mail program makes it."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(recipients), subject
    for name, value in (head or {}).items():
        del message[name]
        message[name] = value
    message.set_content("Hello,\nthis is a letter.\n")
    utf8 = not (sender + "".join(recipients)).isascii()
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n", utf8=utf8))


def send(
    client: smtplib.SMTP,
    content: bytes,
    recipients: Sequence[str],
    mail: Sequence[str] = (),
    rcpt: Sequence[str] = (),
    *,
    sender: str = "",
) -> str:
    """One transaction; the ident from the reply. `sender` "" is that of the From field."""
    client.ehlo_or_helo_if_needed()
    sender = sender or re.search(r"^From: (.*?)\r$", content.decode(), re.MULTILINE)[1]  # type: ignore[index]
    if not (sender + "".join(recipients)).isascii():
        client.command_encoding = "utf-8"
    code, text = client.mail(sender, list(mail))
    assert code == 250, text
    for recipient in recipients:
        code, text = client.rcpt(recipient, list(rcpt))
        assert code == 250, text
    code, text = client.data(content)
    assert code == 250, text
    return re.search(rb"Accepted as (\w+)", text)[1].decode()  # type: ignore[index]
