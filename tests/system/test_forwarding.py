"""Mail of strangers that an address here sends on: it keeps its signature, is sealed, passes SPF; bounces go back.

North forwards for south, south for the world; the world is a lab, its DNS is asked by the servers and by the verifiers
of this test: dkimpy's and our own.
"""

import asyncio
import re
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dkim as dkimpy
import pytest
from outward_site import Node, running_node
from running import wait_until

from estafeta.app.lab import LabThread
from estafeta.app.lab.records import TakenMessage
from estafeta.app.lab.remote import Remote
from estafeta.dns.resolver import DnsResolver
from estafeta.mail.headers import find_header_end
from estafeta.trust import arc, dkim
from estafeta.trust.arc import ArcResult, ChainStatus
from estafeta.trust.canonical import hash_bodies
from estafeta.trust.dkimkeys import KeyCache
from estafeta.trust.dkimsign import sign
from estafeta.trust.fields import Fields
from estafeta.trust.signingkey import SigningKey
from estafeta.trust.spf import check_host

ORIGIN = "origin.test"
HEADER = b"From: zoe@origin.test\r\nTo: fw@north.test\r\nSubject: %b\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n"
HEADER += b"Message-ID: <%b@origin.test>"
BODY = b"Hello from far away.\r\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def origin(lab: LabThread) -> Remote:
    """Whose mail is sent on: with SPF, DKIM and a server that takes what comes back."""
    site = lab.site(ORIGIN)
    lab.names.add(ORIGIN, txt=[f"v=spf1 ip4:{site.address} -all"])
    lab.names.add(f"_dmarc.{ORIGIN}", txt=["v=DMARC1; p=reject"])
    record = KEY.dns_record()
    lab.names.add(record.name, txt=[record.text])
    return site


@pytest.fixture(scope="module")
def far(lab: LabThread) -> Remote:
    return lab.site("far.test")


@pytest.fixture(scope="module")
def north(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with signing_node(tmp_path_factory, lab, "north.test") as node:
        with node.site() as site:
            site.directory.add_alias("fw@north.test", ["eve@far.test"])
            site.directory.add_alias("two@north.test", ["fw@south.test"])
        yield node


@pytest.fixture(scope="module")
def south(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with signing_node(tmp_path_factory, lab, "south.test") as node:
        with node.site() as site:
            site.directory.add_alias("fw@south.test", ["eve@far.test"])
        yield node


KEY = SigningKey.generate(ORIGIN, "o", "rsa-sha256")


@contextmanager
def signing_node(factory: pytest.TempPathFactory, lab: LabThread, domain: str) -> Iterator[Node]:
    """A server whose keys and SPF are in DNS."""
    with running_node(factory.mktemp(domain) / "home", lab, domain) as node:
        lab.names.add(domain, txt=[f"v=spf1 ip4:{node.address} -all"])
        node.server.run("dkim", "check")
        publish(node)
        assert node.server.run("dkim", "check").returncode == 0
        yield node


def publish(node: Node) -> None:
    """All records that the server wants to have."""
    from estafeta.directory.signingkeys import SigningKeys

    with node.site() as site:
        for key in SigningKeys(site.database, bytes(32), site.node.make_clock()).list_keys():
            node.lab.names.remove(key.dns_record.name)
            node.lab.names.add(key.dns_record.name, txt=[key.record])


@contextmanager
def from_origin(node: Node, origin: Remote) -> Iterator[smtplib.SMTP]:
    source = (origin.address, 0)
    with smtplib.SMTP(node.address, node.lab.port, "mx.origin.test", source_address=source, timeout=20) as client:
        yield client


def stranger_writes(node: Node, origin: Remote, to: str, subject: bytes) -> None:
    header = HEADER % (subject, subject)
    signed = sign(header, lambda: iter((BODY,)), [KEY], now=node.lab.clock()) + header + b"\r\n\r\n" + BODY
    with from_origin(node, origin) as client:
        client.sendmail("zoe@origin.test", [to], signed)


def received(far: Remote, subject: bytes) -> TakenMessage:
    found: list[TakenMessage] = []

    def came() -> bool:
        found[:] = [one for one in far.messages if b"Subject: %b\r\n" % subject in one.content]
        return bool(found)

    wait_until(came)
    return found[0]


class Verdicts:
    """What a receiver finds, by our own verifiers; dkimpy's must agree."""

    def __init__(self, lab: LabThread, message: TakenMessage, client: str) -> None:
        self._lab = lab
        self.content = message.content
        end = find_header_end(self.content)
        self._fields, self._body = Fields(self.content[: end - 4]), self.content[end:]
        asyncio.run(self._find(message, client))
        if lab.clock() > time.time() + 3600:
            return  # dkimpy has a clock of its own
        for number, one in enumerate(self.dkim):
            assert dkimpy.DKIM(self.content).verify(number, dnsfunc=self._dns) == (one == "pass")
        theirs, _, reason = dkimpy.arc_verify(self.content, dnsfunc=self._dns)
        assert theirs.decode() == str(self.arc.status), reason

    async def _find(self, message: TakenMessage, client: str) -> None:
        resolver = DnsResolver([self._lab.dns_address])
        signatures = await dkim.prepare(self._fields, resolver, now=self._lab.clock(), keys=KeyCache())
        self.signers = [one.domain for one in dkim.judge(signatures, hash_bodies(signatures.bodies, [self._body]))]
        self.dkim = [str(one.word) for one in dkim.judge(signatures, hash_bodies(signatures.bodies, [self._body]))]
        chain = await arc.prepare(self._fields, resolver, keys=KeyCache())
        self.arc: ArcResult = arc.judge(chain, hash_bodies(chain.bodies, [self._body]))
        domain = message.sender.rpartition("@")[2]
        spf = await check_host(client, domain, message.sender, helo="x.test", resolver=resolver)
        self.spf = str(spf.result)

    def _dns(self, name: bytes, timeout: int = 5) -> bytes:
        async def ask() -> bytes:
            answer = await DnsResolver([self._lab.dns_address]).txt(name.decode().rstrip("."))
            return answer.records[0] if answer.records else b""

        return asyncio.run(ask())


def test_a_forwarded_message_is_believed(lab: LabThread, north: Node, origin: Remote, far: Remote) -> None:
    stranger_writes(north, origin, "fw@north.test", b"once")
    message = received(far, b"once")
    assert re.fullmatch(r"SRS0=[^=]{4}=[A-Z2-7]{2}=origin\.test=zoe@north\.test", message.sender)
    found = Verdicts(lab, message, north.address)
    assert (found.spf, found.dkim, found.signers) == ("pass", ["pass"], [ORIGIN])
    assert found.arc.status is ChainStatus.PASS
    [only] = found.arc.sets
    assert only.domain == "north.test"
    for said in ("spf=pass", "dkim=pass", "dmarc=pass"):
        assert said in only.results
    assert "Return-Path" not in message.content.decode()


def test_two_forwarders_make_a_chain(lab: LabThread, north: Node, south: Node, origin: Remote, far: Remote) -> None:
    stranger_writes(north, origin, "two@north.test", b"twice")
    message = received(far, b"twice")
    assert re.fullmatch(r"SRS1=[^=]{4}=north\.test==[^=]{4}=[A-Z2-7]{2}=origin\.test=zoe@south\.test", message.sender)
    found = Verdicts(lab, message, south.address)
    assert (found.spf, found.dkim) == ("pass", ["pass"])
    assert found.arc.status is ChainStatus.PASS
    assert [one.domain for one in found.arc.sets] == ["north.test", "south.test"]
    assert "arc=pass" in found.arc.sets[-1].results
    # What bounces goes the whole way back.
    with south.stranger() as client:
        client.sendmail("", [message.sender], b"Subject: twice is lost\r\n\r\nNobody took it.\r\n")
    assert received(origin, b"twice is lost").addresses == ("zoe@origin.test",)


def test_what_bounces_goes_back(north: Node, origin: Remote, far: Remote) -> None:
    stranger_writes(north, origin, "fw@north.test", b"lost")
    path = received(far, b"lost").sender
    with north.stranger() as client:
        client.sendmail("", [path.lower()], b"Subject: undeliverable\r\n\r\nIt came back.\r\n")
    back = received(origin, b"undeliverable")
    assert (back.sender, back.addresses) == ("", ("zoe@origin.test",))


def test_our_own_mail_and_what_is_switched_off(lab: LabThread, north: Node, origin: Remote, far: Remote) -> None:
    north.submit("by a user", "fw@north.test")
    message = received(far, b"by a user")
    assert message.sender == "ana@north.test"
    found = Verdicts(lab, message, north.address)
    assert (found.spf, found.dkim, found.signers) == ("pass", ["pass"] * 2, ["north.test"] * 2)
    assert found.arc.status is ChainStatus.NONE
    with north.using(srs__rewrite="off", dkim__seal="off"):
        stranger_writes(north, origin, "fw@north.test", b"plain")
        message = received(far, b"plain")
    assert message.sender == "zoe@origin.test"
    assert b"ARC-Seal" not in message.content


def test_what_a_stranger_writes_to_a_list(lab: LabThread, north: Node, origin: Remote, far: Remote) -> None:
    """The list's own sender and signature, the author's signature as it was, and what was found when it came."""
    made = north.server.run("list", "add", "news@north.test", "eve@far.test", "--set", "post=anyone")
    assert made.returncode == 0, made.stderr
    stranger_writes(north, origin, "news@north.test", b"posted")
    message = received(far, b"posted")
    found = Verdicts(lab, message, north.address)
    assert found.spf == "pass"
    assert dict(zip(found.signers, found.dkim, strict=True)) == {"north.test": "pass", ORIGIN: "pass"}
    assert found.arc.status is ChainStatus.PASS
    assert "dmarc=pass" in found.arc.sets[0].results


def test_keys_follow_each_other(lab: LabThread, north: Node, far: Remote) -> None:
    """The lab's clock goes on, its DNS gets what is asked for; mail is always signed with what is published."""

    def selectors(subject: str) -> set[bytes]:
        north.submit(subject, "eve@far.test")
        message = received(far, subject.encode())
        assert set(Verdicts(lab, message, north.address).dkim) == {"pass"}
        return set(re.findall(rb"\bs=([a-z0-9-]+);", message.content))

    def states() -> dict[str, str]:
        lines = north.server.run("dkim", "list", "north.test").stdout.splitlines()[1:]
        return {line.split()[1]: line.split()[3] for line in lines}

    first = selectors("before")
    lab.clock.jump("160d")
    assert north.server.run("dkim", "check").returncode == 1  # successors, not in DNS yet
    assert sorted(states().values()) == ["active", "active", "prepared", "prepared"]
    assert selectors("announced") == first
    publish(north)
    assert north.server.run("dkim", "check").returncode == 0
    lab.clock.jump("21d")
    north.server.run("dkim", "check")
    assert sorted(states().values()) == ["active", "active", "retired", "retired"]
    wait_until(lambda: not selectors(f"after {lab.clock():.6f}") & first)
    lab.clock.jump("15d")
    north.server.run("dkim", "check")
    assert sorted(states().values()) == ["active", "active", "removed", "removed"]


def test_return_paths_that_lead_nowhere(lab: LabThread, north: Node, origin: Remote, far: Remote) -> None:
    with north.site() as site:
        site.directory.set_catch_all("north.test", "ana@north.test")
    stranger_writes(north, origin, "fw@north.test", b"old")
    path = received(far, b"old").sender
    with north.stranger() as client:
        client.ehlo()
        client.mail("")
        for bad in (
            path.replace("zoe", "victim"),
            path.replace("origin.test", "other.test"),
            "SRS0=aaaa=BB=origin.test=zoe@north.test",
            "SRS1=aaaa=origin.test==x=zoe@north.test",
            "SRS0=@north.test",
        ):
            code, text = client.rcpt(bad)
            if bad == "SRS0=@north.test":  # no such path at all, but an address that somebody may have
                assert code == 250
                continue
            assert code == 550, bad
            assert b"return path leads nowhere: it was not made here" in text or b"it is no SRS address" in text
        assert client.rcpt(path)[0] == 250
    lab.clock.jump("22d")
    with north.stranger() as client:
        client.ehlo()
        client.mail("")
        code, text = client.rcpt(path)
        assert code == 550
        assert b"it is older than 21 days" in text
