"""The resolver against a small name server of its own: truths, lies, silence, and what is remembered."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.errors import EstafetaError
from estafeta.directory.settings_outward import Dns
from estafeta.dns.cache import AnswerCache
from estafeta.dns.hosttable import HostTable
from estafeta.dns.message import is_reply, make_question, parse_name, read_reply
from estafeta.dns.resolver import DnsResolver
from estafeta.dns.servers import find_name_servers, parse_name_server
from estafeta.dns.values import Answer, DnsStatus, Mx, Tlsa

SOA = "ns.example. root.example. 1 7200 900 86400 120"
ZONE = {
    ("example.org.", "MX"): ["20 b.example.org.", "10 A.example.org.", "10 a.example.org."],
    ("a.example.org.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("a.example.org.", "AAAA"): ["2001:db8::1"],
    ("null.example.", "MX"): ["0 ."],
    ("t.example.", "TXT"): ['"one" "two"', '"three"'],
    ("_25._tcp.a.example.org.", "TLSA"): ["\\# 5 03 01 01 aabb", "3 1 1 " + "ab" * 32],
    ("1.2.0.192.in-addr.arpa.", "PTR"): ["a.example.org."],
    ("alias.example.", "CNAME"): ["middle.example."],
    ("middle.example.", "CNAME"): ["a.example.org."],
    ("round.example.", "CNAME"): ["and.example."],
    ("and.example.", "CNAME"): ["round.example."],
    ("lost.example.", "CNAME"): ["nowhere.example."],
    ("xn--bcher-kva.example.", "A"): ["192.0.2.3"],
    ("many.example.", "TXT"): [f'"{"x" * 200}{number}"' for number in range(60)],
}


@dataclass
class Server(asyncio.DatagramProtocol):
    """Answers from ZONE; `bend` may change or replace the reply (None: silence; bytes: as they are)."""

    bend: Callable[["Server", dns.message.Message, dns.message.Message], Any] = lambda server, query, reply: reply
    chase: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    by_tcp: int = 0
    port: int = 0
    release: asyncio.Event | None = None
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        reply = self.answer(data)
        for one in reply if isinstance(reply, list) else [reply]:
            wire = one if isinstance(one, bytes | None) else one.to_wire(max_size=65535)
            if wire is not None and len(wire) > 1232:
                cut = dns.message.make_response(dns.message.from_wire(data))
                cut.flags |= dns.flags.TC
                wire = cut.to_wire()
            if wire is not None:
                asyncio.get_running_loop().create_task(self.send(wire, addr))

    async def send(self, wire: bytes, addr: Any) -> None:
        if self.release is not None:
            await self.release.wait()
        self.transport.sendto(wire, addr)

    def answer(self, data: bytes) -> Any:
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        question = query.question[0]
        name, kind = str(question.name).lower(), question.rdtype.name
        self.heard.set()
        self.asked.append((name.rstrip("."), kind))
        known = {owner for owner, _ in ZONE}
        for _ in range(5):
            records, alias = ZONE.get((name, kind)), ZONE.get((name, "CNAME"))
            if records is not None:
                reply.answer.append(_records(name, kind, records))
                break
            if alias is None:
                if name not in known:
                    reply.set_rcode(dns.rcode.NXDOMAIN)
                reply.authority.append(dns.rrset.from_text("example.", 600, "IN", "SOA", SOA))
                break
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *alias))
            name = alias[0]
            if not self.chase:
                break
        return self.bend(self, query, reply)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            self.by_tcp += 1
            wire = self.answer(data).to_wire(max_size=65535)
            writer.write(len(wire).to_bytes(2) + wire)
        writer.close()


def _records(name: str, kind: str, texts: list[str]) -> dns.rrset.RRset:
    """Also such as dnspython itself would not make."""
    found = dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.IN, dns.rdatatype.from_text(kind))
    for text in texts:
        if text.startswith("\\#"):
            data = bytes.fromhex("".join(text.split()[2:]))
            record: Any = dns.rdata.GenericRdata(found.rdclass, found.rdtype, data)
        else:
            record = dns.rdata.from_text(found.rdclass, found.rdtype, text)
        found.add(record, 300)
    return found


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


Test = Callable[[DnsResolver, Server, Clock], Coroutine[Any, Any, None]]


def play(test: Test, server: Server | None = None, **options: Any) -> None:
    async def run() -> None:
        known, loop, clock = server or Server(), asyncio.get_running_loop(), Clock()
        # TCP first: a number that is free for UDP is often some connection's in TCP, and hardly ever the other way.
        tcp = await asyncio.start_server(known.serve_tcp, "127.0.0.1", 0)
        known.port = tcp.sockets[0].getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(lambda: known, local_addr=("127.0.0.1", known.port))
        resolver = DnsResolver([f"127.0.0.1:{known.port}"], clock=clock, **{"timeout_seconds": 1, **options})
        try:
            await test(resolver, known, clock)
        finally:
            resolver.close()
            transport.close()
            tcp.close()
            await asyncio.sleep(0)

    asyncio.run(run())


def test_all_kinds_of_questions() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        mx = await resolver.mx("Example.ORG.")
        assert mx.records == (Mx(10, "a.example.org"), Mx(20, "b.example.org"))
        assert (mx.status, mx.name, mx.ttl_seconds, mx.secure) == (DnsStatus.OK, "example.org", 300, False)
        assert sorted((await resolver.ipv4("a.example.org")).records) == ["192.0.2.1", "192.0.2.2"]
        assert (await resolver.ipv6("a.example.org")).records == ("2001:db8::1",)
        assert (await resolver.mx("null.example")).records == (Mx(0, ""),)
        assert sorted((await resolver.txt("t.example")).records) == [b"onetwo", b"three"]
        tlsa = await resolver.tlsa("_25._tcp.a.example.org")
        assert sorted(tlsa.records) == [Tlsa(3, 1, 1, b"\xab" * 32), Tlsa(255, 255, 255, b"")]
        assert (await resolver.ptr("192.0.2.1")).records == ("a.example.org",)
        assert (await resolver.ipv4("bücher.example")).records == ("192.0.2.3",)

    play(test)


def test_names_that_do_not_exist_and_names_without_records() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        assert (await resolver.mx("nobody.example"))[:2] == (DnsStatus.NO_NAME, ())
        nothing = await resolver.mx("t.example")
        assert (nothing.status, nothing.ttl_seconds) == (DnsStatus.NO_DATA, 120)
        lost = await resolver.ipv4("lost.example")
        assert (lost.status, lost.name) == (DnsStatus.NO_NAME, "nowhere.example")

    play(test)


@pytest.mark.parametrize("chase", [True, False])
def test_chains_of_cnames(chase: bool) -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        found = await resolver.ipv4("alias.example")
        assert (sorted(found.records), found.name) == (["192.0.2.1", "192.0.2.2"], "a.example.org")
        assert found.ttl_seconds == 60 or not chase
        circle = await resolver.ipv4("round.example")
        assert circle.status is DnsStatus.FAILED
        assert "CNAME" in circle.reason

    play(test, Server(chase=chase))


def test_answers_are_remembered_for_their_time() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        for _ in range(3):
            await resolver.mx("example.org")
            await resolver.mx("nobody.example")
        assert len(server.asked) == 2
        clock.now += 119
        await resolver.mx("nobody.example")
        assert len(server.asked) == 2
        clock.now += 2  # RFC 2308: the SOA's last field
        await resolver.mx("nobody.example")
        assert len(server.asked) == 3
        clock.now += 200
        await resolver.mx("example.org")
        assert server.asked[3:] == [("example.org", "MX")]

    play(test)


def test_questions_for_the_same_name_are_asked_once() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        found = await asyncio.gather(*(resolver.mx("example.org") for _ in range(50)))
        assert len(set(found)) == 1
        assert len(server.asked) == 1

    play(test)


def test_who_is_cancelled_does_not_take_the_answer_from_others() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        server.release = asyncio.Event()
        first, second = (asyncio.create_task(resolver.mx("example.org")) for _ in range(2))
        await server.heard.wait()
        first.cancel()
        server.release.set()
        assert (await second).records
        assert len(server.asked) == 1

    play(test)


def test_long_answers_come_by_tcp() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        assert len((await resolver.txt("many.example")).records) == 60
        assert server.by_tcp == 1

    play(test)


def _other_id(server: Server, query: dns.message.Message, reply: dns.message.Message) -> Any:
    reply.id = query.id ^ 1
    return reply


def _other_question(server: Server, query: dns.message.Message, reply: dns.message.Message) -> Any:
    lie = dns.message.make_response(dns.message.make_query("evil.example.", "MX", id=query.id))
    lie.answer.append(dns.rrset.from_text("example.org.", 300, "IN", "MX", "5 evil.example."))
    return lie


def _a_question(server: Server, query: dns.message.Message, reply: dns.message.Message) -> Any:
    return query.to_wire()


def _for_another_name(server: Server, query: dns.message.Message, reply: dns.message.Message) -> Any:
    reply.answer = [dns.rrset.from_text("evil.example.", 300, "IN", "MX", "5 evil.example.")]
    return reply


LIES = [_other_id, _other_question, _a_question]


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_passed_over(lie: Callable[..., Any]) -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        assert (await resolver.mx("example.org")).records[0] == Mx(10, "a.example.org")

    play(test, Server(bend=lambda server, query, reply: [lie(server, query, dns.message.make_response(query)), reply]))


def test_records_of_another_name_do_not_count() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        assert (await resolver.mx("example.org"))[:2] == (DnsStatus.NO_DATA, ())

    play(test, Server(bend=_for_another_name))


FAILURES = [
    (lambda server, query, reply: None, "gives no answer"),
    (lambda server, query, reply: query.to_wire()[:2] + b"\x81\x80" + query.to_wire()[4:12] + b"\0", "gives no answer"),
    (lambda server, query, reply: reply.to_wire()[:-4] + b"\xff\xff\xff\xff", "cannot be read"),
    (lambda server, query, reply: reply.set_rcode(dns.rcode.SERVFAIL) or reply, "SERVFAIL"),
    (lambda server, query, reply: reply.set_rcode(dns.rcode.REFUSED) or reply, "REFUSED"),
]


@pytest.mark.parametrize(("bend", "words"), FAILURES)
def test_what_goes_wrong_is_a_failure_with_a_reason(bend: Callable[..., Any], words: str) -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        found = await resolver.mx("example.org")
        assert found.status is DnsStatus.FAILED
        assert words in found.reason
        asked = len(server.asked)
        assert (await resolver.mx("example.org")) == found
        assert len(server.asked) == asked
        clock.now += 11
        server.bend = lambda server, query, reply: reply
        assert (await resolver.mx("example.org")).records

    play(test, Server(bend=bend), timeout_seconds=0.2)


def test_a_dead_server_is_followed_by_the_next_and_not_asked_first_again() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        resolver.use(Dns(servers=("127.0.0.1:9", f"127.0.0.1:{server.port}")))
        assert (await resolver.mx("example.org")).records
        assert resolver._best == 1

    play(test)


def test_a_server_that_knows_no_edns_is_asked_without() -> None:
    def bend(server: Server, query: dns.message.Message, reply: dns.message.Message) -> Any:
        if query.edns >= 0:
            refusal = dns.message.make_response(query)
            refusal.set_rcode(dns.rcode.FORMERR)
            return refusal.to_wire()[:4] + b"\0\0" + refusal.to_wire()[6:12]
        return reply

    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        assert (await resolver.mx("example.org")).records

    play(test, Server(bend=bend))


@pytest.mark.parametrize("validating", [True, False])
def test_the_ad_flag_counts_only_where_the_operator_says_so(validating: bool) -> None:
    def bend(server: Server, query: dns.message.Message, reply: dns.message.Message) -> Any:
        assert bool(query.flags & dns.flags.AD) is validating
        reply.flags |= dns.flags.AD
        return reply

    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        for _ in range(2):
            assert (await resolver.mx("example.org")).secure is validating
            assert (await resolver.mx("t.example")).secure is validating

    play(test, Server(bend=bend), validating=validating)


def test_the_host_table_goes_before_dns() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        assert (await resolver.mx("mail.lan")).status is DnsStatus.NO_DATA
        assert (await resolver.ipv4("MAIL.lan")).records == ("192.0.2.7",)
        assert (await resolver.ipv6("mail.lan")).records == ("2001:db8::7",)
        assert (await resolver.ptr("2001:DB8::7")).records == ("mail.lan",)
        assert (await resolver.ipv6("old.lan")).status is DnsStatus.NO_DATA
        assert (await resolver.ipv4("localhost")).records == ("127.0.0.1",)
        assert not server.asked

    play(test, hosts=HostTable(["mail.lan 192.0.2.7 2001:db8::7", "192.0.2.8 old.lan"]))


def test_changed_settings_are_used_and_old_answers_forgotten() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        await resolver.mx("example.org")
        with pytest.raises(EstafetaError):
            resolver.use(Dns.model_construct(servers=("nonsense",)))
        await resolver.mx("example.org")
        assert len(server.asked) == 1
        resolver.use(Dns(servers=(f"127.0.0.1:{server.port}",)), ["mail.lan 192.0.2.7"])
        await resolver.mx("example.org")
        assert len(server.asked) == 2
        assert (await resolver.ipv4("mail.lan")).records

    play(test)


HOSTILE = [
    "",
    ".",
    "..",
    "a..b",
    "x" * 64,
    ("x" * 60 + ".") * 5,
    "a b",
    "a\0b",
    "a\n.b",
    "*.x",
    "=?",
    "ｘ" * 300,
]


def test_what_can_be_no_name_is_not_asked_for() -> None:
    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        for name in HOSTILE:
            assert (await resolver.mx(name)).status is DnsStatus.NO_NAME
            assert (await resolver.ptr(name)).status is DnsStatus.NO_NAME
        assert not server.asked

    play(test)


@given(st.text(max_size=40))
def test_names_of_any_kind_never_raise(name: str) -> None:
    async def run() -> None:
        resolver = DnsResolver(["127.0.0.1:9"], timeout_seconds=0.05)
        assert (await resolver.txt(name)).status in (DnsStatus.FAILED, DnsStatus.NO_NAME)

    asyncio.run(run())


@given(st.binary(max_size=100), st.sampled_from(["MX", "A", "TXT", "TLSA"]))
def test_replies_of_any_kind_never_raise(data: bytes, kind: str) -> None:
    question = make_question(parse_name("example.org"), kind, validating=False)
    wire = question.wire[:2] + b"\x81\x80\0\1\0\2\0\1\0\0" + question.asked + data
    assert is_reply(wire, question)
    assert read_reply(wire, question).status in DnsStatus
    is_reply(data, question)


def test_memory_is_bounded_also_for_giant_answers() -> None:
    cache = AnswerCache(1000)
    for number in range(5000):
        records = (b"x" * 60_000,) if number % 2 else ("192.0.2.1",)
        cache.add(("TXT", f"d{number}.test"), Answer(DnsStatus.OK, records), 100.0, 0.0)
    assert cache._weight == sum(entry[1] for entry in cache._entries.values()) <= 1000
    assert cache.find(("TXT", "d4999.test"), 99.0) is not None
    assert cache.find(("TXT", "d4999.test"), 100.0) is None


def test_an_answer_larger_than_the_memory_does_no_harm() -> None:
    cache = AnswerCache(100)
    cache.add(("TXT", "d.test"), Answer(DnsStatus.OK, (b"x" * 60_000,) * 2), 100.0, 0.0)
    cache.add(("A", "d.test"), Answer(DnsStatus.OK, ("192.0.2.1",)), 100.0, 0.0)
    assert cache.find(("A", "d.test"), 0.0) is not None


SERVERS = [
    ("192.0.2.1", "192.0.2.1"),
    ("192.0.2.1:5353", "192.0.2.1:5353"),
    ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
    ("2001:db8::1", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1%eth0"),
]


@pytest.mark.parametrize(("text", "expected"), SERVERS)
def test_name_servers_as_people_write_them(text: str, expected: str) -> None:
    assert str(parse_name_server(text)) == expected


@pytest.mark.parametrize("text", ["", "ns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:99999", "192.0.2.1:٣"])
def test_what_is_no_name_server(text: str) -> None:
    if text == "192.0.2.1:":
        assert parse_name_server(text).port == 53
        return
    with pytest.raises(EstafetaError):
        parse_name_server(text)


def test_name_servers_of_the_system(tmp_path: Any) -> None:
    conf = tmp_path / "resolv.conf"
    assert [str(one) for one in find_name_servers((), conf)] == ["127.0.0.1"]
    conf.write_text("# x\nsearch lan\nnameserver 192.0.2.1\nnameserver nonsense\nnameserver 2001:db8::1\n")
    assert [str(one) for one in find_name_servers((), conf)] == ["192.0.2.1", "2001:db8::1"]
    assert [str(one) for one in find_name_servers(["192.0.2.9:54"], conf)] == ["192.0.2.9:54"]


def test_servers_of_the_system_that_come_late_are_used(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver [127.0.0.1]:9\n")

    async def test(resolver: DnsResolver, server: Server, clock: Clock) -> None:
        late = DnsResolver(timeout_seconds=0.2, resolv_conf=conf)
        assert (await late.mx("example.org")).status is DnsStatus.FAILED
        conf.write_text(f"nameserver 127.0.0.1:{server.port}\n")
        assert (await late.mx("t.example")).status is DnsStatus.FAILED
        late._looked -= 20
        assert (await late.mx("null.example")).records

    play(test)
