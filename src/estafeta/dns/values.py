"""What the resolver answers. Names are lower case A-labels without the final dot.

A `Resolver` never raises for what the network or a name server does: an `Answer` says what happened.
"""

from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar


class DnsStatus(StrEnum):
    """OK: there are records. NO_DATA: the name exists without such records. NO_NAME: it does not exist (NXDOMAIN).
    FAILED: nobody could tell (SERVFAIL, timeout, a lie that was found out): try again later."""

    OK = "ok"
    NO_DATA = "no_data"
    NO_NAME = "no_name"
    FAILED = "failed"


T = TypeVar("T")


class Answer(NamedTuple, Generic[T]):
    """Records, whether DNSSEC vouches for them (and the resolver is one that validates), the name that they belong to
    after CNAMEs, seconds to live, and for FAILED the reason in words."""

    status: DnsStatus
    records: tuple[T, ...] = ()
    secure: bool = False
    name: str = ""
    ttl_seconds: int = 0
    reason: str = ""


class Mx(NamedTuple):
    """One mail exchanger. An `exchange` of "" with preference 0 alone is a null MX (RFC 7505)."""

    preference: int
    exchange: str


class Tlsa(NamedTuple):
    """One TLSA record (RFC 6698 2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes


class Resolver(Protocol):
    """Questions that mail asks. `ipv4`, `ipv6` give addresses as text; `ptr` takes an address as text."""

    async def mx(self, name: str) -> Answer[Mx]: ...
    async def ipv4(self, name: str) -> Answer[str]: ...
    async def ipv6(self, name: str) -> Answer[str]: ...
    async def txt(self, name: str) -> Answer[bytes]: ...
    async def tlsa(self, name: str) -> Answer[Tlsa]: ...
    async def ptr(self, address: str) -> Answer[str]: ...
