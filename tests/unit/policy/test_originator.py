"""Mail of programs on this machine: the user of the system that runs one is its author."""

import asyncio
import os
import pwd
import socket
from typing import Any

import pytest

from estafeta.core.ids import AccountId
from estafeta.directory.model import ALL_SERVICES, Account, LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address
from estafeta.net.owner import Ends, ends_of, find_uid
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.originator import checks
from estafeta.policy.verdict import Verdict

ROOT = pwd.getpwuid(0).pw_name
ENDS = Ends(("127.0.0.1", 40_000), ("127.0.0.1", 25))
ANA = Account(AccountId(1), "ana@example.test", "Ana", "es", ALL_SERVICES)


class Book:
    """root is the mailbox of account 1, which has the address ana@example.test too."""

    def cached(self, address: Address) -> Resolution | None:
        return None

    def resolve(self, address: Address) -> Resolution:
        if address.domain not in ("", "example.test"):
            return Resolution(Status.NOT_OURS, (RemoteTarget(address),))
        account = {ROOT: 1, "ana": 1, "bob": 2}.get(address.local)
        if account is None:
            return Resolution(Status.UNKNOWN)
        return Resolution(Status.LOCAL, (LocalTarget(AccountId(account), 0),), account_id=AccountId(account))


async def said(stage: Stage, facts: Facts, *, uid: int = 0, **restrict: Any) -> list[Verdict]:
    chosen = {"verify_originator": True, "trusted_users": (), **restrict}
    chain = Chain(checks(Book(), lambda ends: uid), Settings.model_validate({"restrict": chosen}))
    found = chain.judge(stage, facts)
    return found if isinstance(found, list) else await found


def code_of(sender: str, **more: Any) -> tuple[int, int]:
    """What MAIL FROM and the same address in From are answered with."""
    address = Address(*sender.rsplit("@", 1)) if sender else None
    mail = asyncio.run(said(Stage.MAIL, Facts("127.0.0.1", ends=ENDS, sender=address, trusted=True), **more))
    content = Content.of(f"From: {sender}\r\n\r\n".encode())
    headers = asyncio.run(said(Stage.HEADERS, Facts("127.0.0.1", ends=ENDS, content=content, trusted=True), **more))
    return tuple(verdicts[0].code if verdicts else 250 for verdicts in (mail, headers))


@pytest.mark.parametrize(
    ("sender", "code"),
    [
        (f"{ROOT}@example.test", 250),
        ("ana@example.test", 250),
        ("bob@example.test", 550),
        ("nobody@example.test", 550),
        (f"{ROOT}@far.test", 550),
        ("x@far.test", 550),
    ],
)
def test_a_program_writes_as_who_runs_it(sender, code):
    assert code_of(sender) == (code, code)
    # Who is trusted writes as it likes; so does everybody where it is not asked.
    assert code_of(sender, trusted_users=(ROOT,)) == (250, 250)
    assert code_of(sender, verify_originator=False) == (250, 250)


def test_who_cannot_be_found_signs_in():
    assert code_of("ana@example.test", uid=-1) == (530, 530)
    assert code_of("ana@example.test", uid=2**31 - 3) == (530, 530)


def test_notices_have_no_sender():
    assert asyncio.run(said(Stage.MAIL, Facts("127.0.0.1", ends=ENDS, sender=None))) == []


def test_others_are_not_asked():
    bob = Address("bob", "example.test")
    assert asyncio.run(said(Stage.MAIL, Facts("192.0.2.1", sender=bob))) == []
    assert asyncio.run(said(Stage.MAIL, Facts("127.0.0.1", ends=ENDS, sender=bob, account=ANA))) == []


@pytest.mark.parametrize(
    "header",
    [
        f"From: {ROOT}@example.test\r\nSender: bob@example.test",
        f"From: {ROOT}@example.test\r\nFrom: bob@example.test",
        "From: " + ", ".join([f"{ROOT}@example.test"] * 11) + ", bob@example.test",
    ],
)
def test_ways_around_it(header):
    facts = Facts("127.0.0.1", ends=ENDS, content=Content.of(header.encode() + b"\r\n\r\n"))
    assert asyncio.run(said(Stage.HEADERS, facts))[0].code == 550


class Transport:
    """What asyncio says of a connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._known = {"peername": sock.getpeername(), "sockname": sock.getsockname(), "socket": sock}

    def get_extra_info(self, name: str) -> Any:
        return self._known[name]


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_kernel_knows_whose_connection_it_is(family, host):
    with socket.socket(family) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip(f"no {host} here")
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2]) as client:
            server, _ = listener.accept()
            with server:
                ends = ends_of(Transport(server))
                assert ends is not None
                assert ends.client == client.getsockname()[:2]
                assert find_uid(ends) == os.getuid()
                assert find_uid(ends._replace(client=(host, 1))) == -1


def test_of_a_unix_socket_it_says_so_itself():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ends = ends_of(Transport(ours))
    assert ends == Ends(uid=os.getuid())
    assert find_uid(ends) == os.getuid()


def test_connections_from_elsewhere_have_no_program_here():
    class Far:
        def get_extra_info(self, name: str) -> Any:
            return {"peername": ("192.0.2.1", 5), "sockname": ("198.51.100.1", 25)}[name]

    assert ends_of(Far()) is None
