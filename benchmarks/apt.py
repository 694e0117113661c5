"""Installing references with apt where they are missing and where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.server import Skip

PACKAGES = ("postfix", "dovecot-core", "dovecot-lmtpd", "dovecot-pop3d", "dovecot-imapd")
_NEEDED = (
    "/usr/sbin/postfix",
    "/usr/sbin/dovecot",
    "/usr/lib/dovecot/lmtp",
    "/usr/lib/dovecot/pop3",
    "/usr/lib/dovecot/imap",
)


def install() -> None:
    """Makes Postfix and Dovecot available. Raises Skip with the reason when they cannot be."""
    if os.geteuid() != 0:
        raise Skip("Postfix and Dovecot run as they ship only when started by root")
    if all(Path(path).exists() for path in _NEEDED):
        return
    if shutil.which("apt-get") is None:
        raise Skip("Postfix and Dovecot are not installed and there is no apt-get")
    argv = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not all(Path(path).exists() for path in _NEEDED):
        raise Skip(f"apt-get could not install Postfix and Dovecot: {done.stderr.strip()[-200:]}")
