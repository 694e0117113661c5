"""A private Postfix for the tests of this directory: its own queue, on loopback, with TLS, SMTPUTF8 and DSN.

It takes mail for its users at one domain into directories, and sends where lines of transport(5) say: it asks no DNS.
Needs root, as Postfix's master does.
"""

import grp
import os
import pwd
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{domain}
mydestination =
relay_domains =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = {address}
mynetworks = {address}/32
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
alias_maps =
alias_database =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{home}/users
virtual_mailbox_base = {home}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
transport_maps = texthash:{home}/transport
smtputf8_enable = yes
smtpd_tls_security_level = may
smtpd_tls_chain_files = {home}/tls.pem
smtpd_tls_received_header = yes
smtp_tls_security_level = encrypt
minimal_backoff_time = 1s
queue_run_delay = 1s
"""

_MASTER = """\
{address}:{port} inet n - n - 20 smtpd
pickup    unix  n       -       n       1       1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       1       1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""

_POSTFIX = "/usr/sbin/postfix"


@dataclass(frozen=True)
class Postfix:
    """A running Postfix that takes mail for its users at `domain`."""

    home: Path
    domain: str
    address: str
    port: int

    def messages(self, user: str) -> list[str]:
        """What a user has."""
        files = sorted((self.home / "mail" / user / "new").glob("*"), key=lambda file: file.stat().st_mtime_ns)
        return [file.read_text("utf-8") for file in files]

    def log(self) -> str:
        """Its log."""
        return (self.home / "log").read_text()


def check() -> None:
    """Skip where there can be no Postfix."""
    if not os.path.exists(_POSTFIX):
        pytest.skip("Postfix is not installed (apt-get install postfix)")
    if os.geteuid() != 0:
        pytest.skip("Postfix can only be started by root")


@contextmanager
def running_postfix(
    domain: str, address: str, port: int, *, users: tuple[str, ...], certificate: bytes, routes: str
) -> Iterator[Postfix]:
    """Start it at `address`, stop it at the end. `routes` are lines of transport(5)."""
    with tempfile.TemporaryDirectory(prefix="estafeta-postfix-") as directory:
        home = Path(directory)
        home.chmod(0o755)  # its processes become other users
        _make(home, domain, address, port, users, certificate, routes)
        with _started(home, domain, address, port) as postfix:
            yield postfix


@contextmanager
def _started(home: Path, domain: str, address: str, port: int) -> Iterator[Postfix]:
    started = subprocess.run([_POSTFIX, "-c", home / "etc", "start"], capture_output=True, text=True, timeout=60)
    assert started.returncode == 0, started.stderr
    postfix = Postfix(home, domain, address, port)
    try:
        _await_greeting(postfix)
        yield postfix
    finally:
        pid = int((home / "queue/pid/master.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
            time.sleep(0.02)


def _make(
    home: Path, domain: str, address: str, port: int, users: tuple[str, ...], certificate: bytes, routes: str
) -> None:
    owner, mailer = pwd.getpwnam("postfix"), pwd.getpwnam("nobody")
    for name in ("etc", "queue", "data", "mail"):
        (home / name).mkdir()
    os.chown(home / "data", owner.pw_uid, owner.pw_gid)
    os.chown(home / "mail", mailer.pw_uid, mailer.pw_gid)
    values = {"home": home, "domain": domain, "address": address, "uid": mailer.pw_uid, "gid": mailer.pw_gid}
    files = {
        "etc/main.cf": _MAIN.format(**values),
        "etc/master.cf": _MASTER.format(address=address, port=port),
        "users": "".join(f"{user}@{domain} {user}/\n" for user in users),
        "transport": routes,
    }
    for name, text in files.items():
        (home / name).write_text(text)
        # Postfix waits for a file to be some seconds old before it reads it.
        os.utime(home / name, (time.time() - 60, time.time() - 60))
    (home / "tls.pem").touch(0o600)
    (home / "tls.pem").write_bytes(certificate)
    _make_queue(home / "queue", owner.pw_uid)


def _make_queue(queue: Path, owner: int) -> None:
    """As `postfix check` would make it."""
    group = grp.getgrnam("postdrop").gr_gid
    modes = dict.fromkeys(("incoming", "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold"), 0o700)
    modes |= {"trace": 0o700, "private": 0o700, "saved": 0o700, "maildrop": 0o730, "public": 0o710, "pid": 0o755}
    for name, mode in modes.items():
        (queue / name).mkdir()
        os.chown(queue / name, 0 if name == "pid" else owner, group if name in ("maildrop", "public") else -1)
        (queue / name).chmod(mode)
    (queue / "quick-start").touch()


def _await_greeting(postfix: Postfix) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection((postfix.address, postfix.port), timeout=5) as sock:
                if sock.recv(100).startswith(b"220"):
                    return
        except OSError:
            pass
        if time.monotonic() > end:
            pytest.fail(f"Postfix does not answer: {postfix.log()}")
        time.sleep(0.05)
