"""What a review found on the way of a message into the queue: routes, quotas, TLS-Required, large groups."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from estafeta.core.ids import AccountId
from estafeta.directory.model import LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.intake.accept import Intake
from estafeta.intake.conditions import PLAIN, Message, Onward, Origin, Recipient
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.intake.posting import Posting
from estafeta.intake.reception import INLINE_TARGETS
from estafeta.mail.address import Address
from estafeta.mail.scan import MessageScanner
from estafeta.policy.chain import Chain
from estafeta.policy.facts import Facts
from estafeta.policy.restrictions import Restrictions
from estafeta.policy.verdict import Verdict
from estafeta.protocols.smtp import events, replies
from estafeta.protocols.smtp.commands import parse_rcpt
from estafeta.protocols.smtp.limits import Mode
from estafeta.queue.values import EntryFlag, Place, Waiting, Work
from estafeta.routing.table import build_route_table
from estafeta.servers.smtp import envelope
from estafeta.servers.smtp.screening import Screening
from estafeta.servers.smtp.session import SmtpSession
from estafeta.trust.requiretls import tls_not_required
from judge_kit import takes

ORIGIN = Origin("ESMTP", "client.test", "192.0.2.1")
TEXT = b"Subject: Hello\r\n\r\nIt works.\r\n"
HERE = Address("ana", "here.test")


def planner(resolution: Resolution | None = None, **routing: Any) -> Planner:
    """A planner whose directory knows one answer."""
    settings = Settings.model_validate({"routing": routing})
    routes = build_route_table(settings.routing, lambda domain: domain == "here.test")
    found = resolution or Resolution(Status.UNKNOWN, (), "There is nobody.")
    return Planner(settings, routes, "mx.here.test", lambda address: found, Idents())


def message(**more: Any) -> Message:
    scanner = MessageScanner()
    scanner.feed(TEXT)
    return Message(1, HERE, scanner.close(), len(TEXT), 0, 1_800_000_000_000, **more)


def full(notify: str = "") -> Recipient:
    """A recipient whose mailbox has a quota."""
    return Recipient(HERE, (LocalTarget(AccountId(1), quota_bytes=10),), notify=notify)


def test_our_own_letters_take_the_same_routes_as_those_of_clients() -> None:
    found = planner(hub="[hub.test]").find(Address("eva", "here.test"), None)
    assert isinstance(found, Recipient)
    assert found.onward == (Onward("host:hub.test:0", "eva@here.test"),)
    nobody = planner().find(Address("eva", "here.test"), None)
    assert isinstance(nobody, Verdict)
    assert nobody.code == 550


def test_a_percent_sign_is_no_way_out_for_strangers() -> None:
    mine = planner(percent_sign=True)
    address = Address("victim%far.test", "here.test")
    unknown = Resolution(Status.UNKNOWN)
    assert mine.with_routes(mine.unhidden(address, may_relay=False), unknown) is unknown
    assert isinstance(mine.find(address, None), Verdict)
    assert str(mine.unhidden(address, may_relay=True)) == "victim@far.test"


@pytest.mark.parametrize(("notify", "binds"), [("", True), ("FAILURE", True), ("SUCCESS", False)])
def test_a_quota_binds_only_where_the_client_hears_of_it_and_nobody_was_told_the_opposite(
    notify: str, binds: bool
) -> None:
    acceptance, _ = planner().arrange(message(), [full(notify)], ORIGIN, PLAIN)
    assert acceptance.arrival is not None
    assert bool(acceptance.arrival.deliveries[0].quota_bytes) is binds


def test_a_quota_loses_no_message_of_ours() -> None:
    acceptance, _ = planner().plan(TEXT, None, [full()], ORIGIN)
    assert acceptance.arrival is not None
    assert acceptance.arrival.deliveries[0].quota_bytes == 0


def work(address: str) -> Work:
    waiting = Waiting(Place(1, 0), address, 0, 1 << 60, 0, "", "", 0, 0)
    return Work(1, 1, "ana@here.test", 1, 1, EntryFlag.NONE, len(TEXT), 0, 0, "", "", "", "", (waiting,))


def test_what_waited_for_the_bare_postmaster_finds_them() -> None:
    mailbox = Resolution(Status.LOCAL, (LocalTarget(AccountId(7), 0),))
    agency = Posting(planner(mailbox)).relocate(work("postmaster"), TEXT, "local:here")
    assert list(agency.done) == [Place(1, 0)]
    assert agency.made[0][0].arrival is not None


def test_what_waited_still_needs_no_tls() -> None:
    away = Resolution(Status.NOT_OURS, (RemoteTarget(Address("x", "far.test")),))
    content = b"TLS-Required: No\r\n" + TEXT
    agency = Posting(planner(away)).relocate(work("x@far.test"), content, "local:here")
    entry = agency.made[0][0].entry
    assert entry is not None
    assert entry.flags & EntryFlag.TLS_OPTIONAL


def test_tls_required_in_the_text_does_not_count() -> None:
    assert not tls_not_required(b"Subject: RFC 8689\r\n\r\nTLS-Required: No\r\n")
    assert tls_not_required(b"Subject: x\r\nTLS-Required: No\r\n\r\ntext\r\n")


@pytest.mark.parametrize("coded", [b"a+00@x.test", b"a+0D+0ABcc:+20b@x.test", b"a+1B@x.test"])
def test_no_control_character_comes_in_by_orcpt(coded: bytes) -> None:
    argument = b"TO:<a@x.test> ORCPT=rfc822;" + coded
    assert parse_rcpt(argument, smtputf8=True, dsn=True) is replies.BAD_PARAMETER


# What takes long is done in threads


class Threads(Planner):
    """Says in which thread it was asked."""

    asked: list[tuple[str, bool]]

    def place(self, address: Address, resolution: Resolution, sender: Address | None) -> Recipient | Verdict:
        self.asked.append(("place", threading.current_thread() is threading.main_thread()))
        return super().place(address, resolution, sender)

    def arrange(self, *args: Any, **how: Any) -> Any:
        self.asked.append(("arrange", threading.current_thread() is threading.main_thread()))
        return super().arrange(*args, **how)


def group_of(size: int) -> Resolution:
    return Resolution(Status.REMOTE, tuple(RemoteTarget(Address(f"u{n}", "far.test")) for n in range(size)))


def threads() -> Threads:
    settings = Settings()
    routes = build_route_table(settings.routing, lambda domain: domain == "here.test")
    mine = Threads(settings, routes, "mx.here.test", lambda address: Resolution(Status.UNKNOWN), Idents())
    mine.asked = []
    return mine


@pytest.mark.parametrize(("size", "on_loop"), [(3, True), (INLINE_TARGETS + 1, False)])
def test_large_groups_are_routed_and_arranged_in_threads(size: int, on_loop: bool) -> None:
    mine = threads()
    heard: list[Any] = []

    async def main() -> tuple[Any, Any]:
        service: Any = SimpleNamespace(
            shared=SimpleNamespace(planner=mine),
            restrictions=Restrictions(Settings()),
            mode=Mode.SMTP,
            settings=Settings(),
            note=heard.append,
        )
        session = SmtpSession(service)
        session.pump = SimpleNamespace(peer="192.0.2.1")  # type: ignore[assignment]
        session.machine = SimpleNamespace(answer=heard.append)  # type: ignore[assignment]
        session.screening = Screening(Chain((), Settings()), Facts("192.0.2.1"))
        event = events.Rcpt(Address("all", "here.test"))
        waiting = envelope._judge_recipient(session, event, event.address, group_of(size))
        if waiting is not None:
            await waiting
        submitted: list[Any] = []

        def submit(operation: Any, payload: Any, contents: Any) -> asyncio.Future[Any]:
            submitted.append(payload)
            done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            done.set_result(())
            return done

        nothing: Any = None
        intake = Intake(
            nothing, nothing, nothing, planner=mine, idents=Idents(), submit=submit, hostname="mx.here.test"
        )
        reception = intake.open(HERE, session.recipients, ORIGIN, max_bytes=0, max_hops=50, inspect=takes)
        reception.write(TEXT)
        await reception.finish()
        return submitted[0][0], session.recipients

    acceptance, recipients = asyncio.run(main())
    assert heard == [replies.RECIPIENT_OK]
    assert len(recipients[0].onward) == len(acceptance.entry.recipients) == size
    assert mine.asked == [("place", on_loop), ("arrange", on_loop)]


def test_two_aliases_of_one_address_elsewhere_are_one_copy() -> None:
    away = (Onward("mx:far.test", "x@far.test"),)
    recipients = [Recipient(Address(name, "here.test"), (), away) for name in ("one", "two")]
    acceptance, _ = planner().arrange(message(), recipients, ORIGIN, PLAIN)
    assert acceptance.entry is not None
    assert [one.address for one in acceptance.entry.recipients] == ["x@far.test"]
    asking = [recipients[0], recipients[1]._replace(notify="SUCCESS")]
    acceptance, _ = planner().arrange(message(), asking, ORIGIN, PLAIN)
    assert acceptance.entry is not None
    assert [one.notify for one in acceptance.entry.recipients] == ["", "SUCCESS"]
