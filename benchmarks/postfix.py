"""Private Postfix instances: one hands over to Dovecot's LMTP, one delivers with its own virtual(8).

Settings are the shipped ones, with these exceptions: where it listens and keeps things; static virtual users;
no limit on connections of one client (the load is one client); 250 smtpd processes at most instead of 100, so
that 200 sessions are all served at once; no chroot, as Postfix ships (Debian's package chroots); and, only where
virtual(8) delivers, in_flow_delay 0, without which Postfix holds up a client that sends faster than mail is
delivered: it costs virtual(8) throughput, and gains the pair with Dovecot some. Postfix syncs its queue file before
it says 250, and the mailbox file before it removes the queue file.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

from benchmarks import apt, dovecot
from benchmarks.maildir import MaildirServer
from benchmarks.server import DOMAIN, await_greeting, free_port

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.{domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{home}/users
virtual_mailbox_base = {mail}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
in_flow_delay = {flow_delay}
virtual_transport = {transport}
{more}
{log}
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - 250 smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
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
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class PostfixVirtual(MaildirServer):
    name = "Postfix virtual(8) → Maildir"
    in_flow_delay = "0"

    @classmethod
    def prepare(cls) -> None:
        apt.install()

    @classmethod
    def version(cls) -> str:
        argv = ["/usr/sbin/postconf", "-d", "-h", "mail_version"]
        return f"Postfix {subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()}"

    def start(self) -> None:
        self.maildirs = dovecot.mailboxes(self.home / "mail", self.users)
        self.smtp_port = free_port()
        self._start_postfix(self._transport())
        await_greeting(self.smtp_port, self.group)

    def _transport(self) -> str:
        return "virtual"

    def _more(self) -> str:
        """Further lines of main.cf."""
        return ""

    def _start_postfix(self, transport: str) -> None:
        home = self.home / "postfix"
        for name in ("etc", "queue", "data"):
            (home / name).mkdir(parents=True)
        owner = pwd.getpwnam("postfix")
        os.chown(home / "data", owner.pw_uid, owner.pw_gid)
        log = f"maillog_file = {home}/log\nmaillog_file_prefixes = /" if dovecot.keeps_logs() else ""
        values = {
            "home": home,
            "mail": self.home / "mail",
            "domain": DOMAIN,
            "uid": dovecot.UID,
            "flow_delay": self.in_flow_delay,
        }
        (home / "etc/main.cf").write_text(_MAIN.format(transport=transport, more=self._more(), log=log, **values))
        (home / "etc/master.cf").write_text(_MASTER.format(port=self.smtp_port))
        users = [f"u{number:02d}" for number in range(self.users)]
        (home / "users").write_text("".join(f"{user}@{DOMAIN} {user}/Maildir/\n" for user in users))
        _age(home / "etc/main.cf", home / "etc/master.cf", home / "users")
        _make_queue(home / "queue", owner.pw_uid)
        self.group.spawn(["/usr/sbin/postfix", "-c", home / "etc", "start-fg"])

    def stop(self) -> None:
        pid_file = self.home / "postfix/queue/pid/master.pid"
        if pid_file.exists():  # `start-fg` waits for its master and hands no signal on
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid_file.read_text()), signal.SIGTERM)
        super().stop()


def _age(*files: Path) -> None:
    """Postfix waits for a configuration file to be some seconds old before it reads it."""
    for file in files:
        os.utime(file, (time.time() - 60, time.time() - 60))


def _make_queue(queue: Path, owner: int) -> None:
    """The queue directory as `postfix check` would make it, so that each start saves that second."""
    group = grp.getgrnam("postdrop").gr_gid
    for name in ("incoming", "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "trace"):
        _make(queue / name, owner, -1, 0o700)
    for name in ("private", "saved"):
        _make(queue / name, owner, -1, 0o700)
    _make(queue / "maildrop", owner, group, 0o730)
    _make(queue / "public", owner, group, 0o710)
    _make(queue / "pid", 0, -1, 0o755)
    (queue / "quick-start").touch()


def _make(directory: Path, owner: int, group: int, mode: int) -> None:
    directory.mkdir()
    os.chown(directory, owner, group)
    directory.chmod(mode)


class PostfixDovecot(PostfixVirtual):
    name = "Postfix → Dovecot LMTP → Maildir"
    in_flow_delay = "1s"

    @classmethod
    def prepare(cls) -> None:
        dovecot.check()

    @classmethod
    def version(cls) -> str:
        return f"{super().version()}, Dovecot {dovecot.version()}"

    def _transport(self) -> str:
        self.pop3_port = free_port()
        socket = dovecot.spawn(self.group, self.home / "dovecot", self.home / "mail", self.pop3_port)
        return f"lmtp:unix:{socket}"
