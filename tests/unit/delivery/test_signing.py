"""Signatures on what leaves: right for dkimpy and for us, over what the next server gets, made once for many."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest
from courier_house import OWN, TEXT, CourierHouse, run
from sqlalchemy import insert

from estafeta.app.lab import Behaviour
from estafeta.delivery.keyring import KeyRing
from estafeta.delivery.signing import Signer
from estafeta.delivery.values import MemorySource, MessageSource
from estafeta.directory.signingkeys import SigningKeys
from estafeta.directory.tables import domains
from estafeta.dns.values import Answer, DnsStatus
from estafeta.journal.records import read_detail
from estafeta.mail.headers import find_header_end
from estafeta.queue.values import EntryFlag, Work
from estafeta.trust import dkim
from estafeta.trust.canonical import hash_bodies
from estafeta.trust.dkim import DkimWord
from estafeta.trust.dkimkeys import KeyCache
from estafeta.trust.fields import Fields

RSA, ED = "rsa-sha256", "ed25519-sha256"
LARGE = TEXT + b"A line of seventy octets, which is repeated until it is a large message\r\n" * 9000
FOREIGN = OWN._replace(trusted=False)


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "estafeta.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


def add_domain(house: CourierHouse, name: str, *kinds: str) -> None:
    """A domain of ours with active keys."""
    house.domains.add(name)
    row = {"name": name, "state": "active", "alias_of": "", "catch_all": "", "created_seconds": 1, "max_users": 0}
    limits = dict.fromkeys(("max_message_bytes", "default_quota_bytes", "default_quota_messages"), 0)
    with house.database.write() as tx:
        tx.conn.execute(insert(domains).values(**row, **limits))
    for kind in kinds:
        house.keys.activate(name, house.keys.create_key(name, kind).selector)  # type: ignore[arg-type]
    house.signer.forget()


class Published:
    """DNS with the records of all keys of a house."""

    def __init__(self, keys: SigningKeys) -> None:
        self.texts = {key.dns_record.name: key.record.encode() for key in keys.list_keys()}

    async def txt(self, name: str) -> Answer[bytes]:
        text = self.texts.get(name)
        return Answer(DnsStatus.OK, (text,)) if text else Answer(DnsStatus.NO_NAME)

    def dkimpy(self, name: bytes, timeout: int = 5) -> bytes:
        return self.texts.get(name.decode().rstrip("."), b"")


async def verified(content: bytes, dns: Published) -> list[str]:
    """`domain algorithm` of each signature, all of which must be right for both verifiers."""
    end = find_header_end(content)
    case = await dkim.prepare(Fields(content[: end - 2]), dns, now=2e9, keys=KeyCache())  # type: ignore[arg-type]
    results = [one for one in dkim.judge(case, hash_bodies(case.bodies, [content[end:]])) if one.word != "none"]
    for number, one in enumerate(results):
        assert one.word is DkimWord.PASS, one
        assert dkimpy.DKIM(content).verify(number, dnsfunc=dns.dkimpy), one
    return [f"{one.domain} {one.algorithm}" for one in results]


Case = tuple[bytes, str, Any, list[str]]
BOTH = ["example.test rsa-sha256", "example.test ed25519-sha256"]
NOTICE = OWN._replace(notice=True)
CASES: dict[str, Case] = {
    "of a user": (TEXT, "ana@example.test", OWN, BOTH),
    "large": (LARGE, "ana@example.test", OWN, BOTH),
    "of a list": (TEXT.replace(b"ana@example.test", b"bo@else.test"), "l-bounces@example.test", OWN, BOTH),
    "below a domain of ours": (TEXT.replace(b"ana@", b"ana@dept."), "x@y.test", OWN, BOTH),
    "of the server": (TEXT.replace(b"ana@", b"MAILER-DAEMON@mail."), "", NOTICE, BOTH),
    "of a stranger": (TEXT, "ana@example.test", FOREIGN, []),
    "relayed for others": (TEXT.replace(b"ana@example.test", b"bo@else.test"), "bo@else.test", OWN, []),
    "without From": (TEXT.replace(b"From:", b"Form:"), "ana@example.test", OWN, []),
    "of a second domain": (
        TEXT.replace(b"ana@example.test", b"x@two.test"),
        "x@two.test",
        OWN,
        ["two.test rsa-sha256"],
    ),
    "empty": (TEXT[: TEXT.index(b"\r\n\r\n") + 4], "ana@example.test", OWN, BOTH),
    "without an end of line": (TEXT.rstrip(), "ana@example.test", OWN, BOTH),
    "with lines at its end": (TEXT + b"\r\n \r\n\r\n\r\n", "ana@example.test", OWN, BOTH),
    "with dots": (TEXT + b".\r\n..\r\n.x\r\n", "ana@example.test", OWN, BOTH),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_leaves_is_signed(case: Case, tmp_path: Path, url: str) -> None:
    content, sender, conditions, expected = case

    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA, ED)
        add_domain(house, "two.test", RSA)
        site = await house.lab.site("other.test")
        await house.send("cy@other.test", content=content, sender=sender, conditions=conditions)
        [message] = await site.received(1)
        assert await verified(message.content, Published(house.keys)) == expected
        assert message.content.startswith(b"DKIM-Signature:" if expected else b"Received:")
        await house.emptied()

    run(scene, tmp_path, url)


@pytest.mark.parametrize("chunking", [True, False])
@pytest.mark.parametrize("text", [TEXT, LARGE], ids=["small", "large"])
def test_the_signature_is_over_what_the_next_server_gets(chunking: bool, text: bytes, tmp_path: Path, url: str) -> None:
    """8 bits go encoded anew to a server that cannot take them: what was signed is that."""
    content = text.replace(b"It works.", "Está bien, señor.".encode())

    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA)
        plain = await house.lab.site("plain.test", Behaviour(without=("8BITMIME", "CHUNKING")))
        able = await house.lab.site("able.test")
        await house.send("cy@plain.test", "cy@able.test", content=content)
        for site, ascii_only in ((plain, True), (able, False)):
            [message] = await site.received(1)
            assert message.content.isascii() is ascii_only
            assert await verified(message.content, Published(house.keys)) == ["example.test rsa-sha256"]
        await house.emptied()

    run(scene, tmp_path, url, delivery={"chunking": chunking})


def test_those_who_are_here_get_it_as_it_came(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA)
        site = await house.lab.site("other.test")
        await house.send("bo@example.test", "cy@other.test")
        [message] = await site.received(1)
        assert b"DKIM-Signature" in message.content
        [stored] = house.mailbox("bo@example.test")
        assert b"DKIM-Signature" not in stored

    run(scene, tmp_path, url)


def test_what_is_put_off_is_signed_when_it_goes(tmp_path: Path, url: str) -> None:
    """With the keys of that time, and its size as it is sent."""

    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", ED)
        site = await house.lab.site("other.test", Behaviour(at={"rcpt": "451 4.7.1 Greylisted"}))
        await house.send("cy@other.test")
        await house.until(lambda: [one for one in house.waiting() if one.attempts])
        [old] = house.keys.list_keys()
        new = house.keys.create_key("example.test", ED, selector="new")
        house.keys.activate("example.test", "new")
        house.signer.forget()
        site.behave(Behaviour())
        await house.jump("1h")
        [message] = await site.received(1)
        assert b"s=new" in message.content
        assert old.selector.encode() not in message.content
        assert await verified(message.content, Published(house.keys)) == [f"example.test {new.algorithm}"]
        [mail] = [line for line in site.commands() if line.startswith("MAIL")][-1:]
        assert f"SIZE={len(message.content)}" in mail
        await house.emptied()
        [delivered] = house.story("88")
        assert read_detail(delivered.detail)["signed"] == "example.test new"

    run(scene, tmp_path, url)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"sign": False}, []),
        ({"unsigned_domains": ("example.test",)}, []),
        ({"signed_fields": ("Subject",)}, ["example.test rsa-sha256"]),
    ],
)
def test_settings(settings: dict[str, Any], expected: list[str], tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA)
        site = await house.lab.site("other.test")
        await house.send("cy@other.test")
        [message] = await site.received(1)
        assert await verified(message.content, Published(house.keys)) == expected
        if expected:
            assert b"h=From:From:Subject:Subject;" in message.content

    run(scene, tmp_path, url, dkim=settings)


def test_lmtp_is_not_leaving(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA)
        box = await house.lab.remote("box.test", Behaviour(lmtp=True))
        house.change(routing={"route_rules": (f"*@inner.test lmtp:[box.test]:{house.lab.port}",)})
        await house.send("cy@inner.test")
        [message] = await box.received(1)
        assert b"DKIM-Signature" not in message.content

    run(scene, tmp_path, url)


# The signer alone


def _work(content_id: int = 1, sender: str = "ana@example.test", flags: EntryFlag = EntryFlag.NONE) -> Work:
    return Work(1, content_id, sender, 1, 1, flags, 100, 0, 0, "", "", "", "", ())


def _alone(house: CourierHouse, counted: list[str], now: Callable[[], float] = lambda: 0.0) -> Signer:
    class Counted(SigningKeys):
        def open_active(self, domain: str) -> Any:
            counted.append(domain)
            return super().open_active(domain)

    keys = Counted(house.database, bytes(32), house.lab.clock)
    return Signer(KeyRing(keys, now), house.settings, "mail.example.test", house.lab.clock)  # type: ignore[arg-type]


def _scene(
    tmp_path: Path, url: str, scene: Callable[[CourierHouse], Awaitable[None]], **settings: dict[str, Any]
) -> None:
    run(scene, tmp_path, url, **settings)


def test_a_message_for_many_is_signed_once(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA)
        opened: list[str] = []
        signer = _alone(house, opened)
        source = MemorySource(TEXT)

        async def front(work: Work, encoded: bool = False) -> bytes:
            finish = signer.finish(work)
            assert finish is not None
            whole = (await finish(source, encoded)).content.whole()
            assert whole is not None
            return whole.removesuffix(TEXT)

        first = await front(_work())
        house.lab.clock.jump("1h")
        assert await front(_work(sender="ana+b=c@example.test")) == first  # VERP
        assert await front(_work(), encoded=True) != first
        assert await front(_work(content_id=2)) != first
        signer.forget()
        assert await front(_work()) != first
        assert opened == ["example.test"] * 2

    _scene(tmp_path, url, scene)


def test_a_database_that_fails_leaves_what_is_known(tmp_path: Path, url: str) -> None:
    """Keys that were known go on; where none ever were, the message waits."""

    async def scene(house: CourierHouse) -> None:
        from estafeta.core.errors import EstafetaError, Kind

        add_domain(house, "example.test", RSA)
        now = [0.0]

        class Failing(SigningKeys):
            broken = True

            def active_domains(self) -> frozenset[str]:
                if self.broken:
                    raise EstafetaError(Kind.UNAVAILABLE, "The database is away.")
                return super().active_domains()

        keys = Failing(house.database, bytes(32), house.lab.clock)
        ring = KeyRing(keys, lambda: now[0])
        with pytest.raises(EstafetaError):
            await ring.refresh()
        keys.broken = False
        await ring.refresh()
        assert len(await ring.find("example.test")) == 1
        keys.broken = True
        now[0] += 1000
        await ring.refresh()
        assert len(await ring.find_above("a.b.example.test")) == 1
        assert await ring.find("b.example.test") == ()

    _scene(tmp_path, url, scene)


def test_hostile_messages_cost_bounded_work(tmp_path: Path, url: str) -> None:
    class Pieces:
        """Octets without an end of the header."""

        size = 50 << 20
        taken = 0

        def whole(self) -> None:
            return None

        def pieces_now(self) -> Iterator[bytes]:
            for _ in range(800):
                self.taken += 1 << 16
                yield b"From: ana@example.test\r\nX: " + b"y" * ((1 << 16) - 27)

        async def pieces(self) -> Any:
            raise AssertionError

    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA)
        signer = _alone(house, [])
        cases: Sequence[bytes] = (
            b"",
            b"\r\n\r\n",
            b"From: " + b"<a@example.test>, " * 20_000 + b"\r\n\r\nx",
            b"From: a@example.test\r\n" * 6000 + b"\r\n",
            b"From: a@example.test\nbare: line\n\nbody\n",
            b"From: \xff\xfe@\x00.example.test\r\n\r\n",
        )
        for content in cases:
            finish = signer.finish(_work(content_id=len(content)))
            assert finish is not None
            await finish(MemorySource(content), False)
        pieces = Pieces()
        finish = signer.finish(_work(content_id=-1))
        assert finish is not None
        finished = await finish(pieces, False)  # type: ignore[arg-type]
        assert finished == (pieces, "", "")
        assert pieces.taken < 2 << 20

    _scene(tmp_path, url, scene)


def test_what_a_stranger_wrote_to_a_list_is_signed_for_the_list_alone(tmp_path: Path, url: str) -> None:
    """From may name somebody here who never wrote it."""

    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", ED)
        add_domain(house, "two.test", ED)
        signed = {}
        for flags in (EntryFlag.NONE, EntryFlag.STRANGER):
            # The same content: what is known of one is not for the other.
            finish = house.signer.finish(_work(1, "news-bounces@two.test", flags))
            assert finish is not None
            made = (await finish(MemorySource(TEXT), False)).content.whole()
            assert made is not None
            signed[flags] = await verified(made, Published(house.keys))
        assert signed == {
            EntryFlag.NONE: ["example.test ed25519-sha256"],
            EntryFlag.STRANGER: ["two.test ed25519-sha256"],
        }

    _scene(tmp_path, url, scene)


def test_it_is_told_with_which_keys(tmp_path: Path, url: str) -> None:
    results = b"Authentication-Results: mail.example.test; none\r\n"

    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA, ED)
        rsa, ed = sorted((key.selector for key in house.keys.list_keys()), reverse=True)
        told = []
        for content_id, flags, content in (
            (1, EntryFlag.NONE, TEXT),
            (2, EntryFlag.RESULTS, results + TEXT),
            (3, EntryFlag.RESULTS | EntryFlag.FOREIGN, results + TEXT),
            (4, EntryFlag.RESULTS | EntryFlag.FOREIGN, TEXT),
            (5, EntryFlag.NONE, b"Subject: From nobody\r\n\r\n"),
        ):
            finish = house.signer.finish(_work(content_id, flags=flags))
            assert finish is not None
            told.append((await finish(MemorySource(content), False))[1:])
        signed, sealed = f"example.test {rsa} {ed}", f"example.test {rsa}"
        assert told == [(signed, ""), (signed, sealed), ("", sealed), ("", ""), ("", "")]

    _scene(tmp_path, url, scene)


def test_nothing_to_do_for_strangers_mail(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        assert house.signer.finish(_work(flags=EntryFlag.FOREIGN)) is None
        await asyncio.sleep(0)

    _scene(tmp_path, url, scene)


def test_who_comes_while_keys_are_read_waits_for_them(tmp_path: Path, url: str) -> None:
    async def scene(house: CourierHouse) -> None:
        add_domain(house, "example.test", RSA)
        signer = _alone(house, [])

        async def front() -> MessageSource:
            finish = signer.finish(_work())
            assert finish is not None
            return (await finish(MemorySource(TEXT), False)).content

        made = await asyncio.gather(*(front() for _ in range(5)))
        assert all(one.size > len(TEXT) for one in made)

    _scene(tmp_path, url, scene)
