"""Private Dovecots for IMAP: the same messages in a Maildir and in mdbox, and one tuned for signing in.

Settings are the shipped ones but for where it listens and keeps things, static users (a password compared in clear:
nothing is quicker), sign-in without TLS, and a certificate. Messages are put in by its own `doveadm import`, without
syncing, or as files into a Maildir.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks import dovecot, maildir
from benchmarks.dovecot import UID
from benchmarks.maildir import MaildirServer
from benchmarks.server import PASSWORD, Skip, await_greeting, free_port

_CONFIG = """\
base_dir = {home}/run
state_dir = {home}/state
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
disable_plaintext_auth = no
mail_location = {location}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={mail}/%n allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
{tuning}
{log}
"""
_TUNING = """\
auth_cache_size = 10M
mail_max_userip_connections = 10000
service imap-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 10000
}
service imap {
  service_count = 1000
  process_min_avail = 8
  process_limit = 4096
}
service anvil {
  client_limit = 20000
}
service auth {
  client_limit = 20000
}
"""


class DovecotImap(MaildirServer):
    """Mail is below `mail`, one directory for each user."""

    name = "Dovecot, Maildir"
    location = "maildir:~/Maildir"
    tuning = ""

    @classmethod
    def prepare(cls) -> None:
        dovecot.check()

    @classmethod
    def version(cls) -> str:
        return f"Dovecot {dovecot.version()}"

    @property
    def mail(self) -> Path:
        return self.home / "mail"

    def start(self) -> None:
        home = self.home / "dovecot"
        for directory in (home, home / "run", home / "state"):
            directory.mkdir(parents=True)
        for number in range(self.users):
            (self.mail / f"u{number:02d}").mkdir(parents=True)
            os.chown(self.mail / f"u{number:02d}", UID, UID)
        make_certificate(home)
        self.imap_port, self.imaps_port = free_port(), free_port()
        self._config = home / "dovecot.conf"
        log = f"log_path = {home}/log" if dovecot.keeps_logs() else ""
        values = {"home": home, "mail": self.mail, "uid": UID, "password": PASSWORD, "location": self.location}
        values |= {"port": self.imap_port, "tls_port": self.imaps_port, "tuning": self.tuning, "log": log}
        self._config.write_text(_CONFIG.format(**values))
        self.group.spawn(["/usr/sbin/dovecot", "-F", "-c", self._config])
        await_greeting(self.imap_port, self.group)

    def address(self, user: int) -> str:
        return f"u{user:02d}"

    def fill(self, user: int, source: Path) -> None:
        """Puts the messages of the Maildir `source` into INBOX."""
        target = self.mail / f"u{user:02d}" / "Maildir"
        maildir.make(target, UID)
        for file in os.scandir(source / "cur"):
            os.link(file.path, target / "cur" / file.name)

    def make_cold(self, user: int) -> None:
        """Drops what Dovecot remembers of messages. A new session is a new process."""
        for file in (self.mail / f"u{user:02d}").rglob("dovecot.index.cache"):
            file.unlink()

    def doveadm(self, *arguments: str) -> None:
        argv = ["doveadm", "-c", str(self._config), "-o", "mail_fsync=never", *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"doveadm {arguments[0]}: {done.stderr.strip()[-300:]}")


class DovecotMdbox(DovecotImap):
    """Many messages in a file, as Dovecot's own format keeps them."""

    name = "Dovecot, mdbox"
    location = "mdbox:~/mdbox"

    def fill(self, user: int, source: Path) -> None:
        self.doveadm("import", "-u", f"u{user:02d}", f"maildir:{source}", "", "ALL")


class DovecotTuned(DovecotImap):
    """What its documentation advises for many sign-ins: processes that serve more than one, a cache of passwords."""

    name = "Dovecot, tuned"
    tuning = _TUNING


def make_certificate(directory: Path) -> None:
    """A self-signed certificate (ECDSA P-256, as Estafeta makes them) as cert.pem and key.pem."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Skip("there is no openssl to make a certificate with")
    argv = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    argv += ["-subj", "/CN=localhost", "-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    subprocess.run(argv, check=True, capture_output=True)
