"""One lab: its names, servers, certificates and clock together.

Each server has an address of its own in 127.77.0.0/16, and all listen at one port that was free when the lab began,
so that mail finds them by their addresses alone; Linux answers on all of 127.0.0.0/8. Two labs never have the same
port. `async with` starts and ends it; everything in it belongs to the loop in which it was started.
"""

import asyncio
import ipaddress
import itertools
import shutil
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from estafeta.app.lab.behaviours import ACCEPT, Behaviour
from estafeta.app.lab.certificates import Authority
from estafeta.app.lab.dns import NameServer
from estafeta.app.lab.https import Page, WebServer
from estafeta.app.lab.names import Names, plain_name
from estafeta.app.lab.remote import Remote, Watch
from estafeta.app.lab.socks import Proxy
from estafeta.app.lab.wire import Wires
from estafeta.core.clock import LabClock
from estafeta.core.errors import EstafetaError, Kind

_HOME_ADDRESS = "127.77.0.1"
_POLICY_ADDRESS = "127.77.0.2"
_FIRST_NUMBER = 256  # 127.77.1.0: those below are the lab's own
_LAST_NUMBER = 65_534


class Lab:
    """A small internet. `directory` keeps its clock and certificate; without one it is temporary. A `port` of 0 takes
    a free one, which is the same for all mail servers."""

    def __init__(self, directory: Path | None = None, *, port: int = 0, dns_port: int = 0, watch: Watch | None = None):
        self.names = Names()
        self.authority = Authority()
        self.port = port
        self.dns_port = dns_port
        self.https_port = 0
        self.remotes: dict[str, Remote] = {}
        self._own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="estafeta-lab-"))
        self.clock = LabClock(self.directory / "lab-clock")
        self._watch = watch
        self._wires = Wires()
        self._dns = NameServer(self.names, self._wires)
        self._web = WebServer(self._wires, self.authority)
        self._numbers = itertools.count(_FIRST_NUMBER)
        self._reserved: list[socket.socket] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Take ports and answer for names. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca_file.write_bytes(self.authority.pem)
        try:
            self.port = self._reserve(_HOME_ADDRESS, self.port)
            self.https_port = self._reserve("127.77.0.3", 0)
            self.dns_port = self.dns_port or _free_port_for_both(_HOME_ADDRESS)
            await self._dns.start(_HOME_ADDRESS, self.dns_port)
            await self._web.start(_POLICY_ADDRESS, self.https_port)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End everything; temporary files are removed."""
        self._dns.close()
        await self._wires.close()
        for sock in self._reserved:
            sock.close()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    # what a node needs to know

    @property
    def dns_address(self) -> str:
        """The name server, ADDRESS:PORT."""
        return f"{_HOME_ADDRESS}:{self.dns_port}"

    @property
    def ca_file(self) -> Path:
        """The lab's own certificate authority, PEM."""
        return self.directory / "lab-ca.pem"

    @property
    def ca_pem(self) -> bytes:
        """The same, as octets."""
        return self.authority.pem

    def settings(self) -> dict[str, Any]:
        """Settings of a node that shall live in this lab."""
        return {
            "dns.servers": (self.dns_address,),
            "dns.validating": True,
            "delivery.port": self.port,
            "delivery.https_port": self.https_port,
        }

    def environment(self) -> dict[str, str]:
        """Environment of such a node: OpenSSL then trusts the lab's authority."""
        return {"SSL_CERT_FILE": str(self.ca_file)}

    # the world

    async def remote(
        self,
        host: str,
        behaviour: Behaviour = ACCEPT,
        *,
        address: str = "",
        port: int | None = None,
        path: Path | None = None,
        secure: bool | None = None,
    ) -> Remote:
        """Start a mail server. `port` None is the common one, 0 any free one; `path` is a Unix socket instead.

        Its name gets an A (or AAAA) record, and the address a PTR. Raises EstafetaError INVALID for an address that is
        not loopback or a name that is taken, OSError when it cannot listen.
        """
        host = plain_name(host)
        if host in self.remotes:
            raise EstafetaError(Kind.INVALID, f"There is a server {host} in the lab already.")
        address = _loopback(address or self.next_address())
        remote = Remote(host, address, self.port if port is None else port, self.authority, behaviour)
        remote.watch = self._watch
        if path is not None:
            await self._wires.listen_unix(remote.serve, path)
            self.remotes[host] = remote
            return remote
        context = self.authority.context((host,), behaviour.tls) if behaviour.implicit_tls else None
        server = await self._wires.listen(remote.serve, address, remote.port, context)
        remote.port = server.sockets[0].getsockname()[1]
        self.remotes[host] = remote
        self.names.add(host, **{"aaaa" if ":" in address else "a": [address]}, secure=secure)  # type: ignore[arg-type]
        self.names.add_ptr(address, host)
        return remote

    async def site(self, domain: str, behaviour: Behaviour = ACCEPT, *, secure: bool | None = None) -> Remote:
        """A domain with one mail exchanger, `mx.DOMAIN`."""
        remote = await self.remote(f"mx.{domain}", behaviour, secure=secure)
        self.names.add(domain, mx=[(10, remote.host)], secure=secure)
        return remote

    async def policy(self, domain: str, text: str, *, fault: str = "", tls: str = "good", ident: str = "1") -> None:
        """An MTA-STS policy of a domain with its records (RFC 8461 3.1); again with another `ident` to change it."""
        host = f"mta-sts.{plain_name(domain)}"
        self._web.put(host, Page(text, fault, tls))
        self.names.remove(host)
        self.names.add(host, a=[_POLICY_ADDRESS])
        self.names.remove(f"_mta-sts.{domain}")
        self.names.add(f"_mta-sts.{domain}", txt=[f"v=STSv1; id={ident}"])

    @property
    def web_requests(self) -> list[tuple[str, str]]:
        """What the policy server was asked: host and path."""
        return self._web.requests

    async def socks(self, *, refuse: int = 0, user: str = "", password: str = "") -> Proxy:
        """Start a SOCKS5 proxy."""
        proxy = Proxy(_HOME_ADDRESS, 0, self._address_of, refuse=refuse, user=user, password=password)
        server = await self._wires.listen(proxy.serve, _HOME_ADDRESS, 0)
        proxy.port = server.sockets[0].getsockname()[1]
        return proxy

    def dead_address(self) -> str:
        """An address where nobody listens: connections are refused."""
        return self.next_address()

    async def black_hole(self, host: str) -> str:
        """A host whose connections never come about: its queue of new ones is full for ever."""
        address = self.next_address()
        sock = socket.socket()
        self._reserved.append(sock)
        sock.bind((address, self.port))
        sock.listen(0)
        loop = asyncio.get_running_loop()
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            self._reserved.append(filler)
            with suppress(TimeoutError, BlockingIOError):
                async with asyncio.timeout(0.05):
                    await loop.sock_connect(filler, (address, self.port))
        self.names.add(host, a=[address])
        return address

    def tlsa(
        self, remote: Remote, *, usage: int = 3, selector: int = 1, matching: int = 1
    ) -> tuple[int, int, int, bytes]:
        """The TLSA record of a server's certificate, for `names.add(f"_{port}._tcp.{host}", tlsa=[...])`."""
        return remote.issued().tlsa(usage, selector, matching)

    def next_address(self) -> str:
        """An address that nobody has yet."""
        number = next(self._numbers)
        if number > _LAST_NUMBER:
            raise EstafetaError(Kind.LIMIT, "The lab has no more addresses.")
        return f"127.77.{number >> 8}.{number & 255}"

    def _address_of(self, host: str) -> str:
        entry = self.names.find(plain_name(host))
        records: Sequence[Any] = entry.records.get("A", ()) if entry is not None else ()
        return str(records[0].address) if records else ""

    def _reserve(self, address: str, port: int) -> int:
        """Keep a port for this lab, so that no other lab takes it."""
        sock = socket.socket()
        self._reserved.append(sock)
        sock.bind((address, port))
        return int(sock.getsockname()[1])


def _loopback(address: str) -> str:
    try:
        fine = ipaddress.ip_address(address).is_loopback
    except ValueError:
        fine = False
    if not fine:
        raise EstafetaError(Kind.INVALID, f"{address[:60]!r} is no address of loopback: the lab has no others.")
    return address


def _free_port_for_both(address: str) -> int:
    """A port that is free for UDP and TCP."""
    for _ in range(50):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((address, 0))
            port = int(tcp.getsockname()[1])
            with suppress(OSError):
                udp.bind((address, port))
                return port
    raise OSError(98, "no free port for the name server")
