"""IP addresses of clients, read once: the same ones come all day, and several checks ask about each."""

import ipaddress
from functools import lru_cache
from typing import NamedTuple

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Ip(NamedTuple):
    """`text`: as it is compared with those in DNS. `number`: as an integer. `four`: it is an IPv4 address. `reverse`:
    the name of its PTR records."""

    address: IpAddress
    text: str
    number: int
    four: bool
    reverse: str


@lru_cache(maxsize=4096)
def find_ip(text: str) -> Ip | None:
    """The address, without the zone of a link, an IPv4-mapped one as IPv4; None for what is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return Ip(address, str(address), int(address), address.version == 4, address.reverse_pointer)
