"""Real servers that live in a lab: their names, their way out and their clock are the lab's.

    with LabThread(tmp_path / "lab") as lab, lab_node(tmp_path / "home", lab) as server:
        remote = lab.site("remote.test")
        ... send to somebody@remote.test through server.port(25) ...
        remote.wait(1)
        jump(server, lab, "4d")

Each is also a mail exchanger of the lab: `mx.DOMAIN` has an address of its own at the lab's port and a certificate of
the lab's authority, so that two of them send each other mail.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from running import ESTAFETA, Server, add_users, free_base, run_command

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab import LabThread
from estafeta.app.stores import open_site
from estafeta.certificates.selfsigned import PemPair
from estafeta.certificates.store import CertificateStore
from estafeta.net.bus import Bus
from estafeta.queue.destinations import TOPIC

DOMAIN = "example.test"


def make_lab_home(
    home: Path, lab: LabThread, *, domain: str = DOMAIN, settings: Mapping[str, str] | None = None
) -> int:
    """Set up a home with alice, bob and carol in the lab; returns its port base. `settings` are written as on the
    command line."""
    base = free_base()
    where = ("--domain", domain, "--hostname", f"mail.{domain}", "--port-base", str(base))
    made = run_command(home, "setup", *where, "--yes")
    assert made.returncode == 0, made.stderr
    add_users(home, *(f"{name}@{domain}" for name in ("alice", "bob", "carol")))
    _join(home, lab, domain)
    use_lab(home, lab, settings=settings)
    return base


def use_lab(home: Path, lab: LabThread, *, settings: Mapping[str, str] | None = None) -> None:
    """Point a home's settings to the lab."""
    chosen = {**_written(lab.settings()), **(settings or {})}
    with open_site(load_node(Home(home))) as site:
        for key, value in chosen.items():
            site.settings.set_setting(key, value, "test", "")


def start_lab_node(home: Path, lab: LabThread, base: int, *args: str) -> Server:
    """Start a server of the lab and wait until it is ready."""
    with open(home / "stderr.log", "a") as log:
        process = subprocess.Popen(
            [*ESTAFETA, "--home", str(home), "serve", *args],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **lab.environment()},
        )
    server = Server(home, base, process)
    server.wait_ready()
    return server


def jump(server: Server, lab: LabThread, span: str) -> None:
    """Move the clock and let the couriers know, as `estafeta lab jump` does."""
    lab.clock.jump(span)
    bus = Bus(server.home / "run")
    bus.publish([TOPIC])
    bus.close()


@contextmanager
def lab_node(
    home: Path, lab: LabThread, *args: str, domain: str = DOMAIN, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server with alice, bob and carol, stopped at the end; its log must have no traceback."""
    base = make_lab_home(home, lab, domain=domain, settings=settings)
    server = start_lab_node(home, lab, base, *(args or ("--workers", "1")))
    try:
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()
    log = (home / "stderr.log").read_text()
    assert "Traceback" not in log
    assert "trace=" not in log


def _join(home: Path, lab: LabThread, domain: str) -> None:
    """Make it the mail exchanger of its domain, and give it the lab's clock."""
    host, address = f"mx.{domain}", lab.lab.next_address()
    lab.names.add(host, a=[address])
    lab.names.add(domain, mx=[(10, host)])
    issued = lab.lab.authority.issue((host,))
    CertificateStore(home / "certificates").save("lab", PemPair(issued.pem, issued.key_pem))
    with open(home / "estafeta.toml", "a") as file:
        file.write(
            f'\n[[listener]]\nservice = "smtp"\naddress = "{address}"\nport = {lab.port}\ncertificate = "lab"\n'
            f'\n[lab]\nclock = "{lab.lab.directory / "lab-clock"}"\n'
        )


def _written(settings: Mapping[str, object]) -> dict[str, str]:
    return {
        key: ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
        for key, value in settings.items()
    }
