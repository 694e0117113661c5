"""The name of a client: its PTR records, of which one leads back to its address (iprev, RFC 8601 2.7.3 and 3).

Never raises. At most `MAX_NAMES` names are tried, one after the other: an honest client has one.
"""

from enum import StrEnum
from typing import NamedTuple

from estafeta.core.ip import find_ip
from estafeta.trust.lookups import Lookups, Status

#: RFC 8601 3: whoever owns the reverse zone may publish thousands, and each costs a question.
MAX_NAMES = 10


class IprevStatus(StrEnum):
    """RFC 8601 2.7.3. PASS: a name leads back. FAIL: names, but none does. PERMERROR: no names. TEMPERROR: DNS could
    not tell."""

    PASS = "pass"  # noqa: S105 - the word of the RFC
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class ClientName(NamedTuple):
    """`name` is the first that is confirmed, "" for none; `names` are those that PTR records give, in their order, at
    most `MAX_NAMES`; `problem` says without a full stop why there is no name."""

    name: str
    result: IprevStatus
    names: tuple[str, ...] = ()
    problem: str = ""


async def find_client_name(ip: str, resolver: Lookups) -> ClientName:
    """The confirmed name of the client at `ip`. An IPv4-mapped address is looked up as IPv4."""
    address = find_ip(ip)
    if address is None:
        return ClientName("", IprevStatus.PERMERROR, (), "the client has no IP address")
    text = address.text
    reverse = await resolver.ptr(text)
    if reverse.status == Status.FAILED:
        return ClientName(
            "", IprevStatus.TEMPERROR, (), _words(f"the name of {text} cannot be looked up", reverse.reason)
        )
    names = tuple(dict.fromkeys(name.lower() for name in reverse.records if name))[:MAX_NAMES]
    if not names:
        return ClientName("", IprevStatus.PERMERROR, (), f"{text} has no name in DNS")
    failure = ""
    for name in names:
        forward = await (resolver.ipv4(name) if address.four else resolver.ipv6(name))
        if text in forward.records:
            return ClientName(name, IprevStatus.PASS, names)
        if forward.status == Status.FAILED and not failure:
            failure = _words(f"{name} cannot be looked up", forward.reason)
    if failure:
        # One of them might have been right.
        return ClientName("", IprevStatus.TEMPERROR, names, failure)
    if len(names) == 1:
        problem = f"{names[0]}, its name, does not lead back to {text}"
    else:
        problem = f"none of the {len(names)} names of {text} leads back to it"
    return ClientName("", IprevStatus.FAIL, names, problem)


def _words(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
