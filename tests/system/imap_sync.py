"""Programs that keep a tree of Maildirs and a server the same: mbsync and OfflineIMAP.

Both verify the server by its certificate. A run that fails fails the test with what the program said.
"""

import hashlib
import shutil
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from imap_site import Site

_MBSYNC = """\
FSync no

IMAPAccount server
Host {site.host}
Port {port}
User {site.user}
Pass "{site.password}"
CertificateFile {site.certificate}
{options}

IMAPStore far
Account server

MaildirStore near
Path {root}/
Inbox {root}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState {home}/state/
"""

_OFFLINEIMAP = """\
[general]
accounts = all
metadata = {home}/metadata
fsync = no

[Account all]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {root}
sep = /

[Repository far]
type = IMAP
remotehost = {site.host}
remoteport = {site.tls_port}
ssl = yes
cert_fingerprint = {fingerprint}
remoteuser = {site.user}
remotepass = {site.password}
auth_mechanisms = PLAIN
maxconnections = 2
"""


class Syncer(Protocol):
    """A program with its settings, and the Maildirs below `root` that it keeps."""

    root: Path
    #: A folder that is removed on one side is removed on the other.
    removes_folders: bool

    def run(self) -> None:
        """Makes both sides the same."""


@dataclass
class Mbsync:
    """isync's mbsync, with the lines `options` in its account."""

    site: Site
    home: Path
    port: int
    options: str
    removes_folders = True

    def __post_init__(self) -> None:
        self.root = self.home / "mail"
        self.root.mkdir()
        (self.home / "state").mkdir()
        text = _MBSYNC.format(site=self.site, port=self.port, root=self.root, home=self.home, options=self.options)
        (self.home / "mbsyncrc").write_text(text)

    def run(self) -> None:
        run_client([find_program("mbsync", "isync"), "-c", self.home / "mbsyncrc", "-V", "all"], self.home)


@dataclass
class OfflineImap:
    """OfflineIMAP, which is installed beside this Python."""

    site: Site
    home: Path
    removes_folders = False

    def __post_init__(self) -> None:
        self.root = self.home / "mail"
        self.root.mkdir()
        certificate = ssl.PEM_cert_to_DER_cert(self.site.certificate.read_text())
        fingerprint = hashlib.sha256(certificate).hexdigest()
        text = _OFFLINEIMAP.format(site=self.site, root=self.root, home=self.home, fingerprint=fingerprint)
        (self.home / "offlineimaprc").write_text(text)

    def run(self) -> None:
        program = Path(sys.executable).with_name("offlineimap")
        run_client([program, "-o", "-u", "basic", "-c", self.home / "offlineimaprc"], self.home)


def find_program(name: str, package: str) -> str:
    """Where a program is; skips the test when it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (apt-get install {package})")
    return path


def run_client(argv: list[str | Path], home: Path, *, input: bytes = b"", check: bool = True) -> str:
    """Run a program with `home` as its home directory, and return what it printed."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [str(word) for word in argv], input=input, capture_output=True, env=environment, timeout=60, check=False
    )
    printed = done.stdout.decode("utf-8", "replace")
    if check:
        assert done.returncode == 0, f"{argv[0]}: {printed}\n{done.stderr.decode('utf-8', 'replace')}"
    return printed
