"""How we sign in to other servers (smarthosts): a login and a password for a host and port.

Passwords are kept encrypted under the node's key and bound to their host, port and login, so that a row copied onto
another host's is worth nothing. Synchronous: for the command line, or a thread.
"""

import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Clock, ImportReport, LineProblem
from estafeta.directory.tables import host_credentials
from estafeta.routing.parsing import parse_server
from estafeta.routing.values import HopKind, NextHop
from estafeta.storage.database import Database

_NONCE_BYTES = 12
_USUAL_PORT = 25
_MAX_CHARACTERS = 1000
_LINE = re.compile(r"(\S+)\s+([^:]+):(.+)")


@dataclass(frozen=True, slots=True)
class HostCredential:
    """What is known of one host without its password. `port` 0: any."""

    host: str
    port: int
    login: str
    changed_seconds: int

    @property
    def server(self) -> str:
        """The host as a person writes it."""
        return f"[{self.host}]:{self.port}" if self.port else f"[{self.host}]"


@dataclass(frozen=True, slots=True)
class HostLogin:
    """What a connection signs in with."""

    user: str
    password: str = field(repr=False)


class HostCredentials:
    """See the module. `node_key`: 32 octets."""

    def __init__(self, database: Database, node_key: bytes, clock: Clock) -> None:
        self._database = database
        self._cipher = AESGCM(node_key)
        self._clock = clock

    def find_credentials(self, host: str, port: int) -> HostLogin | None:
        """The login for a next hop (its name and port as in `NextHop`), that of the port before that of any port.

        Raises EstafetaError UNAVAILABLE where there is one that this node cannot read: mail that went without it would
        be refused for good."""
        name, port = host.lower().rstrip("."), port or _USUAL_PORT
        columns = host_credentials.c
        query = select(host_credentials).where(columns.host == name, columns.port.in_((port, 0)))
        with self._database.read() as conn:
            row = conn.execute(query.order_by(columns.port.desc()).limit(1)).first()
        return None if row is None else HostLogin(row.login, self._unseal(row))

    def set_credentials(self, server: str, login: str, password: str) -> HostCredential:
        """Keep a login for `server`, in place of the one that there was. EstafetaError INVALID."""
        credential = self._checked(_parse(server), login, password)
        with self._database.write() as tx:
            self._put(tx.conn, credential, password)
        return credential

    def list_credentials(self) -> list[HostCredential]:
        """All of them, without passwords."""
        columns = host_credentials.c
        with self._database.read() as conn:
            rows = conn.execute(select(host_credentials).order_by(columns.host, columns.port)).all()
        return [HostCredential(row.host, row.port, row.login, row.changed_seconds) for row in rows]

    def remove_credentials(self, server: str) -> None:
        """Forget a login. EstafetaError NOT_FOUND."""
        hop = _parse(server)
        with self._database.write() as tx:
            if not tx.conn.execute(delete(host_credentials).where(*_same(hop.name, hop.port))).rowcount:
                raise EstafetaError(Kind.NOT_FOUND, f"There is no login for {server}.")

    def import_smtp_pass(self, text: str, *, dry_run: bool = False) -> ImportReport:
        """Take over lines such as `[mail.example.com]:587 relay@example.com:password` (smtp_sasl_password_maps).

        All lines that can be understood, in one transaction; problems never repeat a password."""
        taken: dict[tuple[str, int], tuple[HostCredential, str]] = {}
        problems = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                credential, password = self._parse_line(line)
                taken[credential.host, credential.port] = credential, password
            except EstafetaError as error:
                problems.append(LineProblem(number, line.split()[0][:80], error.public))
        known = {(one.host, one.port) for one in self.list_credentials()}
        if taken and not dry_run:
            with self._database.write() as tx:
                for credential, password in taken.values():
                    self._put(tx.conn, credential, password)
        added = tuple(one.server for key, (one, _) in taken.items() if key not in known)
        changed = tuple(one.server for key, (one, _) in taken.items() if key in known)
        return ImportReport(added, changed, tuple(problems))

    def _parse_line(self, line: str) -> tuple[HostCredential, str]:
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise EstafetaError(Kind.INVALID, "The line is not written as SERVER LOGIN:PASSWORD.")
        if "@" in match[1]:
            raise EstafetaError(Kind.INVALID, "Logins belong to servers here, not to senders.")
        return self._checked(_parse(match[1]), match[2].strip(), match[3]), match[3]

    def _checked(self, hop: NextHop, login: str, password: str) -> HostCredential:
        for text in (login, password):
            if not 0 < len(text) <= _MAX_CHARACTERS or not text.isprintable():
                raise EstafetaError(
                    Kind.INVALID, f"Login and password must be 1 to {_MAX_CHARACTERS} characters that can be printed."
                )
        return HostCredential(hop.name, hop.port, login, int(self._clock()))

    def _put(self, conn: Connection, credential: HostCredential, password: str) -> None:
        conn.execute(delete(host_credentials).where(*_same(credential.host, credential.port)))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        bound = _bound(credential.host, credential.port, credential.login)
        data = b64encode(nonce + self._cipher.encrypt(nonce, password.encode(), bound)).decode("ascii")
        conn.execute(
            insert(host_credentials).values(
                host=credential.host,
                port=credential.port,
                login=credential.login,
                data=data,
                changed_seconds=credential.changed_seconds,
            )
        )

    def _unseal(self, row: Row[tuple[object, ...]]) -> str:
        try:
            raw = b64decode(row.data)
            bound = _bound(row.host, row.port, row.login)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound).decode()
        except (InvalidTag, ValueError):
            raise EstafetaError(
                Kind.UNAVAILABLE,
                f"The password for {row.host} was stored by another node or with another node.key:"
                " set it again with `estafeta smarthost set`.",
            ) from None


def _parse(server: str) -> NextHop:
    hop = parse_server(server)
    if hop.kind not in (HopKind.MX, HopKind.HOST, HopKind.LMTP) or hop.name.startswith("/"):
        raise EstafetaError(Kind.INVALID, f"{server!r} is no server that can be signed in to.")
    return hop


def _same(host: str, port: int) -> tuple[ColumnElement[bool], ...]:
    return host_credentials.c.host == host, host_credentials.c.port == port


def _bound(host: str, port: int, login: str) -> bytes:
    return f"smarthost {host} {port} {login}".encode()
