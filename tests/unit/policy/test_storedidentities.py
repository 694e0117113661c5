"""Who a stored message is from, and what a person says of it when it is moved."""

import pytest
from spam_kit import FakeClock, Names, committing, facts, message, run, settings

from estafeta.directory.settings import SiteSettings
from estafeta.mailboxes.lessons import Lesson
from estafeta.policy.content import Content
from estafeta.policy.experience import names_of
from estafeta.policy.front import write_front
from estafeta.policy.identities import identities_of
from estafeta.policy.judgement import Judgement
from estafeta.policy.storedidentities import stored_identities
from estafeta.policy.strangers import Strangers
from estafeta.storage.database import Database
from estafeta.trust.iprev import ClientName, IprevStatus

HOST = "mx.here.test"


def stored(sender: str = "eve@there.test", author: str = "Eve <eve@there.test>", **proof: str) -> Content:
    """A message as this server stored it, with the field that it wrote."""
    known = facts(sender, content=message(author=author), **proof)  # type: ignore[arg-type]
    known.found["client-name"] = ClientName("mx.there.test", IprevStatus.PASS)
    assert known.content is not None
    front = write_front(Judgement(), known, settings(), HOST).front
    return Content.of(b"Received: x\r\n" + front + known.content.header + b"\r\nHello\r\n")


@pytest.mark.parametrize(
    ("sender", "author", "proof"),
    [
        ("eve@there.test", "Eve <eve@there.test>", {"spf": "there.test"}),
        ("eve@there.test", "Eve <eve@there.test>", {"dkim": "mail.there.test"}),
        ("bounce@lists.test", "Eve <eve@there.test>", {"spf": "lists.test", "dkim": "there.test"}),
        ("eve@there.test", "Bank <x@bank.test>", {"spf": "there.test"}),
        ("", "Eve <eve@there.test>", {"dkim": "there.test"}),
        ("eve@there.test", "Eve <eve@there.test>", {}),
    ],
)
def test_what_was_proven_when_it_came_is_known_later(sender: str, author: str, proof: dict[str, str]) -> None:
    before = identities_of(facts(sender, content=message(author=author), **proof))  # type: ignore[arg-type]
    assert stored_identities(stored(sender, author, **proof), [HOST]) == before


def test_what_this_server_did_not_write_says_nothing() -> None:
    assert stored_identities(message(), [HOST]) is None
    assert stored_identities(stored(spf="there.test"), ["mx.other.test"]) is None
    broken = Content.of(b"Authentication-Results: ((((\r\nAuthentication-Results: ; spf=pass\r\n\r\nx")
    assert stored_identities(broken, [HOST]) is None


def test_moving_a_message_counts_for_who_sent_it_and_can_be_taken_back(database: Database) -> None:
    clock = FakeClock()
    site = SiteSettings(database, clock)
    strangers = Strangers(Names({}), HOST, database, site, committing(database), clock)

    def moved(lesson: Lesson) -> list[tuple[float, float]]:
        strangers.taught(stored(spf="there.test"), lesson)
        strangers.tick()
        clock.now += 61
        names = names_of(identities_of(facts(spf="there.test", content=message())))
        found = run(strangers._experience.rows(names))
        assert [row.name for row in found] == list(names)
        return [(round(row.good), round(row.bad)) for row in found]

    assert moved(Lesson.SPAM) == [(0, 4)] * 3
    assert moved(Lesson.HAM) == [(4, 0)] * 3
    site.set_setting("spam.reputation", "false", "test")
    assert moved(Lesson.SPAM) == [(4, 0)] * 3
