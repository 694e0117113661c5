"""Types of setting values: what a person may type for each, and how it is said back.

Each parser takes what was typed (or read from TOML) and returns the value, or raises ValueError with words that go
into one sentence. Plain types stay plain: only lists of networks, names and separators need rules of their own.
"""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator

from estafeta.mail.address import domain_key

_SIZES = {"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mib": 1 << 20, "g": 1 << 30, "gib": 1 << 30}
_TIMES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_NUMBER = re.compile(r"\s*(-?\d+)\s*([A-Za-z]*)\s*")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_SEPARATORS = frozenset("+-=._#/!")
#: Instead of the beginning of links: there are no links.
NO_LINKS = "none"


def parse_number(text: str, name: str) -> int:
    """A whole number; sizes take KiB, MiB, GiB and times s, m, h, d, w where the setting's name has the unit."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(text)
    units = _SIZES if name.endswith("_bytes") else _TIMES if name.endswith("_seconds") else {"": 1}
    unit = match[2].lower()
    if unit not in units:
        raise ValueError(text)
    return int(match[1]) * units[unit]


def parse_switch(text: str) -> bool:
    """`on` or `off`, and the usual other words for them."""
    word = text.strip().lower()
    if word in ("on", "yes", "true", "1"):
        return True
    if word in ("off", "no", "false", "0"):
        return False
    raise ValueError(text)


def parse_list(text: str) -> list[str]:
    """Entries between commas or blanks; an empty text is an empty list."""
    return [entry for entry in re.split(r"[,\s]+", text.strip().removeprefix("[").removesuffix("]")) if entry]


def parse_lines(text: str) -> list[str]:
    """Lines, also with ` ;; ` between them; an empty text is an empty list."""
    return [line.strip() for line in re.split(r"\n|\s;;(?:\s|$)", text) if line.strip()]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network such as 192.0.2.0/24 or 2001:db8::/32") from error


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IP address") from error


def parse_host_name(text: str) -> str:
    """A host name in lower case, as A-labels; empty for an empty text. ValueError for what is none."""
    # As everywhere: IDNA 2003, which Python has, makes another domain of `straße.example`.
    name = domain_key(text.strip()).rstrip(".")
    if name and not _HOST.fullmatch(name):
        raise ValueError(f"{text!r} is not a host name")
    return name


def parse_host_port(text: str) -> str:
    """A host and a port, `proxy.example.org:1080`; empty for an empty text. ValueError for what is none."""
    text = text.strip()
    host, _, port = text.rpartition(":")
    literal = host.startswith("[") and host.endswith("]")
    if text and not (port.isdecimal() and port.isascii() and 0 < int(port[:6]) <= 65535 and host):
        raise ValueError(f"{text!r} is not a host and a port, such as proxy.example.org:1080 or [2001:db8::1]:1080")
    if text:
        host = f"[{_ip_address(host[1:-1])}]" if literal else parse_host_name(host)
    return f"{host}:{int(port)}" if text else ""


def _separators(text: str) -> str:
    for character in text:
        if character not in _SEPARATORS:
            raise ValueError(f"{character!r} cannot separate an extension; use some of + - = . _ # / !")
    return text


def _address_or_empty(text: str) -> str:
    address = text.strip()
    if address and (not re.fullmatch(r"\S+@\S+", address)):
        raise ValueError(f"{text!r} is not an e-mail address")
    return address


def _web_base(text: str) -> str:
    base = text.strip().rstrip("/")
    if base.lower() == NO_LINKS:
        return NO_LINKS
    if base and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", base):
        raise ValueError(f"{text!r} is not the beginning of links, such as https://lists.example.org")
    return base


Network = Annotated[str, AfterValidator(_network)]
IpAddress = Annotated[str, AfterValidator(_ip_address)]
HostName = Annotated[str, AfterValidator(parse_host_name)]
Separators = Annotated[str, AfterValidator(_separators)]
AddressOrEmpty = Annotated[str, AfterValidator(_address_or_empty)]
HostPortOrEmpty = Annotated[str, AfterValidator(parse_host_port)]
WebBase = Annotated[str, AfterValidator(_web_base)]
