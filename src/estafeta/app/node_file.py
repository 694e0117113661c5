"""Writing the node file that `setup` makes: readable, every key explained, the rest shown as comments."""

import json
from dataclasses import dataclass
from enum import StrEnum

from estafeta.app.config import STANDARD_PORTS, Service

#: LMTP listens here on a server with standard ports: only local programs deliver by it.
LMTP_PATH = "run/lmtp.sock"


class Site(StrEnum):
    """The kinds of site that set-up offers."""

    INTERNET = "internet"
    SMARTHOST = "smarthost"
    SATELLITE = "satellite"
    LOCAL = "local"
    NONE = "none"


#: Sites whose listeners are for this machine only.
_INWARD = (Site.LOCAL, Site.SATELLITE)


@dataclass(frozen=True, slots=True)
class Choices:
    """What set-up was told about the node. `port_base` is None for the standard ports; `smarthost` as in the setting
    `routing.smarthost`."""

    domain: str
    hostname: str
    site: Site = Site.INTERNET
    port_base: int | None = None
    user: str = ""
    group: str = ""
    database_url: str = ""
    smarthost: str = ""

    @property
    def address(self) -> str:
        """Where the listeners bind: everywhere only for a site that others send to, on standard ports."""
        return "*" if self.port_base is None and self.site not in _INWARD else "127.0.0.1"

    @property
    def start(self) -> bool:
        """Whether the listeners start: with `none` the operator opens each by hand."""
        return self.site is not Site.NONE


def ports(port_base: int) -> dict[Service, int]:
    """Each service at base + its standard port."""
    return {service: port_base + port for service, port in STANDARD_PORTS.items()}


def render_node_file(choices: Choices) -> str:
    """The text of `estafeta.toml`."""
    return "\n".join([_head(choices), *(_listener(choices, service) for service in Service)])


def _head(choices: Choices) -> str:
    user = f"user = {_toml(choices.user)}" if choices.user else '# user = "estafeta"'
    group = f"group = {_toml(choices.group)}" if choices.group else '# group = "estafeta"'
    url = _toml(choices.database_url) if choices.database_url else '"postgresql+psycopg://estafeta:SECRET@db/estafeta"'
    return f"""\
# Estafeta: what this node needs to start. Everything else (domains, users, rules) is in the store and is changed
# with `estafeta ...`. `estafeta reload` takes in certificates and [log]; all other changes here need a restart.
# Every key: docs/reference/settings.md

# This machine's name: in the greeting, in Received fields, in the certificate.
hostname = {_toml(choices.hostname)}

# The store. Relative paths begin at the directory of this file.
data = "data"

# Worker processes; 0 is one for each core. All are equal and serve everything, so there is no pool to tune.
workers = 0

# Started as root, the server becomes this user once its ports are bound.
{user}
{group}

# How long a stop lets sessions finish what is under way.
grace_seconds = 30

[log]
# debug, info, warning or error
level = "info"
# stderr (systemd's journal, a terminal) or file
target = "stderr"
# file = "log/estafeta.log"

# Without this table the metadata is in SQLite, in the data directory.
{"" if choices.database_url else "# "}[database]
{"" if choices.database_url else "# "}url = {url}

# Listeners. `address` is an IP address, a host name, or "*" for every IPv4 and IPv6 address of this machine.
# `start = false` keeps one from starting. `certificate` names a pair certificates/NAME.crt and NAME.key; clients that
# ask for a host get the certificate that has its name, whatever is written here.
# `domain` gives an interface of its own to one domain.
"""


def _listener(choices: Choices, service: Service) -> str:
    lines = ["[[listener]]", f"service = {_toml(service)}"]
    if service is Service.HTTP:
        lines.insert(
            0, "# Pages. Where another web server has ports 80 and 443, give these two others, or start = false."
        )
    if service is Service.LMTP and choices.port_base is None:
        lines.append(f"path = {_toml(LMTP_PATH)}")
    else:
        port = STANDARD_PORTS[service] if choices.port_base is None else ports(choices.port_base)[service]
        lines += [f"address = {_toml(choices.address)}", f"port = {port}"]
    if not choices.start:
        lines.append("start = false")
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    """JSON's form of a string is TOML's too."""
    return json.dumps(text, ensure_ascii=False)
