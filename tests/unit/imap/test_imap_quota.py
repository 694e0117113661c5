"""Quotas by IMAP (RFC 9208)."""

import pytest
from imap_world import World

from estafeta.servers.imap.folders import quota_of


def test_roots_and_limits(world: World) -> None:
    world.deliver("ann", count=3)
    world.mailbox("ann", "S", ben="lr")
    world.directory.change_user("ann@example.test", quota_bytes=10_000, quota_messages=5)
    ann, ben = world.client("ann"), world.client("ben")
    line = "* QUOTA ann@example.test (STORAGE 1 10 MESSAGE 3 5)"
    assert ann.say('GETQUOTA ""')[0] == line
    assert ann.say("GETQUOTA ann@example.test")[0] == line
    assert ann.say("GETQUOTAROOT not/there/yet") == [
        '* QUOTAROOT "not/there/yet" ann@example.test',
        line,
        "OK GETQUOTAROOT completed.",
    ]
    assert ben.say("GETQUOTAROOT #user/ann@example.test/S")[:2] == [
        '* QUOTAROOT "#user/ann@example.test/S" ann@example.test',
        line,
    ]
    assert ben.say('GETQUOTA ""')[0] == "* QUOTA ben@example.test ()"
    assert ben.say("GETQUOTA ann@example.test")[0].startswith("NO [NONEXISTENT]")
    assert ben.say("GETQUOTAROOT #user/ann@example.test/INBOX")[0].startswith("NO [NONEXISTENT]")


def test_shared_folders_have_none(world: World) -> None:
    world.mailbox("shared", "News", anyone="lr")
    ann = world.client("ann")
    assert ann.say("GETQUOTAROOT #shared/News")[:2] == ['* QUOTAROOT "#shared/News" #shared', "* QUOTA #shared ()"]
    assert world.client("ann", administrator=True).say("SETQUOTA #shared (STORAGE 1)")[0].startswith("NO [CANNOT]")


def test_administrators_set_quotas(world: World) -> None:
    root = world.client("cat", administrator=True)
    assert root.say("SETQUOTA ann@example.test (STORAGE 512 MESSAGE 10)") == [
        "* QUOTA ann@example.test (STORAGE 0 512 MESSAGE 0 10)",
        "OK SETQUOTA completed.",
    ]
    assert root.say("SETQUOTA ann@example.test (STORAGE 600)")[0] == "* QUOTA ann@example.test (STORAGE 0 600)"
    user = world.directory.get_user("ann@example.test")
    assert (user.quota_bytes, user.quota_messages) == (600 * 1024, 0)
    assert root.say("SETQUOTA ann@example.test ()")[0] == "* QUOTA ann@example.test ()"


@pytest.mark.parametrize(
    ("command", "administrator", "answer"),
    [
        ('SETQUOTA "" (STORAGE 1000000)', False, "NO [NOPERM]"),
        ('SETQUOTA "" (MAILBOX 10)', True, "NO [CANNOT]"),
        ("SETQUOTA nobody@example.test (STORAGE 1)", True, "NO [NONEXISTENT]"),
        ('SETQUOTA "" (STORAGE 9223372036854775807)', True, "NO [CANNOT]"),
    ],
)
def test_refusals(world: World, command: str, administrator: bool, answer: str) -> None:
    assert world.client("ann", administrator=administrator).say(command)[0].startswith(answer)


def test_limits_come_down_from_domain_and_site(world: World) -> None:
    world.site_settings.set_setting("limits.default_quota_messages", "100", "test")
    world.directory.forget()
    ann = world.client("ann")
    assert ann.say('GETQUOTA ""')[0] == "* QUOTA ann@example.test (MESSAGE 0 100)"
    world.directory.change_domain("example.test", default_quota_messages=50, default_quota_bytes=1 << 20)
    found: list[tuple[int, int]] = []

    async def ask(session: object) -> None:
        found.append(await quota_of(ann.session, world.id_of("ann")))
        found.append(await quota_of(ann.session, world.id_of("shared")))

    ann.run(ask)
    assert found == [(1 << 20, 50), (0, 0)]
