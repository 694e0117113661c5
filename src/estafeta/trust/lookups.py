"""What the evaluations of this package ask of DNS: the part of a resolver that is handed in.

`estafeta.dns.resolver.DnsResolver` is one. Its methods never raise for what the network or a name server does: the
answer says what happened. What they remember they answer without giving up control, so awaiting one after the other
costs no more than calls. Names in answers are lower case A-labels without the final dot.
"""

from enum import StrEnum
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Status(StrEnum):
    """How a question ended: the values of `estafeta.dns.values.DnsStatus`, to which these are equal.

    OK: there are records. NO_DATA: the name exists without such records. NO_NAME: it does not exist. FAILED: nobody
    could tell; later it may be otherwise."""

    OK = "ok"
    NO_DATA = "no_data"
    NO_NAME = "no_name"
    FAILED = "failed"


class LookupAnswer(Protocol[T_co]):
    """The fields of `estafeta.dns.values.Answer`; compare `status` with those of `Status` by `==`."""

    @property
    def status(self) -> str: ...
    @property
    def records(self) -> tuple[T_co, ...]: ...
    @property
    def secure(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def ttl_seconds(self) -> int: ...
    @property
    def reason(self) -> str: ...


class MxRecord(Protocol):
    """One mail exchanger; an `exchange` of "" is a null MX (RFC 7505)."""

    @property
    def preference(self) -> int: ...
    @property
    def exchange(self) -> str: ...


class Lookups(Protocol):
    """Questions; addresses go in and come out as text, texts (TXT) as octets with their pieces put together."""

    async def txt(self, name: str) -> LookupAnswer[bytes]: ...
    async def ipv4(self, name: str) -> LookupAnswer[str]: ...
    async def ipv6(self, name: str) -> LookupAnswer[str]: ...
    async def mx(self, name: str) -> LookupAnswer[MxRecord]: ...
    async def ptr(self, address: str) -> LookupAnswer[str]: ...
