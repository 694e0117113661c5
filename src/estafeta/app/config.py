"""The node file `estafeta.toml`: what one node needs to start, and nothing else.

Domains, users and rules live in the store. Unknown keys are errors that name the nearest known key; every error is one
sentence with the file and the key (`EstafetaError` of kind INVALID, or NOT_FOUND when there is no such file).
"""

import difflib
import time
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from estafeta.app.home import Home
from estafeta.core.clock import Clock, LabClock
from estafeta.core.errors import EstafetaError, Kind


class Service(StrEnum):
    """What a listener serves."""

    SMTP = "smtp"
    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"
    LMTP = "lmtp"
    POP3 = "pop3"
    POP3S = "pop3s"
    IMAP = "imap"
    IMAPS = "imaps"
    HTTP = "http"
    HTTPS = "https"


#: The registered ports (RFC 5321, 6409, 8314, 1939, 9051, 9110); LMTP has none of its own: 24 is "any private mail
#: system".
STANDARD_PORTS = {
    Service.SMTP: 25,
    Service.SUBMISSION: 587,
    Service.SUBMISSIONS: 465,
    Service.LMTP: 24,
    Service.POP3: 110,
    Service.POP3S: 995,
    Service.IMAP: 143,
    Service.IMAPS: 993,
    Service.HTTP: 80,
    Service.HTTPS: 443,
}
#: Services whose first octet is already TLS (RFC 8314 3).
IMPLICIT_TLS = frozenset({Service.SUBMISSIONS, Service.POP3S, Service.IMAPS, Service.HTTPS})
#: Services whose code is imported only where one of them is started.
WEB = frozenset({Service.HTTP, Service.HTTPS})


class LogLevel(StrEnum):
    """What the log holds at least."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogTarget(StrEnum):
    """Where log lines go."""

    STDERR = "stderr"
    FILE = "file"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_NAME = r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$"
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"


class ListenerConfig(_Table):
    """One `[[listener]]`: a service on an address and port, or on a Unix socket."""

    service: Annotated[Service, Field(description=f"one of {', '.join(Service)}")]
    address: Annotated[
        str, Field(min_length=1, description="IP address or host name to bind; `*` is every IPv4 and IPv6 address")
    ] = "*"
    port: Annotated[
        int | None,
        Field(ge=0, le=65535, description="TCP port; without it the service's standard one; 0 takes any free port"),
    ] = None
    path: Annotated[
        str, Field(description="lmtp only: a Unix socket instead of address and port; relative to the home")
    ] = ""
    start: Annotated[bool, Field(description="false keeps this listener from starting")] = True
    certificate: Annotated[
        str,
        Field(
            pattern=_NAME, description="certificate for clients that name no host (SNI): certificates/NAME.crt, .key"
        ),
    ] = "default"
    domain: Annotated[
        str, Field(description="the domain whose interface this is: its name and certificate greet; empty: the node's")
    ] = ""

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.path and self.service is not Service.LMTP:
            raise ValueError("path is for lmtp only: give an address and a port")
        if self.path and self.port is not None:
            raise ValueError("give either a path or a port, not both")
        return self

    @property
    def tcp_port(self) -> int:
        """The port to bind; meaningless for a Unix socket."""
        return STANDARD_PORTS[self.service] if self.port is None else self.port

    @property
    def implicit_tls(self) -> bool:
        """Whether TLS begins with the first octet."""
        return self.service in IMPLICIT_TLS

    @property
    def place(self) -> str:
        """Where it listens, for people: `127.0.0.1:20025`, `[::1]:25`, `*:25` or the path of the socket."""
        if self.path:
            return self.path
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.tcp_port}"


class LogConfig(_Table):
    """The `[log]` table."""

    level: Annotated[LogLevel, Field(description="debug, info, warning or error")] = LogLevel.INFO
    target: Annotated[LogTarget, Field(description="stderr (for systemd's journal or a terminal) or file")] = (
        LogTarget.STDERR
    )
    file: Annotated[
        str, Field(description="path for target = file; relative to the home; opened again after rotation")
    ] = "log/estafeta.log"


class DatabaseConfig(_Table):
    """The `[database]` table."""

    url: Annotated[
        str,
        Field(
            pattern=r"^(|sqlite:///.+|postgresql(\+psycopg)?://.+)$",
            description="empty: SQLite in the data directory; or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
        ),
    ] = ""


class LabConfig(_Table):
    """The `[lab]` table: a node that lives in a lab, for tests and for learning."""

    clock: Annotated[
        str,
        Field(
            min_length=1,
            description="file with the seconds by which this node's clock is ahead (`estafeta lab jump` sets it);"
            " relative to the home",
        ),
    ] = "lab-clock"


class NodeConfig(_Table):
    """The whole node file."""

    hostname: Annotated[
        str,
        Field(pattern=_HOST, max_length=253, description="this machine's name: greeting, Received, EHLO, certificate"),
    ]
    data: Annotated[str, Field(min_length=1, description="directory of the store; relative to the home")] = "data"
    workers: Annotated[
        int,
        Field(
            ge=0,
            le=256,
            description="worker processes (jobs); 0 is one for each core. Workers are equal and serve every protocol,"
            " so there are no initial, spare or maximum jobs to tune",
        ),
    ] = 0
    user: Annotated[str, Field(description="system user to become once the ports are bound, when started as root")] = ""
    group: Annotated[str, Field(description="system group to become; empty: the user's own")] = ""
    grace_seconds: Annotated[
        int,
        Field(ge=0, le=3600, description="how long a stop lets sessions finish what is under way before it cuts them"),
    ] = 30
    log: LogConfig = LogConfig()
    database: DatabaseConfig = DatabaseConfig()
    lab: Annotated[LabConfig | None, Field(description="only for a node in a lab")] = None
    listeners: Annotated[tuple[ListenerConfig, ...], Field(alias="listener", description="the listeners")] = ()

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        seen: set[str] = set()
        for listener in self.listeners:
            fixed = bool(listener.path) or listener.tcp_port != 0
            if fixed and listener.start and listener.place in seen:
                raise ValueError(f"two listeners want {listener.place}: change one of them")
            seen.add(listener.place if listener.start else "")
        return self


@dataclass(frozen=True, slots=True)
class Node:
    """A home and the configuration read from it, with every path absolute."""

    home: Home
    config: NodeConfig

    @property
    def data(self) -> Path:
        """The directory of the store."""
        return self.home.resolve(self.config.data)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the metadata."""
        if not self.config.database.url:
            return f"sqlite:///{self.data / 'estafeta.sqlite'}"
        return self.config.database.url.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def log_file(self) -> Path:
        """Where the log goes when its target is a file."""
        return self.home.resolve(self.config.log.file)

    def make_clock(self) -> Clock:
        """The time of day for everything that this node decides by it; one that can jump, in a lab."""
        return time.time if self.config.lab is None else LabClock(self.home.resolve(self.config.lab.clock))


def load_node(home: Home) -> Node:
    """Read and check the node file of `home`.

    Raises EstafetaError: NOT_FOUND without a node file, PERMISSION when it cannot be read, INVALID for what it says.
    """
    try:
        text = home.config_file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise EstafetaError(
            Kind.NOT_FOUND,
            f"There is no server at {home.root}: make one with `estafeta setup`, or say where it is with --home.",
        ) from None
    except OSError as error:
        raise EstafetaError(
            Kind.PERMISSION,
            f"{home.config_file} cannot be read ({error.strerror}): run this as the server's user or root.",
        ) from None
    return Node(home, parse_config(text, str(home.config_file)))


def parse_config(text: bytes, file: str) -> NodeConfig:
    """Check the text of a node file; `file` is what errors call it."""
    try:
        raw = tomllib.loads(text.decode())
    except UnicodeDecodeError:
        raise EstafetaError(Kind.INVALID, f"{file} is not UTF-8 text: save it again as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise EstafetaError(Kind.INVALID, f"{file} is not valid TOML: {error}.") from None
    try:
        return NodeConfig.model_validate(raw)
    except ValidationError as error:
        raise EstafetaError(Kind.INVALID, _sentence(file, error)) from None


def _sentence(file: str, error: ValidationError) -> str:
    """The first thing that is wrong, as one sentence; unknown keys first, since they explain missing ones."""
    errors = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    first, more = errors[0], len(errors) - 1
    said = _explain(first)
    return f"{file}: {said}" + (f" (and {more} more)." if more else ".")


def _explain(error: Any) -> str:
    where = _where(error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key `{where}`{_nearest(error['loc'])}"
        case "missing":
            return f"the key `{where}` is missing"
        case "enum":
            return f"`{where}` is {error['input']!r}; it must be {error['ctx']['expected']}"
        case "value_error":
            return f"{f'`{where}`: ' if where else ''}{error['ctx']['error']}"
        case "string_pattern_mismatch":
            return f"`{where}` = {error['input']!r} is not of the form it needs ({_description(error['loc'])})"
        case _:
            message = error["msg"][:1].lower() + error["msg"][1:]
            return f"`{where}` = {error['input']!r}: {message}"


def _where(loc: tuple[int | str, ...]) -> str:
    """`listener[2].port` for the second place in the file's own words (counted from 1)."""
    text = ""
    for part in loc:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _table_of(loc: tuple[int | str, ...]) -> type[_Table]:
    """The table that holds the last key of `loc`."""
    table: type[_Table] = NodeConfig
    for part in loc[:-1]:
        if isinstance(part, str):
            table = _tables(table).get(part, table)
    return table


def _tables(table: type[_Table]) -> dict[str, type[_Table]]:
    """Key -> table for the keys of `table` that hold tables or lists of tables."""
    found = {}
    for name, field in table.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, _Table):
                found[field.alias or name] = kind
    return found


def _nearest(loc: tuple[int | str, ...]) -> str:
    keys = [field.alias or name for name, field in _table_of(loc).model_fields.items()]
    near = difflib.get_close_matches(str(loc[-1]), keys, n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; known here are {', '.join(keys)}"


def _description(loc: tuple[int | str, ...]) -> str:
    for name, field in _table_of(loc).model_fields.items():
        if (field.alias or name) == loc[-1]:
            return field.description or ""
    return ""
