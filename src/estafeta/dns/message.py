"""Questions and replies as octets (RFC 1035, RFC 6891), read with dnspython. Never raises for what comes in.

A reply counts only if it is one to our question: its number, its question and the flag that says that it is a reply
(RFC 5452 4). Everything else is thrown away as if it had never come.
"""

import secrets
from typing import Any, NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from estafeta.dns.values import DnsStatus

PAYLOAD = 1232
"""Octets of a reply by UDP: what passes without fragments nearly everywhere."""
_MAX_CHAIN = 12
_HEADER = 12
_FORMERR = 1
_MAX_RECORDS = 200
NEVER = 1 << 31
UNUSABLE = None
"""Stands for TLSA records that cannot be read. RFC 7672 2.2: with records of which none is usable, TLS is still a must,
so that they may not vanish; and one that is wrong does not take the others with it."""


class Question(NamedTuple):
    """One question ready to be sent. `asked` is its question section in lower case."""

    name: dns.name.Name
    kind: str
    wire: bytes
    asked: bytes


class Reply(NamedTuple):
    """What a reply says. `name` is the end of the chain of CNAMEs; `open_end`: it was not said what is there."""

    status: DnsStatus
    records: tuple[Any, ...] = ()
    name: dns.name.Name = dns.name.root
    ttl_seconds: int = 0
    vouched: bool = False
    truncated: bool = False
    open_end: bool = False
    no_edns: bool = False
    reason: str = ""


def parse_name(text: str) -> dns.name.Name:
    """The name of `text`, which is ASCII without escapes. Raises ValueError."""
    labels = text.encode("ascii").split(b".")
    if not text or not all(0 < len(label) < 64 for label in labels):
        raise ValueError(text)
    try:
        return dns.name.Name([*labels, b""])
    except dns.name.NameTooLong:
        raise ValueError(text) from None


def make_question(name: dns.name.Name, kind: str, *, validating: bool, edns: bool = True) -> Question:
    """A question that asks for recursion, and with `validating` for the AD flag (RFC 6840 5.7)."""
    message = dns.message.make_query(
        name, kind, use_edns=0 if edns else -1, payload=PAYLOAD, id=secrets.randbelow(65536)
    )
    if validating:
        message.flags |= dns.flags.AD
    wire = message.to_wire()
    return Question(name, kind, wire, wire[_HEADER : _HEADER + len(name.to_wire() or b"") + 4].lower())


def is_reply(data: bytes, question: Question) -> bool:
    """Whether `data` answers `question` at all. A server may leave out the question that it did not understand."""
    if len(data) < _HEADER or data[:2] != question.wire[:2] or not data[2] & 0x80:
        return False
    count = int.from_bytes(data[4:6])
    if count == 0:
        return data[3] & 15 == _FORMERR
    return count == 1 and data[_HEADER : _HEADER + len(question.asked)].lower() == question.asked


def is_truncated(data: bytes) -> bool:
    """The TC flag (RFC 1035 4.1.1): ask again by TCP."""
    return bool(data[2] & 2)


def read_reply(data: bytes, question: Question) -> Reply:
    """What `data`, for which `is_reply` holds, says."""
    rcode = data[3] & 15
    if rcode in (dns.rcode.FORMERR, dns.rcode.NOTIMP):
        return Reply(DnsStatus.FAILED, no_edns=True, reason=f"answers {dns.rcode.to_text(dns.rcode.Rcode(rcode))}")
    try:
        lenient = question.kind == "TLSA"
        message = dns.message.from_wire(data, ignore_trailing=True, continue_on_error=lenient)
        reply = _read(message, question)
        if message.errors and reply.status is not DnsStatus.FAILED:
            return reply._replace(status=DnsStatus.OK, records=(*reply.records, UNUSABLE), open_end=False)
        return reply
    except Exception as error:  # noqa: BLE001 - whatever a hostile reply does to its reader
        return Reply(DnsStatus.FAILED, reason=f"sent a reply that cannot be read ({type(error).__name__})")


def _read(message: dns.message.Message, question: Question) -> Reply:
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Reply(DnsStatus.FAILED, no_edns=rcode == dns.rcode.BADVERS, reason=f"answers {dns.rcode.to_text(rcode)}")
    vouched = bool(message.flags & dns.flags.AD)
    name, ttl, found = _follow(message, question)
    if name is None:
        return Reply(DnsStatus.FAILED, reason="leads in a circle of CNAME records")
    if found is not None:
        records = tuple(found)[:_MAX_RECORDS]
        return Reply(DnsStatus.OK, records, name, min(ttl, found.ttl), vouched)
    negative = _negative_ttl(message)
    if rcode == dns.rcode.NXDOMAIN:  # RFC 6604 3: it is said of the end of the chain
        return Reply(DnsStatus.NO_NAME, (), name, min(ttl, negative or 0), vouched)
    open_end = name != question.name and negative is None
    return Reply(DnsStatus.NO_DATA, (), name, min(ttl, negative or 0), vouched, open_end=open_end)


def _follow(
    message: dns.message.Message, question: Question
) -> tuple[dns.name.Name | None, int, dns.rrset.RRset | None]:
    """The end of the chain of CNAMEs (None: a circle), the least time to live on the way, the records there."""
    kind = dns.rdatatype.from_text(question.kind)
    sets = {(entry.name, entry.rdtype): entry for entry in message.answer if entry.rdclass == dns.rdataclass.IN}
    name, ttl = question.name, NEVER
    for _ in range(_MAX_CHAIN):
        found = sets.get((name, kind))
        if found is not None:
            return name, ttl, found
        alias = sets.get((name, dns.rdatatype.CNAME))
        if alias is None:
            return name, ttl, None
        name, ttl = alias[0].target, min(ttl, alias.ttl)
    return None, 0, None


def _negative_ttl(message: dns.message.Message) -> int | None:
    """RFC 2308 5: the lesser of the SOA's own time to live and its last field; None without SOA."""
    for entry in message.authority:
        if entry.rdtype == dns.rdatatype.SOA:
            return min(entry.ttl, int(entry[0].minimum))
    return None
