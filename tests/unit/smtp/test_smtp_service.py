"""What sessions of one listener share, and what they say of failures that are not the client's."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import Address
from estafeta.policy.facts import Facts
from estafeta.policy.forged import honest_header
from estafeta.protocols.smtp import events, replies
from estafeta.protocols.smtp.limits import Mode, SmtpSettings
from estafeta.protocols.smtp.replies import Reply
from estafeta.protocols.smtp.server import SmtpServer
from estafeta.servers.smtp import asking, signing_in
from estafeta.servers.smtp.service import Shared, SmtpService
from estafeta.servers.smtp.session import SmtpSession


class Machine:
    """Takes answers."""

    def __init__(self) -> None:
        self.answers: list[Reply] = []

    def answer(self, reply: Reply) -> None:
        self.answers.append(reply)


def test_what_changes_with_the_hour_is_not_kept_for_ever() -> None:
    loop = asyncio.new_event_loop()
    now = [1_700_000_000.0]
    shared = cast("Shared", SimpleNamespace(note=None, checks=()))
    service = SmtpService(
        shared, Settings(), mode=Mode.SUBMISSION, hostname="mx.here.test", tls=None, loop=loop, clock=lambda: now[0]
    )
    offered = set()
    for _ in range(200):
        now[0] += 3600
        offered.add(service.session_settings("192.0.2.1", tls=True).future_release)
    loop.close()
    assert len(offered) == 200
    assert len(service._made) < 100


@pytest.mark.parametrize(
    ("kind", "reply"), [(Kind.PERMISSION, replies.AUTH_WRONG), (Kind.TEMPORARY, replies.AUTH_TEMPORARY)]
)
def test_a_database_that_is_away_makes_no_password_wrong(kind: Kind, reply: Reply) -> None:
    async def account(*args: object) -> None:
        raise EstafetaError(kind, "no")

    machine = Machine()
    session: Any = SimpleNamespace(
        account=None,
        machine=machine,
        pump=SimpleNamespace(peer="192.0.2.1"),
        service=SimpleNamespace(shared=SimpleNamespace(sign_in=SimpleNamespace(account=account))),
    )
    event = events.Authenticated("ana", "", "SCRAM-SHA-256", replies.AUTH_OK)
    asyncio.run(signing_in.authenticated(session, event))
    assert machine.answers == [reply]


def test_the_time_that_we_take_is_not_the_clients() -> None:
    wanted = Settings.model_validate({"smtp": {"command_timeout_seconds": 10, "data_timeout_seconds": 20}})
    session = SmtpSession(cast("SmtpService", SimpleNamespace(settings=wanted)))
    session.machine = machine = SmtpServer(SmtpSettings("mx.here.test"))
    assert session.allowance() > 600
    machine.greeting()
    assert session.allowance() == 10
    machine.feed(b"EHLO x\r\n")
    machine.next_event()
    assert session.allowance() > 600
    machine.answer(Reply(250, "", "hello"))
    assert session.allowance() == 10


@pytest.mark.parametrize(("authentication", "code"), [("relay", 550), ("local-and-relay", 530)])
def test_who_has_to_sign_in_is_told_nothing_of_addresses(authentication: str, code: int) -> None:
    loop = asyncio.new_event_loop()
    wanted = Settings.model_validate({"restrict": {"authentication": authentication}, "smtp": {"vrfy": True}})
    shared = cast("Shared", SimpleNamespace(note=None, checks=()))
    service = SmtpService(shared, wanted, mode=Mode.SMTP, hostname="mx.here.test", tls=None, loop=loop)
    loop.close()
    said: list[int] = []
    session: Any = SimpleNamespace(
        service=service,
        screening=SimpleNamespace(facts=Facts("192.0.2.1")),
        lookup=lambda address, judge: judge(address, Resolution(Status.UNKNOWN)),
        say=lambda verdict, address: said.append(verdict.code),
    )
    asking.verify(session, events.Verify("nobody@here.test"))
    assert said == [code]


def test_fields_that_claim_either_of_our_names_are_taken_out() -> None:
    wanted = Settings.model_validate({"dmarc": {"authserv_id": "site.test"}})
    field = "Authentication-Results: {}; dmarc=pass\r\n"
    header = "".join(map(field.format, ("site.test", "MX.here.test.", "there.test"))) + "From: a@b.test\r\n"
    facts = Facts("192.0.2.1", sender=Address("a", "b.test"))
    kept = honest_header(header.encode(), facts, wanted, "mx.here.test").decode()
    assert kept == field.format("there.test") + "From: a@b.test\r\n"
