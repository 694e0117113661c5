"""A private Dovecot: LMTP on a Unix socket, POP3 in clear text on loopback, Maildirs.

Its settings are those it ships with, except where it listens and keeps things, and static users.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks import apt, maildir
from benchmarks.maildir import MaildirServer
from benchmarks.processes import Group
from benchmarks.server import PASSWORD, Skip, await_greeting, free_port

UID = 5000

_CONFIG = """\
base_dir = {home}/run
state_dir = {home}/state
protocols = lmtp pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={mail}/%n allow_all_users=yes
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
{log}
"""


def check() -> None:
    apt.install()
    if not version().startswith("2.3"):
        raise Skip(f"Dovecot {version()} is configured differently from 2.3, which this benchmark knows")


def keeps_logs() -> bool:
    """Whether servers write log files into their directories, to look into a failure (default: to syslog)."""
    return bool(os.environ.get("BENCH_SERVER_LOGS"))


def version() -> str:
    done = subprocess.run(["/usr/sbin/dovecot", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def spawn(group: Group, home: Path, mail: Path, pop3_port: int) -> Path:
    """Starts Dovecot in `home` for Maildirs MAIL/USER/Maildir. Returns its LMTP socket."""
    for directory in (home, home / "run", home / "state"):
        directory.mkdir(parents=True)
    log = f"log_path = {home}/log" if keeps_logs() else ""
    config = home / "dovecot.conf"
    config.write_text(_CONFIG.format(home=home, mail=mail, uid=UID, port=pop3_port, password=PASSWORD, log=log))
    group.spawn(["/usr/sbin/dovecot", "-F", "-c", config])
    return home / "run" / "lmtp"


def mailboxes(mail: Path, users: int) -> list[Path]:
    """Makes and returns the Maildirs of u00, u01 ..."""
    paths = [mail / f"u{number:02d}" / "Maildir" for number in range(users)]
    for path in paths:
        maildir.make(path, UID)
        os.chown(path.parent, UID, UID)
    return paths


class DovecotPop3(MaildirServer):
    """Only reading: mail is put into the Maildirs by hand."""

    name = "Dovecot POP3 (Maildir)"

    @classmethod
    def prepare(cls) -> None:
        check()

    @classmethod
    def version(cls) -> str:
        return f"Dovecot {version()}"

    def start(self) -> None:
        self.maildirs = mailboxes(self.home / "mail", self.users)
        self.pop3_port = free_port()
        spawn(self.group, self.home / "dovecot", self.home / "mail", self.pop3_port)
        await_greeting(self.pop3_port, self.group)
