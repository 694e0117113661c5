"""NeoMutt without a person: started on a terminal of its own, it is told what to do by the commands it runs at start.

The keys of a person come from `push`; each session ends with <quit>. What NeoMutt believes to be in a folder is
found out by having it copy everything that it shows into a Maildir (`COPY_ALL`).
"""

import contextlib
import os
import pty
import signal
import subprocess
from pathlib import Path
from threading import Thread

import pytest
from imap_site import Site
from imap_sync import find_program

_SETTINGS = """\
set folder="imap://{site.host}:{site.port}/"
set spoolfile="+INBOX"
set imap_user="{site.user}"
set imap_pass="{site.password}"
set ssl_starttls=yes ssl_force_tls=yes ssl_verify_host=yes
set certificate_file="{site.certificate}"
set header_cache="{home}/cache/"
set message_cachedir="{home}/bodies/"
set imap_condstore={resync} imap_qresync={resync}
set from="{site.user}" realname="Reader" use_envelope_from=no
set sendmail="/bin/true" editor="/bin/true"
set record="+Sent" postponed="+Drafts"
set mbox_type=Maildir
set quit=yes delete=yes move=no confirmappend=no confirmcreate=no wait_key=no mark_old=no beep=no
set auto_tag=no resolve=no pager_stop=yes sleep_time=0 sort=mailbox-order use_threads=flat
set imap_check_subscribed=yes abort_nosubject=no
set abort_unmodified=no fast_reply=yes include=no
"""

#: Keys that copy all messages shown, with their flags, into a Maildir.
COPY_ALL = "<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{}<enter><untag-pattern>~A<enter>"


class NeoMutt:
    """NeoMutt with its settings and caches in `home`. `resync`: whether it uses CONDSTORE and QRESYNC."""

    def __init__(self, site: Site, home: Path, *, resync: bool = True) -> None:
        self._home = home
        self._settings = home / "neomuttrc"
        self._argv = [find_program("neomutt", "neomutt"), "-n", "-F", str(self._settings)]
        (home / "cache").mkdir()
        (home / "bodies").mkdir()
        self._settings.write_text(_SETTINGS.format(site=site, home=home, resync="yes" if resync else "no"))

    def press(self, keys: str, folder: str = "INBOX", seconds: float = 20) -> str:
        """Opens a folder and presses `keys`, then <quit>. Returns what was on the terminal."""
        push = keys.replace("\\", "\\\\").replace('"', '\\"')
        argv = [*self._argv, "-f", f"+{folder}", "-e", f'push "{push}<quit>"']
        controller, terminal = pty.openpty()
        environment = {"HOME": str(self._home), "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"}
        process = subprocess.Popen(
            argv, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True
        )
        os.close(terminal)
        shown: list[bytes] = []
        reader = Thread(target=_read_all, args=(controller, shown))
        reader.start()
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            pytest.fail(f"NeoMutt waits: {_text(shown)}")
        finally:
            reader.join()
            os.close(controller)
        assert status == 0, _text(shown)
        return _text(shown)


def _read_all(controller: int, shown: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # EIO: nobody has the terminal any more
        while piece := os.read(controller, 65536):
            shown.append(piece)


def _text(shown: list[bytes]) -> str:
    return b"".join(shown).decode("utf-8", "replace")
