"""The demonstration server of `make run`: made once, given new passwords at each start, served in the foreground.

Passwords are kept as hashes only, so those of an earlier start cannot be shown again.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from estafeta.app import listening, pidfile
from estafeta.app.config import Node, Service, load_node
from estafeta.app.home import Home
from estafeta.app.node_file import Choices, ports
from estafeta.app.passwords import generate_password
from estafeta.app.setup import set_up
from estafeta.app.stores import open_site, populate
from estafeta.core.errors import EstafetaError, Kind

DOMAIN = "example.test"
HOSTNAME = "mail.example.test"
FIRST_BASE = 20000
USERS = ("alice", "bob")
_ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Demo:
    """A demonstration ready to be served. `moved_from` is the base whose ports were taken, or 0."""

    node: Node
    passwords: Mapping[str, str]
    moved_from: int

    def port(self, service: Service) -> int:
        """The port of a service."""
        return next(one.tcp_port for one in self.node.config.listeners if one.service is service)


def prepare(home: Home) -> Demo:
    """Make the home at the first start, give both users new passwords at each.

    Raises EstafetaError IN_USE while it is served already, or when ports of an earlier start are taken now.
    """
    pid = pidfile.running_pid(home.pid_file)
    if pid:
        raise EstafetaError(Kind.IN_USE, f"The demonstration runs already (pid {pid}): stop it there with Ctrl-C.")
    moved_from = 0
    if not home.config_file.exists():
        base = listening.free_port_base(_ADDRESS, ports(0).values(), FIRST_BASE)
        moved_from = FIRST_BASE if base != FIRST_BASE else 0
        # A demonstration on somebody's desk writes to nobody in the world.
        settings: dict[str, str | bool] = {"routing.outward": False}
        set_up(home, Choices(DOMAIN, HOSTNAME, port_base=base), lambda node: populate(node, DOMAIN, {}, settings))
    node = load_node(home)
    return Demo(node, _new_passwords(node), moved_from)


def _new_passwords(node: Node) -> dict[str, str]:
    passwords = {f"{user}@{DOMAIN}": generate_password() for user in USERS}
    with open_site(node) as site:
        known = {user.address for user in site.directory.list_users(DOMAIN)}
        for address, password in passwords.items():
            change: Callable[..., object] = site.directory.set_password if address in known else site.directory.add_user
            change(address, password=password)
    return passwords


def render_screen(demo: Demo) -> str:
    """What a newcomer reads: who is there, where, and commands that work as they stand."""
    (alice, alice_password), (bob, bob_password) = demo.passwords.items()
    submission, submissions = demo.port(Service.SUBMISSION), demo.port(Service.SUBMISSIONS)
    smtp, pop3s, imaps = demo.port(Service.SMTP), demo.port(Service.POP3S), demo.port(Service.IMAPS)
    moved = f"\n  Ports from {demo.moved_from} on are taken, so these are others.\n" if demo.moved_from else ""
    return f"""
  Estafeta demonstration in {demo.node.home.root}
{moved}
  Users                 Password (new at each start)
    {alice:<20}{alice_password}
    {bob:<20}{bob_password}

  Servers on {_ADDRESS}, certificate signed by itself
    SMTP        {smtp}    mail from other servers, STARTTLS
    submission  {submission}    sending, STARTTLS        submissions {submissions}    sending, TLS
    POP3        {demo.port(Service.POP3)}    reading, STLS            POP3S       {pop3s}    reading, TLS
    IMAP        {demo.port(Service.IMAP)}    reading, STARTTLS        IMAPS       {imaps}    reading, TLS

  Send a message from alice to bob:
    printf 'From: {alice}\\nTo: {bob}\\nSubject: Hello\\n\\nIt works.\\n' | \\
      curl -sk --crlf smtps://{_ADDRESS}:{submissions} -u {alice}:{alice_password} \\
        --mail-from {alice} --mail-rcpt {bob} -T -

    swaks -s {_ADDRESS} -p {submission} -tls -au {alice} -ap {alice_password} -f {alice} -t {bob}

    python3 -c "import smtplib, ssl; s = smtplib.SMTP_SSL('{_ADDRESS}', {submissions}, \
context=ssl._create_unverified_context()); s.login('{alice}', '{alice_password}'); \
s.sendmail('{alice}', '{bob}', 'Subject: Hello from Python')"

  Read it as bob:
    curl -sk imaps://{_ADDRESS}:{imaps}/'INBOX;MAILINDEX=1' -u {bob}:{bob_password}
    curl -sk pop3s://{_ADDRESS}:{pop3s}/1 -u {bob}:{bob_password}

  How it is, and what became of the message, from another terminal:
    {sys.argv[0]} --home {demo.node.home.root} status
    {sys.argv[0]} --home {demo.node.home.root} message trace {bob}

  Mail to other servers is off here (`config set routing.outward on`); `estafeta lab` plays the world.

  Ctrl-C ends it.
"""
