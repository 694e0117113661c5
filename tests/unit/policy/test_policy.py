"""Verdicts, as tables."""

import pytest

from estafeta.core.ids import AccountId
from estafeta.directory.model import ALL_SERVICES, Account, LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_smtp import SenderRule
from estafeta.mail.address import Address
from estafeta.policy.facts import Facts
from estafeta.policy.networks import Networks
from estafeta.policy.recipient import check_recipient
from estafeta.policy.restrictions import Restrictions
from estafeta.policy.sender import check_sender

HERE = LocalTarget(AccountId(1), 0)
AWAY = RemoteTarget(Address("x", "elsewhere.test"))
ANA = Account(AccountId(1), "ana@example.test", "Ana", "es", ALL_SERVICES)


def verdict_on(resolution, may_relay):
    facts = Facts("203.0.113.9", account=ANA if may_relay else None)
    return check_recipient(facts, Address("x", "elsewhere.test"), resolution, Restrictions(Settings()))


@pytest.mark.parametrize(
    ("status", "targets", "may_relay", "code", "enhanced"),
    [
        (Status.LOCAL, (HERE,), False, 250, "2.1.5"),
        (Status.LOCAL, (HERE, HERE), True, 250, "2.1.5"),
        # Aliases and redirects of ours lead anywhere: it is we who send there.
        (Status.LOCAL, (HERE, AWAY), False, 250, "2.1.5"),
        (Status.REMOTE, (AWAY,), False, 250, "2.1.5"),
        (Status.REMOTE, (AWAY,), True, 250, "2.1.5"),
        (Status.NOT_OURS, (AWAY,), False, 550, "5.7.1"),
        (Status.NOT_OURS, (AWAY,), True, 250, "2.1.5"),
        (Status.UNKNOWN, (), False, 550, "5.1.1"),
        (Status.UNKNOWN, (), True, 550, "5.1.1"),
        (Status.LOCAL, (), False, 550, "5.1.1"),
        (Status.DISABLED, (), False, 450, "4.2.1"),
        (Status.REMOVED, (), False, 550, "5.1.1"),
        (Status.DENIED, (), True, 550, "5.7.1"),
    ],
)
def test_recipients(status, targets, may_relay, code, enhanced):
    verdict = verdict_on(Resolution(status, targets), may_relay)
    assert (verdict.code, verdict.enhanced) == (code, enhanced)
    assert verdict.accepted == (code < 400)


@pytest.mark.parametrize("status", [status for status in Status if status not in (Status.LOCAL, Status.REMOTE)])
def test_nobody_relays_without_permission(status):
    assert not verdict_on(Resolution(status, (AWAY,)), may_relay=False).accepted


@pytest.mark.parametrize(
    ("rule", "status", "owner", "code"),
    [
        (SenderRule.OWN, Status.LOCAL, 1, 250),
        (SenderRule.OWN, Status.LOCAL, 2, 553),
        (SenderRule.OWN, Status.LOCAL, None, 553),
        (SenderRule.OWN, Status.NOT_OURS, None, 553),
        (SenderRule.OWN, Status.UNKNOWN, None, 553),
        (SenderRule.LOCAL_DOMAIN, Status.LOCAL, 2, 250),
        (SenderRule.LOCAL_DOMAIN, Status.REMOTE, None, 250),
        (SenderRule.LOCAL_DOMAIN, Status.NOT_OURS, None, 553),
        (SenderRule.LOCAL_DOMAIN, Status.UNKNOWN, None, 553),
        (SenderRule.LOCAL_DOMAIN, Status.REMOVED, None, 553),
        (SenderRule.ANY, Status.NOT_OURS, None, 250),
        (SenderRule.ANY, Status.UNKNOWN, None, 250),
    ],
)
def test_senders(rule, status, owner, code):
    assert check_sender(Address("x", "example.test"), Resolution(status, account_id=owner), ANA, rule).code == code


@pytest.mark.parametrize(
    ("networks", "address", "inside"),
    [
        (("127.0.0.0/8",), "127.0.0.1", True),
        (("127.0.0.0/8",), "local", True),
        (("127.0.0.0/8",), "128.0.0.1", False),
        (("::1/128",), "::1", True),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("192.0.2.7",), "192.0.2.7", True),
        (("10.1.2.3/8",), "10.9.9.9", True),
        (("0.0.0.0/0",), "::1", False),
        ((), "127.0.0.1", False),
        (("0.0.0.0/0", "::/0"), "not an address", False),
    ],
)
def test_networks(networks, address, inside):
    known = Networks(networks)
    assert (address in known) is inside
    assert (address in known) is inside  # now from memory


def test_networks_remember_a_bounded_number():
    known = Networks(("10.0.0.0/8",))
    for number in range(10_000):
        assert f"10.0.{number // 256}.{number % 256}" in known
    assert len(known._known) <= 4096
