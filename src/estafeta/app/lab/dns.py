"""The name server of the lab: answers from `Names` over UDP and TCP (RFC 1035), like a resolver that validates: it sets
AD where the name is marked secure and the question wants to know (AD or DO set, RFC 6840 5.7), and says NXDOMAIN for
all that is not in the table. Faults are obeyed as the table has them. What is no question is dropped.
"""

import asyncio
import os
import struct
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from estafeta.app.lab.names import Entry, NameFault, Names, plain_name
from estafeta.app.lab.wire import GoneError, Wire, Wires

_UDP_BYTES = 512
_MOST_CNAMES = 8
#: RFC 2308 5: how long nobody needs to ask again for what does not exist.
_NEGATIVE_SECONDS = 60
_RCODES: Final = {NameFault.SERVFAIL: dns.rcode.SERVFAIL, NameFault.REFUSED: dns.rcode.REFUSED}
_LATE: Final = "slow:"


class NameServer:
    """Listens at one address and port, UDP and TCP."""

    def __init__(self, names: Names, wires: Wires) -> None:
        self._names = names
        self._wires = wires
        self._udp: asyncio.DatagramTransport | None = None

    async def start(self, address: str, port: int) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Ear(self), local_addr=(address, port))
        await self._wires.listen(self._serve_tcp, address, port)

    def close(self) -> None:
        """Stop."""
        if self._udp is not None:
            self._udp.close()

    def answers(self, wire: bytes, way: str) -> tuple[list[bytes], float]:
        """What is sent for a question (nothing, one answer, or a lie and an answer), and after how many seconds."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
            dns.message.make_response(query)  # what is an answer itself gets none
        except (dns.exception.DNSException, IndexError, ValueError):
            return [], 0.0
        name, kind = plain_name(question.name.to_text()), dns.rdatatype.to_text(question.rdtype)
        self._names.note(name, kind, way)
        fault = self._names.find_fault(name, kind)
        response = self._answer(query, name, kind, fault)
        most = 65_535 if way == "tcp" else max(_UDP_BYTES, query.payload)
        delay = float(fault.removeprefix(_LATE)) if fault.startswith(_LATE) else 0.0
        return self._spoil(response, fault, most, way), delay

    def _answer(self, query: dns.message.Message, name: str, kind: str, fault: str) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True)
        if fault in _RCODES:
            response.set_rcode(_RCODES[NameFault(fault)])
            return response
        if fault == NameFault.LOOP:
            owner = query.question[0].name
            response.answer.append(_rrset(owner, Entry(), [_cname(owner)]))
            return response
        secure = self._fill(response, query.question[0].name, name, kind)
        wants_to_know = query.flags & dns.flags.AD or query.ednsflags & dns.flags.DO
        if secure and wants_to_know:
            response.flags |= dns.flags.AD
        return response

    def _fill(self, response: dns.message.Message, owner: dns.name.Name, name: str, kind: str) -> bool:
        """Follow CNAMEs to the records; whether all of it is secure."""
        secure = True
        for _ in range(_MOST_CNAMES):
            entry = self._names.find(name)
            if entry is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                response.authority.append(_soa(name))
                return False
            secure = secure and entry.secure
            records = entry.records.get(kind)
            if records:
                response.answer.append(_rrset(owner, entry, records))
                return secure
            alias = entry.records.get("CNAME")
            if not alias:
                response.authority.append(_soa(name))
                return secure
            response.answer.append(_rrset(owner, entry, alias))
            owner = alias[0].target  # type: ignore[attr-defined]
            name = plain_name(owner.to_text())
        return False

    def _spoil(self, response: dns.message.Message, fault: str, most: int, way: str) -> list[bytes]:
        truncated = fault in (NameFault.TRUNCATE, NameFault.TRUNCATE_TCP)
        if fault == NameFault.TIMEOUT or (fault == NameFault.TRUNCATE_TCP and way == "tcp"):
            return []
        if fault == NameFault.GARBAGE:
            return [struct.pack("!H", response.id) + os.urandom(40)]
        wire = response.to_wire(max_size=65_535)
        if fault == NameFault.WRONG_ID:
            return [_other_id(wire)]
        if fault == NameFault.SPOOF:
            return [_other_id(wire), wire]
        if fault == NameFault.WRONG_QUESTION:
            response.question = [dns.rrset.from_text("liar.test.", 0, "IN", "A")]
            return [response.to_wire(max_size=65_535)]
        if way == "udp" and (truncated or len(wire) > most):
            response.flags |= dns.flags.TC
            response.answer.clear()
            response.authority.clear()
            return [response.to_wire(max_size=65_535)]
        return [wire]

    async def _serve_tcp(self, wire: Wire) -> None:
        """RFC 1035 4.2.2: each message behind its length."""
        while True:
            (length,) = struct.unpack("!H", await wire.exactly(2))
            answers, delay = self.answers(await wire.exactly(length), "tcp")
            await asyncio.sleep(delay)
            if not answers:
                await wire.hang()
                raise GoneError
            for answer in answers:
                await wire.send(struct.pack("!H", len(answer)) + answer)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answers, delay = self._server.answers(data, "udp")
        if delay:
            asyncio.get_running_loop().call_later(delay, self._send, answers, addr)
        else:
            self._send(answers, addr)

    def _send(self, answers: list[bytes], addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            for answer in answers:
                self._transport.sendto(answer, addr)


def _rrset(owner: dns.name.Name, entry: Entry, records: list[dns.rdata.Rdata]) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(owner, entry.ttl_seconds, records)


def _cname(target: dns.name.Name) -> dns.rdata.Rdata:
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.CNAME, target.to_text())


def _soa(name: str) -> dns.rrset.RRset:
    """RFC 2308 2: without it a resolver could not remember that there is nothing."""
    zone = name.partition(".")[2] or name
    text = f"ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 {_NEGATIVE_SECONDS}"
    return dns.rrset.from_text(f"{zone}.", _NEGATIVE_SECONDS, "IN", "SOA", text)


def _other_id(wire: bytes) -> bytes:
    return bytes([wire[0] ^ 0x55]) + wire[1:]
